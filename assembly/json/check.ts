// Values held to a format, with the findings in the order and the words of src/schema.ts: fields that are not known before all others, then the
// first. Lists and objects that do not fit are left as soon as that is known.
import { fail } from './failure';
import { quote, show, showText } from './show';
import { BOOLEAN, LIST, NUMBER, OBJECT, TEXT, Value } from './value';

export const SAFE: f64 = 9007199254740991;

export class Issue {
  constructor(
    public where: string,
    public expected: string,
    public got: string,
    /** Names and numbers in the path. */
    public depth: i32,
  ) {}
}

/** Of an alternative, or of the whole. */
export class Issues {
  first: Issue | null = null;
  unknown: Issue | null = null;

  meant(): Issue | null {
    return this.unknown != null ? this.unknown : this.first;
  }
}

let names: string[] = [];
let numbers: i32[] = [];
let issues: Issues = new Issues();

export function beginCheck(): void {
  names = [];
  numbers = [];
  issues = new Issues();
}

/** Makes what was found a failure. */
export function endCheck(): void {
  const issue = issues.meant();
  if (issue != null) fail(issue.where, issue.expected, issue.got);
}

export function enter(name: string): void {
  names.push(name);
  numbers.push(-1);
}

export function enterAt(index: i32): void {
  names.push('');
  numbers.push(index);
}

export function leave(): void {
  names.pop();
  numbers.pop();
}

/** From here on findings are collected apart; `settle` gives them back. */
export function apart(): Issues {
  const before = issues;
  issues = new Issues();
  return before;
}

export function settle(before: Issues): Issues {
  const found = issues;
  issues = before;
  return found;
}

export function adopt(issue: Issue): void {
  if (issues.first == null) issues.first = issue;
}

/** Longer ones are quoted, and cut. */
const LONGEST_NAME: i32 = 80;

function isPlainName(name: string): bool {
  if (name.length == 0 || name.length > LONGEST_NAME) return false;
  for (let at = 0; at < name.length; at++) {
    const unit = name.charCodeAt(at);
    const isLetter = ((unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x7a) || unit == 0x5f || unit == 0x24;
    if (!isLetter && (at == 0 || !((unit >= 0x30 && unit <= 0x39) || unit == 0x2d))) return false;
  }
  return true;
}

/** `vms[2].memory`. */
function pathText(): string {
  let text = '';
  for (let at = 0; at < names.length; at++) {
    if (numbers[at] >= 0) text += '[' + numbers[at].toString() + ']';
    else if (!isPlainName(names[at])) text += '[' + showText(names[at]) + ']';
    else text += text == '' ? names[at] : '.' + names[at];
  }
  return text;
}

export function issue(expected: string, got: string): void {
  if (issues.first == null) issues.first = new Issue(pathText(), expected, got, names.length);
}

export function isObject(value: Value | null): bool {
  if (value != null && value.kind == OBJECT) return true;
  issue('an object', show(value));
  return false;
}

/** Names that are not among the fields. */
export function onlyFields(value: Value, fields: StaticArray<string>): void {
  if (issues.unknown != null) return;
  for (let at = 0; at < value.names.length; at++) {
    if (fields.includes(value.names[at])) continue;
    enter(value.names[at]);
    issues.unknown = new Issue(pathText(), 'one of the fields ' + fields.join(', '), show(value.items[at]), names.length);
    leave();
    return;
  }
}

/** Elements of a list of `least` or more, up to `most`; none where it is none. */
export function listOf(value: Value | null, least: i32, most: i32): Value[] {
  if (value == null || value.kind != LIST) {
    issue('an array', show(value));
    return [];
  }
  const count = value.items.length;
  const bound = count < least ? least : most;
  if (count >= least && count <= most) return value.items;
  issue((count < least ? 'at least ' : 'at most ') + bound.toString() + (bound == 1 ? ' element' : ' elements'), show(value));
  return [];
}

function isNumber(value: Value | null): bool {
  return value != null && value.kind == NUMBER && value.number == value.number && abs(value.number) != Infinity;
}

/** A whole number; words for its range are the format's own. */
export function wholeFrom(value: Value | null, least: f64, most: f64): f64 {
  if (isNumber(value)) {
    const number = value!.number;
    if (number == Math.floor(number) && number >= least && number <= most && abs(number) <= SAFE) return number;
  }
  issue('a whole number from ' + wholeText(least) + ' to ' + wholeText(most), show(value));
  return least;
}

function wholeText(number: f64): string {
  return (<i64>number).toString();
}

/** A whole number from `least`; what it is not is said in parts. `isNullable`: -1 for null. */
export function integer(value: Value | null, least: f64, most: f64, isNullable: bool): f64 {
  if (isNullable && value != null && value.kind == 0) return -1;
  if (!isNumber(value)) {
    issue('a number', show(value));
    return least;
  }
  const number = value!.number;
  if (number != Math.floor(number)) issue('a whole number', show(value));
  else if (number > SAFE || number > most) issue('at most ' + wholeText(number > SAFE ? SAFE : most), show(value));
  else if (number < -SAFE || number < least) issue('at least ' + wholeText(number < -SAFE ? -SAFE : least), show(value));
  else return number;
  return least;
}

export function between(value: Value | null, least: f64, most: f64): f64 {
  if (isNumber(value) && value!.number >= least && value!.number <= most) return value!.number;
  issue('a number from ' + wholeText(least) + ' to ' + wholeText(most), show(value));
  return least;
}

/** Above 0. */
export function positive(value: Value | null, most: f64): f64 {
  if (isNumber(value) && value!.number > 0 && value!.number <= most) return value!.number;
  issue('a number above 0, up to ' + wholeText(most), show(value));
  return most;
}

export function anyNumber(value: Value | null): bool {
  return isNumber(value);
}

export function flag(value: Value | null): bool {
  if (value != null && value.kind == BOOLEAN) return value.number != 0;
  issue('true or false', show(value));
  return false;
}

/** The number of a word among these. */
export function oneOf(value: Value | null, words: StaticArray<string>): i32 {
  if (value != null && value.kind == TEXT) {
    for (let at = 0; at < words.length; at++) if (words[at] == value.text) return at;
  }
  let expected = '';
  for (let at = 0; at < words.length; at++) {
    if (at > 0) expected += at + 1 == words.length ? ' or ' : ', ';
    expected += quote(words[at]);
  }
  issue(expected, show(value));
  return 0;
}

/** schemaVersion: the number 1. */
export function versionOne(value: Value | null): void {
  if (value == null || value.kind != NUMBER || value.number != 1) issue('1', show(value));
}
