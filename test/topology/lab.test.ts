/** The lab's machines as they were recorded in it: multi-node hosts without QEMU. See docs/lab.md. */

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Host } from '../../src/types.js'
import { checkHost } from '../lab/expected.js'
import { type LabMachine, machines } from '../lab/machines.js'
import { hostOf, type Tree } from './tree.js'

const folder = fileURLToPath(new URL('../fixtures/hosts/', import.meta.url))

/** What a machine was made from, the host that it was, and the files that say so. */
interface Recorded {
  readonly machine: LabMachine
  readonly host: Host
  readonly files: Tree
}
const read = (name: string): Recorded => JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8'))

test('every machine of the lab is recorded as it is described now', () => {
  assert.equal(readdirSync(folder).sort(), machines.map(({ name }) => `${name}.json`).sort())
  for (const machine of machines) assert.equal(read(machine.name).machine, JSON.parse(JSON.stringify(machine)))
})

for (const machine of machines) {
  test(`${machine.name} is detected as it was described, and as it was when it ran`, () => {
    const { files, host } = read(machine.name)
    const detected = hostOf(files)
    checkHost(detected, machine)
    assert.equal(detected, host)
  })
}

test.run()
