// Free CPUs on cores that VMs of a named trust domain are on, by node: for those of the same domain, which may come beside them. A table of
// the nodes and domains for which there are such cores. Half of it is always free.
import { Flat } from '../flat';

/** For twice as many slots as there are cores. */
const BITS: i32 = 13;
const SLOTS: i32 = 1 << BITS;
const LAST: i32 = SLOTS - 1;
/** 0: the slot is free. */
const keys = changetype<Flat<u64>>(memory.data(sizeof<u64>() * SLOTS, 8));
const cores = changetype<Flat<i32>>(memory.data(sizeof<i32>() * SLOTS, 8));
/** Free CPUs, and those of them on cores that a VM keeps for itself. */
const free = changetype<Flat<i32>>(memory.data(sizeof<i32>() * SLOTS, 8));
const freeKept = changetype<Flat<i32>>(memory.data(sizeof<i32>() * SLOTS, 8));

export function clearBeside(): void {
  for (let slot = 0; slot < SLOTS; slot++) empty(slot);
}

function empty(slot: i32): void {
  keys[slot] = 0;
  cores[slot] = 0;
  free[slot] = 0;
  freeKept[slot] = 0;
}

/** The slot where a key is looked for first. */
function homeOf(key: u64): i32 {
  return <i32>((key * 0x9e3779b97f4a7c15) >> <u64>(64 - BITS));
}

function keyOf(node: i32, domain: i32): u64 {
  return (<u64>(domain + 1) << 32) | <u64>node;
}

/** The slot of the key, or the free one that it would have. */
function slotOf(key: u64): i32 {
  let slot = homeOf(key);
  while (keys[slot] != 0 && keys[slot] != key) slot = (slot + 1) & LAST;
  return slot;
}

/** Frees the slot: those after it that are not where they are looked for first come nearer to it. */
function remove(slot: i32): void {
  let hole = slot;
  for (let next = (hole + 1) & LAST; keys[next] != 0; next = (next + 1) & LAST) {
    if (((next - homeOf(keys[next])) & LAST) < ((next - hole) & LAST)) continue;
    keys[hole] = keys[next];
    cores[hole] = cores[next];
    free[hole] = free[next];
    freeKept[hole] = freeKept[next];
    hole = next;
  }
  empty(hole);
}

/** Counts a core with so many free CPUs (1), or no longer (-1). */
export function countBeside(node: i32, domain: i32, sign: i32, cpus: i32, kept: bool): void {
  const key = keyOf(node, domain);
  const slot = slotOf(key);
  keys[slot] = key;
  cores[slot] += sign;
  free[slot] += sign * cpus;
  if (kept) freeKept[slot] += sign * cpus;
  if (cores[slot] == 0) remove(slot);
}

/** Free CPUs on such cores, those on cores that a VM keeps for itself with them or not. */
export function besideOn(node: i32, domain: i32, kept: bool): i32 {
  const slot = slotOf(keyOf(node, domain));
  return free[slot] - (kept ? 0 : freeKept[slot]);
}
