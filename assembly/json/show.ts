// Values and texts as messages and JSON show them (src/errors.ts, JSON.stringify).
import { numberText } from './decimal';
import { BOOLEAN, LIST, NULL, NUMBER, TEXT, Value } from './value';

const LONGEST: i32 = 80;

/** A value as an error message shows it: short, on one line; null: there is none. */
export function show(value: Value | null): string {
  if (value == null) return 'nothing';
  if (value.kind == TEXT) return quote(value.text.length > LONGEST ? value.text.substring(0, 77) + '...' : value.text);
  if (value.kind == NUMBER) return numberText(value.number);
  if (value.kind == BOOLEAN) return value.number != 0 ? 'true' : 'false';
  if (value.kind == NULL) return 'null';
  if (value.kind != LIST) return 'an object';
  return value.items.length == 0 ? 'an empty array' : 'an array of ' + value.items.length.toString();
}

/** The same for a text. */
export function showText(text: string): string {
  return quote(text.length > LONGEST ? text.substring(0, 77) + '...' : text);
}

/** A text in double quotes, as JSON.stringify writes it: lone surrogates and control characters are escaped. */
export function quote(text: string): string {
  const parts = ['"'];
  let plain = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    const escape = escapeOf(text, at, unit);
    if (escape == '') continue;
    parts.push(text.substring(plain, at));
    parts.push(escape);
    plain = at + 1;
  }
  parts.push(text.substring(plain));
  parts.push('"');
  return parts.join('');
}

function escapeOf(text: string, at: i32, unit: i32): string {
  if (unit == 0x22) return '\\"';
  if (unit == 0x5c) return '\\\\';
  if (unit == 8) return '\\b';
  if (unit == 9) return '\\t';
  if (unit == 10) return '\\n';
  if (unit == 12) return '\\f';
  if (unit == 13) return '\\r';
  if (unit >= 0x20 && (unit & 0xf800) != 0xd800) return '';
  if ((unit & 0xfc00) == 0xd800 && at + 1 < text.length && (text.charCodeAt(at + 1) & 0xfc00) == 0xdc00) return '';
  if ((unit & 0xfc00) == 0xdc00 && at > 0 && (text.charCodeAt(at - 1) & 0xfc00) == 0xd800) return '';
  return '\\u' + unit.toString(16).padStart(4, '0');
}
