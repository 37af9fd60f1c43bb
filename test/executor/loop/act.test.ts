/** What was decided, done to a real guest: what fails in the middle, what was ended in the middle, what /proc says. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { preparePin } from '../../../executor/apply/by-hand.js'
import type { Changes } from '../../../executor/apply/types.js'
import { listUndoFiles, undo } from '../../../executor/apply/undo.js'
import { type ActOptions, move, outcomeOf, resume, takeBack } from '../../../executor/loop/act.js'
import { keyOf } from '../../../executor/loop/observe.js'
import type { Pending } from '../../../executor/loop/state-file.js'
import { skipUnless } from '../../skip.js'
import { foundOnly } from '../apply/found.js'
import { hasQemu, NO_QEMU, startQemu } from '../found/guests.js'

const MANY = availableParallelism() > 1
const withQemu = skipUnless(hasQemu && MANY, MANY ? NO_QEMU : 'pinning shows where there is more than one CPU')

interface Place {
  readonly pid: number
  readonly key: string
  /** Pins vCPU 0 to CPU 0. */
  readonly changes: Changes
  readonly options: ActOptions
  /** What was told when it began, the last last. */
  readonly begun: Omit<Pending, 'round'>[]
  /** Where vCPU 0 may run. */
  readonly cpus: () => string
  /** Ends the guest. */
  readonly stop: () => Promise<void>
}

async function withGuest(work: (place: Place) => Promise<void>): Promise<void> {
  const state = mkdtempSync(join(tmpdir(), 'hn-act-'))
  const guest = await startQemu(['-accel', 'tcg', '-name', `guest=act-${process.pid},debug-threads=on`, '-m', '64'])
  try {
    const { pid } = guest
    const [vm] = (await foundOnly(pid)).vms
    const changes = await preparePin(vm!, { role: 'vcpu', number: 0 }, '0')
    const begun: Place['begun'] = []
    const options = { state, graceMs: 0, onBegin: (one: Omit<Pending, 'round'>) => begun.push(one) }
    const { tid } = vm!.vcpus[0]!
    const cpus = () => {
      const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8')
      return /^Cpus_allowed_list:\s*(.*)$/m.exec(status)![1]!
    }
    await work({ pid, key: keyOf(vm!), changes, options, begun, cpus, stop: () => guest.stop() })
  } finally {
    await guest.stop()
    rmSync(state, { recursive: true })
  }
}

withQemu('a move is done, told as such, and taken back', () =>
  withGuest(async ({ key, changes, options, begun, cpus }) => {
    const before = cpus()
    const moved = await move(changes, options)
    assert.equal([moved.action.result, moved.action.kind, moved.keys], ['done', 'move', [key]])
    assert.is(cpus(), '0')
    const [file] = listUndoFiles(options)
    assert.equal([moved.action.undoFile, begun.map(({ undoFile }) => undoFile)], [file, [file]])
    const outcome = outcomeOf(moved, { at: 5, round: 2, decision: 'act' })
    assert.equal(outcome, { at: 5, round: 2, decision: 'act', result: 'done', bytes: 0, moved: [key], undo: file })

    const back = await takeBack(file!, options)
    assert.equal([back.action.result, back.action.kind], ['done', 'undo'])
    assert.is(outcomeOf(back, { at: 6, round: 3, decision: 'undo' }).undo, null)
    assert.is(cpus(), before)
    assert.equal(listUndoFiles(options), [])
  }),
)

withQemu('what fails in the middle is taken back, and nothing is left to be undone', () =>
  withGuest(async ({ changes, options, cpus }) => {
    const before = cpus()
    const [step] = changes.steps
    // There is no such CPU.
    const impossible = { ...step!, step: 2, threads: step!.threads.map((thread) => ({ ...thread, to: '4095' })) }
    const { action } = await move({ ...changes, steps: [step!, impossible] }, options)
    assert.is(action.result, 'failed', JSON.stringify(action))
    assert.match(action.why.join('; '), /EINVAL.*what was done of it was taken back/)
    assert.is(cpus(), before)
    assert.equal(listUndoFiles(options), [])
  }),
)

withQemu(
  'what was ended in the middle is gone on with, under the undo file of its beginning; not where that was undone',
  () =>
    withGuest(async ({ pid, key, changes, options, begun, cpus }) => {
      const before = cpus()
      await move(changes, options)
      const pending: Pending = { round: 1, ...begun[0]! }
      // As if it had been killed before it came to that.
      assert.is(spawnSync('taskset', ['-acp', before, `${pid}`]).status, 0)
      const again = await resume(pending, options)
      assert.equal([again!.action.kind, again!.action.result, again!.keys], ['resume', 'done', [key]])
      assert.is(cpus(), '0')
      assert.equal(listUndoFiles(options), [pending.undoFile])
      assert.is(again!.action.undoFile, pending.undoFile)

      await undo(undefined, options)
      assert.is(cpus(), before)
      assert.is(await resume(pending, options), null)
      assert.is(cpus(), before)
    }),
)

withQemu('a guest that has ended since it was decided is no failure, and is said', () =>
  withGuest(async ({ changes, options, stop }) => {
    await stop()
    const { action, keys } = await move(changes, options)
    assert.equal([action.result, keys], ['partial', []])
    assert.match(action.why.join('; '), /it has ended/)
    const nothing = await move({ ...changes, steps: [] }, options)
    assert.is(nothing.action.result, 'dry')
    assert.match(nothing.action.why.join('; '), /nothing is left to do/)
  }),
)

test.run()
