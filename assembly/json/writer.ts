// Text that grows at its end: UTF-16 in one piece, which is doubled when it is full.

let buffer: StaticArray<u16> = new StaticArray<u16>(0);
let length: i32 = 0;

const FIRST: i32 = 4096;

export function beginText(): void {
  buffer = new StaticArray<u16>(FIRST);
  length = 0;
}

export function put(text: string): void {
  const count = text.length;
  if (length + count > buffer.length) {
    const larger = new StaticArray<u16>(max(2 * buffer.length, length + count));
    memory.copy(changetype<usize>(larger), changetype<usize>(buffer), <usize>length << 1);
    buffer = larger;
  }
  memory.copy(changetype<usize>(buffer) + (<usize>length << 1), changetype<usize>(text), <usize>count << 1);
  length += count;
}

/** The text in UTF-8. */
export function endText(): ArrayBuffer {
  // A unit of UTF-16 has at most three bytes; what is not needed is given back as far as the runtime does that.
  const most = <i64>length * 3;
  if (most > i32.MAX_VALUE) unreachable();
  const bytes = new ArrayBuffer(<i32>most);
  const used = String.UTF8.encodeUnsafe(changetype<usize>(buffer), length, changetype<usize>(bytes));
  return bytes.slice(0, <i32>used);
}
