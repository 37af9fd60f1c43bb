// Some choices concern other VMs too. Then the planner takes what costs least, or what leaves the others most.

/** Whether memory, and CPUs of threads, are taken where most is left, whatever that costs. */
export let thrifty: bool = false;
export function setThrifty(on: bool): void {
  thrifty = on;
}
