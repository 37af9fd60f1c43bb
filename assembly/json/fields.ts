// The kinds of field that a request is made of (src/request/fields.ts). Each reads a value that is there, at the place where the check is.
import { SAFE, anyNumber, issue } from './check';
import { MAX_ID, listExpected, listFailed, listGot, parseCpulist } from './cpulist';
import { isName } from './names';
import { show } from './show';
import { bytesExpected, bytesGot, formatBytes, parseBytes } from './units';
import { TEXT, Value } from './value';
import { isPowerOfTwo } from './host-format';

const GRANULE: f64 = 4096;
export const MAX_MEMORY: f64 = 1125899906842624;
const MAX_NODES: i32 = 1024;

const NAME: string = 'a name of 1 to 255 printable characters, no space at its ends';
const PAGE_SIZE: string = 'a page size of the host, such as 4KiB, 2MiB or 1GiB (a power of two from 4 KiB), or "any"';
export const CPULIST: string = 'a cpulist such as "0-3,8"';
const NODE_LIST: string = 'a list of nodes such as "0-3,8"';

/** Bytes, given with a unit; -1 where they are refused. */
export function size(value: Value | null): f64 {
  const bytes = parseBytes(value);
  if (bytes < 0) issue(bytesExpected, bytesGot);
  return bytes;
}

/** Whole granules, at least one. */
export function guestMemory(value: Value | null): f64 {
  const bytes = size(value);
  if (bytes < 0) return 0;
  if (bytes <= 0) issue('more than 0 bytes', show(value));
  if (bytes % GRANULE != 0) issue('a multiple of ' + formatBytes(GRANULE), show(value));
  if (bytes > MAX_MEMORY) issue('at most ' + formatBytes(MAX_MEMORY), show(value));
  return bytes;
}

/** 0: any. */
export function pageSize(value: Value): f64 {
  if (value.kind == TEXT && value.text == 'any') return 0;
  const bytes = size(value);
  if (bytes >= 0 && !(bytes >= GRANULE && bytes <= MAX_MEMORY && isPowerOfTwo(bytes))) issue(PAGE_SIZE, show(value));
  return bytes;
}

/** Bytes a second: a number, or a size with a unit and perhaps `/s`. */
export function bandwidth(value: Value): f64 {
  if (value.kind != TEXT) {
    if (anyNumber(value) && value.number >= 0 && value.number <= SAFE) return value.number;
    issue(anyNumber(value) ? 'bytes a second' : 'bytes a second or a size with a unit, such as "10GB/s"', show(value));
    return 0;
  }
  const text = new Value(TEXT);
  text.text = value.text.endsWith('/s') ? value.text.substring(0, value.text.length - 2) : value.text;
  const bytes = parseBytes(text);
  if (bytes < 0) issue('bytes a second or ' + bytesExpected, show(value));
  return bytes;
}

function listText(value: Value | null, expected: string): string | null {
  if (value != null && value.kind == TEXT) return value.text;
  issue(expected, show(value));
  return null;
}

/** A set as text, still to be read. */
export function cpulistText(value: Value | null): string {
  const text = listText(value, CPULIST);
  return text == null ? '' : text;
}

/** Nodes as text. */
export function nodeList(value: Value, allowEmpty: bool): i32[] {
  const text = listText(value, NODE_LIST);
  if (text == null) return [];
  const nodes = parseCpulist(text, null, allowEmpty, MAX_NODES);
  if (listFailed) issue(listExpected, listGot);
  return nodes;
}

/** Whether the last list of hostCpus names the CPUs that are not meant. */
export let isAllBut: bool = false;

/** CPUs of a host that is not known yet, perhaps none: these, or with `all` every one but these. */
export function hostCpus(value: Value): i32[] {
  isAllBut = false;
  const text = listText(value, CPULIST);
  if (text == null) return [];
  const named = parseCpulist(text.replaceAll('^', ''), [], true, 0);
  if (!listFailed) {
    // One more CPU stands for all that are not named. Only `all` reaches it.
    const others = MAX_ID + 1;
    const all = named.slice();
    all.push(others);
    const ids = parseCpulist(text, all, true, 0);
    if (!listFailed) {
      isAllBut = ids.includes(others);
      if (!isAllBut) return ids;
      const left: i32[] = [];
      for (let at = 0; at < named.length; at++) if (!ids.includes(named[at])) left.push(named[at]);
      return left;
    }
  }
  issue(listExpected, listGot);
  return [];
}

export function name(value: Value | null): string {
  if (value != null && value.kind == TEXT && isName(value.text)) return value.text;
  issue(NAME, show(value));
  return '';
}

/** Whether a value is this word. */
export function isOnly(value: Value, word: string): bool {
  return value.kind == TEXT && value.text == word;
}
