/** What will be done to running VMs, and what became of it, as people see it. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Applied, ChangeStep, Changes, MemoryChange, ThreadChange } from '../../executor/apply/types.js'
import { showApplied } from '../../src/cli/applied-view.js'
import { showChanges } from '../../src/cli/changes-view.js'
import { styleOf } from '../../src/cli/output.js'

const GIB = 2 ** 30
const narrow = styleOf({ columns: 80 }, 'never')

const thread = (role: ThreadChange['role'], number: number | null, from: string, to: string): ThreadChange => {
  return { tid: 100 + (number ?? 50), startTime: 1, role, number, from, to }
}
const moved: MemoryChange = {
  start: 2 ** 40,
  bytes: 4 * GIB,
  pageSize: 4096,
  policy: 'default',
  through: 'kernel',
  from: [
    { node: 0, bytes: GIB },
    { node: 1, bytes: 3 * GIB },
  ],
  to: [{ node: 0, bytes: 4 * GIB }],
}
const step: ChangeStep = {
  step: 1,
  vm: 'db',
  pid: 50,
  through: 'kernel',
  threads: [
    thread('vcpu', 0, '0-7', '2'),
    thread('vcpu', 1, '0-7', '3'),
    thread('vcpu', 2, '4', '0-1'),
    thread('iothread', 0, '0-7', '5'),
    thread('emulator', null, '0-7', '5-7'),
  ],
  memory: [moved],
  cpusets: [],
  bytes: 3 * GIB,
}
const second: ChangeStep = {
  ...step,
  step: 2,
  vm: 'web',
  pid: 60,
  through: 'libvirt',
  memory: [],
  bytes: 0,
  threads: [thread('vcpu', 0, '0', '4')],
}
const changes: Changes = {
  kind: 'Changes',
  vms: [],
  steps: [step, second],
  obstacles: [],
  dedicated: [],
  partitions: [],
  waiting: [],
  bytes: 3 * GIB,
  undoes: null,
}

test('each step: threads from where to where, memory by node, bytes, within 80 columns', () => {
  const text = showChanges(changes, narrow)
  assert.match(text, /^2 VMs to change: \d threads to pin, 3 GiB to copy$/m)
  const wide = showChanges(changes, styleOf({}, 'never'))
  assert.match(wide, /^ {3}1 {2}db +vCPU 0-1 -> 2-3 \(now 0-7\) +0: 1 GiB, 1: 3 GiB -> 0: 4 GiB +3 GiB$/m)
  assert.match(wide, /^ +vCPU 2 -> any of 0-1 \(now 4\)$/m)
  assert.match(wide, /^ +I\/O 0 -> 5 \(now 0-7\)$/m)
  assert.match(wide, /^ +emulator -> 5-7 \(now 0-7\)$/m)
  assert.match(wide, /^ {3}2 {2}web \(libvirt\) +vCPU 0 -> 4 \(now 0\)$/m)
  assert.ok(
    text.split('\n').every((line) => line.length <= 80),
    text,
  )
})

test('what stands in the way is said with its VM, and whether that is left as it is', () => {
  const obstacles = [
    { vm: 'nova', what: 'its memory', why: 'numatune is strict', left: true },
    { vm: 'db', what: 'untouched memory', why: '1 GiB comes by its own policy', left: false },
  ]
  const text = showChanges({ ...changes, obstacles }, narrow)
  assert.match(text, /^left as it is: nova\n {2}its memory: numatune is strict$/m)
  assert.match(text, /^not in full: db\n {2}untouched memory: 1 GiB comes by its own policy$/m)
  const alone = showChanges({ ...changes, steps: [], obstacles }, narrow)
  assert.not.match(alone, /STEP/)
})

const applied: Applied = {
  kind: 'Applied',
  undoFile: '/var/lib/homenode/undo-1.json',
  steps: [{ step: 1, vm: 'db', state: 'done', why: null, threads: 5, moved: 3 * GIB, stayed: [] }],
  obstacles: [],
  partitions: [],
  differences: [],
  stopped: false,
  moved: 3 * GIB,
}

test('what was done, and where it is written how to take it back', () => {
  const text = showApplied(applied, changes, styleOf({}, 'never'))
  assert.match(
    text,
    /^done: 1 of 1 change, 5 threads pinned, 3 GiB copied; read back from the kernel: all is where it should be$/m,
  )
  assert.match(text, /^"homenode undo" brings it back: \/var\/lib\/homenode\/undo-1\.json$/m)
})

test('what was not done: steps that ended early, pages that stayed, what differs in the end', () => {
  const partly: Applied = {
    ...applied,
    steps: [
      {
        ...applied.steps[0]!,
        state: 'left',
        why: 'node 0 has no room',
        stayed: [{ bytes: 4096, why: 'it is pinned' }],
      },
      { ...applied.steps[0]!, step: 2, vm: 'web', state: 'skipped' },
    ],
    differences: [{ vm: 'db', what: 'vCPU 0', wanted: 'CPUs 2', found: 'CPUs 0-7' }],
  }
  const text = showApplied(partly, changes, narrow)
  assert.match(text, /^done in part: 0 of 2 changes/)
  assert.match(text, /^ {2}db: ended early: node 0 has no room$/m)
  assert.match(text, /^ {2}db: 4 KiB stayed where it was: it is pinned$/m)
  assert.match(text, /^ {2}web: not begun$/m)
  assert.match(text, /^VM +WHAT +WANTED +FOUND\ndb +vCPU 0 +CPUs 2 +CPUs 0-7$/m)
  assert.ok(
    text.split('\n').every((line) => line.length <= 80),
    text,
  )
  assert.match(showApplied({ ...partly, stopped: true }, changes, narrow), /^stopped: /)
})

test.run()
