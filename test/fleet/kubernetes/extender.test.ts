/** The scheduler extender, with an API server that behaves and one that does not. */

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../../src/errors.js'
import type { ApiAccess } from '../../../src/fleet/kubernetes/api-server.js'
import { type Extender, extender } from '../../../src/fleet/kubernetes/serve.js'
import { plan } from '../../../src/plan.js'
import { syntheticHost } from '../../../src/topology/synthetic.js'
import { checkPlan } from '../../../src/verify.js'
import { skipUnless } from '../../skip.js'
import { type ApiObject, FakeApiServer } from './api-server.js'
import { nodeOf, podOf } from './objects.js'

const recorded = JSON.parse(readFileSync(new URL('recorded.json', import.meta.url), 'utf8'))
const whole = syntheticHost('pack:1 [numa(memory=64GiB)] l3:1 core:16 pu:1')
const halves = syntheticHost('pack:1 [numa(memory=64GiB)] l3:2 core:8 pu:1')
const quarters = syntheticHost('pack:1 [numa(memory=64GiB)] l3:4 core:4 pu:1')
const HOSTS = { halves, quarters, whole }

interface Filtered {
  readonly Nodes: { readonly kind?: string; readonly items: readonly ApiObject[] } | null
  readonly NodeNames: readonly string[] | null
  readonly FailedNodes: Readonly<Record<string, string>>
  readonly FailedAndUnresolvableNodes: Readonly<Record<string, string>>
  readonly Error: string
}

/** What the scheduler may ask, with the cluster that it is asked of. */
class World {
  readonly api: FakeApiServer
  readonly said: string[] = []
  port = 0
  #extender!: Extender

  constructor(api: FakeApiServer) {
    this.api = api
  }

  async start(access: Partial<ApiAccess> = {}): Promise<void> {
    this.port = await this.api.listen()
    this.begin({ url: new URL(`http://127.0.0.1:${this.port}`), ...access })
  }

  begin(access: ApiAccess): void {
    this.#extender = extender(access, (text) => this.said.push(text))
  }

  ask(path: string, question: unknown): Promise<unknown> {
    return this.#extender.routes[path]!(question)
  }

  filter(pod: ApiObject, names = [...this.api.nodes.keys()]): Promise<Filtered> {
    return this.ask('/filter', { Pod: pod, Nodes: null, NodeNames: names }) as Promise<Filtered>
  }

  async scores(pod: ApiObject, names = [...this.api.nodes.keys()]): Promise<Record<string, number>> {
    const list = await this.ask('/prioritize', { Pod: pod, Nodes: null, NodeNames: names })
    return Object.fromEntries((list as { Host: string; Score: number }[]).map(({ Host, Score }) => [Host, Score]))
  }

  /** What went wrong; empty: it is bound. */
  async bind({ metadata: { name, namespace, uid } }: ApiObject, node: string): Promise<string> {
    const args = { PodName: name, PodNamespace: namespace, PodUID: uid, Node: node }
    return ((await this.ask('/bind', args)) as { Error: string }).Error
  }

  /** Creates a pod, as far as the API server. */
  create(pod: ApiObject): ApiObject {
    this.api.set('pods', pod)
    return pod
  }

  /** Until the extender has heard of what the API server knows. */
  async heard(isSo: () => Promise<boolean>): Promise<void> {
    while (!(await isSo())) await pause(5)
  }

  async close(): Promise<void> {
    await this.#extender.close()
  }

  async end(): Promise<void> {
    await this.close()
    await this.api.close()
  }
}

async function inWorld(
  hosts: Readonly<Record<string, ApiObject>>,
  work: (world: World) => Promise<void>,
): Promise<void> {
  const world = new World(new FakeApiServer())
  for (const node of Object.values(hosts)) world.api.set('nodes', node)
  await world.start()
  try {
    await world.heard(async () => (await world.filter(podOf('first', { cpu: '1', memory: '1Gi' }))).Error === '')
    await work(world)
  } finally {
    await world.end()
  }
}

const three = () => Object.fromEntries(Object.entries(HOSTS).map(([name, host]) => [name, nodeOf(name, host)]))
const one = (host = whole, more = {}) => ({ node: nodeOf('node', host, more) })

interface Placed {
  readonly kind: string
  readonly lostMore: number
  readonly emulator: string
  readonly vm: {
    readonly name: string
    readonly current: {
      readonly vcpus: readonly { readonly cpus: string; readonly dedicated: boolean; readonly node: number }[]
    }
  }
}

const placeOf = (pod: ApiObject) => JSON.parse(pod.metadata.annotations!['homenode/plan']!) as Placed
/** CPUs that are one vCPU's alone. */
const cpusOf = (pod: ApiObject) =>
  placeOf(pod).vm.current.vcpus.flatMap(({ cpus, dedicated }) => (dedicated ? [Number(cpus)] : []))

test('a pod of 16 CPUs loses 0, 0.853 or 1.28 vCPUs: all nodes pass, and the first gets the most', async () => {
  await inWorld(three(), async (world) => {
    const pod = podOf('vm')
    const found = await world.filter(pod)
    assert.equal(found, {
      Nodes: null,
      NodeNames: ['halves', 'quarters', 'whole'],
      FailedNodes: {},
      FailedAndUnresolvableNodes: {},
      Error: '',
    })
    // 10 x (1.28 - 0.853) / 1.28, and the rest cut off.
    assert.equal(await world.scores(pod), { halves: 3, quarters: 0, whole: 10 })
    assert.equal(await world.scores(pod, ['quarters', 'halves']), { quarters: 0, halves: 10 })
  })
})

test('nodes that come whole go back as they came; names of fields in lower case are read, too', async () => {
  await inWorld(three(), async (world) => {
    world.api.set('nodes', nodeOf('small', syntheticHost('pack:1 [numa(memory=64GiB)] l3:1 core:4 pu:1')))
    await world.heard(async () => (await world.filter(podOf('x', { cpu: '1' }), ['small'])).NodeNames!.length === 1)
    const items = [...world.api.nodes.values()]
    const nodes = { kind: 'NodeList', metadata: {}, items }
    for (const question of [
      { Pod: podOf('vm'), Nodes: nodes, NodeNames: null },
      { pod: podOf('vm'), nodes },
    ]) {
      const { Nodes, NodeNames, FailedNodes } = (await world.ask('/filter', question)) as Filtered
      assert.equal(Nodes, { ...nodes, items: items.filter(({ metadata: { name } }) => name !== 'small') })
      assert.is(NodeNames, null)
      assert.match(FailedNodes.small!, /^cpu-exclusive: it wants 16 vCPUs/)
    }
  })
})

test('questions as the published types write them are read; answers have their fields, and no other', async () => {
  await inWorld(three(), async (world) => {
    const pod = { ...recorded.filterByName.Pod, status: {} } as ApiObject
    world.create({ ...pod, metadata: { ...pod.metadata } })
    const byName = (await world.ask('/filter', recorded.filterByName)) as Filtered
    assert.equal([byName.NodeNames, byName.Nodes], [['halves', 'quarters', 'whole'], null])
    const fields = ['Nodes', 'NodeNames', 'FailedNodes', 'FailedAndUnresolvableNodes', 'Error']
    assert.equal(Object.keys(byName), fields)
    const withNodes = (await world.ask('/filter', recorded.filterWithNodes)) as Filtered
    assert.equal([withNodes.NodeNames, withNodes.Nodes], [null, recorded.filterWithNodes.Nodes])
    assert.equal(await world.ask('/prioritize', recorded.filterWithNodes), [
      { Host: 'halves', Score: 3 },
      { Host: 'quarters', Score: 0 },
      { Host: 'whole', Score: 10 },
    ])
    assert.equal(await world.ask('/bind', recorded.bind), { Error: '' })
    // 15500m are 16 CPUs.
    assert.is(cpusOf(world.api.pods.get('vms/vm')!).length, 16)
  })
})

test('who cannot be placed says why; where nobody could be, preemption is of no use', async () => {
  await inWorld(three(), async (world) => {
    world.api.set('nodes', nodeOf('bare'))
    const broken = nodeOf('broken')
    broken.metadata.annotations = { 'homenode/host': '{"nodes": ' }
    world.api.set('nodes', broken)
    const other = world.create(podOf('other', { cpu: '1' }))
    assert.is(await world.bind(other, 'whole'), '')
    const pod = podOf('vm')
    await world.heard(async () => 'whole' in (await world.filter(pod)).FailedNodes)
    const { NodeNames, FailedNodes, FailedAndUnresolvableNodes } = await world.filter(pod, [
      'bare',
      'broken',
      'gone',
      'halves',
      'whole',
    ])
    assert.equal(NodeNames, ['halves'])
    assert.equal(Object.keys(FailedNodes).sort(), ['bare', 'broken', 'gone', 'whole'])
    assert.equal(Object.keys(FailedAndUnresolvableNodes), ['bare', 'broken', 'gone'])
    assert.match(
      FailedAndUnresolvableNodes.bare!,
      /^node bare: homenode\/host: expected what "homenode topo --json" prints there, got nothing$/,
    )
    assert.match(FailedAndUnresolvableNodes.broken!, /^node broken: homenode\/host: expected JSON/)
    assert.match(FailedAndUnresolvableNodes.gone!, /^node gone: expected a node of the API server, got none/)
    // Memory of a node that only one of them has not: the others are asked all the same.
    const picky = podOf('picky', { cpu: '2', vm: '{"memoryNodes": "1"}' })
    world.api.set('nodes', nodeOf('two', syntheticHost('pack:2 [numa(memory=64GiB)] l3:1 core:8 pu:1')))
    await world.heard(async () => (await world.filter(picky, ['two'])).NodeNames!.length === 1)
    const asked = await world.filter(picky, ['two', 'whole'])
    assert.equal(asked.NodeNames, ['two'])
    assert.match(asked.FailedAndUnresolvableNodes.whole!, /vm\.memoryNodes: expected nodes of the host \(0\), got 1/)
  })
})

test('pods without the label are let through, and bound without a plan', async () => {
  await inWorld({ ...three(), bare: nodeOf('bare') }, async (world) => {
    const pod = world.create(podOf('plain', { label: 'false' }))
    assert.equal((await world.filter(pod)).NodeNames, [...world.api.nodes.keys()])
    assert.is(new Set(Object.values(await world.scores(pod))).size, 1)
    assert.is(await world.bind(pod, 'bare'), '')
    assert.equal([pod.spec.nodeName, pod.metadata.annotations], ['bare', {}])
  })
})

test('a pod is bound with its place: vCPUs and memory of its requests, or as its annotation says', async () => {
  await inWorld(one(whole, { placed: { reserve: { cpus: '0' }, vms: [] } }), async (world) => {
    const first = world.create(podOf('first', { cpu: '3500m', memory: '1.5G' }))
    assert.is(await world.bind(first, 'node'), '')
    assert.is(first.spec.nodeName, 'node')
    const { kind, lostMore, emulator, vm } = placeOf(first)
    assert.equal([kind, lostMore, vm.name], ['PlacedVm', 0, 'vms/first'])
    assert.equal(cpusOf(first).length, 4)
    assert.not.ok(cpusOf(first).includes(0), 'reserved')
    assert.ok(emulator.length > 0)
    const annotation = '{"vcpus": 2, "cpuPolicy": "shared", "near": ["vms/first", "vms/nobody"]}'
    const second = world.create(podOf('second', { vm: annotation }))
    assert.is(await world.bind(second, 'node'), '')
    assert.equal(
      placeOf(second).vm.current.vcpus.map(({ dedicated }) => dedicated),
      [false, false],
    )
    const { metadata, target, ...rest } = world.api.bindings[0]!
    assert.equal(rest, { apiVersion: 'v1', kind: 'Binding' })
    assert.equal([metadata.uid, target], [first.metadata.uid, { apiVersion: 'v1', kind: 'Node', name: 'node' }])
  })
})

test('of 20 binds at once no CPU is given twice, and who has no place stays unbound', async () => {
  await inWorld(one(), async (world) => {
    const pods = Array.from({ length: 20 }, (_, at) => world.create(podOf(`vm${at}`, { cpu: '3', memory: '1Gi' })))
    const errors = await Promise.all(pods.map((pod) => world.bind(pod, 'node')))
    const bound = pods.filter(({ spec }) => spec.nodeName === 'node')
    assert.is(bound.length, 5)
    const cpus = bound.flatMap(cpusOf)
    assert.is(new Set(cpus).size, 15)
    const failed = errors.filter((error) => error !== '')
    assert.is(failed.length, 15)
    for (const error of failed)
      assert.match(error, /^homenode: pod vms\/vm\d+ does not fit on node node: cpu-exclusive: /)
    // One that ends, or is deleted, gives its CPUs back.
    bound[0]!.status = { phase: 'Succeeded' }
    world.api.remove('pods', `vms/${bound[1]!.metadata.name}`)
    const waiting = pods.filter(({ spec }) => spec.nodeName === undefined)
    const again = await Promise.all(waiting.slice(0, 3).map((pod) => world.bind(pod, 'node')))
    assert.is(again.filter((error) => error === '').length, 2)
    const now = pods.filter((pod) => pod.spec.nodeName === 'node' && bound.indexOf(pod) > 1)
    assert.is(new Set([...now, ...waiting.slice(0, 2)].flatMap(cpusOf)).size, 15)
  })
})

test('a pod that has changed meanwhile is not bound, and says so', async () => {
  await inWorld(three(), async (world) => {
    const fields = { cpu: '2', memory: '1Gi' }
    const gone = podOf('gone', fields)
    assert.match(
      await world.bind(gone, 'whole'),
      /^homenode: GET \/api\/v1\/namespaces\/vms\/pods\/gone: 404 vms\/gone not found$/,
    )
    const renewed = world.create(podOf('renewed', fields))
    const old = { ...renewed, metadata: { ...renewed.metadata, uid: 'old' } }
    assert.match(await world.bind(old, 'whole'), /^homenode: pod vms\/renewed is another one by now$/)
    const leaving = world.create(podOf('leaving', fields))
    leaving.metadata.deletionTimestamp = '2026-01-01T00:00:00Z'
    assert.match(await world.bind(leaving, 'whole'), /pod vms\/leaving is being deleted$/)
    const elsewhere = world.create(podOf('elsewhere', fields))
    elsewhere.spec.nodeName = 'halves'
    assert.match(await world.bind(elsewhere, 'whole'), /pod vms\/elsewhere is on node halves already$/)
    assert.is(world.api.bindings.length, 0)
    // Between the look at it and the Binding.
    const raced = world.create(podOf('raced', fields))
    world.api.beforeBinding = () => {
      raced.spec.nodeName = 'quarters'
    }
    assert.match(
      await world.bind(raced, 'whole'),
      /409 Operation cannot be fulfilled .* already assigned to node "quarters"$/,
    )
    assert.is(raced.metadata.annotations, undefined)
    const deleted = world.create(podOf('deleted', fields))
    world.api.beforeBinding = () => world.api.remove('pods', 'vms/deleted')
    assert.match(await world.bind(deleted, 'whole'), /409 .* is gone$/)
    assert.is(deleted.spec.nodeName, undefined)
  })
})

test('a Binding of which nothing is heard counts until it is seen, and is not made twice', async () => {
  await inWorld(one(), async (world) => {
    const [first, second, third] = ['first', 'second', 'third'].map((name) =>
      world.create(podOf(name, { cpu: '8', memory: '1Gi' })),
    )
    world.api.fate = 'late'
    assert.match(await world.bind(first!, 'node'), /^homenode: POST .*binding: .*(hang up|RESET)/)
    assert.is(first!.spec.nodeName, undefined)
    world.api.fate = 'done'
    // The API server says that the node is empty; what may still come is kept free for it.
    assert.is(await world.bind(second!, 'node'), '')
    assert.match(await world.bind(third!, 'node'), /does not fit on node node/)
    world.api.settle()
    assert.is(first!.spec.nodeName, 'node')
    assert.is(new Set([first!, second!].flatMap(cpusOf)).size, 16)
    assert.is(await world.bind(first!, 'node'), '', 'the scheduler asks again')
    // Done, with the answer lost on the way.
    world.api.remove('pods', 'vms/second')
    world.api.fate = 'answer lost'
    assert.match(await world.bind(third!, 'node'), /^homenode: POST /)
    world.api.fate = 'done'
    const made = world.api.bindings.length
    assert.is(await world.bind(third!, 'node'), '')
    assert.is(world.api.bindings.length, made)
    assert.is(new Set([first!, third!].flatMap(cpusOf)).size, 16)
  })
})

test('one that was not made after all is made at the next try, at the same place', async () => {
  await inWorld(one(), async (world) => {
    const pod = world.create(podOf('vm', { cpu: '8', memory: '1Gi' }))
    world.api.fate = 'late'
    assert.match(await world.bind(pod, 'node'), /^homenode: POST /)
    world.api.fate = 'done'
    assert.is(await world.bind(pod, 'node'), '')
    const [lost, made] = world.api.bindings
    assert.equal(lost!.metadata.annotations, made!.metadata.annotations)
  })
})

test('without the API server nothing passes and nothing is bound; when it is back all is as before', async () => {
  const world = new World(new FakeApiServer())
  const port = await world.api.listen()
  await world.api.close()
  world.begin({ url: new URL(`http://127.0.0.1:${port}`) })
  const pod = podOf('vm', { cpu: '8', memory: '1Gi' })
  const nothing = await world.filter(pod, ['whole'])
  assert.equal(nothing.NodeNames, [])
  assert.match(nothing.Error, /^API server: expected its nodes, got nothing yet: /)
  await world.ask('/prioritize', { Pod: pod, NodeNames: ['whole'] }).then(
    () => assert.unreachable(),
    (error) => assert.instance(error, InputError),
  )
  assert.match(await world.bind(pod, 'whole'), /^homenode: GET .*: http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/)
  for (const node of Object.values(three())) world.api.set('nodes', node)
  world.create(pod)
  await world.api.listen(port)
  await world.heard(async () => (await world.filter(pod, ['whole'])).Error === '')
  assert.match(world.said[0]!, /^(nodes|pods) of the API server are not followed: .*ECONNREFUSED/)
  assert.is(await world.bind(pod, 'whole'), '')
  // Away again: what was heard last still ranks.
  await world.api.close()
  assert.equal((await world.filter(podOf('x', { cpu: '1' }), ['whole'])).NodeNames, ['whole'])
  assert.match(await world.bind(podOf('x', { cpu: '1' }), 'whole'), /ECONNREFUSED|hang up|RESET/)
  await world.close()
})

test('what changes is heard of, also after watches have ended or their version is forgotten', async () => {
  await inWorld(one(), async (world) => {
    const pod = podOf('vm')
    const fits = async () => (await world.filter(pod)).NodeNames!.length === 1
    for (const end of [() => undefined, () => world.api.endWatches(), () => world.api.endWatches(true)]) {
      end()
      const other = world.create(podOf('other', { cpu: '1' }))
      assert.is(await world.bind(other, 'node'), '')
      await world.heard(async () => !(await fits()))
      world.api.remove('pods', 'vms/other')
      await world.heard(fits)
      world.api.set('nodes', nodeOf('node', whole, { placed: { reserve: { cpus: '0' }, vms: [] } }))
      await world.heard(async () => !(await fits()))
      world.api.set('nodes', nodeOf('node', whole))
      await world.heard(fits)
    }
    assert.ok(world.said.some((text) => /not followed: .*too old resource version/.test(text)))
    world.api.remove('nodes', 'node')
    await world.heard(async () => 'node' in (await world.filter(pod, ['node'])).FailedAndUnresolvableNodes)
  })
})

test('a place that somebody has spoilt is named, and nobody else is put there', async () => {
  await inWorld(one(), async (world) => {
    const pod = world.create(podOf('vm', { cpu: '2', memory: '1Gi' }))
    assert.is(await world.bind(pod, 'node'), '')
    pod.metadata.annotations = { 'homenode/plan': '{"schemaVersion": 1, "kind": "PlacedVm", "vm": {"vcpus": 0}}' }
    world.api.set('pods', pod)
    const other = world.create(podOf('other', { cpu: '2', memory: '1Gi' }))
    assert.match(await world.bind(other, 'node'), /^homenode: node node: .*vms\/vm.*vcpus|^homenode: .*vms\[0\]/)
    await world.heard(async () => (await world.filter(other)).NodeNames!.length === 0)
    pod.metadata.annotations = { 'homenode/plan': 'x' }
    assert.match(await world.bind(other, 'node'), /^homenode: .*pod vms\/vm: homenode\/plan: expected JSON/)
  })
})

test('questions that are none, and pods that ask for what is none, say where', async () => {
  await inWorld(one(), async (world) => {
    const cases: readonly (readonly [string, unknown, RegExp])[] = [
      ['/filter', [], /^expected an object/],
      ['/filter', { NodeNames: [] }, /^pod: expected/],
      ['/filter', { Pod: {}, NodeNames: [] }, /^pod\.metadata: expected/],
      ['/filter', { Pod: podOf('x'), NodeNames: [1] }, /^nodenames\[0\]: expected/],
      ['/prioritize', { Pod: podOf('x'), Nodes: { items: [{}] } }, /^nodes\.items\[0\]\.metadata: expected/],
      ['/bind', { PodName: 'x', PodNamespace: 'y' }, /^node: expected/],
      ['/bind', { PodName: 'x', PodNamespace: '..', Node: 'z' }, /^podnamespace: expected a name .*got "\.\."$/],
    ]
    for (const [path, question, says] of cases) {
      await world.ask(path, question).then(
        () => assert.unreachable(`${path} ${says}`),
        (error) => {
          assert.instance(error, InputError)
          assert.match(error.message, says)
        },
      )
    }
    const pods: readonly (readonly [object, RegExp])[] = [
      [{ vm: '{' }, /^pod vms\/x: homenode\/vm: expected JSON, got text that is none$/],
      [{ vm: '[]' }, /^pod vms\/x: homenode\/vm: expected an object/],
      [{ vm: '{"name": "y"}' }, /^pod vms\/x: homenode\/vm: name: expected nothing/],
      [
        { vm: '{"vcpus": 0}' },
        /^pod vms\/x: spec\.containers: expected requests of cpu, or "vcpus" in homenode\/vm, got none$/,
      ],
      [{ cpu: '0' }, /expected requests of cpu/],
      [{ memory: '0' }, /expected requests of memory/],
      [
        { cpu: 'four' },
        /spec\.containers\[0\]\.resources\.requests\.cpu: expected a quantity of Kubernetes, .*got "four"$/,
      ],
      [{ vm: '{"cpuPolicy": "own"}' }, /vm\.cpuPolicy: expected/],
    ]
    for (const [fields, says] of pods) {
      const { Error: error, NodeNames, FailedAndUnresolvableNodes } = await world.filter(podOf('x', fields))
      assert.match(error || FailedAndUnresolvableNodes.node!, says)
      assert.equal(NodeNames, [])
    }
  })
})

test('as pods come and go every place holds beside the others', async () => {
  const kinds = fc.array(
    fc.record({
      cpu: fc.integer({ min: 2, max: 6 }),
      policy: fc.constantFrom('dedicated', 'shared'),
      leaves: fc.integer({ min: 0, max: 3 }).map((value) => value === 0),
    }),
    { minLength: 8, maxLength: 14 },
  )
  const seen = { bound: 0, refused: 0, shared: 0 }
  const two = syntheticHost('pack:2 [numa(memory=16GiB)] l3:2 core:4 pu:1')
  await fc.assert(
    fc.asyncProperty(kinds, async (pods) => {
      await inWorld(one(two), async (world) => {
        for (const [at, { cpu, policy, leaves }] of pods.entries()) {
          const vm = JSON.stringify({ cpuPolicy: policy, trust: 'all' })
          const pod = world.create(podOf(`vm${at}`, { cpu: `${cpu}`, memory: '1Gi', vm }))
          const error = await world.bind(pod, 'node')
          if (error !== '') {
            assert.match(error, /does not fit/)
            seen.refused++
            continue
          }
          seen.bound++
          if (policy === 'shared') seen.shared++
          const there = [...world.api.pods.values()].filter(({ spec }) => spec.nodeName === 'node')
          const cpus = there.flatMap(cpusOf)
          assert.is(new Set(cpus).size, cpus.length)
          // All of them as a request with places: whether the planner finds that they hold as they are.
          const { vms } = placed(there)
          const together = await plan(two, { vms }, { steps: 0 })
          assert.equal(together.refused, [])
          assert.equal(checkPlan(two, { vms }, together), [])
          if (leaves) world.api.remove('pods', `vms/vm${at}`)
        }
      })
    }),
    { numRuns: 8, endOnFailure: true, includeErrorInReport: true },
  )
  for (const [what, times] of Object.entries(seen)) assert.ok(times > 3, `${what}: ${times} are met`)
})

function placed(pods: readonly ApiObject[]) {
  return { vms: pods.map((pod) => placeOf(pod).vm) }
}

const folder = mkdtempSync(join(tmpdir(), 'homenode-kubernetes-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const withOpenssl = skipUnless(spawnSync('openssl', ['version']).status === 0, 'openssl is not installed')

withOpenssl('it goes by the certificate and the token, which may be renewed', async () => {
  const [key, cert, token] = ['key.pem', 'cert.pem', 'token'].map((name) => join(folder, name))
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=api',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      key!,
      '-out',
      cert!,
    ],
    { stdio: 'ignore' },
  )
  writeFileSync(token!, 'first\n')
  const api = new FakeApiServer({ key: readFileSync(key!, 'utf8'), cert: readFileSync(cert!, 'utf8') })
  api.token = 'first'
  const world = new World(api)
  const port = await api.listen()
  const url = new URL(`https://127.0.0.1:${port}`)
  api.set('nodes', nodeOf('node', whole))
  const pod = world.create(podOf('vm', { cpu: '2', memory: '1Gi' }))
  const second = world.create(podOf('second', { cpu: '2', memory: '1Gi' }))
  world.begin({ url, tokenFile: token!, caFile: cert! })
  try {
    assert.is(await world.bind(pod, 'node'), '')
    api.token = 'second'
    assert.match(await world.bind(second, 'node'), /401 Unauthorized$/)
    writeFileSync(token!, 'second\n')
    assert.is(await world.bind(second, 'node'), '')
  } finally {
    await world.end()
  }
  const stranger = new World(new FakeApiServer({ key: readFileSync(key!, 'utf8'), cert: readFileSync(cert!, 'utf8') }))
  const other = await stranger.api.listen()
  stranger.begin({ url: new URL(`https://127.0.0.1:${other}`) })
  assert.match(await stranger.bind(pod, 'node'), /self-signed certificate/)
  await stranger.end()
})

test.run()
