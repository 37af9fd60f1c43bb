/** Runs a plan: applies it, lets its guests run, and holds what the kernel says against it. */

import { setTimeout as delay } from 'node:timers/promises'
import { InputError, show } from '../src/errors.js'
import type { Backend, Plan, RunReport, VerifiedPlan } from '../src/types.js'
import { isVerified } from '../src/verified.js'
import { AppliedPlan } from './apply.js'
import { chooseBackend } from './backend.js'
import { memoryFindings } from './findings.js'
import type { Guest } from './guests/guest.js'
import { walk } from './guests/walk.js'
import { type RunProgress, Watch } from './watch.js'

export interface RunOptions {
  /** How long the guests run; default 3. */
  readonly seconds?: number
  /** Default: `kvm` where it is usable, else `threads`. */
  readonly backend?: Backend
  /** Ends the run early: everything is stopped and given back, and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Called about ten times a second while the guests run. What it throws ends the run. */
  readonly onProgress?: (progress: RunProgress) => void
}

const TICK_MS = 100
const READY_POLL_MS = 1

/**
 * Carries a plan out for a while, and reports what the kernel says happened.
 * @throws {InputError} for anything but a plan that `verifyPlan` returned
 * @throws {UnsupportedError} where the system lacks what it takes (memory, KVM)
 * @throws {SyscallError} where the kernel refused a call
 * @throws {VcpuError} names the VM and the vCPU that failed, and why
 */
export async function runPlan(plan: VerifiedPlan, options: RunOptions = {}): Promise<RunReport> {
  if (!isVerified(plan)) throw new InputError('plan', 'the object that verifyPlan() returned', show(plan))
  return carryOut(plan, plan, options)
}

/**
 * Carries out `carried` and holds it against `promised`: the same plan, except in tests, which make the executor lie.
 */
export async function carryOut(
  promised: Plan,
  carried: Plan,
  options: RunOptions,
  guest: Guest = walk,
): Promise<RunReport> {
  const { seconds = 3, signal, onProgress } = options
  if (!(Number.isFinite(seconds) && seconds > 0)) throw new InputError('seconds', 'a number above 0', show(seconds))
  if (carried.vms.length === 0) throw new InputError('plan.vms', 'at least one VM that is placed', 'none')
  signal?.throwIfAborted()
  const { backend, noGuest } = chooseBackend(options.backend)

  const ended = new AbortController()
  const applied = AppliedPlan.apply(carried, backend, (error) => ended.abort(error))
  const abort = () => ended.abort(signal?.reason)
  signal?.addEventListener('abort', abort)
  // Stops the guests at once; close() waits for it, and reports it should it fail.
  ended.signal.addEventListener('abort', () => void applied.pool.stop().catch(() => {}))
  try {
    while (!applied.pool.ready) await delay(READY_POLL_MS, undefined, { signal: ended.signal })
    const watch = new Watch(promised, applied.pool)
    applied.go(guest)
    const startedAt = performance.now()
    const elapsed = () => (performance.now() - startedAt) / 1000
    for (let left = seconds; left > 0; left = seconds - elapsed()) {
      await delay(Math.min(TICK_MS, left * 1000), undefined, { signal: ended.signal })
      watch.look()
      onProgress?.(watch.progress(elapsed()))
    }
    const memory = await applied.readMemory(promised)
    watch.look()
    const ran = elapsed()
    await applied.pool.stop()
    ended.signal.throwIfAborted()
    await applied.close()

    const findings = [...watch.findings(), ...memory.flatMap(memoryFindings)]
    return {
      schemaVersion: 1,
      kind: 'RunReport',
      backend,
      ...(noGuest === null ? {} : { noGuest }),
      seconds: ran,
      plan: promised,
      vcpus: watch.rows(backend, ran),
      memory,
      verified: findings.length === 0,
      findings,
    }
  } catch (error) {
    // Whatever was under way when a vCPU failed, or the caller gave up, fails too: the first cause counts.
    const cause: unknown = ended.signal.aborted ? ended.signal.reason : error
    await applied.close().catch(() => {})
    throw cause
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
