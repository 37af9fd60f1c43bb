/** Who has a task: a thread that has begun it, or the caller that took it back before. One number, in shared memory. */

const Claim = { free: 0, begun: 1, withdrawn: 2 } as const

/** Takes a task back, so that no thread begins it later; `false`: one has begun it. */
export function withdrawTask(claim: Int32Array): boolean {
  return Atomics.compareExchange(claim, 0, Claim.free, Claim.withdrawn) === Claim.free
}

/** Begins a task; `false`: it has been taken back. */
export function beginTask(claim: Int32Array): boolean {
  return Atomics.compareExchange(claim, 0, Claim.free, Claim.begun) === Claim.free
}
