// JSON text in UTF-8 -> a value. What is no JSON by RFC 8259, an object with a name twice, and what is far beyond every host and request
// is refused with its line and column. The texts of the failures are those of homenode's command line (src/cli/json.ts).
import { parseDecimal } from './decimal';
import { fail, failed } from './failure';
import { show } from './show';
import { BOOLEAN, LIST, NULL, NUMBER, OBJECT, TEXT, Value } from './value';

/** A host and a request have 6 levels. */
const MOST_DEPTH: i32 = 64;
/** No object of a host or a request has more than 27 names. */
const MOST_NAMES: i32 = 256;
/** A request with all the traffic and all the VMs of a problem has less than half of these. */
const MOST_VALUES: i32 = 4_000_000;

let start: usize = 0;
let end: usize = 0;
let at: usize = 0;
let depth: i32 = 0;
let values: i32 = 0;

/** The value of the text; null where it has failed. */
export function parseJson(from: usize, bytes: i32): Value | null {
  start = from;
  end = from + bytes;
  at = from;
  depth = 0;
  values = 0;
  if (!isUtf8()) {
    fail('', 'text in UTF-8', 'bytes that are none');
    return null;
  }
  // A byte order mark, as some editors write it, is left out.
  if (bytes >= 3 && load<u8>(at) == 0xef && load<u8>(at + 1) == 0xbb && load<u8>(at + 2) == 0xbf) {
    at += 3;
    start = at;
  }
  if (isBlank()) {
    fail('', 'JSON', start == end ? 'an empty file' : 'white space only');
    return null;
  }
  const value = readValue('a value in JSON');
  if (failed) return null;
  skipSpace();
  if (at < end) unexpected('nothing after the JSON value');
  return failed ? null : value;
}

/** Source: RFC 3629, 4. */
function isUtf8(): bool {
  let byte = start;
  while (byte < end) {
    const lead = load<u8>(byte++);
    if (lead < 0x80) continue;
    let more = 0;
    let least: u8 = 0x80;
    let most: u8 = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) more = 1;
    else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) least = 0xa0;
      if (lead == 0xed) most = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) least = 0x90;
      if (lead == 0xf4) most = 0x8f;
    } else return false;
    for (; more > 0; more--) {
      if (byte == end) return false;
      const tail = load<u8>(byte++);
      if (tail < least || tail > most) return false;
      least = 0x80;
      most = 0xbf;
    }
  }
  return true;
}

/** White space as JavaScript's trim() has it is not JSON's: a text of nothing else is called blank as the command line does. */
function isBlank(): bool {
  return String.UTF8.decodeUnsafe(start, min(end - start, 4096)).trim() == '' && end - start <= 4096;
}

function skipSpace(): void {
  while (at < end) {
    const char = load<u8>(at);
    if (char != 0x20 && char != 0x09 && char != 0x0a && char != 0x0d) return;
    at++;
  }
}

function peek(): i32 {
  return at < end ? load<u8>(at) : -1;
}

function nothing(): Value {
  return new Value(NULL);
}

function readValue(expected: string): Value {
  skipSpace();
  if (++values > MOST_VALUES) {
    fail(placeOf(at), 'at most ' + MOST_VALUES.toString() + ' values in a text', 'more');
    return nothing();
  }
  const char = peek();
  if (char == 0x7b || char == 0x5b) {
    if (depth == MOST_DEPTH) {
      fail(placeOf(at), 'at most ' + MOST_DEPTH.toString() + ' brackets inside of each other', 'more');
      return nothing();
    }
    depth++;
    const value = char == 0x7b ? readObject() : readList();
    depth--;
    return value;
  }
  if (char == 0x22) {
    const value = new Value(TEXT);
    const from = at;
    if (!isText()) {
      at = from;
      unexpected(expected);
      return value;
    }
    value.text = textBetween(from + 1, at - 1);
    return value;
  }
  return readWord(expected);
}

/** A number, true, false or null: a whole word, so that `truely` and `1.` are none. */
function readWord(expected: string): Value {
  const from = at;
  while (at < end && isWordChar(load<u8>(at))) at++;
  const length = <i32>(at - from);
  if (isWord(from, length, 'true')) return new Value(BOOLEAN, 1);
  if (isWord(from, length, 'false')) return new Value(BOOLEAN, 0);
  if (isWord(from, length, 'null')) return new Value(NULL);
  if (isNumber(from, at)) return new Value(NUMBER, parseDecimal(from, at));
  at = from;
  unexpected(expected);
  return nothing();
}

function isWordChar(char: u8): bool {
  return isDigit(char) || (char >= 0x41 && char <= 0x5a) || (char >= 0x61 && char <= 0x7a) || char == 0x5f || char == 0x2b || char == 0x2d || char == 0x2e;
}

function isDigit(char: u8): bool {
  return char >= 0x30 && char <= 0x39;
}

function isWord(from: usize, length: i32, word: string): bool {
  if (length != word.length) return false;
  for (let index = 0; index < length; index++) if (load<u8>(from + index) != <u8>word.charCodeAt(index)) return false;
  return true;
}

function isNumber(from: usize, until: usize): bool {
  let byte = from;
  if (byte < until && load<u8>(byte) == 0x2d) byte++;
  if (byte == until) return false;
  if (load<u8>(byte) == 0x30) byte++;
  else {
    if (!isDigit(load<u8>(byte))) return false;
    while (byte < until && isDigit(load<u8>(byte))) byte++;
  }
  if (byte < until && load<u8>(byte) == 0x2e) {
    byte++;
    if (byte == until || !isDigit(load<u8>(byte))) return false;
    while (byte < until && isDigit(load<u8>(byte))) byte++;
  }
  if (byte < until && (load<u8>(byte) | 0x20) == 0x65) {
    byte++;
    if (byte < until && (load<u8>(byte) == 0x2b || load<u8>(byte) == 0x2d)) byte++;
    if (byte == until || !isDigit(load<u8>(byte))) return false;
    while (byte < until && isDigit(load<u8>(byte))) byte++;
  }
  return byte == until;
}

/** Goes past the string that begins here, if it is one. */
function isText(): bool {
  for (at++; at < end; at++) {
    const char = load<u8>(at);
    if (char == 0x22) {
      at++;
      return true;
    }
    if (char < 0x20) return false;
    if (char != 0x5c) continue;
    at++;
    const escaped = peek();
    if (escaped == 0x75) {
      for (let digit = 0; digit < 4; digit++) {
        at++;
        if (hexadecimal(peek()) < 0) return false;
      }
    } else if (unescaped(escaped) < 0) return false;
  }
  return false;
}

function hexadecimal(char: i32): i32 {
  if (char >= 0x30 && char <= 0x39) return char - 0x30;
  const lower = char | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

function unescaped(char: i32): i32 {
  if (char == 0x22 || char == 0x5c || char == 0x2f) return char;
  if (char == 0x62) return 8;
  if (char == 0x66) return 12;
  if (char == 0x6e) return 10;
  if (char == 0x72) return 13;
  return char == 0x74 ? 9 : -1;
}

/** The content of a string, without its quotes. */
function textBetween(from: usize, until: usize): string {
  let plain = true;
  for (let byte = from; byte < until; byte++) if (load<u8>(byte) == 0x5c) plain = false;
  if (plain) return String.UTF8.decodeUnsafe(from, until - from);
  // No escape is shorter than what it stands for.
  const units = new StaticArray<u16>(<i32>(until - from));
  let count = 0;
  let byte = from;
  while (byte < until) {
    const char = load<u8>(byte);
    if (char != 0x5c) {
      const point = pointAt(byte);
      if (point > 0xffff) {
        units[count++] = <u16>(0xd7c0 + (point >> 10));
        units[count++] = <u16>(0xdc00 | (point & 0x3ff));
      } else units[count++] = <u16>point;
      byte += bytesOf(char);
    } else if (load<u8>(byte + 1) == 0x75) {
      let unit = 0;
      for (let digit: usize = 2; digit < 6; digit++) unit = (unit << 4) | hexadecimal(load<u8>(byte + digit));
      units[count++] = <u16>unit;
      byte += 6;
    } else {
      units[count++] = <u16>unescaped(load<u8>(byte + 1));
      byte += 2;
    }
  }
  return String.UTF16.decodeUnsafe(changetype<usize>(units), count << 1);
}

/** How many bytes a character has, by its first. */
function bytesOf(lead: u8): i32 {
  if (lead >= 0xf0) return 4;
  if (lead >= 0xe0) return 3;
  return lead >= 0xc0 ? 2 : 1;
}

/** The code point of the character that begins here, of a text that is known to be UTF-8. */
function pointAt(byte: usize): i32 {
  const lead: i32 = load<u8>(byte);
  const length = bytesOf(<u8>lead);
  let point: i32 = length == 1 ? lead : lead & (0x7f >> length);
  for (let tail = 1; tail < length; tail++) point = (point << 6) | (load<u8>(byte + tail) & 0x3f);
  return point;
}

function readList(): Value {
  const list = new Value(LIST);
  at++;
  skipSpace();
  if (peek() == 0x5d) {
    at++;
    return list;
  }
  list.items = new Array<Value>();
  let first = true;
  while (true) {
    list.items.push(readValue(first ? 'a value in JSON or "]"' : 'a value in JSON'));
    if (failed) return list;
    skipSpace();
    const char = peek();
    if (char != 0x2c && char != 0x5d) {
      unexpected('"," or "]"');
      return list;
    }
    at++;
    if (char == 0x5d) return list;
    first = false;
  }
}

function readObject(): Value {
  const object = new Value(OBJECT);
  at++;
  skipSpace();
  if (peek() == 0x7d) {
    at++;
    return object;
  }
  object.items = new Array<Value>();
  object.names = new Array<string>();
  let first = true;
  while (true) {
    readMember(object, first);
    if (failed) return object;
    skipSpace();
    const char = peek();
    if (char != 0x2c && char != 0x7d) {
      unexpected('"," or "}"');
      return object;
    }
    at++;
    if (char == 0x7d) return object;
    first = false;
  }
}

function readMember(object: Value, first: bool): void {
  skipSpace();
  const from = at;
  if (peek() != 0x22 || !isText()) {
    at = from;
    unexpected(first ? 'a name in double quotes or "}"' : 'a name in double quotes');
    return;
  }
  const name = textBetween(from + 1, at - 1);
  if (object.at(name) != null) {
    fail(placeOf(from), 'a name that is new in its object', show(text(name)));
    return;
  }
  if (object.names.length == MOST_NAMES) {
    fail(placeOf(from), 'at most ' + MOST_NAMES.toString() + ' names in an object', 'more');
    return;
  }
  skipSpace();
  if (peek() != 0x3a) {
    unexpected('":" after the name');
    return;
  }
  at++;
  const value = readValue('a value in JSON');
  object.names.push(name);
  object.items.push(value);
}

function text(content: string): Value {
  const value = new Value(TEXT);
  value.text = content;
  return value;
}

/** What stands here instead of what belongs here: a string or a word, up to 30 characters of it, or one character. */
function unexpected(expected: string): void {
  if (at >= end) {
    fail(placeOf(at), expected, 'the end of the text');
    return;
  }
  // 40 UTF-16 units are looked at, which have at most 160 bytes; a character is not cut.
  let until = min(at + 160, end);
  while (until < end && (load<u8>(until) & 0xc0) == 0x80) until++;
  const rest = String.UTF8.decodeUnsafe(at, until - at).substring(0, 40);
  fail(placeOf(at), expected, show(text(rest.substring(0, foundLength(rest)))));
}

function foundLength(rest: string): i32 {
  const first = rest.charCodeAt(0);
  let length = 0;
  if (first == 0x22) {
    length = 1;
    for (let characters = 0; characters < 30 && length < rest.length; characters++) {
      const unit = rest.charCodeAt(length);
      if (unit == 0x22 || unit == 10 || unit == 13) break;
      length += isPair(rest, length) ? 2 : 1;
    }
    return length < rest.length && rest.charCodeAt(length) == 0x22 ? length + 1 : length;
  }
  while (length < 30 && length < rest.length && rest.charCodeAt(length) < 0x80 && isWordChar(<u8>rest.charCodeAt(length))) length++;
  if (length > 0) return length;
  return isPair(rest, 0) ? 2 : 1;
}

function isPair(text: string, index: i32): bool {
  return (text.charCodeAt(index) & 0xfc00) == 0xd800 && index + 1 < text.length && (text.charCodeAt(index + 1) & 0xfc00) == 0xdc00;
}

/** Lines from 1, columns in UTF-16 units from 1. */
function placeOf(byte: usize): string {
  let line = 1;
  let column = 1;
  for (let before = start; before < byte; before++) {
    const char = load<u8>(before);
    if (char == 10 || (char == 13 && !(before + 1 < byte && load<u8>(before + 1) == 10))) {
      line++;
      column = 1;
    } else if (char == 13) column++;
    else if ((char & 0xc0) != 0x80) column += char >= 0xf0 ? 2 : 1;
  }
  return 'line ' + line.toString() + ', column ' + column.toString();
}
