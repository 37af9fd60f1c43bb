/** What a command loads: the scripts that V8 ran in its process, ES modules and CommonJS alike. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { homenode, root, SMALL, scratch, TWO_NODES } from './command.js'

const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const plannerBase64 = readFileSync(join(root, 'dist/planner.wasm')).toString('base64')
const on = ['--synthetic', TWO_NODES]
const file = scratch()

/** Files that `homenode <args>` loads. */
async function scriptsOf(args: readonly string[], input: string, notes: RegExp): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'homenode-loads-'))
  try {
    const { stderr } = await homenode(args, { input, env: { NODE_V8_COVERAGE: directory } })
    assert.match(stderr, notes)
    const scripts = readdirSync(directory).flatMap((name) => {
      const { result } = JSON.parse(readFileSync(join(directory, name), 'utf8'))
      return result.map(({ url }: { url: string }) => url)
    })
    return scripts.filter((url) => url.startsWith('file:')).map((url) => fileURLToPath(url))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Of our dependencies and the planner's module, those that `homenode <args>` loads. */
async function loadedBy(args: readonly string[], input = '', notes = /^$/): Promise<string[]> {
  const scripts = await scriptsOf(args, input, notes)
  const packages = Object.keys(dependencies).filter((name) =>
    scripts.some((script) => script.includes(`/node_modules/${name}/`)),
  )
  const ours = scripts.filter((script) => script.startsWith(join(root, 'dist/')))
  const hasPlanner = ours.some((script) => readFileSync(script, 'utf8').includes(plannerBase64))
  return [...packages, ...(hasPlanner ? ['planner.wasm'] : [])].sort()
}

test('version and help load what parses the command line, and no more', async () => {
  const commands = ['topo', 'plan', 'capacity', 'check', 'convert', 'ps', 'balance', 'service', 'run', 'doctor'].map(
    (command) => [command, '--help'],
  )
  for (const args of [['--version'], ['--help'], ...commands]) {
    assert.equal(await loadedBy(args), ['commander', 'picocolors'], args.join(' '))
  }
})

test('topo loads no validation unless it reads a saved host', async () => {
  assert.equal(await loadedBy(['topo']), ['cli-table3', 'commander', 'picocolors'])
  const { stdout } = await homenode(['topo', ...on, '--json'])
  assert.equal(await loadedBy(['topo', '--host', '-'], stdout), ['cli-table3', 'commander', 'picocolors', 'zod'])
})

test('plan loads the planner, check does not', async () => {
  const request = file('request.json', SMALL)
  const common = ['cli-table3', 'commander', 'picocolors']
  assert.equal(await loadedBy(['plan', ...on, '-f', request]), [...common, 'planner.wasm', 'zod'])
  const { stdout } = await homenode(['plan', ...on, '-f', request, '--json'])
  assert.equal(await loadedBy(['check', '-', ...on, '-f', request], stdout), [...common, 'zod'])
})

test('convert loads the planner for a request alone, and what reads XML for a domain alone', async () => {
  const request = file('request.json', SMALL)
  const common = ['commander', 'picocolors', 'zod']
  const { stdout } = await homenode(['plan', ...on, '-f', request, '--json'])
  const plan = file('plan.json', stdout)
  assert.equal(await loadedBy(['convert', plan, '--to', 'qemu']), common)
  assert.equal(await loadedBy(['convert', request, ...on, '--to', 'numactl']), [
    ...common.slice(0, 2),
    'planner.wasm',
    'zod',
  ])
  const domain = '<domain><name>db</name><memory>1048576</memory><vcpu>2</vcpu></domain>'
  assert.equal(await loadedBy(['convert', '--from', 'libvirt', '-'], domain), [
    'commander',
    'picocolors',
    'saxes',
    'zod',
  ])
})

test('a policy loads what reads YAML where it is in YAML', async () => {
  const common = ['cli-table3', 'commander', 'picocolors', 'zod']
  const content = '{"rules": [{"set": {}}]}'
  assert.equal(await loadedBy(['policy', 'check', file('policy.json', content)]), common)
  const both = [...common.slice(0, 2), 'js-yaml', ...common.slice(2)]
  assert.equal(await loadedBy(['policy', 'check', file('policy.yaml', content)]), both)
})

test('balance loads what makes metrics where they are asked for, and the service what it writes alone', async () => {
  const balance = ['balance', '--once', '--json', '--interval', '0.1', '--state', `${file('balance', '')}-state`]
  // What it does not know of others' VMs, it says.
  const notes = /^(?!homenode: )/
  const without = await loadedBy(balance, '', notes)
  assert.ok(without.includes('koffi') && !without.includes('prom-client'), `${without}`)
  assert.ok((await loadedBy([...balance, '--metrics', '127.0.0.1:0'], '', notes)).includes('prom-client'))
  assert.equal(await loadedBy(['service', 'dashboard']), ['commander', 'picocolors'])
})

test('doctor, which asks the kernel, loads koffi', async () => {
  assert.equal(await loadedBy(['doctor']), ['cli-table3', 'commander', 'koffi', 'picocolors', 'piscina', 'zod'])
})

test.run()
