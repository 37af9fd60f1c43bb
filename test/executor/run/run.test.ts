import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spin } from '../../../bench/guests/spin.js'
import * as libc from '../../../executor/ffi/libc.js'
import { discard } from '../../../executor/ffi/mapping.js'
import { setAffinity } from '../../../executor/ffi/threads.js'
import { LCG } from '../../../executor/guests/walk.js'
import { bootBytes } from '../../../executor/program/boot.js'
import type { Backend } from '../../../src/types.js'
import { skipUnless } from '../../skip.js'
import { bundleExecutor } from '../bundle.js'
import { cpus, MiB, nodes, planOf } from '../plans.js'
import { boundMappings, holdings, leftSince, settledHoldings } from '../process.js'

const { executor, run, verified } = await bundleExecutor()
const status = executor.kvmStatus()
const testWithKvm = skipUnless(status.usable, status.usable ? '' : `KVM is not usable: ${status.text}`)
const testWithTwoCpus = skipUnless(cpus.length > 1, 'only one CPU is allowed')

const hasMigrations = existsSync('/proc/self/sched')
const testMigrations = skipUnless(
  hasMigrations && cpus.length > 1,
  hasMigrations ? 'there is one CPU' : 'the kernel does not count migrations (CONFIG_SCHED_DEBUG)',
)
const backends: Backend[] = status.usable ? ['kvm', 'threads'] : ['threads']
const [first, last] = [String(cpus[0]), String(cpus.at(-1))]
const allCpus = cpus.join(',')

test('only the object that the verifier returned is run', async () => {
  for (const plan of [
    planOf({ vcpus: [first] }),
    structuredClone(verified.sealPlan(planOf({ vcpus: [first] }))),
    null,
  ]) {
    const error = await failure(run.runPlan(plan as never, { seconds: 0.1 }))
    assert.is(error.name, 'InputError')
    assert.match(error.message, 'verifyPlan')
  }
})

for (const backend of backends) {
  test(`${backend}: vCPUs run where they are planned, on memory that is where it is planned`, async () => {
    const vms = [
      { name: 'a', vcpus: [first, last], cells: [8 * MiB, 4 * MiB] },
      { name: 'b', vcpus: [allCpus], cells: [6 * MiB] },
    ]
    const plan = verified.sealPlan(planOf(...vms))
    const report = await run.runPlan(plan, { seconds: 0.5, backend })
    assert.equal(report.findings, [])
    assert.is(report.verified, true)
    assert.is(report.backend, backend)
    assert.is(report.plan, plan)
    assert.is('noGuest' in report, backend === 'threads')
    assert.ok(report.seconds >= 0.5)
    assert.equal(
      report.vcpus.map(({ vm, vcpu, planned, affinity }) => ({ vm, vcpu, planned, affinity })),
      [
        { vm: 'a', vcpu: 0, planned: first, affinity: first },
        { vm: 'a', vcpu: 1, planned: last, affinity: last },
        {
          vm: 'b',
          vcpu: 0,
          planned: allCpus,
          affinity: cpus.length === 2 ? allCpus.replace(',', '-') : report.vcpus[2]!.affinity,
        },
      ],
    )
    for (const vcpu of report.vcpus) {
      assert.ok(vcpu.exits > 100, `${vcpu.exits} exits`)
      assert.equal(vcpu.exitReasons, { [backend === 'kvm' ? 'io' : 'walk']: vcpu.exits })
      assert.ok(vcpu.exitsPerSecond > 0)
      assert.ok(vcpu.runDelayNs >= 0)
    }
    const node = nodes[0]!
    assert.equal(
      report.memory,
      [
        { vm: 'a', cell: 0, bytes: 8 * MiB },
        { vm: 'a', cell: 1, bytes: 4 * MiB },
        { vm: 'b', cell: 0, bytes: 6 * MiB },
      ].map((row) => ({ ...row, node, residentBytes: { [node]: row.bytes } })),
    )
  })

  test(`${backend}: the report says how closely it was watched`, async () => {
    const plan = verified.sealPlan(planOf({ vcpus: [first], cells: [4 * MiB] }))
    const { watched, vcpus } = await run.runPlan(plan, { seconds: 0.35, backend })
    assert.ok(watched.threadLooks >= 4 && watched.threadLooks <= 6, `${watched.threadLooks} looks`)
    assert.ok(watched.memoryLooks >= 1)
    assert.type(
      watched.pagesMigrated,
      /^pgmigrate_success/m.test(readFileSync('/proc/vmstat', 'utf8')) ? 'number' : 'object',
    )
    assert.is(vcpus[0]!.migrations, hasMigrations ? 0 : null)
  })

  testMigrations(`${backend}: a thread that was moved and moved back between two looks is found`, async () => {
    const plan = verified.sealPlan(planOf({ vcpus: [first], cells: [4 * MiB] }))
    let looks = 0
    const report = await run.runPlan(plan, {
      seconds: 0.5,
      backend,
      onProgress: ({ vcpus: [vcpu] }) => {
        if (++looks !== 2) return
        setAffinity(vcpu!.tid, [cpus.at(-1)!])
        setAffinity(vcpu!.tid, [cpus[0]!])
      },
    })
    assert.equal(
      report.findings.map(({ constraint }) => constraint),
      ['migrated'],
    )
    assert.ok(report.vcpus[0]!.migrations! >= 1)
    assert.is(report.vcpus[0]!.affinity, first)
    assert.is(report.verified, false)
  })

  test(`${backend}: a run leaves no descriptor, mapping or thread behind`, async () => {
    const plan = verified.sealPlan(planOf({ vcpus: [first, last], cells: [8 * MiB] }))
    await run.runPlan(plan, { seconds: 0.05, backend })
    const before = await settledHoldings()
    assert.equal(before.mappings, [])
    let during = before
    await run.runPlan(plan, {
      seconds: 0.05,
      backend,
      onProgress: () => {
        during = holdings()
      },
    })
    assert.ok(during.mappings.length > 0)
    assert.equal(await leftSince(before), [])
  })

  test(`${backend}: the caller's signal ends a run, with its reason and nothing left behind`, async () => {
    const plan = verified.sealPlan(planOf({ vcpus: [first, last], cells: [8 * MiB] }))
    await run.runPlan(plan, { seconds: 0.05, backend })
    const before = await settledHoldings()
    const interrupted = new Error('interrupted')
    assert.is(await failure(run.runPlan(plan, { backend, signal: AbortSignal.abort(interrupted) })), interrupted)

    const early = new AbortController()
    const soon = run.runPlan(plan, { seconds: 1000, backend, signal: early.signal })
    early.abort(interrupted)
    assert.is(await failure(soon), interrupted)

    const between = new AbortController()
    setTimeout(() => between.abort(interrupted), 250)
    assert.is(await failure(run.runPlan(plan, { seconds: 1000, backend, signal: between.signal })), interrupted)

    const late = new AbortController()
    const onProgress = () => late.abort(interrupted)
    const running = run.runPlan(plan, { seconds: 1000, backend, signal: late.signal, onProgress })
    assert.is(await failure(running), interrupted)
    assert.equal(await leftSince(before), [])
  })

  test(`${backend}: what onProgress throws ends the run, with nothing left behind`, async () => {
    const plan = verified.sealPlan(planOf({ vcpus: [first], cells: [4 * MiB] }))
    await run.runPlan(plan, { seconds: 0.05, backend })
    const before = await settledHoldings()
    const onProgress = () => {
      throw new Error('from the caller')
    }
    assert.is((await failure(run.runPlan(plan, { seconds: 1000, backend, onProgress }))).message, 'from the caller')
    assert.equal(await leftSince(before), [])
  })

  test(`${backend}: progress tells the thread of each vCPU, and what it has done`, async () => {
    const plan = verified.sealPlan(planOf({ vcpus: [first, last], cells: [4 * MiB] }))
    const exits: number[] = []
    await run.runPlan(plan, {
      seconds: 0.4,
      backend,
      onProgress: ({ seconds, vcpus }) => {
        assert.ok(seconds > 0)
        assert.is(new Set(vcpus.map(({ tid }) => tid)).size, 2)
        assert.equal(
          vcpus.map(({ lastCpu }) => lastCpu),
          [Number(first), Number(last)],
        )
        exits.push(vcpus[0]!.exits)
      },
    })
    assert.ok(exits.length > 1)
    assert.ok(exits.at(-1)! > exits[0]!)
    assert.equal(
      exits,
      [...exits].sort((a, b) => a - b),
    )
  })

  testWithTwoCpus(`${backend}: a vCPU that is carried out elsewhere than promised is found`, async () => {
    const report = await run.carryOut(
      planOf({ vcpus: [first, first], cells: [4 * MiB] }),
      planOf({ vcpus: [first, last], cells: [4 * MiB] }),
      { seconds: 0.2, backend },
    )
    assert.is(report.verified, false)
    assert.equal(
      report.findings.map(({ constraint, vm, vcpu }) => ({ constraint, vm, vcpu })),
      [
        { constraint: 'affinity', vm: 'demo', vcpu: 1 },
        { constraint: 'last-cpu', vm: 'demo', vcpu: 1 },
      ],
    )
    assert.is(report.vcpus[1]!.planned, first)
    assert.is(report.vcpus[1]!.affinity, last)
    assert.is(report.vcpus[1]!.lastCpu, Number(last))
  })

  testWithTwoCpus(`${backend}: a vCPU that is moved from outside while it runs is found`, async () => {
    const plan = verified.sealPlan(planOf({ vcpus: [first], cells: [4 * MiB] }))
    let looks = 0
    const report = await run.runPlan(plan, {
      seconds: 0.5,
      backend,
      onProgress: ({ vcpus }) => {
        if (++looks === 1) setAffinity(vcpus[0]!.tid, [Number(last)])
      },
    })
    assert.is(report.verified, false)
    assert.equal(
      report.findings.map(({ constraint }) => constraint),
      ['affinity', 'last-cpu', ...(hasMigrations ? ['migrated'] : [])],
    )
    assert.match(report.findings[1]!.text, `was on CPU ${last}, the plan says CPU ${first}`)
  })

  test(`${backend}: memory on another node than promised is found`, async () => {
    const promised = nodes[0]! + 1
    const report = await run.carryOut(
      planOf({ vcpus: [first], cells: [4 * MiB], node: promised }),
      planOf({ vcpus: [first], cells: [4 * MiB] }),
      { seconds: 0.1, backend },
    )
    assert.is(report.verified, false)
    assert.equal(report.memory, [
      { vm: 'demo', cell: 0, node: promised, bytes: 4 * MiB, residentBytes: { [nodes[0]!]: 4 * MiB } },
    ])
    assert.equal(
      report.findings.map(({ constraint, vm, cell }) => ({ constraint, vm, cell })),
      [{ constraint: 'residency', vm: 'demo', cell: 0 }],
    )
  })

  test(`${backend}: a CPU that does not exist is an error that names VM, vCPU and cause`, async () => {
    const before = await settledHoldings()
    const plan = planOf({ name: 'web', vcpus: [first, '8000'], cells: [4 * MiB] })
    const error = await failure(run.carryOut(plan, plan, { seconds: 1000, backend }))
    assert.is(error.name, 'VmError')
    assert.match(error.message, /^VM "web", vCPU 1: sched_setaffinity\(CPU 8000\): EINVAL .*cpuset/)
    assert.equal(await leftSince(before), [])
  })
}

test('what the kernel refuses is a finding of a relaxed run, which goes on', async () => {
  const plan = planOf({ name: 'web', vcpus: [first, '8000'], cells: [4 * MiB] })
  const report = await run.carryOut(plan, plan, { seconds: 0.2, relaxed: true })
  assert.is(report.verified, false)
  // A thread that is not pinned may also have migrated.
  const findings = report.findings.filter(({ constraint }) => constraint !== 'migrated')
  assert.equal(
    findings.map(({ constraint, vcpu }) => ({ constraint, vcpu })),
    ['refused', 'affinity', 'last-cpu'].map((constraint) => ({ constraint, vcpu: 1 })),
  )
  assert.match(findings[0]!.text, /^VM "web", vCPU 1: sched_setaffinity\(CPU 8000\): EINVAL/)
  assert.ok(report.vcpus[1]!.exits > 0)
})

test('memory that the node does not have is refused before anything is taken', async () => {
  const before = await settledHoldings()
  const plan = planOf({ vcpus: [first], cells: [2 ** 46] })
  const error = await failure(run.carryOut(plan, plan, { seconds: 0.1, backend: 'threads' }))
  assert.match(error.message, /memory-capacity: 64 TiB is needed from node \d+, .* is free now/)
  assert.equal(await leftSince(before), [])
})

const HUGE = 2 * MiB
const poolFile = `/sys/devices/system/node/node${nodes[0]}/hugepages/hugepages-2048kB/free_hugepages`
const freeHuge = existsSync(poolFile) ? Number(readFileSync(poolFile, 'utf8')) : null

skipUnless((freeHuge ?? 0) >= 4, `fewer than 4 huge pages of 2 MiB are free: see ${poolFile}`)(
  'huge pages are taken from their pool, found on their node, and given back',
  async () => {
    const free: number[] = []
    const report = await run.runPlan(
      verified.sealPlan(planOf({ vcpus: [first, last], cells: [4 * HUGE], pageSize: HUGE })),
      { seconds: 0.1, onProgress: () => free.push(Number(readFileSync(poolFile, 'utf8'))) },
    )
    assert.is(free[0], freeHuge! - 4)
    assert.equal(report.memory[0]!.residentBytes, { [nodes[0]!]: 4 * HUGE })
    assert.is(report.verified, true)
    assert.is(Number(readFileSync(poolFile, 'utf8')), freeHuge)
  },
)

skipUnless(freeHuge !== null, `no huge pages of 2 MiB: ${poolFile}`)(
  'more huge pages than the node has are refused before anything is taken',
  async () => {
    const plan = planOf({ vcpus: [first], cells: [(freeHuge! + 1) * HUGE], pageSize: HUGE })
    const error = await failure(run.carryOut(plan, plan, { seconds: 0.1 }))
    assert.match(error.message, /memory-capacity: .* in pages of 2 MiB, where .* is free now/)
  },
)

test('bad options are refused by name', async () => {
  const plan = verified.sealPlan(planOf({ vcpus: [first] }))
  for (const seconds of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '1' as never]) {
    assert.match((await failure(run.runPlan(plan, { seconds }))).message, /^seconds: expected a number above 0, got/)
  }
  assert.match((await failure(run.runPlan(plan, { backend: 'qemu' as never }))).message, /^backend: expected "kvm" or/)
  assert.match(
    (await failure(run.runPlan(verified.sealPlan(planOf())))).message,
    /^plan\.vms: expected at least one VM/,
  )
})

testWithKvm('what a running guest has stored is in the memory of its cell', async () => {
  const bytes = 4 * MiB
  const plan = verified.sealPlan(planOf({ vcpus: [first], cells: [bytes] }))
  let stored: BigUint64Array | undefined
  await run.runPlan(plan, {
    seconds: 0.3,
    backend: 'kvm',
    onProgress: () => {
      const { start } = boundMappings()[0]!
      stored = new BigUint64Array(libc.view(start + bootBytes(bytes), 16).slice(0))
    },
  })
  const [count, x] = stored!
  assert.ok(count! > 0n)
  assert.is(x, numberAfter(count!, 1n))
})

/** The number that the guest has computed after `steps` steps from `seed`. */
function numberAfter(steps: bigint, seed: bigint): bigint {
  let x = seed
  for (let i = 0n; i < steps; i++) x = BigInt.asUintN(64, x * LCG.multiplier + LCG.increment)
  return x
}

testWithKvm('memory that is taken away while the guest runs is found to be nowhere', async () => {
  // The guest needs far longer for its first walk than it has, so it does not come to the second half.
  const bytes = 512 * MiB
  const plan = verified.sealPlan(planOf({ vcpus: [first], cells: [bytes] }))
  let looks = 0
  const report = await run.runPlan(plan, {
    seconds: 0.3,
    backend: 'kvm',
    onProgress: () => {
      if (++looks !== 1) return
      const { start, end } = boundMappings()[0]!
      assert.is(end - start, bytes)
      discard(start + bytes / 2, bytes / 2)
    },
  })
  assert.is(report.verified, false)
  assert.equal(report.memory[0]!.residentBytes, { [nodes[0]!]: bytes / 2 })
  assert.match(report.findings[0]!.text, '256 MiB nowhere')
})

testWithKvm('a guest that never leaves is stopped, and found to have made no progress', async () => {
  const before = await settledHoldings()
  const plan = planOf({ vcpus: [first, last], cells: [4 * MiB] })
  const report = await run.carryOut(plan, plan, { seconds: 0.1, backend: 'kvm' }, spin)
  assert.equal(
    report.findings.map(({ constraint, vcpu }) => ({ constraint, vcpu })),
    [
      { constraint: 'no-progress', vcpu: 0 },
      { constraint: 'no-progress', vcpu: 1 },
    ],
  )
  assert.equal(
    report.vcpus.map(({ exits }) => exits),
    [0, 0],
  )
  assert.equal(await leftSince(before), [])
})

async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing failed')
}

test.run()
