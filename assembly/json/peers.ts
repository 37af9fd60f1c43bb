// What the VMs of a request ask of each other, whichever of the two asked (src/planner/peers.ts).
import { Request } from './request';

export class Peers {
  separate: Set<string> = new Set<string>();
  near: Set<string> = new Set<string>();
}

function peersFor(peers: Map<string, Peers>, name: string): Peers {
  if (!peers.has(name)) peers.set(name, new Peers());
  return peers.get(name);
}

/** By the VM's name; who has nobody to ask for is not in it. */
export function peersOf(request: Request): Map<string, Peers> {
  const peers = new Map<string, Peers>();
  for (let at = 0; at < request.vms.length; at++) {
    const vm = request.vms[at];
    for (let other = 0; other < vm.separateFrom.length; other++) {
      peersFor(peers, vm.name).separate.add(vm.separateFrom[other]);
      peersFor(peers, vm.separateFrom[other]).separate.add(vm.name);
    }
    for (let other = 0; other < vm.near.length; other++) {
      peersFor(peers, vm.name).near.add(vm.near[other]);
      peersFor(peers, vm.near[other]).near.add(vm.name);
    }
  }
  return peers;
}
