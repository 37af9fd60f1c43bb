import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fleetOf } from '../../bench/balance/fleet.js'
import { kernelLike } from '../../bench/balance/kernel.js'
import { numadLike } from '../../bench/balance/numad.js'
import { MINUTES, traceOf } from '../../bench/balance/traces.js'
import { World } from '../../bench/balance/world.js'
import { runBench } from './run.js'

test('all who balance get the same host and loads', () => {
  const { status, stdout, stderr } = runBench(['balance', '--quick', '--json'])
  assert.is(status, 0, stderr)
  const { rows } = JSON.parse(stdout)
  assert.equal(
    rows.map(({ who }: { who: string }) => who),
    ['nothing', 'kernel-like', "numad's rule", 'homenode balance'],
  )
  assert.is(new Set(rows.map(({ wantedHours }: { wantedHours: number }) => wantedHours)).size, 1)
  const [idle, , , ours] = rows
  assert.equal([idle.moves, idle.copiedGiB, idle.movingHours], [0, 0, 0])
  assert.ok(ours.lostHours < idle.lostHours)
})

test('loads are by their seed, and of their kind', () => {
  const mean = (trace: readonly number[]) => trace.reduce((sum, each) => sum + each, 0) / trace.length
  for (const kind of ['daily', 'bursty', 'idle', 'steady'] as const) {
    assert.equal(traceOf(kind, 5), traceOf(kind, 5))
    assert.is.not(JSON.stringify(traceOf(kind, 5)), JSON.stringify(traceOf(kind, 6)))
    for (const want of traceOf(kind, 5)) assert.ok(want > 0 && want <= 1)
  }
  for (let seed = 1; seed <= 20; seed++) {
    assert.is(new Set(traceOf('steady', seed)).size, 1)
    assert.ok(Math.max(...traceOf('idle', seed)) < 0.2)
    const [daily, bursty] = [traceOf('daily', seed), traceOf('bursty', seed)]
    assert.ok(mean(daily) > 0.05 && mean(daily) < 0.6, `${seed}: ${mean(daily)}`)
    assert.ok(Math.max(...bursty) > 0.45 && mean(bursty) < 0.6, `${seed}: ${mean(bursty)}`)
    const median = [...bursty].sort((a, b) => a - b)[MINUTES / 2]!
    assert.ok(median < Math.max(...bursty) / 2 || mean(bursty) > 0.3, `${seed}: ${median}`)
  }
})

/** After some minutes of one who balances, with all VMs there. */
async function after(minutes: number, balancing: ReturnType<typeof kernelLike>): Promise<World> {
  const world = new World(fleetOf({ nodes: 2, vms: 20, seed: 3, kinds: ['steady'], churn: 0, minutes: 240 }))
  for (let minute = 0; minute < minutes; minute++) {
    world.comeAndGo(minute)
    await balancing.minute(world)
  }
  return world
}

test('memory is neither lost nor made, and fits, whoever balances', async () => {
  for (const balancing of [kernelLike(), numadLike()]) {
    const world = await after(20, balancing)
    for (const { vm, memory } of world.vms) {
      assert.is(
        [...memory.values()].reduce((sum, bytes) => sum + bytes, 0),
        vm.bytes,
      )
    }
    for (const node of world.fleet.nodes) assert.ok(world.freeBytes(node) >= 0)
  }
})

test('like the kernel: no CPU is idle while a vCPU waits, and memory comes to where its VM runs', async () => {
  const world = await after(20, kernelLike())
  const short = world.shortfall()
  const wanted = world.vms.reduce((sum, placed) => sum + world.want(placed) * placed.vm.vcpus, 0)
  assert.ok(wanted < world.fleet.host.cpus.length)
  for (const node of world.fleet.nodes) assert.is(short(world.listOf(node)), 0)
  assert.ok(world.lost() < 0.01 * wanted)
})

test("numad's rule: busy processes are bound, with their memory; others float", async () => {
  const world = await after(20, numadLike())
  for (const placed of world.vms) {
    const isBusy = world.want(placed) * placed.vm.vcpus > 0.5
    assert.is(
      placed.cpus.every((list) => list !== world.everywhere),
      isBusy,
    )
    if (!isBusy) continue
    const [node] = world.fleet.nodes.filter((one) => placed.cpus[0] === world.listOf(one))
    if (node !== undefined) assert.ok((placed.memory.get(node) ?? 0) >= 0.9 * placed.vm.bytes)
  }
})

test.run()
