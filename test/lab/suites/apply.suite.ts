/** Guests of QEMU with KVM, badly placed by hand: a plan is carried out on them while they run, and undone. Read from procfs. */

import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { costAsIs, detectHost, parseRequest, plan, type VerifiedPlan, verifyPlan } from 'homenode'
import {
  applyChanges,
  type Found,
  prepareChanges,
  prepareMemory,
  preparePin,
  prepareUndo,
  requestOf,
} from 'homenode/executor'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  affinities,
  affinityOf,
  backend,
  findThese,
  folder,
  type Guest,
  memoryOf,
  pinTo,
  startGuest,
} from './guests.js'
import { MiB, machine, withMemory, write } from './inside.js'
import { pinPages } from './pinned.js'

const state = join(folder, 'state')
const [first, last] = [withMemory[0]!, withMemory.at(-1)!]
const cpusOn = (node: number) => machine.nodes[node]!.cpus!

async function planFor(found: Found): Promise<{ verified: VerifiedPlan; lost: number }> {
  const asked = requestOf(found.vms, await detectHost())
  assert.equal(asked.left, [])
  const verified = verifyPlan(asked.host, asked.request, await plan(asked.host, asked.request))
  assert.equal(verified.refused, [])
  const { lostVcpus } = costAsIs(asked.host, parseRequest(asked.request), asked.running)
  return { verified, lost: lostVcpus }
}

async function withGuests(guests: readonly Promise<Guest>[], body: (guests: readonly Guest[]) => Promise<void>) {
  const started = await Promise.all(guests)
  try {
    await body(started)
  } finally {
    await Promise.all(started.map((guest) => guest.stop()))
  }
}

const isLarge = (nodes: Record<string, number>) =>
  Object.fromEntries(
    Object.entries(nodes)
      .filter(([, mib]) => mib >= 1)
      .map(([node, mib]) => [node, Math.round(mib)]),
  )

test('three guests that are badly placed go where the plan has them, and back, without losing a byte', async () => {
  const bind = `policy=bind,host-nodes=${last}`
  await withGuests(
    [
      startGuest('db', backend('ram', bind)),
      startGuest('web', backend('memfd', `share=on,${bind}`)),
      startGuest('batch', backend('ram', 'policy=default'), ['numactl', `--membind=${last}`]),
    ],
    async (guests) => {
      for (const { pid } of guests) pinTo(pid, cpusOn(first))
      // Floats over everything, with its memory on the last node.
      pinTo(
        guests[2]!.pid,
        machine.nodes
          .map(({ cpus }) => cpus)
          .filter(Boolean)
          .join(),
      )
      const before = guests.map(({ pid }) => affinities(pid))
      const found = await findThese(guests)
      const { verified, lost } = await planFor(found)
      assert.ok(lost > 0.9, `${lost}`)
      const changes = await prepareChanges(found, verified)
      assert.equal(
        changes.obstacles.filter(({ left }) => left),
        [],
      )
      const applied = await applyChanges(changes, { state })
      assert.equal(applied.differences, [])
      assert.equal(
        applied.steps.filter((step) => step.state !== 'done'),
        [],
      )
      for (const [at, { pid, name }] of guests.entries()) {
        const planned = verified.vms.find((vm) => vm.name === name)!
        for (const { vcpu, cpus } of planned.vcpus) assert.is(affinityOf(pid, `CPU ${vcpu}/KVM`), cpus, name)
        assert.is(affinities(pid)[pid], planned.emulator)
        const wanted = planned.cells[0]!.memory.map(({ node, bytes }) => [`${node}`, bytes / MiB])
        assert.equal(isLarge(memoryOf(pid)), Object.fromEntries(wanted), name)
        assert.ok(await guests[at]!.isSound(), name)
      }
      const after = await planFor(await findThese(guests))
      const promised = verified.cost.lostVcpus - (verified.cost.terms.migration ?? 0)
      assert.ok(Math.abs(after.lost - promised) < 0.02, `${after.lost}, not ${promised}`)

      // NUMA balancing leaves it there.
      write('/proc/sys/kernel/numa_balancing', 1)
      const there = guests.map(({ pid }) => isLarge(memoryOf(pid)))
      if (machine.name === 'two-node') await sleep(30_000)
      assert.equal(
        guests.map(({ pid }) => isLarge(memoryOf(pid))),
        there,
      )

      const undone = await applyChanges(await prepareUndo(undefined, { state }), { state })
      assert.equal([undone.differences, undone.undoFile], [[], applied.undoFile])
      for (const [at, { pid, name }] of guests.entries()) {
        assert.equal(affinities(pid), before[at], name)
        assert.equal(isLarge(memoryOf(pid)), { [last]: 64 }, name)
        assert.ok(await guests[at]!.isSound(), name)
      }
    },
  )
})

test('memory that two processes map goes as a whole', async () => {
  const file = `mem-path=/dev/shm/both,share=on,policy=bind,host-nodes=${first}`
  await withGuests([startGuest('one', backend('file', file))], async ([one]) => {
    await withGuests([startGuest('two', [...backend('file', file), '-S'])], async () => {
      const [vm] = (await findThese([one!])).vms
      const applied = await applyChanges(await prepareMemory(vm!, { to: last }), { state })
      assert.equal([applied.differences, applied.steps[0]!.stayed], [[], []])
      assert.equal(isLarge(memoryOf(one!.pid)), { [last]: 64 })
      assert.ok(await one!.isSound())
    })
  })
})

test('a rate holds, a signal stops between batches, and applying again does the rest', async () => {
  await withGuests([startGuest('slow', backend('ram', `policy=bind,host-nodes=${last}`))], async ([guest]) => {
    const [vm] = (await findThese([guest!])).vms
    const changes = await prepareMemory(vm!, { to: first })
    assert.is(changes.bytes, 64 * MiB)
    const start = Date.now()
    const controller = new AbortController()
    const stopped = await applyChanges(changes, {
      state,
      rate: 8 * MiB,
      signal: controller.signal,
      onProgress: ({ moved }) => void (moved >= 24 * MiB && controller.abort()),
    })
    assert.ok(Date.now() - start >= 2000, 'three batches of 4 MiB take half a second each')
    assert.equal([stopped.stopped, stopped.steps[0]!.state], [true, 'left'])
    assert.ok(stopped.moved >= 24 * MiB && stopped.moved < 32 * MiB, `${stopped.moved}`)
    assert.equal(isLarge(memoryOf(guest!.pid)), { [first]: stopped.moved / MiB, [last]: 64 - stopped.moved / MiB })
    assert.match(stopped.differences[0]!.found, /on node/)
    const [again] = (await findThese([guest!])).vms
    const rest = await applyChanges(await prepareMemory(again!, { to: first }), { state })
    assert.equal([rest.differences, rest.moved + stopped.moved], [[], 64 * MiB])
    assert.ok(await guest!.isSound())
  })
})

test('pages that the kernel holds on to stay, and are counted; all others go', async () => {
  const guest = await startGuest('kept', backend('memfd', `share=on,policy=bind,host-nodes=${last}`))
  // Every other MiB of 16.
  const pinned = pinPages(guest.pid, 16 * MiB)
  try {
    const [vm] = (await findThese([guest])).vms
    const { steps, differences } = await applyChanges(await prepareMemory(vm!, { to: first }), { state })
    assert.equal(steps[0]!.stayed, [{ bytes: 8 * MiB, why: 'the kernel or a device holds on to these pages (EBUSY)' }])
    assert.is(steps[0]!.moved, 56 * MiB)
    assert.match(differences[0]!.found, /56 MiB on node \d, 8 MiB on node \d|8 MiB on node \d, 56 MiB on node \d/)
    assert.equal(isLarge(memoryOf(guest.pid)), { [first]: 56, [last]: 8 })
    assert.ok(await guest.isSound())
    pinned.end()
    const [again] = (await findThese([guest])).vms
    const rest = await applyChanges(await prepareMemory(again!, { to: first }), { state })
    assert.equal([rest.differences, rest.moved], [[], 8 * MiB])
  } finally {
    pinned.end()
    await guest.stop()
  }
})

test('a guest that dies in between is said to be gone, and the others go on', async () => {
  const bound = backend('ram', `policy=bind,host-nodes=${last}`)
  await withGuests([startGuest('dies', bound), startGuest('lives', bound)], async (guests) => {
    for (const { pid } of guests) pinTo(pid, cpusOn(first))
    const { vms } = await findThese(guests)
    const [dies, lives] = await Promise.all(vms.map((vm) => prepareMemory(vm, { to: first })))
    const steps = [...dies!.steps, ...lives!.steps.map((step) => ({ ...step, step: 2 }))]
    const both = { ...dies!, steps, vms: [...dies!.vms, ...lives!.vms] }
    let isKilled = false
    const applied = await applyChanges(both, {
      state,
      onProgress: ({ moved }) => {
        if (moved < 16 * MiB || isKilled) return
        isKilled = true
        process.kill(vms[0]!.pid, 'SIGKILL')
      },
    })
    assert.equal(
      applied.steps.map((step) => [step.vm, step.state]),
      [
        [vms[0]!.name.value, 'gone'],
        [vms[1]!.name.value, 'done'],
      ],
    )
    assert.match(applied.steps[0]!.why!, /has ended/)
    assert.equal(isLarge(memoryOf(vms[1]!.pid)), { [first]: 64 })
    const undone = await prepareUndo(undefined, { state })
    assert.match(undone.obstacles[0]!.why, /has ended/)
    assert.equal(
      undone.steps.map(({ vm }) => vm),
      [vms[1]!.name.value],
    )
  })
})

test('a cpuset of nobody is widened, narrowed to what is planned, and brought back', async () => {
  const cgroup = '/sys/fs/cgroup/guests'
  write('/sys/fs/cgroup/cgroup.subtree_control', '+cpuset')
  mkdirSync(cgroup)
  write(join(cgroup, 'cpuset.cpus'), cpusOn(first))
  write(join(cgroup, 'cpuset.mems'), first)
  const read = () => ['cpuset.cpus', 'cpuset.mems'].map((name) => readFileSync(join(cgroup, name), 'utf8').trim())
  try {
    await withGuests([startGuest('held', backend('ram', `policy=bind,host-nodes=${first}`))], async ([guest]) => {
      write(join(cgroup, 'cgroup.procs'), guest!.pid)
      pinTo(guest!.pid, cpusOn(first))
      const before = affinities(guest!.pid)
      const [vm] = (await findThese([guest!])).vms
      const memory = await prepareMemory(vm!, { to: last })
      assert.equal(memory.obstacles, [])
      const applied = await applyChanges(memory, { state })
      assert.equal(applied.differences, [])
      assert.equal(isLarge(memoryOf(guest!.pid)), { [last]: 64 })
      assert.equal(read(), [cpusOn(first), `${last}`])
      const pin = await preparePin((await findThese([guest!])).vms[0]!, { role: 'vcpu', number: 0 }, cpusOn(last))
      const pinned = await applyChanges(pin, { state })
      assert.equal(pinned.differences, [])
      assert.is(affinityOf(guest!.pid, 'CPU 0/KVM'), cpusOn(last))
      for (let left = 2; left > 0; left--) {
        assert.equal((await applyChanges(await prepareUndo(undefined, { state }), { state })).differences, [])
      }
      assert.equal(read(), [cpusOn(first), `${first}`])
      assert.equal(affinities(guest!.pid), before)
      assert.equal(isLarge(memoryOf(guest!.pid)), { [first]: 64 })
      assert.ok(await guest!.isSound())
    })
  } finally {
    writeFileSync('/sys/fs/cgroup/cgroup.subtree_control', '-cpuset')
    rmdirSync(cgroup)
  }
})

test('a CPU that goes offline in between: that guest is left, with the reason', async () => {
  const cpu = cpusOn(last).split('-')[1]!
  await withGuests([startGuest('pinned', backend('ram', 'policy=default'))], async ([guest]) => {
    const [vm] = (await findThese([guest!])).vms
    const changes = await preparePin(vm!, { role: 'vcpu', number: 1 }, cpu)
    write(`/sys/devices/system/cpu/cpu${cpu}/online`, 0)
    try {
      const { steps } = await applyChanges(changes, { state })
      assert.is(steps[0]!.state, 'left')
      assert.match(steps[0]!.why!, /EINVAL.*none of these CPUs is online/)
      const planned = await findThese([guest!])
      await assertRejects(preparePin(planned.vms[0]!, { role: 'vcpu', number: 1 }, cpu), /which are online/)
    } finally {
      write(`/sys/devices/system/cpu/cpu${cpu}/online`, 1)
    }
  })
})

async function assertRejects(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await promise.then(
    () => new Error('nothing was refused'),
    (reason) => reason as Error,
  )
  assert.match(error.message, message)
}

test.run()
