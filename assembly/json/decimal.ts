// Numbers as text and text as numbers, as ECMA-262 has them: what is read is the nearest double, what is written the shortest text that
// reads as the same number. asc's own functions are off by a unit in the last place now and then.
import { Big } from './big';

const MICRO: i64 = 1_000_000;
/** Powers of ten that a double holds. */
const EXACT_POWER: i32 = 22;
const EXACT_DIGITS: i32 = 15;
/** Digits beyond these only say that there is something: no double is halfway to the next with more. */
const MOST_DIGITS: i32 = 780;
/** Bits of a number of MOST_DIGITS digits times 10^400, or of a double beside such a power. */
const LIMBS: i32 = 160;

// What is reckoned with, made once for each call of the module: hosts and requests have millions of numbers.
let numerator: Big = new Big(0);
let denominator: Big = numerator;
let middle: Big = numerator;
let other: Big = numerator;
let product: Big = numerator;
let part: Big = numerator;
const digits: usize = memory.data(784);

/** Before the first number of a call. */
export function resetDecimals(): void {
  numerator = new Big(LIMBS);
  denominator = new Big(LIMBS);
  middle = new Big(LIMBS);
  other = new Big(LIMBS);
  product = new Big(LIMBS);
  part = new Big(LIMBS);
}

function powerOfTen(exponent: i32): f64 {
  let power: f64 = 1;
  for (let left = exponent; left > 0; left--) power *= 10;
  return power;
}

/** The number of a JSON literal, from its bytes. */
export function parseDecimal(from: usize, end: usize): f64 {
  let at = from;
  const negative = load<u8>(at) == 0x2d;
  if (negative) at++;
  let count = 0;
  let exponent: i64 = 0;
  let more = false;
  let inFraction = false;
  for (; at < end; at++) {
    const char = load<u8>(at);
    if (char == 0x2e) {
      inFraction = true;
      continue;
    }
    if (char < 0x30 || char > 0x39) break;
    if (inFraction) exponent--;
    if (count == 0 && char == 0x30) continue;
    if (count < MOST_DIGITS) store<u8>(digits + count++, char - 0x30);
    else {
      exponent++;
      if (char != 0x30) more = true;
    }
  }
  if (at < end) {
    at++;
    const down = load<u8>(at) == 0x2d;
    if (down || load<u8>(at) == 0x2b) at++;
    let given: i64 = 0;
    for (; at < end; at++) if (given < 1_000_000_000) given = given * 10 + (load<u8>(at) - 0x30);
    exponent += down ? -given : given;
  }
  if (more) {
    store<u8>(digits + count++, 1);
    exponent--;
  }
  const value = count == 0 ? 0 : nearest(count, exponent);
  return negative ? -value : value;
}

function nearest(count: i32, exponent: i64): f64 {
  while (load<u8>(digits + count - 1) == 0) {
    count--;
    exponent++;
  }
  const magnitude = exponent + count;
  if (magnitude > 310) return Infinity;
  if (magnitude < -330) return 0;
  let scale = <i32>exponent;
  let lead: u64 = 0;
  const leading = min(count, 19);
  for (let at = 0; at < leading; at++) lead = lead * 10 + load<u8>(digits + at);
  if (count <= EXACT_DIGITS && abs(scale) <= EXACT_POWER) {
    return scale < 0 ? <f64>lead / powerOfTen(-scale) : <f64>lead * powerOfTen(scale);
  }
  // Near it, and from there step by step to where the decimal number is on the right side of both halves.
  let left = scale + count - leading;
  let near = <f64>lead;
  for (; left > 0; left -= min(left, EXACT_POWER)) near *= powerOfTen(min(left, EXACT_POWER));
  for (; left < 0; left += min(-left, EXACT_POWER)) near /= powerOfTen(min(-left, EXACT_POWER));
  numerator.set(0);
  for (let at = 0; at < count; at++) numerator.multiply(10, load<u8>(digits + at));
  if (scale > 0) numerator.power(10, scale);
  denominator.set(1);
  if (scale < 0) denominator.power(10, -scale);
  while (true) {
    const above = besideHalf(near);
    if (above > 0 || (above == 0 && (reinterpret<u64>(near) & 1) != 0)) near = next(near);
    else if (near == 0) return near;
    else {
      const below = besideHalf(previous(near));
      if (below < 0 || (below == 0 && (reinterpret<u64>(near) & 1) != 0)) near = previous(near);
      else return near;
    }
  }
}

function next(value: f64): f64 {
  return reinterpret<f64>(reinterpret<u64>(value) + 1);
}

function previous(value: f64): f64 {
  return reinterpret<f64>(reinterpret<u64>(value) - 1);
}

/** numerator / denominator, compared with the middle between `value` and the next double; infinity counts as the double that would follow. */
function besideHalf(value: f64): i32 {
  const bits = reinterpret<u64>(value);
  const field = <i32>(bits >> 52);
  if (field == 2047) return -1;
  const fraction = bits & 0xfffffffffffff;
  const mantissa = field == 0 ? fraction : fraction | (1 << 52);
  const exponent = max(field, 1) - 1075 - 1;
  middle.set(2 * mantissa + 1);
  other.take(numerator);
  if (exponent < 0) other.shift(-exponent);
  else middle.shift(exponent);
  product.set(0);
  for (let at = denominator.length - 1; at >= 0; at--) {
    product.raise();
    part.take(middle);
    part.multiply(denominator.limbs[at]);
    product.add(part);
  }
  return other.compare(product);
}

/** A whole number of millionths, as JavaScript writes `micro / 1e6`. */
export function microText(micro: f64): string {
  if (abs(micro) >= 1e15 || micro != Math.floor(micro)) return numberText(micro / 1e6);
  const whole = <i64>Math.abs(micro);
  if (micro != 0 && whole < 1) return numberText(micro / 1e6);
  const head = whole / MICRO;
  let tail = (whole % MICRO).toString().padStart(6, '0');
  // Below 1e-6 there is no whole millionth; from there on JavaScript writes no exponent.
  while (tail.endsWith('0')) tail = tail.substring(0, tail.length - 1);
  const text = tail.length == 0 ? head.toString() : head.toString() + '.' + tail;
  return micro < 0 ? '-' + text : text;
}

/** A whole number of thousandths, divided by 1000, or of hundredths by 100: at most 15 digits. */
export function fractionText(parts: f64, decimals: i32): string {
  const scale = <i64>powerOfTen(decimals);
  const whole = <i64>parts;
  let tail = (whole % scale).toString().padStart(decimals, '0');
  while (tail.endsWith('0')) tail = tail.substring(0, tail.length - 1);
  const head = (whole / scale).toString();
  return tail.length == 0 ? head : head + '.' + tail;
}

/** As JavaScript's String(value). */
export function numberText(value: f64): string {
  if (value != value) return 'NaN';
  if (value == 0) return '0';
  if (value < 0) return '-' + numberText(-value);
  if (value == Infinity) return 'Infinity';
  if (value < 9007199254740992 && value == Math.floor(value)) return (<i64>value).toString();
  return shortest(value);
}

/** Source: Steele and White, How to Print Floating-Point Numbers Accurately, 1990; the layout is ECMA-262's Number::toString. */
function shortest(value: f64): string {
  const bits = reinterpret<u64>(value);
  const field = <i32>(bits >> 52);
  const fraction = bits & 0xfffffffffffff;
  const mantissa = field == 0 ? fraction : fraction | (1 << 52);
  const exponent = max(field, 1) - 1075;
  const even = (mantissa & 1) == 0;
  // The gap below a power of two is half of the one above.
  const uneven = fraction == 0 && field > 1;
  const above = middle;
  const below = other;
  const top = product;
  numerator.set(mantissa);
  denominator.set(1);
  above.set(1);
  below.set(1);
  numerator.shift(uneven ? 2 : 1);
  denominator.shift(uneven ? 2 : 1);
  if (uneven) above.shift(1);
  if (exponent > 0) {
    numerator.shift(exponent);
    above.shift(exponent);
    below.shift(exponent);
  } else denominator.shift(-exponent);
  let point = 0;
  // Until 0.1 <= value < 1, the upper half of the gap included.
  while (true) {
    top.take(numerator);
    top.add(above);
    const side = top.compare(denominator);
    if (side < 0 || (side == 0 && !even)) break;
    denominator.multiply(10);
    point++;
  }
  while (true) {
    top.take(numerator);
    top.add(above);
    top.multiply(10);
    const side = top.compare(denominator);
    if (side > 0 || (side == 0 && even)) break;
    numerator.multiply(10);
    above.multiply(10);
    below.multiply(10);
    point--;
  }
  let text = '';
  while (true) {
    numerator.multiply(10);
    above.multiply(10);
    below.multiply(10);
    let digit = 0;
    while (numerator.compare(denominator) >= 0) {
      numerator.subtract(denominator);
      digit++;
    }
    const low = numerator.compare(below);
    const isLow = low < 0 || (low == 0 && even);
    top.take(numerator);
    top.add(above);
    const high = top.compare(denominator);
    const isHigh = high > 0 || (high == 0 && even);
    if (isLow || isHigh) {
      part.take(numerator);
      part.multiply(2);
      const half = part.compare(denominator);
      if (isHigh && (!isLow || half > 0 || (half == 0 && (digit & 1) == 1))) digit++;
      text += digit.toString();
      break;
    }
    text += digit.toString();
  }
  return layOut(text, point);
}

function layOut(digits: string, point: i32): string {
  const count = digits.length;
  if (count <= point && point <= 21) return digits.padEnd(point, '0');
  if (0 < point && point <= 21) return digits.substring(0, point) + '.' + digits.substring(point);
  if (-6 < point && point <= 0) return '0.' + digits.padStart(count - point, '0');
  const exponent = point - 1;
  const sign = exponent < 0 ? 'e-' : 'e+';
  const tail = sign + abs(exponent).toString();
  return count == 1 ? digits + tail : digits.substring(0, 1) + '.' + digits.substring(1) + tail;
}
