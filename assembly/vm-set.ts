// Sets of VMs, a bit for each slot. A set is SET_WORDS words of an array, from a given one on.
import { Flat } from './flat';
import { MAX_VMS } from './abi';

export const SET_WORDS: i32 = MAX_VMS / 64;

export function include(words: Flat<u64>, first: i32, vm: i32): void {
  words[first + (vm >> 6)] |= (<u64>1) << <u64>(vm & 63);
}

export function exclude(words: Flat<u64>, first: i32, vm: i32): void {
  words[first + (vm >> 6)] &= ~((<u64>1) << <u64>(vm & 63));
}

export function isMember(words: Flat<u64>, first: i32, vm: i32): bool {
  return ((words[first + (vm >> 6)] >> <u64>(vm & 63)) & 1) != 0;
}

/** The lowest member at or above `vm`; -1: none. */
export function nextMember(words: Flat<u64>, first: i32, vm: i32): i32 {
  if (vm >= MAX_VMS) return -1;
  let word = vm >> 6;
  let bits = words[first + word] & (u64.MAX_VALUE << <u64>(vm & 63));
  while (bits == 0) {
    if (++word == SET_WORDS) return -1;
    bits = words[first + word];
  }
  return (word << 6) + <i32>ctz(bits);
}

/** The member of which `before` are lower; -1: there are fewer. */
export function memberAt(words: Flat<u64>, first: i32, before: i32): i32 {
  let left = before;
  let word = 0;
  for (; word < SET_WORDS; word++) {
    const members = <i32>popcnt(words[first + word]);
    if (members > left) break;
    left -= members;
  }
  if (word == SET_WORDS) return -1;
  let bits = words[first + word];
  for (; left > 0; left--) bits &= bits - 1;
  return (word << 6) + <i32>ctz(bits);
}
