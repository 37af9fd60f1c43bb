// What a VM loses by moves from where it is now.
import { MODEL_COPY_BYTES_PER_SECOND, MODEL_HORIZON_SECONDS } from '../abi';
import { nodeFloatSet } from './capacity';
import { spend } from '../work';
import { currentBytes, setPart, vcpuCurrentSet, vmCurrentCells, vmHasCurrent } from '../problem/current';
import { cpuId, pageShift } from '../problem/host';
import { entryNode, entryPages, nextEntry } from './memory';
import { model, rounded } from '../problem/coefficients';
import { MICRO, cellMemory, vcpuCpu, vcpuNode, vmCells, vmStart, vmVcpus } from '../problem/request';

function repinned(vm: i32): i64 {
  const start = vmStart[vm];
  let count: i64 = 0;
  let node = -1;
  spend(vmVcpus[vm] + vmCells[vm] * vmCurrentCells[vm]);
  let shared: u64 = 0;
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) {
    if (vcpuCpu[vcpu] < 0 && vcpuNode[vcpu] != node) {
      node = vcpuNode[vcpu];
      shared = nodeFloatSet[node];
    }
    const set = vcpuCpu[vcpu] < 0 ? shared : setPart(cpuId[vcpuCpu[vcpu]]);
    if (set != vcpuCurrentSet[vcpu]) count++;
  }
  return count;
}

/** Micro-vCPUs for each vCPU that gets other CPUs than it has. */
const REPIN: i64 = 1000;

/** What it takes to get from where the VM is now to where it is planned. */
export function migration(vm: i32): i64 {
  if (!vmHasCurrent[vm]) return 0;
  const start = vmStart[vm];
  let moved: f64 = 0;
  for (let cell = 0; cell < vmCells[vm]; cell++) {
    for (let entry = cellMemory[start + cell]; entry >= 0; entry = nextEntry[entry]) {
      const bytes = <f64>entryPages[entry] * <f64>(<i64>1 << <i64>pageShift[0]);
      moved += Math.max(0, bytes - currentBytes(vm, cell, entryNode[entry]));
    }
  }
  const seconds = moved / model[MODEL_COPY_BYTES_PER_SECOND];
  const copying = rounded(((<f64>MICRO * seconds) / model[MODEL_HORIZON_SECONDS]) * <f64>vmVcpus[vm]);
  return copying + REPIN * repinned(vm);
}
