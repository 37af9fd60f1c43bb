/** Groups of CPUs, numbered by their lowest one. */

/**
 * Splits a set, given in ascending order, by what its members say about their groups. Only the first member of a group is
 * asked. That saves most of the reads, and no member is in two groups when the answers do not agree.
 * @returns the groups by their lowest member, each ascending
 */
export function partition(
  members: Iterable<number>,
  groupOf: (member: number) => readonly number[] | undefined,
): readonly (readonly number[])[] {
  const left = new Set(members)
  const groups: number[][] = []
  for (const member of left) {
    const others = (groupOf(member) ?? []).filter((other) => other !== member && left.has(other))
    for (const other of [member, ...others]) left.delete(other)
    groups.push([member, ...others].sort((a, b) => a - b))
  }
  return groups
}

/** The index of the group that each member is in. */
export function indexOfMembers(groups: readonly (readonly number[])[]): ReadonlyMap<number, number> {
  return new Map(groups.flatMap((group, index) => group.map((member): [number, number] => [member, index])))
}

/** For each key the number of different keys before its first occurrence: 0, 1, ... in order of appearance. */
export function numberInOrder(keys: readonly unknown[]): number[] {
  const numbers = new Map<unknown, number>()
  return keys.map((key) => {
    const number = numbers.get(key) ?? numbers.size
    numbers.set(key, number)
    return number
  })
}
