/**
 * An array that lives as long as the module, at a fixed place in memory: it is declared as
 * `changetype<Flat<i32>>(memory.data(sizeof<i32>() * LENGTH, 8))`, which is a constant, and full of zeros. Access is a single load or store;
 * no index is checked. With asc's own arrays the planner is four times slower, or does not fit into 96 KiB.
 */
@final
export class Flat<T> {
  @inline
  @operator('[]')
  get(index: i32): T {
    return load<T>(changetype<usize>(this) + (<usize>index << alignof<T>()));
  }

  @inline
  @operator('[]=')
  set(index: i32, value: T): void {
    store<T>(changetype<usize>(this) + (<usize>index << alignof<T>()), value);
  }
}
