/** Memory that several threads work on. Each takes a new step when it has done one, so none waits for a slow thread. */

/** A range of the process's memory in pages of one size. */
export interface MemorySpan {
  readonly address: number
  readonly bytes: number
  readonly pageSize: number
}

export interface SharedSpan {
  readonly span: MemorySpan
  /** One number: steps that were taken. */
  readonly taken: Int32Array
}

export function sharedSpan(span: MemorySpan): SharedSpan {
  return { span, taken: new Int32Array(new SharedArrayBuffer(4)) }
}

/**
 * The steps that the caller takes until none is left.
 * @param least bytes of a step, unless a page has more
 */
export function* takeSteps({ span, taken }: SharedSpan, least: number): Generator<{ address: number; bytes: number }> {
  const step = Math.max(least, span.pageSize)
  for (;;) {
    const at = Atomics.add(taken, 0, 1) * step
    if (at >= span.bytes) return
    yield { address: span.address + at, bytes: Math.min(step, span.bytes - at) }
  }
}
