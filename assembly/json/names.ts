// Names of VMs and trust domains: what is shown in tables and messages.

const MAX_NAME: i32 = 255;

/**
 * First and last code points of category Cf beyond ASCII. Source: Unicode 15.1, DerivedGeneralCategory.
 * Cc, Cs, Zl and Zp are asked for in `isPrintable`.
 */
const FORMAT: StaticArray<i32> = [
  0xad, 0xad, 0x600, 0x605, 0x61c, 0x61c, 0x6dd, 0x6dd, 0x70f, 0x70f, 0x890, 0x891, 0x8e2, 0x8e2, 0x180e, 0x180e, 0x200b, 0x200f,
  0x202a, 0x202e, 0x2060, 0x2064, 0x2066, 0x206f, 0xfeff, 0xfeff, 0xfff9, 0xfffb, 0x110bd, 0x110bd, 0x110cd, 0x110cd, 0x13430, 0x1343f,
  0x1bca0, 0x1bca3, 0x1d173, 0x1d17a, 0xe0001, 0xe0001, 0xe0020, 0xe007f,
];

/** Printable characters, no space at the ends. */
export function isName(text: string): bool {
  if (text.length == 0 || text.length > MAX_NAME) return false;
  if (text.charCodeAt(0) == 0x20 || text.charCodeAt(text.length - 1) == 0x20) return false;
  for (let at = 0; at < text.length; at++) {
    const point = text.codePointAt(at);
    if (!isPrintable(point)) return false;
    if (point > 0xffff) at++;
  }
  return true;
}

function isPrintable(point: i32): bool {
  if (point < 0x20 || (point >= 0x7f && point <= 0x9f)) return false;
  if ((point >= 0xd800 && point <= 0xdfff) || point == 0x2028 || point == 0x2029) return false;
  for (let at = 0; at < FORMAT.length; at += 2) if (point >= FORMAT[at] && point <= FORMAT[at + 1]) return false;
  return true;
}
