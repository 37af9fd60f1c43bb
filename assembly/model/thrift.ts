// Where there is a choice that concerns others too: what costs least, or what leaves them most.

/** Whether memory, and CPUs of threads, are taken where most is left, whatever that costs. */
export let thrifty: bool = false;
export function setThrifty(on: bool): void {
  thrifty = on;
}
