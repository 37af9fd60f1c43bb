/** Others who place the same, from a copy of procfs. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { FoundVm } from '../../../executor/found/types.js'
import { rivalsOf } from '../../../executor/loop/rivals.js'
import { syntheticHost } from '../../../src/topology/synthetic.js'
import { vmOf } from '../found/vms.js'

const folder = mkdtempSync(join(tmpdir(), 'hn-rivals-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const host = syntheticHost('pack:2 [numa(memory=4GiB)] core:4 pu:1')
const [onFirst, everywhere] = ['0-3', '0-7']

let roots = 0
/** Files as procfs has them. */
function rootWith({
  balancing = '0',
  processes = {},
}: {
  balancing?: string
  processes?: Record<number, string>
}): string {
  const root = join(folder, `${++roots}`)
  mkdirSync(join(root, 'proc/sys/kernel'), { recursive: true })
  writeFileSync(join(root, 'proc/sys/kernel/numa_balancing'), `${balancing}\n`)
  for (const [pid, name] of Object.entries(processes)) {
    const isKernels = name.startsWith('k')
    mkdirSync(join(root, 'proc', pid))
    writeFileSync(join(root, 'proc', pid, 'stat'), `${pid} (${name}) S ${'1 '.repeat(60)}\n`)
    writeFileSync(join(root, 'proc', pid, 'cmdline'), isKernels ? '' : `/usr/sbin/${name}\0`)
  }
  return root
}

const vmOn = (cpus: string, node: number, policy: string): FoundVm =>
  vmOf({ name: `on-${cpus}`, cpus: [cpus, cpus], memory: [{ bytes: 2 ** 20, resident: { [node]: 2 ** 20 }, policy }] })

test('with none of them there is nothing to say', () => {
  assert.equal(rivalsOf([vmOn(everywhere, 0, 'default')], host, rootWith({ processes: { 1: 'init', 30: 'sshd' } })), [])
})

test("the kernel's balancing moves memory of policy default that is, or may be, used from elsewhere", () => {
  const root = rootWith({ balancing: '1' })
  const cases: readonly [FoundVm, boolean][] = [
    [vmOn(everywhere, 0, 'default'), true],
    [vmOn(onFirst, 1, 'default'), true],
    [vmOn(onFirst, 0, 'default'), false],
    [vmOn(everywhere, 0, 'bind:0'), false],
    [vmOn(onFirst, 1, 'bind:1'), false],
  ]
  for (const [vm, fights] of cases) {
    const [rival, ...rest] = rivalsOf([vm], host, root)
    assert.equal(rest, [])
    assert.equal([rival!.name, rival!.pid, rival!.fights], ['numa_balancing', null, fights])
    assert.equal(rival!.vms, fights ? [vm.name.value] : [])
    assert.is(rival!.mend, fights ? 'sudo sysctl kernel.numa_balancing=0' : null)
  }
})

test('numad fights about every VM; irqbalance about none, and is kept off the CPUs of pinned vCPUs', () => {
  const root = rootWith({ processes: { 12: 'kthreadd', 40: 'irqbalance', 7: 'numad', 41: 'irqbalance' } })
  const pinned = vmOf({ name: 'pinned', cpus: ['2', '3'], memory: [] })
  const [numad, irqbalance] = rivalsOf([pinned, vmOn(onFirst, 0, 'bind:0')], host, root)
  assert.equal([numad!.name, numad!.pid, numad!.fights, numad!.vms], ['numad', 7, true, ['pinned', 'on-0-3']])
  assert.match(numad!.mend!, /systemctl disable --now numad/)
  assert.equal([irqbalance!.name, irqbalance!.pid, irqbalance!.fights, irqbalance!.vms], ['irqbalance', 40, false, []])
  assert.match(irqbalance!.mend!, /IRQBALANCE_BANNED_CPULIST=2-3 /)
  const [idle] = rivalsOf([], host, rootWith({ processes: { 7: 'numad' } }))
  assert.not(idle!.fights)
})

test.run()
