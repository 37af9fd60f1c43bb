/** Balancing of real guests: busy ones get apart, and what else happens to them meanwhile. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type {
  AccelKvm,
  BalancingAction,
  BalancingOptions,
  BalancingRound,
  NumaOptimizer,
} from '../../../../executor/accel/index.js'
import { formatCpulist } from '../../../../src/cpulist.js'
import { skipUnless } from '../../../skip.js'
import { count } from '../../guests/programs.js'
import { cpus, MiB } from '../../plans.js'
import { runScript } from '../../script.js'
import { accel, failure, number64, refusal, testWithKvm } from '../../vms.js'
import { allowedOf, cpu, LOW, node, otherCpu } from '../accels.js'

const testWithTwoCpus = cpus.length > 1 ? testWithKvm : skipUnless(false, 'this process may use one CPU only')
const topology = accel.CpuTopology.detectSync()

/** It decides at once, whatever else the machine does. */
const QUICK: BalancingOptions = {
  interval: 0.05,
  settings: { leastKnown: 0, patience: 1, settle: 0, rest: 0, delayRise: 1, cpuPressure: 1, memoryPressure: 1 },
}

function makeOptimizer(): NumaOptimizer {
  return new accel.NumaOptimizer(topology, accel.VcpuAffinityManager.withTopology(topology), { [node]: 16 * MiB })
}

/** Also of those that watch who calls it. */
const pin = accel.AccelKvm.prototype.setVcpuAffinity

/** A guest whose vCPUs count for ever, on one CPU. */
async function makeBusy(name: string, on = cpu, guest = new accel.AccelKvm({ name }), vcpus = [0]): Promise<AccelKvm> {
  await guest.init()
  guest.enableNuma([node])
  await guest.setupNumaMemory(LOW)
  for (const id of vcpus) await guest.createVcpu(id)
  const { entry } = await guest.load(count, 0x1000)
  for (const id of vcpus) {
    guest.vcpu(id).startInLongMode(entry, { rdi: 0x3000n + 8n * BigInt(id) })
    pin.call(guest, id, [on])
  }
  await guest.run()
  return guest
}

const startingWith = (optimizer: NumaOptimizer, options: BalancingOptions = {}) => {
  const rounds: BalancingRound[] = []
  let wake = () => {}
  const onRound = (round: BalancingRound) => {
    rounds.push(round)
    options.onRound?.(round)
    wake()
  }
  const effect = optimizer.startBalancing({ ...QUICK, ...options, onRound })
  /** The first round from now on that is so. */
  const until = async (isIt: (round: BalancingRound) => boolean): Promise<BalancingRound> => {
    for (let at = rounds.length; ; ) {
      for (; at < rounds.length; at++) if (isIt(rounds[at]!)) return rounds[at]!
      // The timer of the next round does not keep the process.
      const keep = setInterval(() => {}, 1000)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
      clearInterval(keep)
    }
  }
  return { rounds, until, effect }
}

const isDone = ({ action }: BalancingRound) => action?.result === 'done'

testWithTwoCpus('two busy guests on one CPU get apart', async () => {
  await using optimizer = makeOptimizer()
  await using web = await makeBusy('web')
  await using db = await makeBusy('db')
  for (const guest of [web, db]) optimizer.addGuest(guest)
  const { until, effect } = startingWith(optimizer)
  assert.equal(effect, { enforced: true })
  const { round, action } = await until(isDone)
  assert.is(round?.decision, 'act')
  assert.ok(round!.now!.terms.overcommit! > round!.planned!.lostVcpus)
  assert.is(action?.kind, 'move')
  assert.equal(action?.why, [])
  assert.equal(
    action?.guests,
    round?.moves.map(({ vm }) => vm),
  )
  const [first, second] = [web.getVcpuAffinity(0), db.getVcpuAffinity(0)]
  assert.ok(new Set([...first, ...second]).size > 1, `${first} and ${second}`)
  // They go on.
  const at = number64(db.read(0x3000, 8))
  await until(() => number64(db.read(0x3000, 8)) > at)
})

testWithTwoCpus('a dry run says what it would do, and does nothing', async () => {
  await using optimizer = makeOptimizer()
  await using web = await makeBusy('guest')
  await using db = await makeBusy('guest')
  for (const guest of [web, db]) optimizer.addGuest(guest)
  const { until } = startingWith(optimizer, { dryRun: true })
  for (let times = 0; times < 2; times++) {
    const { round, action } = await until(({ action }) => action !== null)
    assert.is(action?.result, 'dry')
    assert.ok(round!.moves.length > 0)
    for (const { vm } of round!.moves) assert.match(vm, /^guest \([12]\)$/)
  }
  assert.equal([allowedOf(web, 0), allowedOf(db, 0)], [`${cpu}`, `${cpu}`])
})

testWithTwoCpus('nothing moves where nothing pays, and who comes and goes is no trouble', async () => {
  await using optimizer = makeOptimizer()
  await using web = await makeBusy('web')
  await using db = await makeBusy('db', otherCpu)
  await using early = new accel.AccelKvm({ name: 'early' })
  for (const guest of [web, db, early]) optimizer.addGuest(guest)
  const { until, rounds } = startingWith(optimizer)
  const isWeighed = ({ round }: BalancingRound) => round?.now != null
  await until(isWeighed)
  await db.stop()
  await until(({ round }) => round !== null && optimizer.guests().length === 2)
  await early.close()
  await until(isWeighed)
  optimizer.removeGuest(web)
  await until(({ round }) => round?.reason === 'none')
  assert.equal([...new Set(rounds.map(({ round, error }) => error?.message ?? round?.decision))], ['stay'])
  assert.is(allowedOf(web, 0), `${cpu}`)
})

testWithTwoCpus(
  'what made guests suffer is taken back to where it was, and what was set by hand since stays',
  async () => {
    await using web = await makeBusy('web')
    await using db = await makeBusy('db')
    // Beside them on the CPU that they are brought to by hand when they have got apart.
    await using _one = await makeBusy('one', otherCpu)
    await using _two = await makeBusy('two', otherCpu)
    const guests = [web, db]
    await using optimizer = makeOptimizer()
    for (const guest of guests) optimizer.addGuest(guest)
    const places = () => new Map(guests.map((guest) => [guest.name, allowedOf(guest, 0)]))
    let [here, before, moved] = [places(), places(), places()]
    const { until } = startingWith(optimizer, {
      settings: { ...QUICK.settings, delayRise: 0, window: 1, settle: 0.2, backOff: 0 },
      // What a busy machine does to them may hide it, then it is tried again.
      onRound: ({ action }) => {
        if (action?.kind === 'move') {
          before = here
          moved = places()
          for (const guest of guests) guest.setVcpuAffinity(0, [otherCpu])
        }
        here = places()
      },
    })
    const { round, action } = await until(({ action }) => action?.kind === 'undo')
    assert.is(round?.reason, 'suffers')
    assert.equal([action?.result, action?.why], ['done', []])
    for (const name of here.keys()) {
      const isAsMoved = moved.get(name) !== before.get(name) && moved.get(name) === `${otherCpu}`
      assert.is(here.get(name), isAsMoved ? before.get(name) : `${otherCpu}`, name)
    }
  },
)

/** A guest with two vCPUs on one CPU; `onPin` is called before one of them gets CPUs. */
function makeWatched(onPin: (vcpu: number, wanted: readonly number[]) => void): Promise<AccelKvm> {
  class Watched extends accel.AccelKvm {
    override setVcpuAffinity(id: number, wanted: readonly number[]) {
      onPin(id, wanted)
      return super.setVcpuAffinity(id, wanted)
    }
  }
  return makeBusy('web', cpu, new Watched({ name: 'web' }), [0, 1])
}

for (const end of ['stopBalancing', 'close'] as const) {
  testWithTwoCpus(`${end}() in the middle of a move waits for its end, and there is no round afterwards`, async () => {
    await using optimizer = makeOptimizer()
    let ending: Promise<void> | undefined
    let ended = false
    await using guest = await makeWatched(() => {
      ending ??= optimizer[end]().then(() => {
        ended = true
      })
    })
    optimizer.addGuest(guest)
    const actions: (BalancingAction | null)[] = []
    const { until } = startingWith(optimizer, {
      onRound: ({ action }) => {
        assert.is(ended, false)
        actions.push(action)
      },
    })
    const { action } = await until(isDone)
    await ending
    assert.is(actions.at(-1), action)
    for (const id of [0, 1]) assert.is.not(allowedOf(guest, id), `${cpu}`)
    await optimizer.stopBalancing()
    if (end === 'close') {
      assert.match(refusal(() => optimizer.startBalancing()).message, /the NumaOptimizer is closed/)
      assert.match(refusal(() => optimizer.addGuest(guest)).message, /the NumaOptimizer is closed/)
    } else {
      assert.equal(optimizer.startBalancing(), { enforced: true })
    }
  })
}

testWithTwoCpus('what fails in the middle is taken back, told, and no reason to end', async () => {
  await using optimizer = makeOptimizer()
  let fails = true
  const seen: string[] = []
  await using guest = await makeWatched((vcpu, wanted) => {
    seen.push(`${vcpu}: ${formatCpulist(wanted)}`)
    if (fails && vcpu === 1) throw new Error('no')
  })
  optimizer.addGuest(guest)
  const { until } = startingWith(optimizer, { settings: { ...QUICK.settings, backOff: 0 } })
  const { action } = await until((round) => round.action !== null)
  assert.equal([action?.result, action?.why], ['failed', ['no']])
  assert.equal([allowedOf(guest, 0), allowedOf(guest, 1)], [`${cpu}`, `${cpu}`])
  assert.is(seen[2], `0: ${cpu}`)
  fails = false
  await until(isDone)
  assert.is.not(allowedOf(guest, 1), `${cpu}`)
})

testWithKvm('options that are none are refused with the option', async () => {
  await using optimizer = makeOptimizer()
  const cases: readonly [unknown, RegExp][] = [
    [null, /^options: expected an object, got null/],
    [{ interval: 0 }, /^options.interval: expected a number above 0, up to 86400, got 0/],
    [{ interval: '5' }, /^options.interval: .*got "5"/],
    [{ interval: Number.NaN }, /^options.interval: /],
    [{ settings: 3 }, /^options.settings: expected an object, got 3/],
    [{ settings: { patience: 0 } }, /^options.settings.patience: expected at least 1, got 0/],
    [{ settings: { patient: 1 } }, /^options.settings.patient: expected one of the fields/],
    [{ dryRun: 'yes' }, /^options.dryRun: expected true or false, got "yes"/],
    [{ onRound: 1 }, /^options.onRound: expected a function, got 1/],
    [{ onround: () => {} }, /^options.onround: expected one of the options interval, /],
  ]
  for (const [options, message] of cases) {
    const error = refusal(() => optimizer.startBalancing(options as BalancingOptions))
    assert.is(error.name, 'InputError')
    assert.match(error.message, message)
  }
  // None of them has started anything.
  assert.equal(optimizer.startBalancing(), { enforced: true })
})

testWithKvm('guests and blocks that are none are refused, and blocks that another guest uses', async () => {
  await using optimizer = makeOptimizer()
  const [web, db] = [new accel.AccelKvm(), new accel.AccelKvm()]
  const { address } = await optimizer.allocateMemory(MiB)
  optimizer.addGuest(web, { blocks: [address] })
  optimizer.addGuest(web, { blocks: [address] })
  assert.equal(optimizer.guests(), [web])
  const refused = (call: () => void, message: RegExp) => {
    const error = refusal(call)
    assert.is(error.name, 'InputError')
    assert.match(error.message, message)
  }
  refused(() => optimizer.addGuest({} as AccelKvm), /^guest: expected a AccelKvm/)
  refused(() => optimizer.addGuest(db, { blocks: [1] }), /^address: expected the address of memory that is held/)
  refused(() => optimizer.addGuest(db, { blocks: 1 as never }), /^uses.blocks: expected an array/)
  refused(() => optimizer.addGuest(db, { blocks: [address] }), /^uses.blocks: expected blocks that no other guest uses/)
  assert.equal(optimizer.guests(), [web])
  optimizer.removeGuest(web)
  optimizer.addGuest(db, { blocks: [address] })
  assert.equal(optimizer.guests(), [db])
})

testWithKvm('it starts once at a time, ends as often as one likes, and starts again', async () => {
  await using optimizer = makeOptimizer()
  await optimizer.stopBalancing()
  optimizer.startBalancing()
  const error = refusal(() => optimizer.startBalancing())
  assert.is(error.name, 'UnsupportedError')
  assert.match(error.message, /started already: call stopBalancing\(\) before/)
  await Promise.all([optimizer.stopBalancing(), optimizer.stopBalancing()])
  await optimizer.stopBalancing()
  const { until } = startingWith(optimizer)
  await until(({ round }) => round?.reason === 'none')
})

test('what onRound throws is kept until it is stopped', async () => {
  await using optimizer = makeOptimizer()
  const thrown = new Promise<void>((resolve) => {
    const keep = setInterval(() => {}, 1000)
    optimizer.startBalancing({
      ...QUICK,
      onRound: () => {
        clearInterval(keep)
        setImmediate(resolve)
        throw new Error('mine')
      },
    })
  })
  await thrown
  // Had nobody taken it, the process would have ended by now.
  await new Promise(setImmediate)
  assert.match(String(await failure(optimizer.stopBalancing())), /mine/)
})

test('what onRound rejects with ends it, and comes out of stopBalancing(), whenever it does', async () => {
  for (const isLate of [false, true]) {
    await using optimizer = makeOptimizer()
    let rounds = 0
    let fail = () => {}
    await new Promise<void>((resolve) => {
      const keep = setInterval(() => {}, 1000)
      optimizer.startBalancing({
        ...QUICK,
        onRound: async () => {
          rounds++
          clearInterval(keep)
          setImmediate(resolve)
          if (isLate) {
            await new Promise<void>((go) => {
              fail = go
            })
          }
          throw new Error('mine')
        },
      })
    })
    // Had nobody taken it, the process would have ended by now.
    await new Promise(setImmediate)
    const ending = failure(optimizer.stopBalancing())
    fail()
    assert.match(String(await ending), /mine/)
    assert.is(rounds, 1)
  }
})

test('onRound may wait for stopBalancing()', async () => {
  await using optimizer = makeOptimizer()
  const keep = setInterval(() => {}, 1000)
  await new Promise<void>((resolve, reject) => {
    optimizer.startBalancing({
      ...QUICK,
      onRound: async () => {
        await optimizer.stopBalancing().then(resolve, reject)
      },
    })
  })
  clearInterval(keep)
  assert.equal(optimizer.startBalancing(), { enforced: true })
})

test('what onRound throws ends it, and comes out of stopBalancing()', async () => {
  await using optimizer = makeOptimizer()
  let ending: Promise<unknown> | undefined
  let rounds = 0
  await new Promise<void>((resolve) => {
    const keep = setInterval(() => {}, 1000)
    optimizer.startBalancing({
      ...QUICK,
      onRound: () => {
        rounds++
        ending = failure(optimizer.stopBalancing())
        clearInterval(keep)
        resolve()
        throw new Error('mine')
      },
    })
  })
  assert.match(String(await ending), /mine/)
  await optimizer.stopBalancing()
  assert.is(rounds, 1)
})

test('a process that has nothing else to do ends while it is balanced', () => {
  const { status, stderr } = runScript(`
    const { NumaOptimizer, VcpuAffinityManager } = await import(process.env.BUNDLE + '/accel.js')
    const manager = new VcpuAffinityManager()
    new NumaOptimizer(manager.getTopology(), manager, 0).startBalancing({ interval: 3600 })`)
  assert.is(status, 0, stderr)
})

test('where there is no Linux nothing is started, and it says so', async () => {
  const warnings: string[] = []
  const platform = { name: 'darwin', warn: (text: string) => void warnings.push(text) }
  const manager = accel.VcpuAffinityManager.withTopology(topology, { platform })
  await using optimizer = new accel.NumaOptimizer(topology, manager, 0, { platform })
  for (let times = 0; times < 2; times++) assert.is(optimizer.startBalancing().enforced, false)
  assert.is(warnings.length, 1)
  await optimizer.stopBalancing()
})

test.run()
