/** `homenode plan --running` on a real guest. Others may run on this machine meanwhile. */

import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hasQemu, NO_QEMU, startQemu } from '../executor/found/guests.js'
import { skipUnless } from '../skip.js'
import { homenode, scratch } from './command.js'

const file = scratch()
const withQemu = skipUnless(hasQemu, NO_QEMU)
/** Others may run the same tests meanwhile. */
const NAME = `plan me, please ${process.pid}`

/** Some of the others may have no place. */
const isAnswer = (code: number | null) => code === 0 || code === 3

async function withGuest(work: (pid: number) => Promise<void>): Promise<void> {
  const guest = await startQemu([
    '-accel',
    'tcg',
    '-name',
    `guest="${NAME.replaceAll(',', ',,')}",debug-threads=on`,
    '-m',
    '64',
  ])
  try {
    await work(guest.pid)
  } finally {
    await guest.stop()
  }
}

/** The plan of what runs, with our guest in it: while others' take all CPUs, it is refused, and asked for again. */
async function planOurs(wishes: string) {
  for (let tries = 1; ; tries++) {
    const { code, stdout } = await homenode(['plan', '--running', '-f', wishes, '--json'])
    assert.ok(isAnswer(code))
    const plan = JSON.parse(stdout)
    const ours = ({ name }: { name: string }) => name === `"${NAME}"`
    const vm = plan.vms.find(ours)
    if (vm !== undefined) return { plan, vm }
    assert.ok(plan.refused.some(ours) && tries < 60, stdout)
    await delay(500)
  }
}

withQemu('what runs is planned with its moves, and a request file adds to it', () =>
  withGuest(async () => {
    const text = await homenode(['plan', '--running'], { env: { COLUMNS: '80' } })
    assert.ok(isAnswer(text.code), text.stderr)
    assert.match(text.stdout, /^\d+ VMs? runs? here, with [\d.]+ lost vCPUs? where (it is|they are)\n\n/)
    assert.match(text.stdout, /"plan me, please \d+"/)
    assert.ok(
      text.stdout.split('\n').every((line) => line.length <= 80),
      text.stdout,
    )

    const wishes = file(
      'wishes.json',
      JSON.stringify({ vms: [{ name: `"${NAME}"`, cpuPolicy: 'shared', demand: 0.5 }] }),
    )
    const { plan, vm } = await planOurs(wishes)
    assert.equal([vm.vcpus.length, vm.vcpus[0].dedicated], [1, false])
    assert.equal(
      vm.cells[0].memory.reduce((sum: number, part: { bytes: number }) => sum + part.bytes, 0),
      64 * 2 ** 20,
    )
    assert.ok(Array.isArray(plan.moves))

    const input = JSON.stringify({ vms: [{ name: 'huge', vcpus: 1, memory: '900TiB' }] })
    const refused = await homenode(['plan', '--running', '-f', '-'], { input })
    assert.is(refused.code, 3)
    assert.match(refused.stdout, /refused: huge/)
  }),
)

withQemu('wishes against what runs, and options that do not go together, are bad input', () =>
  withGuest(async () => {
    const input = JSON.stringify({ vms: [{ name: `"${NAME}"`, memory: '1GiB' }] })
    const against = await homenode(['plan', '--running', '-f', '-'], { input })
    assert.is(against.code, 2)
    assert.match(
      against.stderr,
      /standard input: vms\[0\]\.memory: expected 64 MiB, as "plan me, please \d+" runs, got 1 GiB/,
    )
    assert.is((await homenode(['plan', '--running', '--host', 'x.json'])).code, 2)
    const alone = await homenode(['plan', '-f', '-', '--connect', 'qemu:///system'], { input })
    assert.is(alone.code, 2)
    assert.match(alone.stderr, /--connect: expected --running, too/)
  }),
)

test.run()
