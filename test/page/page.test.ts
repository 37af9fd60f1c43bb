/** The page, as people use it. */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Resvg } from '@resvg/resvg-js'
import type { Browser, Page } from 'playwright-core'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeState, type State } from '../../src/page/state.js'
import { drawPicture } from '../../src/picture/draw.js'
import { sceneOfPlan } from '../../src/picture/of-plan.js'
import { colourOfVm } from '../../src/picture/theme.js'
import { parseRequest } from '../../src/request.js'
import { parseHost, syntheticHost } from '../../src/topology/index.js'
import { homenode, scratch, TWO_NODES } from '../cli/command.js'
import { readSvg } from '../picture/svg.js'
import { skipUnless } from '../skip.js'
import { FILE, fill, folder, hasChromium, launch, NO_CHROMIUM, open, saved, settled, stateOf } from './browser.js'

const inBrowser = skipUnless(hasChromium, NO_CHROMIUM)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let browser: Browser
test.before(async () => {
  if (hasChromium) browser = await launch()
})
test.after(() => browser?.close())

const file = scratch()
const REQUEST = {
  vms: [
    { name: 'db', vcpus: 4, memory: '32GiB', threadPolicy: 'isolate' },
    { name: 'web', vcpus: 6, memory: '16GiB' },
    { name: 'batch', vcpus: 8, memory: '8GiB', cpuPolicy: 'shared', demand: 0.25 },
    { name: 'big', vcpus: 20, memory: '16GiB', cells: 1 },
  ],
}
const STATE = stateOf(TWO_NODES, REQUEST)

async function at(state: State, scheme: 'light' | 'dark' = 'light') {
  const opened = await open(browser, `${FILE}#${await encodeState(state)}`, scheme)
  return opened
}

/** Closes the page, after making sure that nothing went wrong in it. */
async function done({ page, complaints }: { readonly page: Page; readonly complaints: readonly string[] }) {
  assert.equal(complaints, [])
  await page.context().close()
}

inBrowser('the plan is that of the command, to the byte', async () => {
  const opened = await at(STATE)
  await settled(opened.page)
  const args = [
    'plan',
    '-f',
    file('r.json', STATE.request),
    '--synthetic',
    TWO_NODES,
    '--steps',
    '1000',
    '--seed',
    '1',
    '--json',
  ]
  const { stdout } = await homenode(args)
  assert.is(await saved(opened.page, 'plan.json'), stdout)
  await done(opened)
})

inBrowser(
  'the picture is that of the library, to the byte, and each vCPU is one box in the colour of its VM',
  async () => {
    const opened = await at(STATE)
    await settled(opened.page)
    const plan = JSON.parse(await saved(opened.page, 'plan.json'))
    const scene = sceneOfPlan(syntheticHost(TWO_NODES), parseRequest(REQUEST), plan)
    const svg = await saved(opened.page, 'plan.svg')
    assert.is(svg, drawPicture(scene))
    const boxes = await opened.page
      .locator('[data-vcpu]')
      .evaluateAll((all) =>
        all.map(
          (box) =>
            `${(box as HTMLElement).dataset.vm} ${(box as HTMLElement).dataset.vcpu} ${box.getAttribute('fill')}`,
        ),
      )
    const wanted = scene.vms.flatMap(({ name, vcpus }, vm) =>
      vcpus.map(({ vcpu }) => `${name} ${vcpu} ${colourOfVm(vm)}`),
    )
    assert.equal(boxes.sort(), wanted.sort())
    // What the browser really paints, at the corner of each box.
    await opened.page
      .locator('.picture')
      .first()
      .evaluate((region) => {
        region.style.cssText = 'position: fixed; inset: 0; z-index: 9; background: white'
      })
    const shot = join(folder, 'boxes.png')
    await opened.page.screenshot({ path: shot })
    const places = await opened.page.locator('[data-vcpu]').evaluateAll((all) =>
      all.map((box) => {
        const { left, top } = box.getBoundingClientRect()
        return { left, top, fill: box.getAttribute('fill') }
      }),
    )
    const [width, height] = [1400, 1000]
    const href = `data:image/png;base64,${readFileSync(shot).toString('base64')}`
    const { pixels } = new Resvg(
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><image width="${width}" height="${height}" href="${href}"/></svg>`,
    ).render()
    for (const { left, top, fill: colour } of places.filter(
      (place) => place.top < height - 10 && place.left < width - 10,
    )) {
      const offset = 4 * (Math.round(top + 3) * width + Math.round(left + 4))
      assert.is(`#${pixels.subarray(offset, offset + 3).toString('hex')}`, colour)
    }
    await done(opened)
  },
)

inBrowser('text in the picture is no wider than the layout takes it to be', async () => {
  const opened = await at(STATE)
  await settled(opened.page)
  const svg = await saved(opened.page, 'plan.svg')
  const expected = readSvg(svg).texts
  const widths = await opened.page
    .locator('.picture text')
    .evaluateAll((all) => all.map((text) => (text as SVGTextElement).getComputedTextLength()))
  assert.is(widths.length, expected.length)
  for (const [index, text] of expected.entries())
    assert.ok(widths[index]! <= text.width + 1, `${text.text}: ${widths[index]} > ${text.width}`)
  await done(opened)
})

inBrowser('bad JSON is told with its place, and mending it plans again', async () => {
  const opened = await at(STATE)
  await settled(opened.page)
  await fill(opened.page, 'Request as JSON', '{"vms": [')
  await opened.page.getByRole('alert').filter({ hasText: 'request: expected JSON' }).waitFor()
  await fill(opened.page, 'Request as JSON', '{"vms": [{"name": "a", "vcpus": 0, "memory": "1GiB"}]}')
  await opened.page.getByRole('alert').filter({ hasText: 'request: vms[0].vcpus: expected' }).waitFor()
  await fill(opened.page, 'Request as JSON', '{"vms": [{"name": "a", "vcpus": 1, "memory": "1GiB"}]}')
  await opened.page.getByText('optimal: 1 of 1 VM placed').first().waitFor()
  await done(opened)
})

inBrowser(
  'a refused VM says why, and a button makes the change that lets it in; undo and redo go back and forth',
  async () => {
    const opened = await at(STATE)
    const { page } = opened
    await settled(page)
    const refused = page.getByRole('region', { name: 'Refused VMs' })
    assert.match(await refused.innerText(), /big.*cell-node/s)
    const change = refused.getByRole('button').first()
    const text = await change.innerText()
    await change.click()
    await refused.waitFor({ state: 'detached' })
    const field = text.split(':')[0]!
    const request = JSON.parse(await page.getByLabel('Request as JSON').inputValue())
    assert.ok(field in request.vms[3], text)
    await settled(page)
    await page.getByRole('button', { name: 'Undo' }).click()
    await refused.waitFor()
    assert.is(await page.getByLabel('Request as JSON').inputValue(), STATE.request)
    await page.getByRole('button', { name: 'Redo' }).click()
    await refused.waitFor({ state: 'detached' })
    await done(opened)
  },
)

inBrowser('a vCPU dragged to a CPU is priced there, or refused with the rule that forbids it', async () => {
  const opened = await at(stateOf(TWO_NODES, { vms: REQUEST.vms.slice(0, 2) }))
  const { page } = opened
  await settled(page)
  const drag = async (vm: string, vcpu: number, cpu: string) => {
    const from = page.locator(`[data-vm="${vm}"][data-vcpu="${vcpu}"]`).first()
    const to = page.locator(`[data-cpu="${cpu}"]`).first()
    await from.scrollIntoViewIfNeeded()
    const [a, b] = [await from.boundingBox(), await to.boundingBox()]
    await page.mouse.move(a!.x + 5, a!.y + 5)
    await page.mouse.down()
    await page.mouse.move(b!.x + 20, b!.y + 8, { steps: 4 })
    await page.mouse.up()
  }
  const plan = JSON.parse(await saved(page, 'plan.json'))
  const taken = plan.vms[1].vcpus[1].cpus
  await drag('web', 0, taken)
  await page.getByText('That is refused:').waitFor()
  await page.getByText(`cpu-exclusive: `, { exact: false }).first().waitFor()
  await page.getByRole('button', { name: 'Back to the plan' }).click()
  const used = new Set(plan.vms.flatMap((vm: { vcpus: { cpus: string }[] }) => vm.vcpus.map(({ cpus }) => cpus)))
  const node = plan.vms[1].vcpus[0].node
  const host = syntheticHost(TWO_NODES)
  const cores = new Set(host.cpus.filter(({ id }) => used.has(String(id))).map(({ core }) => core))
  const free = host.cpus.find((cpu) => cpu.node === node && !cores.has(cpu.core))!
  await drag('web', 0, String(free.id))
  await page.getByText('It holds with this vCPU there.').waitFor()
  const moved = JSON.parse(await saved(page, 'plan.json'))
  assert.is(moved.vms[1].vcpus[0].cpus, String(free.id))
  const check = await homenode(
    ['check', '-', '-f', file('d.json', JSON.stringify({ vms: REQUEST.vms.slice(0, 2) })), '--synthetic', TWO_NODES],
    {
      input: JSON.stringify(moved),
    },
  )
  assert.is(check.code, 0, check.stdout)
  assert.match(await page.getByRole('status').first().innerText(), /more lost vCPUs? than planned|0 more lost/)
  await done(opened)
})

inBrowser('a search can be stopped, and what it had found stays', async () => {
  const vms = Array.from({ length: 120 }, (_, index) => ({
    name: `vm${index}`,
    vcpus: 1 + (index % 7),
    memory: '3GiB',
  }))
  const opened = await at(stateOf('pack:4 group:2 [numa(memory=48GiB)] l3:2 core:8 pu:2', { vms }, { steps: 900_000 }))
  const { page } = opened
  await page.locator('progress').waitFor()
  await page.locator('.picture svg').first().waitFor()
  await page.getByRole('button', { name: 'Stop' }).click()
  await settled(page)
  const plan = JSON.parse(await saved(page, 'plan.json'))
  assert.ok(plan.vms.length > 0 && plan.solver.steps < 900_000, JSON.stringify(plan.solver))
  await done(opened)
})

inBrowser('a host of 4,096 CPUs is planned and drawn', async () => {
  const vms = Array.from({ length: 12 }, (_, index) => ({ name: `vm${index}`, vcpus: 8, memory: '4GiB' }))
  const opened = await at(stateOf('pack:4 group:4 [numa(memory=64GiB)] l3:8 core:16 pu:2', { vms }, { steps: 0 }))
  await settled(opened.page)
  await opened.page
    .getByText(/: 12 of 12 VMs placed/)
    .first()
    .waitFor()
  assert.ok((await opened.page.locator('[data-vcpus]').count()) >= 12)
  await done(opened)
})

inBrowser('nodes and CPUs that are taken away get nothing', async () => {
  const opened = await at({ ...stateOf(TWO_NODES, { vms: REQUEST.vms.slice(0, 1) }), away: { cpus: '16', nodes: '0' } })
  await settled(opened.page)
  const plan = JSON.parse(await saved(opened.page, 'plan.json'))
  const host = parseHost(JSON.parse(await saved(opened.page, 'host.json')))
  assert.ok(plan.vms[0].vcpus.every(({ node, cpus }: { node: number; cpus: string }) => node === 1 && cpus !== '16'))
  assert.equal(
    host.cpus.filter(({ allowed }) => !allowed).map(({ id }) => id),
    [...Array(17).keys()],
  )
  await done(opened)
})

inBrowser('a VM is edited in the form, one is added, one is removed', async () => {
  const opened = await at(stateOf(TWO_NODES, { vms: REQUEST.vms.slice(0, 1) }))
  const { page } = opened
  await page.getByText('db: 4 vCPUs, 32GiB', { exact: true }).click()
  await fill(page, 'vcpus', '3')
  await page.getByLabel('threadPolicy').selectOption('spread')
  await page.getByRole('button', { name: 'Add a VM' }).click()
  const request = async () => JSON.parse(await page.getByLabel('Request as JSON').inputValue())
  assert.equal((await request()).vms, [
    { name: 'db', vcpus: 3, memory: '32GiB', threadPolicy: 'spread' },
    { name: 'vm2', vcpus: 2, memory: '1GiB' },
  ])
  await page.getByRole('button', { name: 'Remove db' }).click()
  assert.equal((await request()).vms.length, 1)
  await settled(page)
  await done(opened)
})

inBrowser('a link carries what is asked', async () => {
  const opened = await at(STATE)
  await settled(opened.page)
  await fill(opened.page, 'Host', 'pack:1 [numa(memory=8GiB)] core:2 pu:1')
  await opened.page.getByRole('button', { name: 'Link' }).click()
  const link = await opened.page.getByLabel('Link to what is asked').inputValue()
  await done(opened)
  const again = await open(browser, link)
  await again.page.locator('.picture text', { hasText: '1 package, 2 cores, 2 CPUs, 1 node, 8 GiB' }).waitFor()
  await done(again)
  const broken = await open(browser, `${FILE}#nonsense`)
  await broken.page.getByRole('alert').filter({ hasText: /link/ }).waitFor()
  await done(broken)
})

inBrowser('a link that is opened where the page is open already is followed, and can be undone', async () => {
  const opened = await at(STATE)
  const { page } = opened
  await settled(page)
  const before = await page.getByLabel('Host', { exact: true }).inputValue()
  const other = stateOf('pack:1 [numa(memory=8GiB)] core:2 pu:1', { vms: [{ name: 'x', vcpus: 1, memory: '64MiB' }] })
  const follow = (fragment: string) => page.evaluate((hash) => location.assign(hash), `#${fragment}`)
  await follow(await encodeState(other))
  await page.locator('.picture text', { hasText: '1 package, 2 cores, 2 CPUs, 1 node, 8 GiB' }).waitFor()
  await follow('nonsense')
  await page.getByRole('alert').filter({ hasText: /link/ }).waitFor()
  assert.is(await page.getByLabel('Host', { exact: true }).inputValue(), other.host.text)
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.getByRole('alert').filter({ hasText: /link/ }).waitFor({ state: 'detached' })
  assert.is(await page.getByLabel('Host', { exact: true }).inputValue(), before)
  await done(opened)
})

inBrowser('capacity, comparison, tables and libvirt are at hand', async () => {
  const opened = await at(stateOf(TWO_NODES, { vms: REQUEST.vms.slice(0, 2) }))
  const { page } = opened
  await settled(page)
  await page.getByLabel('Like').selectOption('web')
  await page.getByRole('button', { name: 'How many more?' }).click()
  const { stdout } = await homenode([
    'capacity',
    '-f',
    file('c.json', JSON.stringify({ vms: REQUEST.vms.slice(0, 2) })),
    '--vm',
    'web',
    '--synthetic',
    TWO_NODES,
    '--json',
  ])
  await page.getByText(`${JSON.parse(stdout).more} more like web; then`).waitFor()
  await page.getByRole('button', { name: 'Keep for comparison' }).click()
  await page.getByText(/Kept for comparison: .*this one has 0 more lost vCPUs/).waitFor()
  await page.getByText('CPUs', { exact: true }).last().click()
  await page.getByRole('region', { name: 'CPUs' }).waitFor()
  assert.is(await page.getByRole('region', { name: 'CPUs' }).locator('tbody tr').count(), 32)
  const plan = await saved(page, 'plan.json')
  const converted = await homenode(['convert', '-', '--to', 'libvirt', '--vm', 'db', '--synthetic', TWO_NODES], {
    input: plan,
  })
  await page.getByLabel('For libvirt').selectOption('db')
  assert.is(await saved(page, 'db.xml'), converted.stdout)
  await done(opened)
})

for (const scheme of ['light', 'dark'] as const) {
  inBrowser(`axe finds nothing wrong in the ${scheme} page`, async () => {
    const opened = await at(STATE, scheme)
    const { page } = opened
    await settled(page)
    for (const name of ['vCPUs', 'Memory']) await page.getByText(name, { exact: true }).last().click()
    await page.getByText('db: 4 vCPUs, 32GiB', { exact: true }).click()
    await page.getByRole('button', { name: 'Keep for comparison' }).click()
    await page.evaluate(axe)
    const found = await page.evaluate(async () => {
      const { violations } = await (
        globalThis as never as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } }
      ).axe.run()
      return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 200)}`)
    })
    assert.equal(found, [])
    assert.match(await saved(page, 'plan.svg'), scheme === 'dark' ? /fill="#15181c"/ : /fill="#ffffff"/)
    await done(opened)
  })
}

test.run()
