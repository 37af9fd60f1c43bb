// Sorts a list of numbers that stand for things (VMs, groups) by a comparison.
import { Flat } from './flat';
import { spend } from './work';

/** Sorts the first `count` of the list so that `comesBefore` holds from each to the next (by Shell's method; equals in any order). */
export function sortBy(list: Flat<i32>, count: i32, comesBefore: (a: i32, b: i32) => bool): void {
  let gap = 1;
  while (gap < count) gap = 3 * gap + 1;
  for (; gap > 0; gap /= 3) {
    spend(count);
    for (let next = gap; next < count; next++) {
      const one = list[next];
      let at = next;
      while (at >= gap && comesBefore(one, list[at - gap])) {
        list[at] = list[at - gap];
        at -= gap;
      }
      list[at] = one;
    }
  }
}
