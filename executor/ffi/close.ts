/** Gives back what is owned. */

/** Closes each, whatever happens to the others; the first error is thrown when all have been tried. */
export function closeAll(resources: Iterable<{ close(): void }>): void {
  const errors: unknown[] = []
  for (const resource of resources) {
    try {
      resource.close()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}

/** As `closeAll`, one after the other, of what may take its time. */
export async function closeInTurn(...steps: readonly (() => void | Promise<void>)[]): Promise<void> {
  const errors: unknown[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}
