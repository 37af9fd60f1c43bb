import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Balancer } from '../../executor/balance/balancer.js'
import type { SettingsInput } from '../../executor/balance/settings.js'
import { readState } from '../../executor/balance/state.js'
import type { Decided, Planning } from '../../executor/balance/types.js'
import { isVerified } from '../../src/verified.js'
import { observationOf, planning, SECOND, situationOf, type VmAt } from './scene.js'

const plan = await planning()

/** Rounds with the same VMs; none of them is carried out. */
async function rounds(
  balancer: Balancer,
  vms: readonly VmAt[],
  count: number,
  by: Planning = plan,
): Promise<Decided[]> {
  const decided: Decided[] = []
  for (let round = 0; round < count; round++) {
    const at = (balancer.state().at ?? 0) + 10 * SECOND
    balancer.observe(observationOf(vms, at))
    decided.push(await balancer.decide(situationOf(vms, at, balancer.demands()), by))
  }
  return decided
}

function decisions(decided: readonly Decided[]): string[] {
  return decided.map(({ round }) => `${round.decision} ${round.reason}`)
}

/** Its memory is on the other node than its vCPUs. */
const AWAY: VmAt = { name: 'away', cpus: '0-3', memory: [0, 4], use: 0.8 }
const HOME: VmAt = { name: 'home', cpus: '4-7', memory: [0, 4], use: 0.3 }

test('memory on the wrong node: it pays, is held for three rounds, and then done', async () => {
  const decided = await rounds(new Balancer(), [AWAY, HOME], 3)
  assert.equal(decisions(decided), ['wait patience', 'wait patience', 'act pays'])
  const { round, plan: part } = decided[2]!
  assert.equal(
    round.moves.map(({ vm }) => vm),
    ['away'],
  )
  assert.equal(
    part!.vms.map(({ name }) => name),
    ['away'],
  )
  assert.ok(isVerified(part))
  assert.ok(round.planned!.lostVcpus < round.now!.lostVcpus)
  assert.equal(round.figures.held, 3)
  assert.ok(round.figures.gain! * round.figures.horizon > round.figures.price! * round.figures.margin)
  assert.equal(decided[0]!.plan, null)
  assert.equal(JSON.parse(JSON.stringify(round)), round)
})

test('busy VMs beside each other on one node: one goes to the other node', async () => {
  const busy = (name: string): VmAt => ({ name, vcpus: 4, cpus: '0-3', memory: [2, 0], use: 0.5, delay: 0.45 })
  const decided = await rounds(new Balancer(), [busy('one'), busy('two')], 3)
  const { round } = decided[2]!
  assert.is(round.decision, 'act')
  assert.is(round.moves.length, 1)
  assert.equal([round.moves[0]!.from, round.moves[0]!.to], ['0', '1'])
  assert.ok(round.now!.terms.overcommit! > 3)
  assert.is(round.planned!.terms.overcommit, undefined)
})

test('two equal VMs, each at home: nothing moves in 20 rounds', async () => {
  const at = (name: string, cpus: string, memory: number[]): VmAt => ({ name, cpus, memory, use: 0.9 })
  const decided = await rounds(new Balancer(), [at('one', '0-3', [4, 0]), at('two', '4-7', [0, 4])], 20)
  assert.ok(decided.every(({ round }) => round.decision === 'stay' && round.moves.length === 0))
})

test('a burst of 5 seconds moves nothing', async () => {
  const at = (name: string, use: number): VmAt => ({ name, vcpus: 4, cpus: '0-3', memory: [2, 0], use })
  const balancer = new Balancer()
  await rounds(balancer, [at('one', 0.4), at('two', 0.02)], 30)
  // Half of an interval of ten seconds.
  const burst = await rounds(balancer, [at('one', 0.4), at('two', 0.5)], 1)
  const after = await rounds(balancer, [at('one', 0.4), at('two', 0.02)], 20)
  assert.ok([...burst, ...after].every(({ round }) => round.moves.length === 0))
})

test('a VM that may not move says why; so does one for which less may be copied', async () => {
  const [never] = await rounds(new Balancer(), [{ ...AWAY, mayNot: 'rule 2: it never moves' }, HOME], 1)
  assert.is(never!.round.decision, 'stay')
  assert.equal(
    never!.round.vms.map(({ vm, decision, why }) => [vm, decision, why]),
    [['away', 'stay', 'rule 2: it never moves']],
  )
  // Its vCPUs could go to its memory, were the other node not full.
  const full: VmAt = { ...HOME, name: 'full', vcpus: 8, use: 0.6 }
  const decided = await rounds(
    new Balancer(),
    [
      { ...AWAY, maxBytes: 0 },
      { ...full, mayNot: 'rule 1' },
    ],
    6,
  )
  for (const { round } of decided) for (const move of round.moves) assert.is(move.bytes, 0)
})

test('no VM may move: nothing is planned', async () => {
  let asked = 0
  const counted: Planning = (situation) => {
    asked++
    return plan(situation)
  }
  const [decided] = await rounds(new Balancer(), [{ ...AWAY, mayNot: 'rule 1' }], 1, counted)
  assert.equal(decisions([decided!]), ['stay policy'])
  assert.is(asked, 0)
})

test('more than may be copied at a time is said, and not done', async () => {
  const stuck: VmAt = { ...AWAY, fields: {} }
  const other: VmAt = { ...HOME, vcpus: 8, use: 0.5, mayNot: 'rule 1' }
  const decided = await rounds(new Balancer({ bytesPerRound: 2 ** 20 }), [stuck, other], 4)
  assert.ok(decided.every(({ round }) => round.figures.bytes <= 2 ** 20))
})

test('what was moved is watched, then rests, twice as long each time', async () => {
  const settings: SettingsInput = { settle: 30, rest: 100 }
  const balancer = new Balancer(settings)
  const [, , third] = await rounds(balancer, [AWAY, HOME], 3)
  const { round } = third!
  const acted = { at: 30 * SECOND, decision: 'act', round: 3, result: 'done', bytes: 0, undo: 'file' } as const
  balancer.acted({ ...acted, moved: round.moves.map(({ key }) => key) })
  // As if the kernel had taken it back at once.
  const decided = await rounds(balancer, [AWAY, HOME], 9)
  assert.equal(decisions(decided.slice(0, 3)), ['back-off settling', 'back-off settling', 'stay resting'])
  const { restsUntil } = balancer.state().vms[0]!
  assert.is(restsUntil, 130 * SECOND)
  const again = await rounds(balancer, [AWAY, HOME], 3)
  assert.equal(decisions(again.slice(-2)), ['wait patience', 'act pays'])
  balancer.acted({ ...acted, at: 150 * SECOND, round: 15, moved: ['key of away'] })
  assert.is(balancer.state().vms[0]!.restsUntil, 350 * SECOND)
})

test('guests that wait for CPUs after a move and do not run more: it is undone, and nothing is moved for a while', async () => {
  const balancer = new Balancer({ settle: 20, backOff: 60 })
  await rounds(balancer, [AWAY, HOME], 3)
  const moved = { ...AWAY, cpus: '4-7' }
  const outcome = { at: 30 * SECOND, bytes: 0, moved: ['key of away'], undo: '/undo.json' } as const
  balancer.acted({ ...outcome, decision: 'act', round: 3, result: 'done' })
  const suffering = [{ ...moved, use: 0.5, delay: 0.3 }, HOME]
  const decided = await rounds(balancer, suffering, 2)
  assert.equal(decisions(decided), ['back-off settling', 'undo suffers'])
  assert.is(decided[1]!.round.undoes, '/undo.json')
  balancer.acted({ ...outcome, at: 50 * SECOND, decision: 'undo', round: 5, result: 'done', undo: null })
  const after = await rounds(balancer, [AWAY, HOME], 6)
  assert.ok(after.slice(0, 5).every(({ round }) => round.reason === 'backed-off'))
  assert.is.not(after[5]!.round.reason, 'backed-off')
})

test('guests that wait more since they want more are not worse off', async () => {
  const balancer = new Balancer({ settle: 20 })
  await rounds(balancer, [{ ...AWAY, use: 0.3 }, HOME], 3)
  const outcome = { at: 30 * SECOND, bytes: 0, moved: ['key of away'], undo: '/undo.json' } as const
  balancer.acted({ ...outcome, decision: 'act', round: 3, result: 'done' })
  const decided = await rounds(balancer, [{ ...AWAY, use: 0.7, delay: 0.3 }, HOME], 3)
  assert.ok(decided.every(({ round }) => round.decision !== 'undo'))
})

test('memory pressure: nothing is looked for', async () => {
  const balancer = new Balancer()
  balancer.observe({ ...observationOf([AWAY], 10 * SECOND), pressure: { cpu: 0, memory: 0.5 } })
  const { round } = await balancer.decide(situationOf([AWAY], 10 * SECOND, balancer.demands()), plan)
  assert.equal([round.decision, round.reason], ['back-off', 'pressure'])
  assert.is(round.now, null)
})

test('CPU pressure stands against moves for the memory alone', async () => {
  const balancer = new Balancer({ patience: 1 })
  balancer.observe({ ...observationOf([AWAY, HOME], 30 * SECOND, 30 * SECOND), pressure: { cpu: 0.99, memory: 0 } })
  const { round } = await balancer.decide(situationOf([AWAY, HOME], 30 * SECOND, balancer.demands()), plan)
  assert.equal([round.decision, round.reason], ['back-off', 'pressure'])
  assert.match(round.why, 'not to relieve them')
})

test('little is known of a VM that has just come: it stays', async () => {
  const [first] = await rounds(new Balancer({ leastKnown: 20 }), [AWAY, HOME], 1)
  assert.equal(decisions([first!]), ['stay unknown'])
})

test('a dry run decides the same again', async () => {
  const balancer = new Balancer()
  await rounds(balancer, [AWAY, HOME], 3)
  balancer.acted({ at: 30 * SECOND, decision: 'act', round: 3, result: 'dry', bytes: 0, moved: [], undo: null })
  const [next] = await rounds(balancer, [AWAY, HOME], 1)
  assert.equal(decisions([next!]), ['act pays'])
})

test('a VM that goes is forgotten; one with its name and another key is another', async () => {
  const balancer = new Balancer()
  await rounds(balancer, [AWAY, HOME], 2)
  const other = observationOf([AWAY], 30 * SECOND)
  balancer.observe({ ...other, vms: other.vms.map((vm) => ({ ...vm, key: 'another' })) })
  const [vm] = balancer.state().vms
  assert.equal([balancer.state().vms.length, vm!.held, vm!.parts.length], [1, 0, 1])
})

test('a state goes through JSON, and the same is decided with it', async () => {
  const first = new Balancer()
  await rounds(first, [AWAY, HOME], 2)
  const second = new Balancer({}, readState(JSON.parse(JSON.stringify(first.state()))))
  assert.equal(second.state(), first.state())
  const [one, two] = [await rounds(first, [AWAY, HOME], 1), await rounds(second, [AWAY, HOME], 1)]
  assert.equal(one[0]!.round, two[0]!.round)
})

test('a state that is none is refused, with the field', () => {
  const state = new Balancer().state()
  assert.throws(() => readState({ ...state, round: -1 }), /round/)
  assert.throws(() => readState({ ...state, vms: [{ key: 'a' }] }), /vms\[0\]/)
  assert.throws(() => readState({ ...state, more: 1 }), /more/)
  assert.throws(() => readState(null), /object/)
})

test('settings that are none are refused, with the field', () => {
  assert.throws(() => new Balancer({ percentile: 2 }), /percentile/)
  assert.throws(() => new Balancer({ patience: 0 }), /patience/)
  assert.throws(() => new Balancer({ wait: 3 } as object), /wait/)
})

test('times that go backwards and situations that do not fit together are refused', async () => {
  const balancer = new Balancer()
  balancer.observe(observationOf([AWAY], 20 * SECOND))
  assert.throws(() => balancer.observe(observationOf([AWAY], 10 * SECOND)), /observation\.at/)
  const situation = situationOf([AWAY], 20 * SECOND, balancer.demands())
  for (const odd of [
    { ...situation, vms: [] },
    { ...situation, residents: [{ ...situation.residents[0]!, name: 'who' }] },
  ]) {
    let error: unknown
    await balancer.decide(odd, plan).catch((caught: unknown) => {
      error = caught
    })
    assert.match(`${error}`, 'the same VMs')
  }
})

test.run()
