/** topo, plan, check and doctor, from their arguments to their streams and exit codes. */

import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cli, homenode, requestOf, SMALL, scratch, TWO_NODES } from './command.js'

const file = scratch()
const small = file('small.json', SMALL)
const on = ['--synthetic', TWO_NODES]
const ESCAPE = '\u001b'
const misfit = requestOf(
  { name: 'db', vcpus: 2, memory: '1GiB' },
  { name: 'wide', vcpus: 12, memory: '1GiB', cells: 1 },
)

test('every command prints help with examples', async () => {
  for (const command of ['topo', 'plan', 'check', 'convert', 'top', 'balance', 'run', 'doctor']) {
    const { code, stdout } = await homenode([command, '--help'])
    assert.is(code, 0)
    assert.match(stdout, new RegExp(`Usage: homenode ${command} [^]*Examples:\n {2}(?:sudo )?homenode ${command}`))
    assert.ok(
      stdout.split('\n').every((line) => line.length <= 80),
      `${command}: lines of at most 80 characters`,
    )
  }
})

test('without a command the help is printed', async () => {
  const { code, stdout, stderr } = await homenode([])
  assert.is(code, 0)
  assert.match(stdout, /Usage: homenode/)
  assert.is(stderr, '')
})

test('the version is that of the package', async () => {
  const { code, stdout } = await homenode(['--version'])
  assert.is(code, 0)
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
})

test('topo shows this machine', async () => {
  const { code, stdout, stderr } = await homenode(['topo'])
  assert.is(code, 0, stderr)
  assert.match(stdout, /^.*\d+ cores?, \d+ CPUs?.*, \d+ nodes?, /)
  assert.match(stdout, /NODE +CPUS +MEMORY +FREE/)
  assert.match(stdout, /LLC +NODE +PACKAGE +CORES +CPUS/)
})

test('topo shows nodes, distances and caches', async () => {
  const { stdout } = await homenode(['topo', ...on])
  assert.match(stdout, /^2 packages, 16 cores, 32 CPUs, 2 nodes, /)
  assert.match(stdout, /^ {3}1 {2}16-31 /m)
  assert.match(stdout, /^node {4}0 {3}1\n {3}0: {2}10 {2}20\n {3}1: {2}20 {2}10$/m)
  assert.match(stdout, /^ {2}3 +1 +1 +4 {2}24-30:2 \| 25-31:2$/m)
})

test('a saved host is the same host', async () => {
  const saved = await homenode(['topo', ...on, '--json'])
  const { schemaVersion, kind } = JSON.parse(saved.stdout)
  assert.equal([schemaVersion, kind], [1, 'Host'])
  const read = await homenode(['topo', '--host', '-', '--json'], { input: saved.stdout })
  assert.is(read.stdout, saved.stdout)
})

test('a byte order mark before the JSON does no harm', async () => {
  const { code } = await homenode(['plan', ...on, '-f', file('bom.json', `\ufeff${SMALL}`)])
  assert.is(code, 0)
})

test('plan places a VM and shows where', async () => {
  const { code, stdout } = await homenode(['plan', ...on, '-f', '-'], { input: SMALL })
  assert.is(code, 0)
  assert.match(stdout, /^optimal: 1 of 1 VM placed, 0 lost vCPUs \(lower bound 0, gap 0\)\n/)
  assert.match(stdout, /^db +0 +0 +0 +1 GiB +4 KiB {2}0-1 -> 0-1 /m)
})

test('a VM that does not fit is refused with reasons and exit code 3', async () => {
  const text = await homenode(['plan', ...on, '-f', '-'], {
    input: requestOf({ name: 'wide', vcpus: 20, memory: '1GiB', cells: 1 }),
  })
  assert.is(text.code, 3)
  assert.match(text.stdout, /^infeasible: 0 of 1 VM placed/)
  assert.match(
    text.stdout,
    /^refused: wide\n(?: {2}[a-z-]+: .*node 0 .*node 1 .*\n)+ {2}it fits with one of these changes:\n {4}cells: \d+ \(/m,
  )
  assert.is(text.stderr, '')
})

test('with --json a refusal is in the plan on standard output, and exit code 3', async () => {
  const { code, stdout } = await homenode(['plan', '--synthetic', 'numa:2 core:8 pu:1', '-f', '-', '--json'], {
    input: misfit,
  })
  assert.is(code, 3)
  const plan = JSON.parse(stdout)
  assert.equal([plan.schemaVersion, plan.kind, plan.status], [1, 'Plan', 'partial'])
  assert.equal(
    plan.refused.map((refusal: { name: string }) => refusal.name),
    ['wide'],
  )
})

test('the same seed gives the same plan', async () => {
  const args = ['plan', ...on, '-f', small, '--json', '--seed', '7', '--steps', '100']
  const [first, second] = [await homenode(args), await homenode(args)]
  assert.is(first.code, 0)
  assert.is(first.stdout, second.stdout)
  assert.is(JSON.parse(first.stdout).solver.seed, 7)
})

test('a plan that was printed holds when it is checked', async () => {
  const request = file('misfit.json', misfit)
  const planned = await homenode(['plan', '--synthetic', 'numa:2 core:8 pu:1', '-f', request, '--json'])
  const checked = await homenode(['check', '-', '--synthetic', 'numa:2 core:8 pu:1', '-f', request], {
    input: planned.stdout,
  })
  assert.is(checked.code, 0)
  assert.match(
    checked.stdout,
    /^the plan holds: 1 of 2 VMs placed, .*, as recomputed; the lower bound of \S+ is the plan's own, not recomputed\n$/,
  )
})

test('check finds what a plan breaks, with exit code 3', async () => {
  const planned = await homenode(['plan', ...on, '-f', small, '--json'])
  const plan = JSON.parse(planned.stdout)
  plan.vms[0].vcpus[1].cpus = plan.vms[0].vcpus[0].cpus
  const args = ['check', file('broken.json', JSON.stringify(plan)), ...on, '-f', small]
  const text = await homenode(args)
  assert.is(text.code, 3)
  assert.match(text.stdout, /^the plan does not hold: \d+ findings?\n\nCONSTRAINT +VM +CELL +VCPU +FINDING\n/)
  assert.match(text.stdout, /^cpu-exclusive +db /m)
  const json = await homenode([...args, '--json'])
  assert.is(json.code, 3)
  const { schemaVersion, kind, holds, findings } = JSON.parse(json.stdout)
  assert.equal([schemaVersion, kind, holds, findings[0].constraint], [1, 'CheckReport', false, 'cpu-exclusive'])
})

test('check --json says that a plan holds', async () => {
  const planned = await homenode(['plan', ...on, '-f', small, '--json'])
  const { code, stdout } = await homenode(['check', '-', ...on, '-f', small, '--json'], { input: planned.stdout })
  assert.is(code, 0)
  assert.equal(JSON.parse(stdout), { schemaVersion: 1, kind: 'CheckReport', holds: true, findings: [] })
})

test('doctor reports on this machine', async () => {
  const { code, stdout } = await homenode(['doctor', '--json'])
  const { schemaVersion, kind, checks } = JSON.parse(stdout)
  assert.equal([schemaVersion, kind], [1, 'DoctorReport'])
  const hasProblem = checks.some(({ status }: { status: string }) => status === 'problem')
  assert.is(code, hasProblem ? 1 : 0)
  for (const id of ['kvm', 'cap-sys-nice', 'cpus', 'mbind', 'huge-pages', 'nodes', 'cgroup', 'nodejs', 'kernel']) {
    assert.ok(
      checks.some((check: { id: string }) => check.id === id),
      id,
    )
  }
})

test('colours come where they are asked for, and never into a pipe by themselves', async () => {
  const colored = async (args: string[], env = {}) =>
    (await homenode(['topo', ...on, ...args], { env })).stdout.includes(ESCAPE)
  assert.not(await colored([]))
  assert.ok(await colored(['--color=always']))
  assert.ok(await colored(['--color=always'], { NO_COLOR: '1' }), 'the option goes before the environment')
  assert.not(await colored(['--color=never']))
})

test('output in a pipe is plain ASCII', async () => {
  for (const args of [['topo'], ['plan', '-f', small], ['doctor']]) {
    const { stdout } = await homenode(args[0] === 'doctor' ? args : [...args, ...on])
    assert.match(stdout, /^[\n -~]*$/)
  }
})

test('tables keep to a terminal of 80 columns, and to one of 40', async () => {
  for (const columns of [80, 40]) {
    const env = { COLUMNS: String(columns) }
    const { stdout } = await homenode(['plan', ...on, '-f', '-'], { env, input: misfit })
    const longest = Math.max(...stdout.split('\n').map((line) => line.length))
    assert.ok(longest <= columns, `${longest} of ${columns} columns`)
    assert.match(stdout, /db/)
  }
})

test('a reader that has seen enough is no error', () => {
  const command = `"${process.execPath}" "${cli}" topo --json --synthetic "pack:8 [numa] core:64 pu:4" | head -1; echo "\${PIPESTATUS[0]}"`
  const { stdout, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' })
  assert.is(stdout, '{\n0\n')
  assert.is(stderr, '')
})

test('a reader that has gone before is no error', () => {
  for (const command of ['topo', 'topo --json', '--help', 'run --seconds 0.1']) {
    const line = `{ sleep 0.2; "${process.execPath}" "${cli}" ${command}; echo $? >&2; } | true`
    const { stderr } = spawnSync('bash', ['-c', line], { encoding: 'utf8' })
    assert.is(stderr, '0\n', command)
  }
})

test('a full disk is an error in one line', () => {
  const { stderr } = spawnSync('bash', ['-c', `"${process.execPath}" "${cli}" topo > /dev/full; echo $? >&2`], {
    encoding: 'utf8',
  })
  assert.match(stderr, /^homenode: the output cannot be written: ENOSPC[^\n]*\n1\n$/)
})

test('only HOMENODE_DEBUG shows a stack', async () => {
  const { stderr } = await homenode(['plan', '-f', 'nowhere.json'], { env: { HOMENODE_DEBUG: '1' } })
  assert.match(stderr, /\n {4}at /)
})

test.run()
