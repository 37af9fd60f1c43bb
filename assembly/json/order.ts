// Stable orders by number, as JavaScript's sort makes them.

/** The places of the keys, ascending by key; places with equal keys stay in their order. */
export function orderBy(keys: f64[]): i32[] {
  const count = keys.length;
  let from = new Array<i32>(count);
  let to = new Array<i32>(count);
  for (let at = 0; at < count; at++) from[at] = at;
  for (let width = 1; width < count; width *= 2) {
    for (let low = 0; low < count; low += 2 * width) {
      const middle = min(low + width, count);
      const high = min(low + 2 * width, count);
      let left = low;
      let right = middle;
      for (let at = low; at < high; at++) {
        const takesLeft = left < middle && (right == high || keys[from[left]] <= keys[from[right]]);
        to[at] = takesLeft ? from[left++] : from[right++];
      }
    }
    const swap = from;
    from = to;
    to = swap;
  }
  return from;
}

/** `items`, in the order of these places. */
export function arranged<T>(items: T[], places: i32[]): T[] {
  const list = new Array<T>();
  for (let at = 0; at < places.length; at++) list.push(items[places[at]]);
  return list;
}

/** Ascending by number. */
export function sorted(numbers: i32[]): i32[] {
  const keys = new Array<f64>(numbers.length);
  for (let at = 0; at < numbers.length; at++) keys[at] = numbers[at];
  return arranged<i32>(numbers, orderBy(keys));
}
