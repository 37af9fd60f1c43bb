// A request file: the format, field by field, with its defaults (src/request/schema.ts). What holds between fields is in rules.ts.
import { MAX_EXPECTED, MAX_VCPUS, MAX_VMS, MAX_VM_VCPUS } from '../abi';
import { SAFE, adopt, anyNumber, apart, beginCheck, between, endCheck, enter, enterAt, flag, integer, isObject, issue, leave, listOf, oneOf, onlyFields, positive, settle, versionOne, wholeFrom } from './check';
import { MAX_ID, listExpected, listFailed, listGot, parseCpulist } from './cpulist';
import { failed, fail } from './failure';
import { bandwidth, cpulistText, guestMemory, hostCpus, isAllBut, isOnly, name, nodeList, pageSize, size } from './fields';
import { COUNTED, CPU_POLICIES, Device, ExpectedVm, GIVEN, MEMORY_POLICIES, Request, RequestCell, RequestVm, THREAD_POLICIES } from './request';
import { readCurrent } from './placement-format';
import { checkExpected, checkRange, checkTogether } from './rules';
import { show } from './show';
import { LIST, Value } from './value';

const MAX_LINKS: i32 = 16_384;
const MAX_TRAFFIC: f64 = 1e12;

const REQUEST_FIELDS: StaticArray<string> = ['schemaVersion', 'kind', 'reserve', 'freeMemoryOnly', 'deviceNodes', 'overcommit', 'strategy', 'model', 'expect', 'vms'];
const RESERVE_FIELDS: StaticArray<string> = ['cpus', 'memory', 'nodes'];
const MODEL_FIELDS: StaticArray<string> = ['home', 'communication', 'smt', 'cells', 'device', 'copyBytesPerSecond', 'horizonSeconds'];
/** By MODEL_ number: the least and the most of each. */
const MODEL_LEAST: StaticArray<f64> = [0, 0, 0, 0, 0, 1, 1];
const MODEL_MOST: StaticArray<f64> = [1, 10, 10, 10, 10, 9007199254740991, 1e9];
const VM_FIELDS: StaticArray<string> = [
  'name', 'vcpus', 'memory', 'cells', 'span', 'cpuPolicy', 'dedicatedVcpus', 'threadPolicy', 'memoryPolicy', 'pageSize', 'demand', 'memoryNodes',
  'avoidDeviceNodes', 'devices', 'trust', 'separateFrom', 'near', 'emulator', 'iothreads', 'weight', 'traffic', 'memoryBound', 'bandwidth', 'current',
];
const EXPECTED_FIELDS: StaticArray<string> = ['vcpus', 'memory', 'share'];
const CELL_FIELDS: StaticArray<string> = ['vcpus', 'memory'];
const DEVICE_FIELDS: StaticArray<string> = ['node', 'strict'];
const KINDS: StaticArray<string> = ['Request'];
const STRATEGIES: StaticArray<string> = ['pack', 'spread'];
const EMULATORS: StaticArray<string> = ['housekeeping', 'dedicated'];

/** The request of a value, complete. Look at `failed` before it is used. */
export function readRequest(value: Value): Request {
  const request = new Request();
  const given = value.at('vms');
  if (given != null && given.kind == LIST && given.items.length > MAX_VMS) {
    fail('vms', 'at most ' + MAX_VMS.toString() + ' elements', show(given));
    return request;
  }
  beginCheck();
  readFields(request, value);
  endCheck();
  if (failed) return request;
  let total: f64 = 0;
  for (let at = 0; at < request.vms.length; at++) total += request.vms[at].vcpus;
  if (total > MAX_VCPUS) fail('vms', 'at most ' + MAX_VCPUS.toString() + ' vCPUs in all', (<i32>total).toString());
  if (!failed) checkExpected(request.expect);
  for (let at = 0; at < request.vms.length && !failed; at++) readVcpuSets(request.vms[at], 'vms[' + at.toString() + '].');
  if (!failed) checkTogether(request);
  return request;
}

function readFields(request: Request, value: Value): void {
  if (!isObject(value)) return;
  const version = value.at('schemaVersion');
  if (version != null) {
    enter('schemaVersion');
    versionOne(version);
    leave();
  }
  const kind = value.at('kind');
  if (kind != null) {
    enter('kind');
    oneOf(kind, KINDS);
    leave();
  }
  const reserve = value.at('reserve');
  if (reserve != null) {
    enter('reserve');
    readReserve(request, reserve);
    leave();
  }
  request.freeMemoryOnly = truth(value, 'freeMemoryOnly', false);
  const devices = value.at('deviceNodes');
  if (devices != null) {
    enter('deviceNodes');
    request.deviceNodes = nodeList(devices, true);
    leave();
  }
  request.overcommit = above(value, 'overcommit', 1000, 4);
  request.spreads = word(value, 'strategy', STRATEGIES) == 1;
  const model = value.at('model');
  if (model != null) {
    enter('model');
    readModel(request, model);
    leave();
  }
  readExpected(request, value.at('expect'));
  enter('vms');
  const vms = listOf(value.at('vms'), 1, MAX_VMS);
  for (let at = 0; at < vms.length; at++) {
    enterAt(at);
    request.vms.push(readVm(vms[at], request.deviceNodes));
    leave();
  }
  leave();
  onlyFields(value, REQUEST_FIELDS);
}

function truth(value: Value, field: string, fallback: bool): bool {
  const given = value.at(field);
  if (given == null) return fallback;
  enter(field);
  const found = flag(given);
  leave();
  return found;
}

function above(value: Value, field: string, most: f64, fallback: f64): f64 {
  const given = value.at(field);
  if (given == null) return fallback;
  enter(field);
  const found = positive(given, most);
  leave();
  return found;
}

function word(value: Value, field: string, words: StaticArray<string>): i32 {
  const given = value.at(field);
  if (given == null) return 0;
  enter(field);
  const found = oneOf(given, words);
  leave();
  return found;
}

function readReserve(request: Request, value: Value): void {
  if (!isObject(value)) return;
  const cpus = value.at('cpus');
  if (cpus != null) {
    enter('cpus');
    request.reserveCpus = hostCpus(cpus);
    request.reserveAllBut = isAllBut;
    leave();
  }
  const memory = value.at('memory');
  if (memory != null) {
    enter('memory');
    request.reserveMemory = size(memory);
    leave();
  }
  const nodes = value.at('nodes');
  if (nodes != null) {
    enter('nodes');
    request.reserveNodes = nodeList(nodes, true);
    leave();
  }
  onlyFields(value, RESERVE_FIELDS);
}

function readModel(request: Request, value: Value): void {
  if (!isObject(value)) return;
  for (let which = 0; which < MODEL_FIELDS.length; which++) {
    const given = value.at(MODEL_FIELDS[which]);
    if (given == null) continue;
    enter(MODEL_FIELDS[which]);
    request.model[which] = between(given, MODEL_LEAST[which], MODEL_MOST[which]);
    leave();
  }
  onlyFields(value, MODEL_FIELDS);
}

function readExpected(request: Request, value: Value | null): void {
  if (value == null) return;
  enter('expect');
  const expected = listOf(value, 0, MAX_EXPECTED);
  for (let at = 0; at < expected.length; at++) {
    enterAt(at);
    const size = new ExpectedVm();
    if (isObject(expected[at])) {
      enter('vcpus');
      size.vcpus = <i32>wholeFrom(expected[at].at('vcpus'), 1, MAX_VM_VCPUS);
      leave();
      enter('memory');
      size.memory = guestMemory(expected[at].at('memory'));
      leave();
      size.share = above(expected[at], 'share', 1000, 1);
      onlyFields(expected[at], EXPECTED_FIELDS);
    }
    request.expect.push(size);
    leave();
  }
  leave();
}

function readVm(value: Value, deviceNodes: i32[]): RequestVm {
  const vm = new RequestVm();
  if (!isObject(value)) return vm;
  enter('name');
  vm.name = name(value.at('name'));
  leave();
  enter('vcpus');
  vm.vcpus = <i32>wholeFrom(value.at('vcpus'), 1, MAX_VM_VCPUS);
  leave();
  enter('memory');
  vm.memory = guestMemory(value.at('memory'));
  leave();
  const cells = value.at('cells');
  if (cells != null) {
    enter('cells');
    readCells(vm, cells);
    leave();
  }
  vm.span = truth(value, 'span', false);
  vm.cpuPolicy = word(value, 'cpuPolicy', CPU_POLICIES);
  const dedicated = value.at('dedicatedVcpus');
  if (dedicated != null) {
    enter('dedicatedVcpus');
    vm.dedicatedText = cpulistText(dedicated);
    leave();
  }
  vm.threadPolicy = word(value, 'threadPolicy', THREAD_POLICIES);
  vm.memoryPolicy = word(value, 'memoryPolicy', MEMORY_POLICIES);
  const pages = value.at('pageSize');
  if (pages != null) {
    enter('pageSize');
    vm.pageSize = pageSize(pages);
    leave();
  }
  vm.demand = above(value, 'demand', 1, 1);
  const nodes = value.at('memoryNodes');
  if (nodes != null) {
    enter('memoryNodes');
    vm.memoryNodes = nodeList(nodes, false);
    leave();
  }
  vm.avoidGiven = value.at('avoidDeviceNodes') != null;
  vm.avoidDeviceNodes = truth(value, 'avoidDeviceNodes', false);
  readDevices(vm, value.at('devices'));
  const trust = value.at('trust');
  if (trust != null) {
    enter('trust');
    vm.trust = name(trust);
    leave();
  }
  vm.separateFrom = namesOf(value, 'separateFrom');
  vm.near = namesOf(value, 'near');
  vm.hasThreads = word(value, 'emulator', EMULATORS) == 1;
  const iothreads = value.at('iothreads');
  if (iothreads != null) {
    enter('iothreads');
    vm.iothreads = <i32>wholeFrom(iothreads, 0, 64);
    leave();
  }
  vm.weight = above(value, 'weight', 1000, 1);
  const traffic = value.at('traffic');
  if (traffic != null) {
    enter('traffic');
    readTraffic(vm, traffic);
    leave();
  }
  const bound = value.at('memoryBound');
  if (bound != null) {
    enter('memoryBound');
    vm.memoryBound = between(bound, 0, 1);
    leave();
  }
  const rate = value.at('bandwidth');
  if (rate != null) {
    enter('bandwidth');
    vm.bandwidth = bandwidth(rate);
    leave();
  }
  const current = value.at('current');
  if (current != null) {
    enter('current');
    vm.current = readCurrent(current);
    leave();
  }
  onlyFields(value, VM_FIELDS);
  // By default where it has none itself.
  if (!vm.avoidGiven) vm.avoidDeviceNodes = deviceNodes.length > 0 && vm.devices.length == 0;
  return vm;
}

function readCells(vm: RequestVm, value: Value): void {
  if (isOnly(value, 'auto')) return;
  if (anyNumber(value)) {
    vm.cellsKind = COUNTED;
    const number = value.number;
    if (number != Math.floor(number)) issue('"auto", a whole number or an array', show(value));
    else vm.cellCount = integer(value, -SAFE, SAFE, false);
    return;
  }
  if (value.kind != LIST) {
    issue('"auto", a number or an array', show(value));
    return;
  }
  vm.cellsKind = GIVEN;
  const before = apart();
  const cells = listOf(value, 1, MAX_VM_VCPUS);
  for (let at = 0; at < cells.length; at++) {
    enterAt(at);
    const cell = new RequestCell();
    if (isObject(cells[at])) {
      enter('vcpus');
      cell.vcpusText = cpulistText(cells[at].at('vcpus'));
      leave();
      enter('memory');
      cell.memory = guestMemory(cells[at].at('memory'));
      leave();
      onlyFields(cells[at], CELL_FIELDS);
    }
    vm.cells.push(cell);
    leave();
  }
  const meant = settle(before).meant();
  if (meant != null) adopt(meant);
}

function readDevices(vm: RequestVm, value: Value | null): void {
  if (value == null) return;
  enter('devices');
  const devices = listOf(value, 0, MAX_LINKS);
  for (let at = 0; at < devices.length; at++) {
    enterAt(at);
    if (isObject(devices[at])) {
      enter('node');
      const node = <i32>wholeFrom(devices[at].at('node'), 0, MAX_ID);
      leave();
      vm.devices.push(new Device(node, truth(devices[at], 'strict', true)));
      onlyFields(devices[at], DEVICE_FIELDS);
    }
    leave();
  }
  leave();
}

function namesOf(value: Value, field: string): string[] {
  const names: string[] = [];
  const given = value.at(field);
  if (given == null) return names;
  enter(field);
  const list = listOf(given, 0, MAX_LINKS);
  for (let at = 0; at < list.length; at++) {
    enterAt(at);
    names.push(name(list[at]));
    leave();
  }
  leave();
  return names;
}

function readTraffic(vm: RequestVm, value: Value): void {
  if (isOnly(value, 'uniform')) return;
  if (value.kind != LIST) {
    issue('"uniform" or an array', show(value));
    return;
  }
  const matrix: f64[][] = [];
  const rows = listOf(value, 0, MAX_VM_VCPUS);
  for (let from = 0; from < rows.length; from++) {
    enterAt(from);
    const columns = listOf(rows[from], 0, MAX_VM_VCPUS);
    const row = new Array<f64>(columns.length);
    for (let to = 0; to < columns.length; to++) {
      enterAt(to);
      row[to] = between(columns[to], 0, MAX_TRAFFIC);
      leave();
    }
    matrix.push(row);
    leave();
  }
  vm.traffic = matrix;
}

/** The sets of vCPUs in a VM, once its number of vCPUs is known: that is what `all` stands for (src/request/vcpu-sets.ts). */
function readVcpuSets(vm: RequestVm, where: string): void {
  const all = new Array<i32>(vm.vcpus);
  for (let at = 0; at < vm.vcpus; at++) all[at] = at;
  let count = 0;
  for (let at = 0; at < vm.cells.length && count <= vm.vcpus && !failed; at++) {
    vm.cells[at].vcpus = readSet(vm, vm.cells[at].vcpusText, all, where + 'cells[' + at.toString() + '].vcpus');
    count += vm.cells[at].vcpus.length;
  }
  const dedicated = vm.dedicatedText;
  if (dedicated != null && !failed) vm.dedicatedVcpus = readSet(vm, dedicated, all, where + 'dedicatedVcpus');
}

function readSet(vm: RequestVm, text: string, all: i32[], where: string): i32[] {
  const ids = parseCpulist(text, all, false, 0);
  if (listFailed) fail(where, listExpected, listGot);
  else checkRange(ids, vm.vcpus, where);
  return ids;
}
