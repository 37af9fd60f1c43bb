// What a VM loses by traffic between its vCPUs.
import { Flat } from '../flat';
import { MAX_CPUS, MAX_VM_VCPUS, MODEL_COMMUNICATION } from '../abi';
import { cpuLlc, hopBetween, nodeLlcs } from '../problem/host';
import { model, rounded } from '../problem/coefficients';
import { MICRO, vcpuCpu, vcpuNode, vcpuShared, vmSharedDemand, vmStart, vmVcpus, vmWeight } from '../problem/request';
import { traffic, trafficRow, vmTraffic } from '../problem/traffic';
import { spend } from '../work';

/** Ten times the hops of all ordered pairs of vCPUs, each weighted by the demand of its first, as a price. */
export function communicationPrice(vm: i32, hops: f64): i64 {
  const vcpus = vmVcpus[vm];
  if (vcpus < 2) return 0;
  const price = (vmWeight[vm] * model[MODEL_COMMUNICATION] * hops) / 10;
  return rounded(vmTraffic[vm] < 0 ? price / <f64>(vcpus - 1) : price);
}

// Groups of a VM's vCPUs that have the same hops to others: the vCPUs on one LLC of a node, or the shared vCPUs on a node.
const groupNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
const groupLlc = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
const groupSize = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_CPUS, 8));
const groupDemand = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_CPUS, 8));
let groups: i32 = 0;

function enterGroup(node: i32, llc: i32, demand: i64): void {
  let group = groups - 1;
  while (group >= 0 && (groupNode[group] != node || groupLlc[group] != llc)) group--;
  if (group < 0) {
    group = groups++;
    groupNode[group] = node;
    groupLlc[group] = llc;
    groupSize[group] = 0;
    groupDemand[group] = 0;
  }
  groupSize[group]++;
  groupDemand[group] += demand;
}

/** Ten times the hop between two vCPUs on one node of which at least one is shared. */
export function sharedHop(node: i32): i64 {
  return nodeLlcs[node] == 1 ? 0 : 10;
}

/** Ten times the hop between vCPUs on a node and an LLC (-1: shared). */
function tenHops(nodeA: i32, llcA: i32, nodeB: i32, llcB: i32): i64 {
  if (llcA >= 0 && llcA == llcB) return 0;
  if (nodeA != nodeB) return <i64>hopBetween(nodeA, nodeB);
  return llcA < 0 || llcB < 0 ? sharedHop(nodeA) : 10;
}

function llcOf(vcpu: i32): i32 {
  return vcpuCpu[vcpu] < 0 ? -1 : cpuLlc[vcpuCpu[vcpu]];
}

function uniformHops(vm: i32): i64 {
  const start = vmStart[vm];
  groups = 0;
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) {
    enterGroup(vcpuNode[vcpu], llcOf(vcpu), vcpuShared[vcpu] ? vmSharedDemand[vm] : MICRO);
  }
  spend(2 * vmVcpus[vm] + 2 * groups * groups);
  let hops: i64 = 0;
  for (let a = 0; a < groups; a++) {
    for (let b = 0; b < groups; b++) {
      const peers = a == b ? groupSize[a] - 1 : groupSize[b];
      hops += groupDemand[a] * peers * tenHops(groupNode[a], groupLlc[a], groupNode[b], groupLlc[b]);
    }
  }
  return hops;
}

/** All that each vCPU of one VM sends. */
const rows = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_VM_VCPUS, 8));

/** Sums the rows that trafficShare divides by: those of this VM from now on. */
export function prepareShares(vm: i32): void {
  for (let from = 0; from < vmVcpus[vm]; from++) rows[from] = trafficRow(vm, from);
}

/** Demand x share of traffic that goes from one vCPU of the VM to another. */
function trafficSent(vm: i32, from: i32, to: i32): f64 {
  const amount = traffic(vm, from, to);
  if (amount == 0) return 0;
  return (<f64>(vcpuShared[vmStart[vm] + from] ? vmSharedDemand[vm] : MICRO) * amount) / rows[from];
}

/** Demand x ten times the hops of one vCPU, weighted by its share of traffic with each peer. */
function weightedHopsOf(vm: i32, from: i32): f64 {
  const start = vmStart[vm];
  const node = vcpuNode[start + from];
  const llc = llcOf(start + from);
  let sent: f64 = 0;
  let far: f64 = 0;
  for (let to = 0; to < vmVcpus[vm]; to++) {
    if (to == from) continue;
    const amount = traffic(vm, from, to);
    sent += amount;
    if (amount != 0) far += amount * <f64>tenHops(node, llc, vcpuNode[start + to], llcOf(start + to));
  }
  if (sent == 0) return 0;
  return (<f64>(vcpuShared[start + from] ? vmSharedDemand[vm] : MICRO) * far) / sent;
}

/** Ten times the hop between two seated vCPUs, by entry. */
export function tenHopsBetween(a: i32, b: i32): i64 {
  return tenHops(vcpuNode[a], llcOf(a), vcpuNode[b], llcOf(b));
}

/** What a hop between two vCPUs of the VM counts, both ways. */
export function trafficShare(vm: i32, a: i32, b: i32): f64 {
  return trafficSent(vm, a, b) + trafficSent(vm, b, a);
}

export function communication(vm: i32): i64 {
  if (vmVcpus[vm] < 2) return 0;
  if (vmTraffic[vm] < 0) return communicationPrice(vm, <f64>uniformHops(vm));
  spend(2 * vmVcpus[vm] * vmVcpus[vm]);
  let hops: f64 = 0;
  for (let from = 0; from < vmVcpus[vm]; from++) hops += weightedHopsOf(vm, from);
  return communicationPrice(vm, hops);
}
