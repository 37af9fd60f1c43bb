/** Options and deadlines as callers without types give them, and deadlines beyond what a timer can wait. */

import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spin } from '../../../bench/guests/spin.js'
import { planOf } from '../plans.js'
import { executor, failure, first, makeVm, makeVmWith, run, testWithKvm, verified } from '../vms.js'

const plan = verified.sealPlan(planOf({ vcpus: [first] }))

async function refusedInput(work: () => Promise<unknown>): Promise<string> {
  const error = await failure((async () => work())())
  assert.is(error.name, 'InputError', `${error.name}: ${error.message}`)
  return error.message
}

for (const [options, says] of [
  [null, /^options: expected an object, got null/],
  [5, /^options: expected an object, got 5/],
  [[], /^options: expected an object, got an empty array/],
  [{ signal: 'x' }, /^signal: expected an AbortSignal, got "x"/],
  [{ onProgress: 5 }, /^onProgress: expected a function, got 5/],
  [{ relaxed: 'yes' }, /^relaxed: expected true or false, got "yes"/],
] as const) {
  test(`options that are none are refused by name: ${JSON.stringify(options)}`, async () => {
    assert.match(await refusedInput(() => run.runPlan(plan, options as never)), says)
    assert.match(await refusedInput(() => executor.Vm.create(plan, 'demo', options as never)), says)
  })
}

for (const [options, says] of [
  [{ seconds: Number.NaN }, /^seconds: /],
  [{ seconds: '3' }, /^seconds: /],
  [{ backend: 'qemu' }, /^backend: /],
] as const) {
  test(`options of a run that are none are refused by name: ${Object.keys(options)}`, async () => {
    assert.match(await refusedInput(() => run.runPlan(plan, options as never)), says)
  })
}

for (const [options, says] of [
  [{ memory: null }, /^memory: expected an object/],
  [{ memory: { policy: 'anywhere' } }, /^memory\.policy: expected "strict", "preferred", "interleave", got "anywhere"/],
  [{ memory: { shared: 1 } }, /^memory\.shared: expected true or false/],
  [{ memory: { transparentHugePages: 'madvise' } }, /^memory\.transparentHugePages: /],
  [{ memory: { address: Number.NaN } }, /^memory\.address: expected a whole number/],
  [{ scheduling: 'fifo' }, /^scheduling: expected an object/],
  [{ scheduling: { nice: 0.5 } }, /^scheduling\.nice: expected a whole number/],
  [{ scheduling: { realtime: '9' } }, /^scheduling\.realtime: expected a whole number/],
  [{ scheduling: { core: 'on' } }, /^scheduling\.core: expected "available", "required", "off"/],
  [{ irqchip: 1 }, /^irqchip: /],
  [{ trust: 7 }, /^trust: expected text/],
] as const) {
  test(`options of a VM that are none are refused by name: ${JSON.stringify(options)}`, async () => {
    assert.match(await refusedInput(() => executor.Vm.create(plan, 'demo', options as never)), says)
  })
}

const OPERATIONS = ['prepare', 'run', 'pause', 'resume', 'stop', 'wait'] as const

testWithKvm('a patience that is none is refused before anything is done', async () => {
  await using vm = await makeVmWith(spin.code)
  const states: Record<string, () => Promise<unknown>> = {
    created: async () => {},
    running: () => vm.run(),
    paused: () => vm.pause(),
  }
  const of: Record<string, readonly (typeof OPERATIONS)[number][]> = {
    created: ['prepare', 'run', 'stop', 'wait'],
    running: ['pause', 'stop', 'wait'],
    paused: ['resume', 'stop', 'wait'],
  }
  for (const [state, enter] of Object.entries(states)) {
    await enter()
    for (const operation of of[state]!) {
      for (const [patience, says] of [
        [null, /^patience: expected an object, got null/],
        [7, /^patience: /],
        [{ deadlineMs: -1 }, /^deadlineMs: expected milliseconds, 0 or more, got -1/],
        [{ deadlineMs: Number.NaN }, /^deadlineMs: .*got NaN/],
        [{ deadlineMs: '5' }, /^deadlineMs: .*got "5"/],
        [{ deadlineMs: null }, /^deadlineMs: .*got null/],
        [{ signal: {} }, /^signal: expected an AbortSignal/],
      ] as const) {
        assert.match(await refusedInput(() => vm[operation](patience as never)), says, operation)
        assert.is(vm.state.name, state, operation)
      }
    }
  }
})

for (const deadlineMs of [2 ** 31 - 1, 2 ** 31, 30 * 86_400_000, Number.MAX_VALUE, Number.POSITIVE_INFINITY]) {
  testWithKvm(`a deadline of ${deadlineMs} ms is not over at once`, async () => {
    const warnings: Error[] = []
    const listen = (warning: Error) => warnings.push(warning)
    process.on('warning', listen)
    await using vm = await makeVmWith(spin.code)
    await vm.run({ deadlineMs })
    const ending = vm.wait({ deadlineMs })
    assert.is(await Promise.race([ending, delay(50, 'waiting')]), 'waiting')
    await vm.stop({ deadlineMs })
    assert.equal(await ending, { name: 'stopped', by: 'caller', exitCode: null })
    process.off('warning', listen)
    assert.equal(warnings, [])
  })
}

testWithKvm('a deadline of 0 ms, and one that passes, end the waiting and nothing else', async () => {
  await using vm = await makeVm()
  for (const deadlineMs of [0, 5]) {
    const startedAt = performance.now()
    const error = await failure(vm.wait({ deadlineMs }))
    assert.match(error.message, new RegExp(`^VM "demo": wait was not done after ${deadlineMs} ms$`))
    assert.ok(performance.now() - startedAt < 1000)
  }
  assert.is(vm.state.name, 'created')
})

test.run()
