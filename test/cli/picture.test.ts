/** `--svg`, `--png` and `--theme` of the commands. */

import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Resvg } from '@resvg/resvg-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { requestOf as requestOfRunning } from '../../executor/found/as-request.js'
import { judge } from '../../src/cli/running.js'
import { sceneOfRunning } from '../../src/cli/running-scene.js'
import { drawPicture } from '../../src/picture/draw.js'
import { sceneOfHost, sceneOfPlan } from '../../src/picture/of-plan.js'
import { colourOfVm } from '../../src/picture/theme.js'
import { parseRequest } from '../../src/request.js'
import { parseHost, syntheticHost } from '../../src/topology/index.js'
import { vmOf } from '../executor/found/vms.js'
import { readSvg } from '../picture/svg.js'
import { homenode, requestOf, root, scratch, TWO_NODES } from './command.js'

const folder = mkdtempSync(join(tmpdir(), 'homenode-picture-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => join(folder, name)
const read = (name: string) => readFileSync(at(name), 'utf8')

const file = scratch()
const on = ['--synthetic', TWO_NODES]
const text = requestOf(
  { name: 'db', vcpus: 5, memory: '8GiB', threadPolicy: 'isolate' },
  { name: 'web', vcpus: 4, memory: '4GiB', cpuPolicy: 'shared', demand: 0.5 },
  { name: 'batch', vcpus: 3, memory: '1GiB' },
)
const request = file('request.json', text)

test('topo --svg writes the host as a picture, and shows it all the same', async () => {
  const { code, stdout, stderr } = await homenode(['topo', ...on, '--svg', at('host.svg')])
  assert.is(code, 0, stderr)
  assert.match(stdout, /^2 packages, 16 cores/)
  assert.is(read('host.svg'), drawPicture(sceneOfHost(syntheticHost(TWO_NODES))))
})

test('plan --svg draws the plan that --json prints, in the theme that is asked for', async () => {
  const args = ['plan', '-f', request, ...on, '--json', '--svg', at('plan.svg'), '--theme', 'dark']
  const { code, stdout, stderr } = await homenode(args)
  assert.is(code, 0, stderr)
  const scene = sceneOfPlan(syntheticHost(TWO_NODES), parseRequest(JSON.parse(text)), JSON.parse(stdout))
  assert.is(read('plan.svg'), drawPicture(scene, { theme: 'dark' }))
})

test('with - the picture is all that is printed', async () => {
  const whole = await homenode(['plan', '-f', request, ...on, '--svg', '-'])
  assert.is(whole.code, 0, whole.stderr)
  assert.match(whole.stdout, /^<svg .*<\/svg>\n$/s)
  const unfit = requestOf({ name: 'big', vcpus: 99, memory: '1GiB' })
  const refused = await homenode(['plan', '-f', '-', ...on, '--svg', '-'], { input: unfit })
  assert.is(refused.code, 3)
  assert.match(refused.stdout, /big is refused: /)
})

test('a PNG has a pixel of the VM at each of its boxes', async () => {
  const { code, stderr } = await homenode([
    'plan',
    '-f',
    request,
    ...on,
    '--svg',
    at('both.svg'),
    '--png',
    at('both.png'),
  ])
  assert.is(code, 0, stderr)
  const svg = read('both.svg')
  const { width, rects } = readSvg(svg)
  const png = readFileSync(at('both.png'))
  assert.is(png.subarray(0, 8).toString('latin1'), '\x89PNG\r\n\x1a\n')
  assert.is(png.readUInt32BE(16), 2 * width)
  const image = new Resvg(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${2 * width}" height="${png.readUInt32BE(20)}"><image width="${2 * width}" height="${png.readUInt32BE(20)}" href="data:image/png;base64,${png.toString('base64')}"/></svg>`,
  ).render()
  const names = ['db', 'web', 'batch']
  const boxes = rects.filter(({ attributes }) => attributes['data-vcpu'] !== undefined)
  assert.is(boxes.length, 12)
  for (const { x, y, attributes } of boxes) {
    // In the corner, where no letters are.
    const offset = 4 * (Math.round(2 * (y + 3)) * image.width + Math.round(2 * (x + 4)))
    const pixel = `#${image.pixels.subarray(offset, offset + 3).toString('hex')}`
    assert.is(pixel, colourOfVm(names.indexOf(attributes['data-vm']!)))
  }
})

test('without the package for PNG that is said before anything is planned', async () => {
  // The same command with all packages but that one.
  const bare = at('bare')
  mkdirSync(join(bare, 'node_modules'), { recursive: true })
  cpSync(join(root, 'dist'), join(bare, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(bare, 'package.json'))
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name !== '@resvg') symlinkSync(join(root, 'node_modules', name), join(bare, 'node_modules', name))
  }
  const program = join(bare, 'dist/cli.js')
  const { code, stdout, stderr } = await homenode(['plan', '-f', request, ...on, '--png', at('no.png')], {}, program)
  assert.is(code, 1)
  assert.is(stdout, '')
  assert.match(
    stderr,
    /^homenode: --png: the optional package @resvg\/resvg-js cannot be loaded \(ERR_MODULE_NOT_FOUND\).*npm install/,
  )
  const svg = await homenode(['topo', ...on, '--svg', '-'], {}, program)
  assert.is(svg.code, 0, svg.stderr)
})

test('options of pictures that contradict each other are refused', async () => {
  for (const [args, message] of [
    [['--theme', 'dark'], '--theme: expected --svg or --png, too, got --theme alone'],
    [['--svg', '-', '--png', '-'], 'standard output: expected one thing to print there, got --svg - and --png -'],
    [['--svg', '-', '--json'], 'standard output: expected one thing to print there, got --svg - and --json'],
    [['--svg', at('one'), '--png', at('x/../one')], `--png: expected another file than --svg, got "${at('x/../one')}"`],
    [['--svg', ''], '--svg: expected the name of a file, got an empty name'],
  ] as const) {
    const { code, stderr } = await homenode(['topo', ...on, ...args])
    assert.is(code, 2, message)
    assert.is(stderr, `homenode: ${message}\n`)
  }
})

test('a picture that cannot be written is an error', async () => {
  const { code, stderr } = await homenode(['topo', ...on, '--svg', at('none/host.svg')])
  assert.is(code, 1)
  assert.is(stderr, `homenode: ${at('none/host.svg')} cannot be written: ENOENT\n`)
})

test('check draws a plan, and says of one that does not hold why not', async () => {
  const { stdout } = await homenode(['plan', '-f', request, ...on, '--json'])
  const plan = JSON.parse(stdout)
  const good = await homenode(['check', '-', '-f', request, ...on, '--svg', '-'], { input: stdout })
  assert.is(good.code, 0, good.stderr)
  assert.match(good.stdout, /<title id="homenode-title">the plan holds: /)
  plan.vms[0].vcpus[1].cpus = plan.vms[0].vcpus[0].cpus
  const bad = await homenode(['check', '-', '-f', request, ...on, '--svg', '-'], { input: JSON.stringify(plan) })
  assert.is(bad.code, 3)
  assert.match(bad.stdout, /<title id="homenode-title">the plan does not hold: \d+ findings?</)
  assert.match(bad.stdout, /<desc .*CPU 0 /s)
})

test('run --svg draws what it runs on this machine', async () => {
  const args = ['run', '--backend', 'threads', '--seconds', '0.2', '--relaxed', '--json', '--svg', at('run.svg')]
  const { stdout, stderr } = await homenode(args)
  const { plan } = JSON.parse(stdout || '{}')
  assert.ok(plan !== undefined, stderr)
  const { rects } = readSvg(read('run.svg'))
  const boxes = rects.filter(({ attributes }) => attributes['data-vcpu'] !== undefined)
  assert.is(boxes.length, plan.vms[0].vcpus.length)
})

test('ps --svg draws this machine', async () => {
  const { code, stdout, stderr } = await homenode(['ps', '--svg', '-'])
  assert.is(code, 0, stderr)
  const { stdout: host } = await homenode(['topo', '--json'])
  const { rects } = readSvg(stdout)
  const cpus = rects.filter(({ attributes }) => attributes['data-cpu'] !== undefined)
  assert.is(cpus.length, parseHost(JSON.parse(host)).cpus.length)
})

test('VMs that run are where they are: pinned ones in their CPUs, others in a strip, with what they lose', async () => {
  const GIB = 2 ** 30
  const host = syntheticHost('pack:2 [numa(memory=64GiB)] l3:1 core:4 pu:1')
  const vms = [
    vmOf({ name: 'floating', cpus: ['0-7', '0-7'], memory: [{ bytes: 4 * GIB, resident: { 1: 3 * GIB } }] }),
    vmOf({
      name: 'astray',
      pid: 200,
      cpus: ['0', '1'],
      memory: [{ bytes: GIB, resident: { 0: GIB / 4, 1: GIB / 4 } }],
    }),
    { ...vmOf({ name: 'dark', pid: 400, cpus: [], memory: [] }), vcpuCount: null },
  ]
  const judged = await judge({ vms, missing: [] }, host)
  const { rects, texts } = readSvg(drawPicture(sceneOfRunning(requestOfRunning(vms, host), judged)))
  const titles = rects.map(({ title }) => title)
  assert.ok(titles.includes('astray: vCPU 1 on CPU 1'))
  assert.ok(titles.includes('floating: vCPU 0 floats over CPUs 0-7'))
  assert.ok(titles.includes('floating: 3 GiB on node 1 in pages of 4 KiB'))
  const words = texts.map((one) => one.text).join(' ')
  assert.match(words, /^3 VMs as found: [\d.]+ lost vCPUs, /)
  assert.match(words, /not drawn: dark: which threads run its vCPUs is not known/)
  const { now } = judged.vms[0]!.judgement!
  assert.ok(words.includes(`${now} lost vCPUs: `), words)
})

test.run()
