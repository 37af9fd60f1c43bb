/** What pictures show, read from their text. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { escaped } from '../../src/picture/canvas.js'
import { drawPicture } from '../../src/picture/draw.js'
import { tagOf } from '../../src/picture/occupancy.js'
import { sceneOfHost, sceneOfPlan } from '../../src/picture/of-plan.js'
import { colourOfVm, inkOn, THEME_NAMES } from '../../src/picture/theme.js'
import { plan } from '../../src/plan.js'
import { parseRequest } from '../../src/request.js'
import { syntheticHost } from '../../src/topology/index.js'
import type { Host, PlanVm, RequestVm } from '../../src/types.js'
import { scenes } from './scenes.js'
import { type Drawn, isInside, readSvg } from './svg.js'

const HOST = syntheticHost('pack:2 [numa(memory=64GB)] l3:2 core:4 pu:2')

async function drawnPlan(host: Host, request: object) {
  const parsed = parseRequest(request)
  const made = await plan(host, parsed, { steps: 200 })
  const svg = drawPicture(sceneOfPlan(host, parsed, made))
  return { made, svg, drawn: readSvg(svg) }
}

function allText({ texts }: Drawn): string {
  return texts.map(({ text }) => text).join(' ')
}

test('every vCPU is one box with the colour, the letters and the name of its VM', () => {
  fc.assert(
    fc.property(scenes, (scene) => {
      const { rects, texts } = readSvg(drawPicture(scene))
      const boxes = rects.filter(({ attributes }) => attributes['data-vcpu'] !== undefined)
      const wanted = scene.vms.flatMap(({ vcpus }, vm) => vcpus.map(({ vcpu }) => `${vm} ${vcpu} ${colourOfVm(vm)}`))
      const names = readSvg(drawPicture(scene)).rects.flatMap(({ attributes }) => attributes['data-legend'] ?? [])
      assert.is(names.length, scene.vms.length)
      const found = boxes.map(({ attributes }) => {
        const vm = names.indexOf(attributes['data-vm']!)
        return `${vm} ${attributes['data-vcpu']} ${attributes.fill}`
      })
      assert.equal(found.sort(), wanted.sort())
      for (const box of boxes) {
        // Where several share a CPU there may be no room for the letters.
        const inside = texts.filter((text) => isInside(text, box))
        const label = `${tagOf(names.indexOf(box.attributes['data-vm']!))}${box.attributes['data-vcpu']}`
        if (box.width >= 34)
          assert.equal(
            inside.map(({ text }) => text),
            [label],
          )
        for (const text of inside) assert.is(text.fill, inkOn(box.attributes.fill!))
      }
    }),
    { numRuns: 40 },
  )
})

test('every CPU is one box, and has the vCPU in it that the plan has on it', async () => {
  const { made, drawn } = await drawnPlan(HOST, {
    vms: [
      { name: 'db', vcpus: 6, memory: '8GiB' },
      { name: 'web', vcpus: 5, memory: '8GiB', threadPolicy: 'isolate' },
    ],
  })
  const cpus = drawn.rects.filter(({ attributes }) => attributes['data-cpu'] !== undefined)
  assert.equal(
    cpus.map(({ attributes }) => Number(attributes['data-cpu'])).sort((a, b) => a - b),
    HOST.cpus.map(({ id }) => id),
  )
  for (const { name, vcpus } of made.vms) {
    for (const { vcpu, cpus: list } of vcpus) {
      const box = drawn.rects.find(
        ({ attributes }) => attributes['data-vm'] === name && attributes['data-vcpu'] === String(vcpu),
      )!
      const around = cpus.filter((cpu) => isInside(box, cpu)).map(({ attributes }) => attributes['data-cpu'])
      assert.equal(around, [list])
      assert.is(box.title, `${name}: vCPU ${vcpu} on CPU ${list}`)
    }
  }
})

test('vCPUs that float are in a strip that says over which CPUs', async () => {
  const { made, drawn, svg } = await drawnPlan(HOST, {
    vms: [{ name: 'web', vcpus: 4, memory: '1GiB', cpuPolicy: 'shared', demand: 0.5 }],
  })
  const list = made.vms[0]!.vcpus[0]!.cpus
  const strip = drawn.rects.find(({ title }) => title === `vCPUs that float over CPUs ${list}`)!
  const boxes = drawn.rects.filter(({ attributes }) => attributes['data-vcpu'] !== undefined)
  assert.is(boxes.length, 4)
  for (const box of boxes) assert.ok(isInside(box, strip))
  assert.ok(allText(drawn).includes(`any of CPUs ${list}`))
  // The strip, its 16 CPUs, and the sample of the key.
  assert.is(svg.split('url(#homenode-hatch)').length - 1, 18)
})

test('the memory of a node is divided as it is used', async () => {
  const host = { ...HOST, nodes: HOST.nodes.map((node) => ({ ...node, memory: { total: 2 ** 36, free: 2 ** 35 } })) }
  const { drawn } = await drawnPlan(host, {
    reserve: { memory: '8GiB' },
    vms: [{ name: 'db', vcpus: 2, memory: '16GiB' }],
  })
  const bar = drawn.rects.filter(({ attributes }) => attributes['data-memory'] === '0')
  const whole = bar.reduce((sum, { width }) => sum + width, 0)
  const shares = bar.map(({ title, width }) => [title.split(' ')[0], Math.round((100 * width) / whole)])
  assert.equal(shares, [
    ['db:', 25],
    ['reserved', 13],
    ['free:', 13],
    ['used', 50],
  ])
  assert.equal(
    bar.filter(({ attributes }) => attributes['data-vm'] === 'db').map(({ attributes }) => attributes.fill),
    [colourOfVm(0)],
  )
})

test('free memory of which nothing is known is not drawn as used or free', () => {
  const nodes = HOST.nodes.map((node) => ({ ...node, memory: { total: 2 ** 30, free: null } }))
  const { rects } = readSvg(drawPicture(sceneOfHost({ ...HOST, nodes })))
  const bars = rects.filter(({ attributes }) => attributes['data-memory'] !== undefined)
  assert.equal(
    bars.map(({ title }) => title),
    ['free or used: not known: 1 GiB of node 0', 'free or used: not known: 1 GiB of node 1'],
  )
})

test('pages of another size have a bar of their own', async () => {
  const size = 2 ** 21
  const pages = [
    { size: 4096, total: null, free: null },
    { size, total: 1024, free: 1024 },
  ]
  const host = { ...HOST, nodes: HOST.nodes.map((node) => ({ ...node, pages })) }
  const { drawn } = await drawnPlan(host, { vms: [{ name: 'db', vcpus: 2, memory: '1GiB', pageSize: '2MiB' }] })
  const huge = drawn.rects.filter(({ attributes }) => attributes['data-page'] === String(size))
  assert.equal(
    huge.map(({ title }) => title),
    ['db: 1 GiB on node 0 in pages of 2 MiB', 'free: 1 GiB of node 0', 'free: 2 GiB of node 1'],
  )
})

test('CPUs that are reserved, isolated, offline or not allowed look different, and the key says how', () => {
  const looks = ['reserved', 'isolated', 'offline', 'not allowed', 'usual']
  const cpus = HOST.cpus.map((cpu) => ({
    ...cpu,
    isolated: cpu.id === 1,
    online: cpu.id !== 2,
    allowed: cpu.id !== 3,
  }))
  for (const theme of THEME_NAMES) {
    const scene = sceneOfHost({ ...HOST, cpus })
    const svg = drawPicture({ ...scene, reserve: { ...scene.reserve, cpus: new Set([0]) } }, { theme })
    const { texts } = readSvg(svg)
    const lookOf = (id: number) => {
      const rect = new RegExp(
        `fill="([^"]*)"([^>]*) data-cpu="${id}"><title>[^<]*</title></rect>(\\n<path d="([^"]*)")?`,
      )
      const [, fill, line = '', , strokes = ''] = rect.exec(svg)!
      return `${fill} ${line.includes('dasharray')} ${strokes.split('M').length - 1}`
    }
    assert.is(new Set(looks.map((_, id) => lookOf(id))).size, looks.length)
    const words = texts.map(({ text }) => text)
    for (const word of ['reserved for the host', 'isolated', 'offline', 'not allowed by the cpuset']) {
      assert.ok(words.includes(word), word)
    }
  }
})

test('a thread of a VMM that has its CPU for itself is a box, one among others is a mark', async () => {
  const own = await drawnPlan(HOST, {
    vms: [{ name: 'db', vcpus: 1, memory: '1GiB', emulator: 'dedicated', iothreads: 1 }],
  })
  const { emulator, iothreads } = own.made.vms[0]!
  const boxOf = (label: string) => own.drawn.rects.find(({ title }) => title === label)!
  for (const [title, list] of [
    ['db: emulator threads', emulator],
    ['db: I/O thread 0', iothreads[0]],
  ] as const) {
    const cpu = own.drawn.rects.find(({ attributes }) => attributes['data-cpu'] === list)!
    assert.ok(isInside(boxOf(title), cpu))
    assert.is(boxOf(title).attributes.stroke, colourOfVm(0))
  }
  const others = await drawnPlan(HOST, { reserve: { cpus: '0' }, vms: [{ name: 'db', vcpus: 1, memory: '1GiB' }] })
  const cpu = others.drawn.rects.find(({ attributes }) => attributes['data-cpu'] === '0')!
  assert.match(cpu.title, /reserved for the host; db: emulator threads/)
  assert.is(others.drawn.rects.filter(({ title }) => title === 'db: emulator threads').length, 0)
  assert.ok(allText(others.drawn).includes("VMMs' own threads"))
})

test('the legend has the price of each VM by term, and refusals their first reason', async () => {
  const { made, drawn } = await drawnPlan(HOST, {
    vms: [
      { name: 'wide', vcpus: 12, memory: '8GiB' },
      { name: 'big', vcpus: 80, memory: '1GiB', cells: 1 },
    ],
  })
  const [wide] = made.vms as [PlanVm]
  const text = allText(drawn)
  assert.ok(wide.cost.lostVcpus > 0)
  for (const [term, lost] of Object.entries(wide.cost.terms)) assert.ok(text.includes(`${term} ${lost}`), term)
  const [{ constraint, text: reason }] = made.refused[0]!.because as [{ constraint: string; text: string }]
  assert.ok(text.includes('big') && text.includes(`${constraint}: ${reason}`))
})

test('moves are arrows with the number of their step', async () => {
  const here = (cpus: readonly number[], node: number) => ({
    cells: [{ cell: 0, pageSize: 4096, memory: [{ node, bytes: 2 ** 30 }] }],
    vcpus: cpus.map((cpu, vcpu) => ({ vcpu, cell: 0, node, cpus: String(cpu), dedicated: true })),
  })
  const vm: Partial<RequestVm> & { memory: never } = { name: 'db', vcpus: 2, memory: '1GiB' as never }
  const { made, drawn } = await drawnPlan(HOST, {
    reserve: { cpus: '0-1' },
    vms: [{ ...vm, current: here([0, 1], 0) }],
  })
  assert.ok(made.moves!.length > 0)
  assert.equal(
    drawn.steps,
    made.moves!.map(({ step }) => String(step)),
  )
  assert.ok(allText(drawn).includes('step 1: db cell 0: vCPUs 0-1 to CPUs'))
})

test('a host of 4,096 CPUs is in bands, and no vCPU of it is missing', async () => {
  const host = syntheticHost('pack:4 group:4 [numa(memory=64GB)] l3:8 core:16 pu:2')
  const { made, drawn } = await drawnPlan(host, {
    vms: Array.from({ length: 20 }, (_, at) => ({ name: `vm${at}`, vcpus: 3 + at, memory: '1GiB' })),
  })
  const bands = drawn.rects.filter(({ attributes }) => attributes['data-vcpus'] !== undefined)
  for (const { name, vcpus } of made.vms) {
    const own = bands.filter(({ attributes }) => attributes['data-vm'] === name)
    const numbers = own
      .flatMap(({ attributes }) => attributes['data-vcpus']!.split(','))
      .map((part) => {
        const [first, last = first] = part.split('-').map(Number) as [number, number?]
        return last - first + 1
      })
    assert.is(
      numbers.reduce((sum, length) => sum + length, 0),
      vcpus.length,
      name,
    )
  }
  assert.ok(drawn.rects.length < 2000, `${drawn.rects.length}`)
})

test('the document needs nothing else, and says what it is', () => {
  fc.assert(
    fc.property(scenes, (scene) => {
      const svg = drawPicture(scene, { id: 'one-' })
      const { elements } = readSvg(svg)
      assert.equal(
        [...elements.keys()].filter((name) => !/^(svg|title|desc|defs|pattern|rect|path|text|g)$/.test(name)),
        [],
      )
      const withoutText = svg.replace(/>[^<]*</g, '><').replace(/ data-[a-z]+="[^"]*"/g, '')
      assert.not.match(withoutText, /var\(|style=|class=|href=|NaN|undefined/)
      assert.match(svg, /^<svg [^>]*role="img" aria-labelledby="one-title one-description"/)
      assert.ok(elements.get('title')! > scene.host.cpus.length)
    }),
    { numRuns: 30 },
  )
})

test('what XML cannot carry is replaced, and what it reserves is escaped', () => {
  assert.is(escaped('a\u0007b\ud800c\uffff'), 'a\ufffdb\ufffdc\ufffd')
  assert.is(escaped('<&">\u{1f600}'), '&lt;&amp;&quot;&gt;\u{1f600}')
})

test.run()
