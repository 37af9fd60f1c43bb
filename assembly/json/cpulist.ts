// Sets of CPUs, nodes and vCPUs as text (src/cpulist.ts).
import { showText } from './show';

export const MAX_ID: i32 = 65_535;
const MAX_STEPS: i64 = 1 << 21;

/** What parseCpulist expected and found where it failed. */
export let listFailed: bool = false;
export let listExpected: string = '';
export let listGot: string = '';

/** A byte for each number, and one for the number that only `all` reaches. */
const members: usize = memory.data(65_538);
let lowest: i32 = 0;
let highest: i32 = MAX_ID + 1;

function refuse(expected: string, got: string): void {
  if (listFailed) return;
  listFailed = true;
  listExpected = expected;
  listGot = got;
}

/**
 * The numbers of a cpulist, ascending, each once; an empty list, and `listFailed`, where it is refused.
 * @param all what the word `all` stands for; null: it is refused
 * @param most how many numbers it may have; 0: any
 */
export function parseCpulist(text: string, all: i32[] | null, allowEmpty: bool, most: i32): i32[] {
  listFailed = false;
  memory.fill(members + lowest, 0, max(highest + 1 - lowest, 0));
  lowest = MAX_ID + 1;
  highest = 0;
  const ids: i32[] = [];
  const trimmed = text.trim();
  let steps: i64 = 0;
  let from = 0;
  while (trimmed.length > 0 && from <= trimmed.length && !listFailed) {
    const comma = trimmed.indexOf(',', from);
    const until = comma < 0 ? trimmed.length : comma;
    steps += take(trimmed.substring(from, until).trim(), all);
    if (steps > MAX_STEPS) refuse('strides of at most ' + MAX_STEPS.toString() + ' numbers in all', 'more');
    from = until + 1;
  }
  if (listFailed) return ids;
  for (let id = lowest; id <= highest; id++) if (load<u8>(members + id) != 0) ids.push(id);
  if (most > 0 && ids.length > most) refuse('at most ' + most.toString() + ' numbers', showText(text));
  if (ids.length == 0 && !allowEmpty) refuse('a cpulist with at least one number', showText(text));
  return ids;
}

function widen(first: i32, last: i32): void {
  lowest = min(lowest, first);
  highest = max(highest, last);
}

let at: i32 = 0;

/** The digits from `at` on as a number, far beyond every limit where there are many; -1 where there are none. */
function number(part: string): i64 {
  const from = at;
  let value: i64 = 0;
  for (; at < part.length; at++) {
    const digit = part.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) break;
    if (value < 1_000_000_000_000) value = value * 10 + digit;
  }
  return at == from ? -1 : value;
}

function isNext(part: string, char: i32): bool {
  if (at >= part.length || part.charCodeAt(at) != char) return false;
  at++;
  return true;
}

/** Takes a part into the set, or out of it; returns how many numbers it had to look at one by one. */
function take(part: string, all: i32[] | null): i64 {
  const value: u8 = part.startsWith('^') ? 0 : 1;
  if (all != null && (part == 'all' || part == '^all')) {
    for (let index = 0; index < all.length; index++) {
      store<u8>(members + all[index], value);
      widen(all[index], all[index]);
    }
    return all.length;
  }
  at = value == 0 ? 1 : 0;
  const first = number(part);
  let last = first;
  let stride: i64 = 1;
  let sound = first >= 0;
  if (sound && isNext(part, 0x2d)) {
    last = number(part);
    sound = last >= 0;
    if (sound && isNext(part, 0x3a)) {
      stride = number(part);
      sound = stride >= 0;
    }
  }
  if (!sound || at != part.length) {
    refuse('a cpulist such as "0-3,8", "0-31:2" or "0-7,^2"' + (all != null ? ' or "all"' : ''), showText(part));
    return 0;
  }
  if (last > MAX_ID || first > MAX_ID) refuse('numbers up to ' + MAX_ID.toString(), showText(part));
  else if (last < first) refuse('a range that ascends', showText(part));
  else if (stride < 1 || stride > MAX_ID) refuse('a stride from 1 to ' + MAX_ID.toString(), showText(part));
  if (listFailed) return 0;
  widen(<i32>first, <i32>last);
  if (stride == 1) {
    memory.fill(members + <usize>first, value, <usize>(last - first + 1));
    return 0;
  }
  for (let id = first; id <= last; id += stride) store<u8>(members + <usize>id, value);
  return (last - first) / stride + 1;
}

/** UTF-16 of the list that is written: at most five digits and a comma for each number. */
const written: usize = memory.data(2 * 6 * 65_538);
let end: i32 = 0;

function write(unit: i32): void {
  store<u16>(written + (<usize>end << 1), <u16>unit);
  end++;
}

function writeNumber(number: i32): void {
  let scale = 1;
  while (number / scale >= 10) scale *= 10;
  for (; scale > 0; scale /= 10) write(0x30 + ((number / scale) % 10));
}

/** The canonical form of the kernel: ascending ranges, `0-3,8`; the empty string for no numbers. */
export function formatCpulist(ids: i32[]): string {
  const sorted = ascending(ids);
  end = 0;
  for (let index = 0; index < sorted.length; ) {
    const first = sorted[index];
    let last = first;
    while (index + 1 < sorted.length && sorted[index + 1] == last + 1) last = sorted[++index];
    index++;
    if (end > 0) write(0x2c);
    writeNumber(first);
    if (last == first) continue;
    write(0x2d);
    writeNumber(last);
  }
  return String.UTF16.decodeUnsafe(written, end << 1);
}

/** Each once. */
function ascending(ids: i32[]): i32[] {
  let isAscending = true;
  for (let index = 1; index < ids.length; index++) if (ids[index - 1] >= ids[index]) isAscending = false;
  if (isAscending) return ids;
  const sorted = ids.slice().sort((a, b) => a - b);
  const once: i32[] = [];
  for (let index = 0; index < sorted.length; index++) {
    if (index == 0 || sorted[index] != sorted[index - 1]) once.push(sorted[index]);
  }
  return once;
}
