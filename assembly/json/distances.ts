// How far nodes are from each other (src/planner/distances.ts): what was measured, else what the firmware says.
import { Host, Matrix, NONE } from './host';

const LOCAL: f64 = 10;
const MAX: f64 = 65_535;
const SMT: f64 = 0.38;

/** A ratio as a distance: no nearer than local memory. */
function tenths(ratio: f64): i32 {
  return <i32>Math.min(MAX, Math.max(LOCAL, Math.floor(10 * ratio + 0.5)));
}

/** The least latency of a node's CPUs to its own memory; NONE: none is known. */
function leastLocal(host: Host): f64 {
  const latencies = host.measures.latencies;
  let least: f64 = NONE;
  if (latencies == null) return least;
  for (let at = 0; at < latencies.length; at++) {
    const own = latencies[at][at];
    if (own != NONE && (least == NONE || own < least)) least = own;
  }
  return least;
}

/** Distances, row = from, in the order of the nodes. */
export function distancesOf(host: Host): i32[][] {
  const count = host.nodes.length;
  const least = leastLocal(host);
  const rows = new Array<i32[]>(count);
  for (let from = 0; from < count; from++) {
    rows[from] = host.distances[from].slice(0);
    const latencies = host.measures.latencies;
    if (latencies == null) continue;
    const row = latencies[from];
    const local = row[from] != NONE ? row[from] : least;
    // Some measured and some not would be out of order.
    let isKnown = local != NONE;
    for (let to = 0; to < count; to++) isKnown = isKnown && (row[to] != NONE || !isTarget(host, to));
    for (let to = 0; to < count && isKnown; to++) if (isTarget(host, to)) rows[from][to] = tenths(row[to] / local);
  }
  return rows;
}

function isTarget(host: Host, node: i32): bool {
  return host.nodes[node].total != 0 && host.nodes[node].allowed;
}

/** Ten times the hops between vCPUs on different nodes; NONE: as far as the distance says. */
export function hopsOf(host: Host): i32[][] {
  const count = host.nodes.length;
  const unit = hopUnit(host);
  const rows = new Array<i32[]>(count);
  for (let from = 0; from < count; from++) {
    rows[from] = new Array<i32>(count).fill(NONE);
    const times: Matrix | null = host.measures.hops;
    if (times == null || unit == NONE) continue;
    for (let to = 0; to < count; to++) {
      const time = times[from][to];
      if (from != to && time != NONE) rows[from][to] = tenths((time - host.measures.hopInLlc) / unit);
    }
  }
  return rows;
}

/** ns of one hop: what leaving the LLC takes beyond staying in it. */
function hopUnit(host: Host): f64 {
  const llc = host.measures.hopInLlc;
  const beyond = host.measures.hopOnNode != NONE ? host.measures.hopOnNode : leastLocal(host);
  return llc == NONE || beyond == NONE || beyond <= llc ? NONE : beyond - llc;
}

/** Bytes a second that the memory of the node at this place gives; NONE: not known. */
export function bandwidthOf(host: Host, at: i32): f64 {
  const rows = host.measures.bandwidths;
  let most: f64 = NONE;
  for (let from = 0; rows != null && from < rows.length; from++) most = Math.max(most, rows[from][at]);
  return most == NONE ? host.nodes[at].bandwidth : most;
}

/** Lost vCPUs per busy SMT sibling, where the request does not say. */
export function smtOf(host: Host): f64 {
  return host.measures.smt == NONE ? SMT : Math.max(0, 1 - host.measures.smt / 2);
}
