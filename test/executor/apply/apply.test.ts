/** A real QEMU that emulates: its threads go where a plan has them, and back, as procfs says. Memory has one node here: see the lab. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { applyChanges } from '../../../executor/apply/apply.js'
import { prepareMemory, preparePin } from '../../../executor/apply/by-hand.js'
import { differencesFrom } from '../../../executor/apply/differences.js'
import { findVms } from '../../../executor/apply/place.js'
import { prepareChanges } from '../../../executor/apply/prepare.js'
import { listUndoFiles, undo } from '../../../executor/apply/undo.js'
import { InputError } from '../../../src/errors.js'
import type { VerifiedPlan } from '../../../src/types.js'
import { skipUnless } from '../../skip.js'
import { folder, type Guest, hasQemu, NO_QEMU, startQemu } from '../found/guests.js'
import { changesFor, foundOnly, planOf } from './found.js'
import { PATTERN_MEMORY_MIB, readChecks, writeFirmware } from './pattern.js'

const isRoot = process.geteuid?.() === 0
const withQemu = skipUnless(hasQemu, NO_QEMU)
const withQemuAsRoot = skipUnless(hasQemu && isRoot, isRoot ? NO_QEMU : 'it takes root')

const state = join(folder, 'state')

async function withGuest(args: readonly string[], body: (guest: Guest) => Promise<void>): Promise<void> {
  const guest = await startQemu(['-accel', 'tcg,thread=multi', ...args])
  try {
    await body(guest)
  } finally {
    await guest.stop()
  }
}

const small = ['-name', 'guest=alpha,debug-threads=on', '-m', '64', '-smp', '1']

/** Where each thread may run, by its number, from procfs. */
function affinities(pid: number): Record<string, string> {
  return Object.fromEntries(
    readdirSync(`/proc/${pid}/task`).map((tid) => {
      const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8')
      return [tid, /^Cpus_allowed_list:\s*(\S+)/m.exec(status)![1]!]
    }),
  )
}

function threadNamed(pid: number, name: string): string {
  const tids = readdirSync(`/proc/${pid}/task`)
  return tids.find((tid) => readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').trim() === name)!
}

/** Every thread but that of the vCPU is where the plan has the emulator. */
function expectPlaced(pid: number, { vms: [planned] }: VerifiedPlan): void {
  const vcpu = threadNamed(pid, 'CPU 0/TCG')
  for (const [tid, cpus] of Object.entries(affinities(pid))) {
    assert.is(cpus, tid === vcpu ? planned!.vcpus[0]!.cpus : planned!.emulator, `thread ${tid}`)
  }
}

withQemu('threads go where the plan has them, and back to just where they were', async () => {
  await withGuest([...small, '-object', 'iothread,id=disk'], async ({ pid }) => {
    execFileSync('taskset', ['-cp', '0', threadNamed(pid, 'IO disk')], { stdio: 'ignore' })
    const before = affinities(pid)
    const { plan, changes } = await changesFor(pid)
    assert.equal(changes.obstacles, [])
    assert.equal(affinities(pid), before, 'nothing is touched yet')
    const events: string[] = []
    const applied = await applyChanges(changes, {
      state,
      onProgress: ({ doing, undoFile }) => {
        assert.ok(existsSync(undoFile))
        if (doing === 'undo-file') assert.equal(affinities(pid), before, 'the undo file comes first')
        events.push(doing)
      },
    })
    assert.equal([applied.differences, applied.stopped], [[], false])
    assert.equal(new Set(applied.steps.map((step) => step.state)), new Set(['done']))
    assert.equal([events[0], events.at(-1)], ['undo-file', 'read-back'])
    expectPlaced(pid, plan)
    assert.equal(differencesFrom(await foundOnly(pid), plan), [])
    assert.equal((await prepareChanges(await foundOnly(pid), plan)).steps, [], 'there is nothing left to do')

    const undone = await undo(undefined, { state })
    assert.equal([undone.undoFile, undone.differences], [applied.undoFile, []])
    assert.equal(affinities(pid), before)
    assert.ok(differencesFrom(await foundOnly(pid), plan).some(({ what }) => /^vCPU 0 \(thread/.test(what)))
  })
})

withQemu('threads that a VM begins later go where its emulator is, and back', async () => {
  await withGuest(small, async ({ pid, qmp }) => {
    const found = await findVms()
    const own = { ...found, vms: found.vms.filter((vm) => vm.pid === pid) }
    const plan = await planOf(own)
    const changes = await prepareChanges(own, plan)
    addThread(qmp)
    while (Object.keys(affinities(pid)).length <= changes.vms[0]!.threads.length) await sleep(20)
    const applied = await applyChanges(changes, { state })
    assert.equal(applied.differences, [])
    expectPlaced(pid, plan)
    addThread(qmp)
    await sleep(200)
    await undo(undefined, { state })
    assert.equal(new Set(Object.values(affinities(pid))).size, 1, JSON.stringify(affinities(pid)))
  })
})

let ids = 0
/** QEMU begins a thread for an object that is added. */
function addThread(qmp: string): void {
  const script = `
    const socket = require('net').createConnection(${JSON.stringify(qmp)})
    socket.once('data', () => socket.write(JSON.stringify({ execute: 'qmp_capabilities' }) +
      JSON.stringify({ execute: 'object-add', arguments: { 'qom-type': 'iothread', id: 'late${ids++}' } })))
    setTimeout(() => process.exit(), 500)`
  execFileSync(process.execPath, ['-e', script])
}

withQemu('the guest goes on with its memory as it was, while its threads move to and fro', async () => {
  const [firmware, serial] = [join(folder, 'firmware'), join(folder, 'serial')]
  writeFirmware(firmware)
  const args = ['-name', 'guest=busy,debug-threads=on', '-m', `${PATTERN_MEMORY_MIB}`, '-bios', firmware]
  await withGuest([...args, '-serial', `file:${serial}`], async ({ pid }) => {
    for (let round = 0; round < 3; round++) {
      await applyChanges((await changesFor(pid)).changes, { state })
      await undo(undefined, { state })
    }
    const { passed } = readChecks(serial)
    while (readChecks(serial).passed < passed + 2) await sleep(50)
    assert.not(readChecks(serial).failed)
    if (!isRoot) return
    breakMemory(pid)
    for (let tries = 0; tries < 100 && !readChecks(serial).failed; tries++) await sleep(50)
    assert.ok(readChecks(serial).failed, 'what is lost would be seen')
  })
})

/** Writes into guest memory from outside, in all that the guest checks. */
function breakMemory(pid: number): void {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')
  const sizes = lines.map((line) =>
    line
      .split(' ')[0]!
      .split('-')
      .map((part) => Number.parseInt(part, 16)),
  )
  const [start] = sizes.find(([from, to]) => to! - from! === PATTERN_MEMORY_MIB * 2 ** 20)!
  const page = start! + 32 * 2 ** 20
  const script = `const fs = require('fs'), fd = fs.openSync('/proc/${pid}/mem', 'r+')
    for (let at = 0; at < 2 ** 20; at += 256) fs.writeSync(fd, 'x', ${page} + at)`
  // Several times: the guest may be writing just now.
  for (let times = 0; times < 5; times++) execFileSync(process.execPath, ['-e', script])
}

withQemu('by hand: a vCPU, the emulator, memory; what is not there is refused', async () => {
  await withGuest(small, async ({ pid }) => {
    const vm = (await foundOnly(pid)).vms[0]!
    const before = affinities(pid)
    const vcpu = threadNamed(pid, 'CPU 0/TCG')
    await applyChanges(await preparePin(vm, { role: 'vcpu', number: 0 }, '0'), { state })
    assert.equal(affinities(pid), { ...before, [vcpu]: '0' })
    await undo(undefined, { state })
    assert.equal(affinities(pid), before)
    await applyChanges(await preparePin(vm, { role: 'emulator' }, '0'), { state })
    assert.equal(affinities(pid)[vcpu], before[vcpu])
    assert.is(affinities(pid)[pid], '0')
    await undo(undefined, { state })
    assert.equal((await prepareMemory(vm, { to: 0 })).steps, [], 'it is there already')
    const refused = async (promise: Promise<unknown>, expected: RegExp) => {
      const error = await promise.catch((reason: unknown) => reason)
      assert.instance(error, InputError)
      assert.match((error as Error).message, expected)
    }
    await refused(preparePin(vm, { role: 'vcpu', number: 1 }, '0'), /which has 1 vCPUs, got 1/)
    await refused(preparePin(vm, { role: 'iothread', number: 0 }, '0'), /0 I\/O threads/)
    await refused(preparePin(vm, { role: 'vcpu', number: 0 }, '0-4000'), /which are online/)
    await refused(preparePin(vm, { role: 'vcpu', number: 0 }, 'x'), /a cpulist/)
    await refused(prepareMemory(vm, { to: 900 }), /which are online/)
    await refused(prepareMemory({ ...vm, mappings: [] }, { to: 0 }), /known where its memory is/)
  })
})

withQemu('options that are none, and plans that nobody has verified, are refused', async () => {
  await withGuest(small, async ({ pid }) => {
    const found = await foundOnly(pid)
    const { plan, changes } = await changesFor(pid)
    const error = await prepareChanges(found, structuredClone(plan) as VerifiedPlan).catch((reason) => reason)
    assert.match((error as Error).message, /a plan that verifyPlan returned/)
    for (const [options, expected] of [
      [{ rate: 0 }, /options\.rate/],
      [{ rate: Number.NaN }, /options\.rate/],
      [{ signal: 1 }, /options\.signal/],
      [{ state: 1 }, /options\.state/],
      [{ onProgress: 'x' }, /options\.onProgress/],
    ] as const) {
      const refused = await applyChanges(changes, options as object).catch((reason) => reason)
      assert.match((refused as Error).message, expected)
    }
  })
})

withQemu('a guest that has ended before or in between is gone, and nobody else is touched', async () => {
  await withGuest(small, async (guest) => {
    const { changes } = await changesFor(guest.pid)
    const applied = await applyChanges(changes, {
      state,
      onProgress: ({ doing, step }) => {
        if (doing !== 'threads' || step !== 1) return
        process.kill(guest.pid, 'SIGKILL')
        while (/\) [^ZX] /.test(readIfThere(`/proc/${guest.pid}/stat`))) spawnSync('sleep', ['0.02'])
      },
    })
    assert.equal(
      applied.steps.map((step) => step.state),
      ['done', 'gone'],
    )
    assert.match(applied.differences[0]!.found, /has ended/)
    const late = await applyChanges(changes, { state })
    assert.equal(new Set(late.steps.map((step) => step.state)), new Set(['gone']))
    for (const file of listUndoFiles({ state })) await undo(file, { state })
    assert.equal(listUndoFiles({ state }), [])
  })
})

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

const SECCOMP = fileURLToPath(new URL('seccomp.ts', import.meta.url))
const EXECUTOR = fileURLToPath(new URL('../../../executor/index.ts', import.meta.url))

/** A process of its own that applies these changes. */
function applyElsewhere(changes: object, body: string, prefix: readonly string[] = []): ChildProcess {
  const script = `
    import { applyChanges } from ${JSON.stringify(EXECUTOR)}
    const changes = ${JSON.stringify(changes)}
    const state = ${JSON.stringify(state)}
    ${body}`
  const [program, ...args] = [...prefix, process.execPath, '--import', 'tsx', '--input-type=module', '-e', script]
  return spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
}

function ended(child: ChildProcess): Promise<string> {
  let output = ''
  child.stdout!.on('data', (chunk) => {
    output += chunk
  })
  return new Promise((resolve) => child.once('close', () => resolve(output)))
}

withQemu('killed at any of its events, undo brings everything back, and so does applying again', async () => {
  await withGuest(small, async ({ pid }) => {
    const before = affinities(pid)
    const { plan, changes } = await changesFor(pid)
    for (let at = 0; at < 4; at++) {
      await ended(
        applyElsewhere(
          changes,
          `let events = 0
          await applyChanges(changes, { state, onProgress: () => void (events++ === ${at} && process.kill(process.pid, 'SIGKILL')) })`,
        ),
      )
      assert.is(listUndoFiles({ state }).length, 1)
      if (at % 2 === 1) {
        await applyChanges(await prepareChanges(await foundOnly(pid), plan), { state })
        expectPlaced(pid, plan)
        if (listUndoFiles({ state }).length === 2) await undo(undefined, { state })
      }
      await undo(undefined, { state })
      assert.equal(affinities(pid), before, `killed at event ${at}`)
      assert.equal(listUndoFiles({ state }), [])
    }
  })
})

withQemu('while one applies, another is refused and told who does', async () => {
  await withGuest(small, async ({ pid }) => {
    const { changes } = await changesFor(pid)
    const child = applyElsewhere(
      changes,
      `await applyChanges(changes, { state, onProgress: ({ doing }) => {
        if (doing !== 'threads') return
        console.log('in the middle')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      } })`,
    )
    await new Promise((resolve) => child.stdout!.once('data', resolve))
    const error = await applyChanges(changes, { state }).catch((reason) => reason)
    assert.equal([error.name, error.holder, error.exitCode], ['BusyError', child.pid, 1])
    const gone = ended(child)
    child.kill('SIGKILL')
    await gone
    assert.equal((await applyChanges(changes, { state })).differences, [])
    while (listUndoFiles({ state }).length > 0) await undo(undefined, { state })
  })
})

withQemuAsRoot("an ordinary user is told that root's guest is not theirs, before and in between", async () => {
  await withGuest(small, async ({ pid }) => {
    const before = affinities(pid)
    const { changes } = await changesFor(pid)
    const user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    const own = join(folder, 'nobody')
    mkdirSync(own, { mode: 0o700 })
    execFileSync('chmod', ['755', folder])
    execFileSync('chown', ['65534:65534', own])
    const body = `console.log(JSON.stringify(await applyChanges(changes, { state: ${JSON.stringify(own)} })))`
    const applied = JSON.parse(await ended(applyElsewhere(changes, body, user)))
    assert.equal(
      applied.steps.map((step: { state: string }) => step.state),
      ['left', 'skipped'],
    )
    assert.match(applied.steps[0].why, /EPERM.*CAP_SYS_NICE/)
    assert.match(applied.differences[0].what, /vCPU 0/)
    assert.equal(affinities(pid), before)
    const prepared = `
      import { findVms, preparePin, prepareUndo } from ${JSON.stringify(EXECUTOR)}
      const { vms } = await findVms()
      const { steps, obstacles } = await preparePin(vms.find(({ pid }) => pid === ${pid}), { role: 'vcpu', number: 0 }, '0')
      console.log(JSON.stringify({ steps, obstacles }))`
    const { steps, obstacles } = JSON.parse(await ended(applyElsewhere({}, prepared, user)))
    assert.equal(steps, [])
    assert.match(obstacles[0].why, /user 0's: run as root/)
  })
})

const OBSTACLES = fileURLToPath(new URL('../../../executor/apply/obstacles.ts', import.meta.url))
const DRAFT = fileURLToPath(new URL('../../../executor/apply/draft.ts', import.meta.url))

withQemuAsRoot('where seccomp denies move_pages, that is said before anything is touched, and in between', async () => {
  await withGuest(small, async ({ pid }) => {
    const [vm] = (await foundOnly(pid)).vms
    const changes = await preparePin(vm!, { role: 'vcpu', number: 0 }, '0')
    const { start, bytes, pageSize, policy, resident } = vm!.mappings[0]!
    const range = { start, bytes, pageSize, policy, through: 'kernel' as const, from: resident, to: resident }
    const steps = changes.steps.map((step) => ({ ...step, memory: [range] }))
    const denied = `
      import { denyMovePages } from ${JSON.stringify(SECCOMP)}
      import { obstaclesTo } from ${JSON.stringify(OBSTACLES)}
      import { draftOf } from ${JSON.stringify(DRAFT)}
      const draft = draftOf(${JSON.stringify(vm)})
      draft.add(1, { threads: new Map(), memory: new Map([[${start}, [{ node: 1, bytes: 4096 }]]]) })
      denyMovePages()
      const known = obstaclesTo(draft, 0).filter(({ what }) => what === 'its memory')
      console.log(JSON.stringify({ known, applied: await applyChanges(changes, { state }) }))`
    const { known, applied } = JSON.parse(await ended(applyElsewhere({ ...changes, steps }, denied)))
    assert.match(known[0].why, /move_pages\(\d+\): EPERM.*seccomp/)
    assert.is(known[0].left, true)
    assert.is(applied.steps[0].state, 'left')
    assert.match(applied.steps[0].why, /move_pages\(\d+\): EPERM.*seccomp/)
    assert.is(affinities(pid)[threadNamed(pid, 'CPU 0/TCG')], '0', 'its threads had gone before')
    await undo(undefined, { state })
  })
})

const CPUSETS = '/sys/fs/cgroup/cpuset'
const withCpusets = skipUnless(
  hasQemu &&
    isRoot &&
    existsSync(join(CPUSETS, 'cpuset.cpus')) &&
    readIfThere(join(CPUSETS, 'cpuset.cpus')).trim() === '0-1',
  'it takes QEMU, root, two CPUs and cpusets of cgroup v1 (v2: see the lab)',
)

withCpusets('a cpuset of nobody gives way and comes back; with others in it, it is an obstacle', async () => {
  await withGuest(small, async ({ pid }) => {
    const group = join(CPUSETS, 'homenode-test')
    mkdirSync(group)
    try {
      for (const [name, value] of [
        ['cpuset.cpus', '0'],
        ['cpuset.mems', '0'],
        ['cgroup.procs', `${pid}`],
      ] as const) {
        writeFileSync(join(group, name), value)
      }
      const before = affinities(pid)
      const { vms } = await foundOnly(pid)
      const changes = await preparePin(vms[0]!, { role: 'vcpu', number: 0 }, '1')
      assert.equal(changes.steps[0]!.cpusets, [
        {
          path: '/homenode-test',
          version: 1,
          from: { cpus: '0', mems: '0' },
          between: { cpus: '0-1', mems: '0' },
          to: { cpus: '0-1', mems: '0' },
        },
      ])
      // The others of the VM stay where they are.
      assert.equal((await applyChanges(changes, { state })).differences, [])
      assert.is(readFileSync(join(group, 'cpuset.cpus'), 'utf8').trim(), '0-1')
      const vcpu = threadNamed(pid, 'CPU 0/TCG')
      assert.equal(affinities(pid), { ...before, [vcpu]: '1' })
      assert.equal((await undo(undefined, { state })).differences, [])
      assert.is(readFileSync(join(group, 'cpuset.cpus'), 'utf8').trim(), '0')
      assert.equal(affinities(pid), before)
      const other = spawn('sleep', ['1000'])
      writeFileSync(join(group, 'cgroup.procs'), `${other.pid}`)
      const { steps, obstacles } = await preparePin(vms[0]!, { role: 'vcpu', number: 0 }, '1')
      assert.equal(steps, [])
      assert.match(obstacles[0]!.why, /other processes are in it/)
      other.kill('SIGKILL')
      await new Promise((resolve) => other.once('close', resolve))
    } finally {
      writeFileSync(join(CPUSETS, 'cgroup.procs'), `${pid}`)
      rmdirSync(group)
    }
  })
})

test.run()
