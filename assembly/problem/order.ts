// The order in which VMs are placed.
import { MEMORY_PREFERRED } from '../abi';
import { vmHasCurrent } from './current';
import { hasShared, vmMemory, vmPages, vmVcpus, vmWeight } from './request';

/**
 * Whether VM `a` is placed before `b`: more weight, somewhere already, dedicated, more vCPUs, memory that may not spill, more of that, lower handle.
 * Memory that may spill finds room as long as CPUs and memory are used up together: small and large VMs in turn do that.
 */
export function comesBefore(a: i32, b: i32): bool {
  if (vmWeight[a] != vmWeight[b]) return vmWeight[a] > vmWeight[b];
  if (vmHasCurrent[a] != vmHasCurrent[b]) return vmHasCurrent[a];
  const sharedA = hasShared(a);
  const sharedB = hasShared(b);
  if (sharedA != sharedB) return sharedB;
  if (vmVcpus[a] != vmVcpus[b]) return vmVcpus[a] > vmVcpus[b];
  const spillsA = vmMemory[a] == MEMORY_PREFERRED;
  const spillsB = vmMemory[b] == MEMORY_PREFERRED;
  if (spillsA != spillsB) return spillsB;
  return vmPages[a] != vmPages[b] && !spillsA ? vmPages[a] > vmPages[b] : a < b;
}
