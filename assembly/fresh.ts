// Arrays that live as long as the module.

/** An array of zeros. Memory of a new instance is zero and nothing is ever freed, so it is not filled: that would take most of the start-up. */
export function fresh<T>(length: i32): StaticArray<T> {
  // @ts-ignore: __new is asc's
  return changetype<StaticArray<T>>(__new(<usize>length << alignof<T>(), idof<StaticArray<T>>()));
}
