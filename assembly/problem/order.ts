// The order in which VMs are placed.
import { vmHasCurrent } from './current';
import { hasShared, vmPages, vmVcpus, vmWeight } from './request';

/** Whether VM `a` is placed before `b`: more weight, somewhere already, dedicated, more vCPUs, more memory, lower handle. */
export function comesBefore(a: i32, b: i32): bool {
  if (vmWeight[a] != vmWeight[b]) return vmWeight[a] > vmWeight[b];
  if (vmHasCurrent[a] != vmHasCurrent[b]) return vmHasCurrent[a];
  const sharedA = hasShared(a);
  const sharedB = hasShared(b);
  if (sharedA != sharedB) return sharedB;
  if (vmVcpus[a] != vmVcpus[b]) return vmVcpus[a] > vmVcpus[b];
  return vmPages[a] != vmPages[b] ? vmPages[a] > vmPages[b] : a < b;
}
