// A host as `homenode topo --json` prints it (src/topology/hostfile.ts).
import { SAFE, beginCheck, endCheck, enter, enterAt, flag, integer, isObject, issue, leave, listOf, oneOf, onlyFields, anyNumber, versionOne } from './check';
import { MAX_ID } from './cpulist';
import { numberText } from './decimal';
import { fail, failed } from './failure';
import { Host, HostCpu, HostNode, Limit, Matrix, Measures, NONE, Pool, pageSizesOf } from './host';
import { show } from './show';
import { NULL, TEXT, Value } from './value';

const LOCAL: i32 = 10;
const REMOTE: i32 = 20;
const MAX_DISTANCE: i32 = 65_535;

const HOST_FIELDS: StaticArray<string> = ['schemaVersion', 'kind', 'nodes', 'limits', 'distances', 'latencies', 'bandwidths', 'hops', 'smt', 'spread', 'cpus'];
const MEASURES: StaticArray<string> = ['latencies', 'bandwidths', 'hops', 'smt'];
const HOP_FIELDS: StaticArray<string> = ['core', 'llc', 'node', 'nodes'];
const NODE_FIELDS: StaticArray<string> = ['id', 'memory', 'pages', 'allowed', 'bandwidth'];
const MEMORY_FIELDS: StaticArray<string> = ['total', 'free', 'reclaimable'];
const POOL_FIELDS: StaticArray<string> = ['size', 'total', 'free'];
const LIMIT_FIELDS: StaticArray<string> = ['size', 'pages', 'cause'];
const CPU_FIELDS: StaticArray<string> = ['id', 'node', 'package', 'llc', 'core', 'thread', 'online', 'allowed', 'isolated', 'capacity'];
const KINDS: StaticArray<string> = ['Host'];

/** The host of a value, checked field by field and as a whole. Look at `failed` before it is used. */
export function readHost(value: Value): Host {
  beginCheck();
  const host = new Host();
  const rows = readFields(host, value);
  endCheck();
  if (!failed) checkNodes(host);
  if (!failed) checkLimits(host);
  if (!failed) checkCpus(host);
  if (!failed) completeDistances(host, rows);
  if (!failed) checkMeasures(host.measures, host.nodes.length, '');
  if (!failed) checkMeasures(host.spread, host.nodes.length, 'spread.');
  if (!failed) renumber(host);
  return host;
}

/** The matrix as it stands in the file; -1 for null. */
function readFields(host: Host, value: Value): f64[][] | null {
  if (!isObject(value)) return null;
  enter('schemaVersion');
  versionOne(value.at('schemaVersion'));
  leave();
  enter('kind');
  oneOf(value.at('kind'), KINDS);
  leave();
  enter('nodes');
  const nodes = listOf(value.at('nodes'), 1, i32.MAX_VALUE);
  for (let at = 0; at < nodes.length; at++) {
    enterAt(at);
    host.nodes.push(readNode(nodes[at]));
    leave();
  }
  leave();
  const limits = value.at('limits');
  if (limits != null) readLimits(host, limits);
  const distances = value.at('distances');
  let rows: f64[][] | null = null;
  if (distances != null) rows = readDistances(distances);
  readMeasures(host.measures, value, false);
  const spread = value.at('spread');
  if (spread != null) {
    enter('spread');
    if (isObject(spread)) {
      readMeasures(host.spread, spread, true);
      onlyFields(spread, MEASURES);
    }
    leave();
  }
  enter('cpus');
  const cpus = listOf(value.at('cpus'), 1, i32.MAX_VALUE);
  for (let at = 0; at < cpus.length; at++) {
    enterAt(at);
    host.cpus.push(readCpu(cpus[at]));
    leave();
  }
  leave();
  onlyFields(value, HOST_FIELDS);
  return rows;
}

function number(value: Value, name: string, least: f64, most: f64, isNullable: bool): f64 {
  enter(name);
  const found = integer(value.at(name), least, most, isNullable);
  leave();
  return found;
}

function truth(value: Value, name: string): bool {
  enter(name);
  const found = flag(value.at(name));
  leave();
  return found;
}

function readNode(value: Value): HostNode {
  const node = new HostNode();
  if (!isObject(value)) return node;
  node.id = <i32>number(value, 'id', 0, MAX_ID, false);
  enter('memory');
  const memory = value.at('memory');
  if (isObject(memory)) {
    node.total = number(memory!, 'total', 0, SAFE, true);
    node.free = number(memory!, 'free', 0, SAFE, true);
    if (memory!.at('reclaimable') != null) node.reclaimable = number(memory!, 'reclaimable', 0, SAFE, false);
    onlyFields(memory!, MEMORY_FIELDS);
  }
  leave();
  enter('pages');
  const pages = listOf(value.at('pages'), 1, i32.MAX_VALUE);
  for (let at = 0; at < pages.length; at++) {
    enterAt(at);
    const pool = new Pool();
    if (isObject(pages[at])) {
      pool.size = pageSize(pages[at]);
      pool.total = number(pages[at], 'total', 0, SAFE, true);
      pool.free = number(pages[at], 'free', 0, SAFE, true);
      onlyFields(pages[at], POOL_FIELDS);
    }
    node.pages.push(pool);
    leave();
  }
  leave();
  if (value.at('allowed') != null) node.allowed = truth(value, 'allowed');
  const bandwidth = value.at('bandwidth');
  if (bandwidth != null) {
    enter('bandwidth');
    if (!anyNumber(bandwidth)) issue('a number', show(bandwidth));
    else if (bandwidth.number <= 0) issue('more than 0', show(bandwidth));
    else if (bandwidth.number > SAFE) issue('at most ' + numberText(SAFE), show(bandwidth));
    else node.bandwidth = bandwidth.number;
    leave();
  }
  onlyFields(value, NODE_FIELDS);
  return node;
}

function pageSize(value: Value): f64 {
  enter('size');
  const size = integer(value.at('size'), 1024, SAFE, false);
  if (!isPowerOfTwo(size)) issue('a power of two', show(value.at('size')));
  leave();
  return size;
}

export function isPowerOfTwo(size: f64): bool {
  return size >= 1 && size <= SAFE && size == Math.floor(size) && (<u64>size & (<u64>size - 1)) == 0;
}

function readLimits(host: Host, value: Value): void {
  enter('limits');
  const limits = listOf(value, 0, i32.MAX_VALUE);
  for (let at = 0; at < limits.length; at++) {
    enterAt(at);
    const limit = new Limit();
    if (isObject(limits[at])) {
      limit.size = pageSize(limits[at]);
      limit.pages = number(limits[at], 'pages', 0, SAFE, false);
      enter('cause');
      limit.cause = cause(limits[at].at('cause'));
      leave();
      onlyFields(limits[at], LIMIT_FIELDS);
    }
    host.limits.push(limit);
    leave();
  }
  leave();
}

function cause(value: Value | null): string {
  if (value == null || value.kind != TEXT) {
    issue('a string', show(value));
    return '';
  }
  const text = value.text;
  if (text.length == 0) issue('at least 1 character', show(value));
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x20 || (unit >= 0x7f && unit <= 0x9f)) issue('a text without control characters', show(value));
  }
  return text;
}

function readDistances(value: Value): f64[][] {
  enter('distances');
  const rows: f64[][] = [];
  const lists = listOf(value, 0, i32.MAX_VALUE);
  for (let from = 0; from < lists.length; from++) {
    enterAt(from);
    const row: f64[] = [];
    const columns = listOf(lists[from], 0, i32.MAX_VALUE);
    for (let to = 0; to < columns.length; to++) {
      enterAt(to);
      row.push(integer(columns[to], LOCAL, MAX_DISTANCE, true));
      leave();
    }
    rows.push(row);
    leave();
  }
  leave();
  return rows;
}

/** A measure is above 0, a spread may be 0. */
function figure(value: Value | null, isSpread: bool): f64 {
  if (value != null && value.kind == NULL) return NONE;
  if (!anyNumber(value)) issue('a number', show(value));
  else if (!isSpread && value!.number <= 0) issue('more than 0', show(value));
  else if (isSpread && value!.number < 0) issue('at least 0', show(value));
  else if (value!.number > SAFE) issue('at most ' + numberText(SAFE), show(value));
  else return value!.number;
  return NONE;
}

function readFigure(value: Value, name: string, isSpread: bool): f64 {
  enter(name);
  const found = figure(value.at(name), isSpread);
  leave();
  return found;
}

function readMatrix(value: Value, name: string, isSpread: bool): Matrix {
  enter(name);
  const rows: Matrix = [];
  const lists = listOf(value.at(name), 0, i32.MAX_VALUE);
  for (let from = 0; from < lists.length; from++) {
    enterAt(from);
    const row: f64[] = [];
    const columns = listOf(lists[from], 0, i32.MAX_VALUE);
    for (let to = 0; to < columns.length; to++) {
      enterAt(to);
      row.push(figure(columns[to], isSpread));
      leave();
    }
    rows.push(row);
    leave();
  }
  leave();
  return rows;
}

function readMeasures(into: Measures, value: Value, isSpread: bool): void {
  if (value.at('latencies') != null) into.latencies = readMatrix(value, 'latencies', isSpread);
  if (value.at('bandwidths') != null) into.bandwidths = readMatrix(value, 'bandwidths', isSpread);
  const hops = value.at('hops');
  if (hops != null) {
    enter('hops');
    if (isObject(hops)) {
      readFigure(hops, 'core', isSpread);
      into.hopInLlc = readFigure(hops, 'llc', isSpread);
      into.hopOnNode = readFigure(hops, 'node', isSpread);
      into.hops = readMatrix(hops, 'nodes', isSpread);
      onlyFields(hops, HOP_FIELDS);
    }
    leave();
  }
  if (value.at('smt') != null) into.smt = readFigure(value, 'smt', isSpread);
}

function checkMeasures(measures: Measures, nodes: i32, where: string): void {
  checkMatrix(measures.latencies, nodes, where + 'latencies');
  checkMatrix(measures.bandwidths, nodes, where + 'bandwidths');
  checkMatrix(measures.hops, nodes, where + 'hops.nodes');
}

function checkMatrix(rows: Matrix | null, nodes: i32, where: string): void {
  if (rows == null || failed) return;
  const expected = nodes.toString() + ', one for each node';
  if (rows.length != nodes) fail(where, 'rows: ' + expected, rows.length.toString());
  for (let from = 0; from < rows.length && !failed; from++) {
    if (rows[from].length != nodes) fail(place(where, from, ''), 'columns: ' + expected, rows[from].length.toString());
  }
}

function readCpu(value: Value): HostCpu {
  const cpu = new HostCpu();
  if (!isObject(value)) return cpu;
  cpu.id = <i32>number(value, 'id', 0, MAX_ID, false);
  cpu.node = <i32>number(value, 'node', 0, MAX_ID, true);
  cpu.package = number(value, 'package', 0, SAFE, true);
  cpu.llc = number(value, 'llc', 0, SAFE, true);
  cpu.core = number(value, 'core', 0, SAFE, true);
  cpu.thread = number(value, 'thread', 0, SAFE, true);
  cpu.online = truth(value, 'online');
  cpu.allowed = truth(value, 'allowed');
  cpu.isolated = truth(value, 'isolated');
  cpu.capacity = <i32>number(value, 'capacity', 1, 1024, true);
  onlyFields(value, CPU_FIELDS);
  return cpu;
}

function place(list: string, at: i32, field: string): string {
  return list + '[' + at.toString() + ']' + field;
}

function checkNodes(host: Host): void {
  for (let at = 1; at < host.nodes.length; at++) checkAscends(host.nodes[at - 1].id, host.nodes[at].id, place('nodes', at, '.id'));
  for (let at = 0; at < host.nodes.length && !failed; at++) {
    const node = host.nodes[at];
    const where = place('nodes', at, '');
    checkFree(node.total, node.free, where + '.memory');
    const used = node.total - node.free;
    if (node.total != NONE && node.free != NONE && node.reclaimable > used) {
      fail(where + '.memory.reclaimable', 'at most what is not free, ' + numberText(used), numberText(node.reclaimable));
    }
    const sizes: f64[] = [];
    for (let pool = 0; pool < node.pages.length; pool++) sizes.push(node.pages[pool].size);
    checkSizes(sizes, where + '.pages');
    for (let pool = 0; pool < node.pages.length; pool++) {
      checkFree(node.pages[pool].total, node.pages[pool].free, place(where + '.pages', pool, ''));
    }
  }
}

function checkAscends(before: i32, id: i32, where: string): void {
  if (id <= before) fail(where, 'more than ' + before.toString() + ': ids ascend and differ', id.toString());
}

function checkFree(total: f64, free: f64, where: string): void {
  if (total != NONE && free != NONE && free > total) fail(where + '.free', 'at most the total, ' + numberText(total), numberText(free));
}

function checkSizes(sizes: f64[], where: string): void {
  for (let at = 1; at < sizes.length; at++) {
    if (sizes[at] > sizes[at - 1]) continue;
    fail(place(where, at, '.size'), 'more than ' + numberText(sizes[at - 1]) + ': pages ascend by size', numberText(sizes[at]));
  }
}

function checkLimits(host: Host): void {
  const sizes: f64[] = [];
  for (let at = 0; at < host.limits.length; at++) sizes.push(host.limits[at].size);
  checkSizes(sizes, 'limits');
  const known = pageSizesOf(host);
  for (let at = 0; at < sizes.length; at++) {
    if (known.includes(sizes[at])) continue;
    let list = '';
    for (let size = 0; size < known.length; size++) list += (size > 0 ? ', ' : '') + numberText(known[size]);
    fail(place('limits', at, '.size'), "a size of the nodes' pages: " + list, numberText(sizes[at]));
  }
}

function checkCpus(host: Host): void {
  const cpus = host.cpus;
  for (let at = 1; at < cpus.length; at++) checkAscends(cpus[at - 1].id, cpus[at].id, place('cpus', at, '.id'));
  if (failed) return;
  const firstOfCore = new Map<f64, HostCpu>();
  const threads = new Set<string>();
  for (let at = 0; at < cpus.length && !failed; at++) {
    const cpu = cpus[at];
    const where = place('cpus', at, '.');
    if (cpu.node != NONE && host.nodeAt(cpu.node) < 0) {
      fail(where + 'node', 'one of the nodes ' + idList(host.nodeIds()), cpu.node.toString());
    }
    if (!cpu.online) continue;
    const known = 'a number, as the CPU is online';
    if (cpu.llc == NONE) fail(where + 'llc', known, 'null');
    if (cpu.core == NONE) fail(where + 'core', known, 'null');
    if (cpu.thread == NONE) fail(where + 'thread', known, 'null');
    if (cpu.capacity == NONE) fail(where + 'capacity', known, 'null');
    if (failed) return;
    const first = firstOfCore.has(cpu.core) ? firstOfCore.get(cpu.core) : cpu;
    firstOfCore.set(cpu.core, first);
    if (cpu.node != first.node) {
      const its = first.node == NONE ? 'null' : first.node.toString();
      fail(where + 'node', its + ', the node of CPU ' + first.id.toString() + ' on the same core', cpu.node == NONE ? 'null' : cpu.node.toString());
    }
    const thread = numberText(cpu.core) + '/' + numberText(cpu.thread);
    if (threads.has(thread)) fail(where + 'thread', 'another number than the siblings on core ' + numberText(cpu.core), numberText(cpu.thread));
    threads.add(thread);
  }
}

function idList(ids: i32[]): string {
  return ids.join(', ');
}

function completeDistances(host: Host, rows: f64[][] | null): void {
  const count = host.nodes.length;
  checkMatrix(rows, count, 'distances');
  if (failed) return;
  for (let from = 0; from < count; from++) {
    const distances = new Array<i32>(count);
    for (let to = 0; to < count; to++) {
      const given = rows == null ? <f64>NONE : rows[from][to];
      distances[to] = given != NONE ? <i32>given : from == to ? LOCAL : REMOTE;
    }
    host.distances.push(distances);
  }
}

/** LLCs and cores are numbered anew from 0 by their lowest online CPU. */
function renumber(host: Host): void {
  const llcs = new Map<f64, i32>();
  const cores = new Map<f64, i32>();
  for (let at = 0; at < host.cpus.length; at++) {
    const cpu = host.cpus[at];
    if (!cpu.online) continue;
    if (!llcs.has(cpu.llc)) llcs.set(cpu.llc, llcs.size);
    if (!cores.has(cpu.core)) cores.set(cpu.core, cores.size);
    cpu.llc = llcs.get(cpu.llc);
    cpu.core = cores.get(cpu.core);
  }
}
