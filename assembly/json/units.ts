// Sizes in bytes as text with a unit (src/units.ts).
import { fractionText, numberText } from './decimal';
import { show } from './show';
import { NUMBER, TEXT, Value } from './value';

const EXPECTED: string = 'a size with a unit, such as "512MiB" or "16GiB"';
const TIB: f64 = 1099511627776;
const GIB: f64 = 1073741824;
const MIB: f64 = 1048576;
const KIB: f64 = 1024;
const SAFE: u64 = 9007199254740991;

/** What parseBytes expected and found where it returned -1. */
export let bytesExpected: string = '';
export let bytesGot: string = '';

function refuse(expected: string, got: string): f64 {
  bytesExpected = expected;
  bytesGot = got;
  return -1;
}

function isSpace(unit: i32): bool {
  return String.fromCharCode(unit).trim() == '';
}

function isDigit(unit: i32): bool {
  return unit >= 0x30 && unit <= 0x39;
}

/** The bytes of a unit; 0: there is no such unit. */
function bytesOfUnit(unit: string): u64 {
  if (unit == 'B') return 1;
  if (unit == 'kB') return 1_000;
  if (unit == 'MB') return 1_000_000;
  if (unit == 'GB') return 1_000_000_000;
  if (unit == 'TB') return 1_000_000_000_000;
  if (unit.length > 3 || unit.length == 0) return 0;
  const tail = unit.substring(1);
  if (tail != '' && tail != 'i' && tail != 'iB') return 0;
  const lead = unit.charAt(0);
  const known = tail == '' ? lead.toUpperCase() : lead;
  if (known == 'T') return <u64>TIB;
  if (known == 'G') return <u64>GIB;
  if (known == 'M') return <u64>MIB;
  return known == 'K' ? <u64>KIB : 0;
}

/** The bytes that a text stands for; -1 where it is refused. */
export function parseBytes(value: Value | null): f64 {
  if (value == null) return refuse(EXPECTED, 'nothing');
  const withoutUnit = ' without a unit (virsh would read KiB, QEMU MiB)';
  if (value.kind == NUMBER) return refuse(EXPECTED, show(value) + withoutUnit);
  if (value.kind != TEXT) return refuse(EXPECTED, show(value));
  const text = value.text;
  let from = 0;
  let end = text.length;
  while (from < end && isSpace(text.charCodeAt(from))) from++;
  while (end > from && isSpace(text.charCodeAt(end - 1))) end--;
  let at = from;
  while (at < end && isDigit(text.charCodeAt(at))) at++;
  const whole = at - from;
  let decimals = 0;
  if (whole > 0 && at < end && text.charCodeAt(at) == 0x2e) {
    const point = at++;
    while (at < end && isDigit(text.charCodeAt(at))) at++;
    decimals = at - point - 1;
    if (decimals == 0) at = point;
  }
  if (whole > 0 && at == end) return refuse(EXPECTED, show(value) + withoutUnit);
  const numberEnd = at;
  while (at < end && isSpace(text.charCodeAt(at))) at++;
  const unit = whole > 0 && whole <= 20 && decimals <= 6 ? bytesOfUnit(text.substring(at, end)) : 0;
  if (unit == 0) {
    return refuse(EXPECTED + ' (K, M, G, T, Ki ... Ti or KiB ... TiB: binary; kB, MB, GB, TB: decimal)', show(value));
  }
  // The number may have 26 digits and the unit 41 bits: the quotient is taken digit by digit.
  let scale: u64 = 1;
  for (let digit = 0; digit < decimals; digit++) scale *= 10;
  let quotient: u64 = 0;
  let tail: u64 = 0;
  let large = false;
  for (let index = from; index < numberEnd; index++) {
    const char = text.charCodeAt(index);
    if (char == 0x2e) continue;
    // quotient * scale + tail = what the digits so far stand for, in bytes / scale.
    const sum = tail * 10 + <u64>(char - 0x30) * unit;
    const carried = sum / scale;
    tail = sum % scale;
    if (quotient > SAFE) large = true;
    else quotient = quotient * 10 + carried;
  }
  if (tail != 0) return refuse('a whole number of bytes', show(value));
  if (large || quotient > SAFE) return refuse('less than 8 PiB', show(value));
  return <f64>quotient;
}

/** In the largest binary unit that shows it exactly with at most three decimals and five digits before them; else rounded to two decimals. */
export function formatBytes(bytes: f64): string {
  const sizes: StaticArray<f64> = [TIB, GIB, MIB, KIB];
  const units: StaticArray<string> = ['TiB', 'GiB', 'MiB', 'KiB'];
  for (let at = 0; at < 4; at++) {
    const value = bytes / sizes[at];
    const thousandths = value * 1000;
    if (value >= 1 && value < 100_000 && thousandths == Math.floor(thousandths)) return fractionText(thousandths, 3) + ' ' + units[at];
  }
  for (let at = 0; at < 4; at++) {
    if (bytes >= sizes[at]) return fractionText(Math.round((bytes / sizes[at]) * 100), 2) + ' ' + units[at];
  }
  const rounded = Math.round(bytes * 100);
  return (rounded >= 0 && rounded < 1e15 ? fractionText(rounded, 2) : numberText(rounded / 100)) + ' bytes';
}
