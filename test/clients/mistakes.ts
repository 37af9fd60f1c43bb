/** Hosts and requests with one mistake, or with one field that is unusual: a sound pair, in which each place is given each of many values in turn. */

import { syntheticHost } from '../../src/topology/synthetic.js'

type Path = readonly (string | number)[]

const MIB = 2 ** 20

const even = syntheticHost('pack:1 numa:2 core:2 pu:2')

/** With every field that a host may have. */
const HOST = {
  ...even,
  nodes: even.nodes.map(({ id }) => ({
    id,
    memory: { total: 1024 * MIB, free: 1024 * MIB, reclaimable: 0 },
    pages: [
      { size: 4096, total: 262_144, free: 262_144 },
      { size: 2 * MIB, total: 10, free: 10 },
    ],
    allowed: true,
    bandwidth: 1e9,
  })),
  limits: [{ size: 4096, pages: 100_000, cause: 'memory.max of /vms' }],
  latencies: [
    [80, 130],
    [130, null],
  ],
  bandwidths: [
    [5e9, null],
    [2e9, 5.5e9],
  ],
  hops: {
    core: 20,
    llc: 40,
    node: null,
    nodes: [
      [null, 120],
      [120, null],
    ],
  },
  smt: 1.3,
  spread: {
    latencies: [
      [0, 0.1],
      [0.02, null],
    ],
    hops: {
      core: 0,
      llc: 0,
      node: null,
      nodes: [
        [null, 0.1],
        [0.1, null],
      ],
    },
    smt: 0,
  },
}

const current = {
  cells: [{ cell: 0, pageSize: 4096, memory: [{ node: 0, bytes: MIB }] }],
  vcpus: [0, 1].map((vcpu) => ({ vcpu, cell: 0, node: 0, cpus: `${vcpu}`, dedicated: true })),
}

/** With every field that a request may have. */
const REQUEST = {
  schemaVersion: 1,
  kind: 'Request',
  reserve: { cpus: '', memory: '1MiB', nodes: '' },
  freeMemoryOnly: false,
  deviceNodes: '1',
  overcommit: 4,
  strategy: 'pack',
  model: {
    home: 0.9,
    communication: 0.1,
    smt: 0.38,
    cells: 0.01,
    device: 0.05,
    copyBytesPerSecond: 1e9,
    horizonSeconds: 600,
  },
  expect: [
    { vcpus: 1, memory: '1MiB', share: 2 },
    { vcpus: 2, memory: '1MiB' },
  ],
  vms: [
    {
      name: 'a',
      vcpus: 2,
      memory: '1MiB',
      cells: 'auto',
      span: false,
      cpuPolicy: 'dedicated',
      threadPolicy: 'prefer',
      memoryPolicy: 'strict',
      pageSize: 'any',
      demand: 1,
      memoryNodes: '0-1',
      avoidDeviceNodes: false,
      devices: [{ node: 0, strict: true }],
      trust: 't',
      separateFrom: ['b'],
      near: [],
      emulator: 'housekeeping',
      iothreads: 1,
      weight: 1,
      traffic: [
        [0, 1],
        [1, 0],
      ],
      memoryBound: 0.3,
      bandwidth: '1GB/s',
      current,
    },
    {
      name: 'b',
      vcpus: 2,
      memory: '2MiB',
      cpuPolicy: 'mixed',
      dedicatedVcpus: '0',
      cells: [
        { vcpus: '0', memory: '1MiB' },
        { vcpus: '1', memory: '1MiB' },
      ],
      bandwidth: 5,
      traffic: 'uniform',
    },
  ],
}

/** `undefined`: the field is left out. */
const VALUES: readonly unknown[] = [
  ...[undefined, null, true, false],
  ...[
    0,
    1,
    2,
    7,
    -1,
    1.5,
    1e-7,
    0.1 + 0.2,
    2 ** 53,
    2 ** 53 + 2,
    1e300,
    -1e300,
    1e21,
    123456789012345680000,
    65_535,
    65_536,
  ],
  ...['', ' ', 'x', 'any', 'auto', '0', '0-1', '1-0', '0-9:0', '0-9:2', 'all', '^1', 'all,^0', '0,,1', '99999'],
  ...[
    '12',
    '1.5',
    '1.5K',
    '1GiB',
    '0B',
    '3B',
    '2PiB',
    '99999999TiB',
    '9TB',
    '0.1kB',
    '0.1234567K',
    '1 MiB ',
    '1.MiB',
    '5GB/s',
    'x/s',
  ],
  ...[
    'a'.repeat(300),
    'é',
    ' a',
    'a\u0007',
    'a\u2028',
    '\ud800',
    '\u{1f600}',
    '\u00ad',
    'pack',
    'mixed',
    'shared',
    'dedicated',
  ],
  ...[[], [1], [[]], [null], ['a'], ['b', 'a'], ['c'], {}, { a: 1 }, { node: 0 }, [{ node: 0 }]],
  ...[[{ vcpus: '0', memory: '1MiB' }], [{ vcpus: '0', memory: '1MiB', x: 1 }]],
  [
    [0, 1],
    [1, -1],
  ],
]

function* placesIn(value: unknown, path: Path = []): Generator<Path> {
  if (typeof value !== 'object' || value === null) return
  for (const [name, inner] of Object.entries(value)) {
    const place = [...path, Array.isArray(value) ? Number(name) : name]
    yield place
    yield* placesIn(inner, place)
  }
}

type Tree = Record<string | number, unknown>

function put(root: object, path: Path, value: unknown): object {
  const copy = structuredClone(root)
  const within = path.slice(0, -1).reduce<unknown>((at, key) => (at as Tree)[key], copy)
  const last = path.at(-1)!
  if (value !== undefined) (within as Tree)[last] = value
  else if (Array.isArray(within)) within.splice(Number(last), 1)
  else delete (within as Tree)[last]
  return copy
}

export interface Pair {
  readonly host: string
  readonly request: string
  readonly note: string
}

/** So many CPUs of the host are changed; the others are alike. */
const CPUS = 2

/** Every `stride`th of all pairs, from the `first` on. */
export function* mistakes(first: number, stride: number): Generator<Pair> {
  let number = 0
  for (const [kind, root] of [
    ['request', REQUEST],
    ['host', HOST],
  ] as const) {
    for (const place of placesIn(root)) {
      if (place[0] === 'cpus' && Number(place[1] ?? 0) >= CPUS) continue
      const unknown = [...place.slice(0, -1), 'not "known"']
      const changes: (readonly [Path, unknown])[] = VALUES.map((value) => [place, value])
      if (typeof place.at(-1) === 'string') changes.push([unknown, 1])
      for (const [at, value] of changes) {
        if (number++ % stride !== first) continue
        const text = JSON.stringify(put(root, at, value))
        const [host, request] = kind === 'host' ? [text, JSON.stringify(REQUEST)] : [JSON.stringify(HOST), text]
        yield { host, request, note: `${kind}: ${at.join('.')} = ${JSON.stringify(value)}` }
      }
    }
  }
}

/** Sound texts, to be broken. */
export const SOUND = { host: JSON.stringify(HOST, null, 1), request: JSON.stringify(REQUEST, null, 1) }
