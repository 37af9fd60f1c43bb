/** The same for many, a few at a time. */

/** Threads that work on memory at the same time; each block takes at least one. */
const AT_ONCE = 8

/**
 * Does something with each, a few at a time, and returns when all of it is done. After an error nothing more is begun; it is
 * thrown when what was begun has ended.
 */
export async function forEach<Item>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  let failed = false
  const worker = async () => {
    while (next < items.length && !failed) {
      const i = next++
      try {
        await work(items[i]!, i)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const results = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
