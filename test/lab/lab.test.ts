/** The lab without its machines: what it says, and what it makes of a description. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cpusOf, machineNamed, machines } from './machines.js'
import { qemuArguments } from './qemu.js'
import { scriptFor } from './script.js'
import { suitesOf } from './suites.js'

const root = fileURLToPath(new URL('../../', import.meta.url))

function lab(args: readonly string[], path = process.env.PATH) {
  const options = { cwd: root, encoding: 'utf8', input: '', env: { ...process.env, PATH: path } } as const
  return spawnSync(process.execPath, ['--import', 'tsx', 'test/lab/lab.ts', ...args], options)
}

test('every machine is listed, and each CPU is on one node', () => {
  const { status, stdout } = lab(['--list'])
  assert.is(status, 0)
  assert.equal(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
    machines.map(({ name }) => name),
  )
  for (const { packages, coresPerPackage, threadsPerCore, nodes } of machines) {
    const cpus = nodes.flatMap(cpusOf).sort((a, b) => a - b)
    assert.equal(
      cpus,
      Array.from({ length: packages * coresPerPackage * threadsPerCore }, (_, cpu) => cpu),
    )
  }
})

test('wrong usage says so', () => {
  for (const args of [[], ['nowhere'], ['two-node', 'ls'], ['two-node', '--'], ['two-node']]) {
    const { status, stderr } = lab(args)
    assert.is(status, 2, args.join(' '))
    assert.match(stderr, /npm run lab -- /)
  }
})

test('what is missing is named with the line that installs it', () => {
  const empty = mkdtempSync(join(tmpdir(), 'homenode-lab-'))
  try {
    symlinkSync(process.execPath, join(empty, 'node'))
    const { status, stderr } = lab(['two-node', '--', 'true'], empty)
    assert.is(status, 125)
    assert.match(stderr, /the lab needs qemu-system-x86_64, .*: apt-get install qemu-system-x86 /)
  } finally {
    rmSync(empty, { recursive: true })
  }
})

test('a description becomes the command line of its nodes and distances', () => {
  const args = qemuArguments(machineNamed('cpuless')!, { kernel: 'k', initrd: 'i' }, { console: 3, out: 4 }, false)
  const numa = args.filter((_, i) => args[i - 1] === '-numa')
  assert.equal(numa.slice(0, 3), [
    'node,nodeid=0,memdev=m0,cpus=0,cpus=1',
    'node,nodeid=1,memdev=m1,cpus=2,cpus=3',
    'node,nodeid=2,memdev=m2',
  ])
  assert.ok(numa.includes('dist,src=1,dst=2,val=40'))
  assert.ok(args.includes('virtserialport,chardev=out,name=out'))
})

test('the words of a command reach it as they are', () => {
  const words = ['printf', '%s|', "it's", '$HOME', 'a  b', 'two\nlines', '']
  const { stdout } = spawnSync('sh', ['-c', scriptFor(machineNamed('two-node')!, words, { cwd: root })], {
    encoding: 'utf8',
  })
  assert.is(stdout, "it's|$HOME|a  b|two\nlines||")
})

test('every machine has suites, those with KVM run guests', () => {
  for (const machine of machines) {
    assert.ok(suitesOf(machine).includes('detection'))
    assert.is(suitesOf(machine).includes('run'), machine.model === 'svm')
  }
})

test.run()
