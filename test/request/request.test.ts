import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/errors.js'
import { parseRequest, requestSchema } from '../../src/request.js'

const VM = { name: 'db', vcpus: 2, memory: '8GiB' }
const CURRENT = {
  cells: [{ cell: 0, pageSize: 4096, memory: [{ node: 0, bytes: 4096 }] }],
  vcpus: [0, 1].map((vcpu) => ({ vcpu, cell: 0, node: 0, cpus: `${vcpu}`, dedicated: true })),
}

function refused(input: unknown): InputError {
  try {
    parseRequest(input)
  } catch (error) {
    assert.instance(error, InputError)
    return error as InputError
  }
  throw new Error(`accepted: ${JSON.stringify(input)}`)
}

function refusedVm(fields: object, where: string, text: RegExp = /./): void {
  const error = refused({ vms: [{ ...VM, ...fields }] })
  assert.is(error.where, where === '' ? 'vms[0]' : `vms[0].${where}`, error.message)
  assert.match(error.message, text)
}

test('every default is filled in', () => {
  assert.equal(parseRequest({ vms: [VM] }), {
    reserve: { cpus: [], memory: 0, nodes: [] },
    freeMemoryOnly: false,
    deviceNodes: [],
    overcommit: 4,
    strategy: 'pack',
    model: {
      home: 0.9,
      communication: 0.1,
      cells: 0.01,
      device: 0.05,
      copyBytesPerSecond: 2 ** 32,
      horizonSeconds: 600,
    },
    expect: [],
    vms: [
      {
        name: 'db',
        vcpus: 2,
        memory: 2 ** 33,
        cells: 'auto',
        span: false,
        cpuPolicy: 'dedicated',
        dedicatedVcpus: [],
        threadPolicy: 'prefer',
        memoryPolicy: 'strict',
        pageSize: 'any',
        demand: 1,
        memoryNodes: null,
        avoidDeviceNodes: false,
        devices: [],
        trust: null,
        separateFrom: [],
        near: [],
        emulator: 'housekeeping',
        iothreads: 0,
        weight: 1,
        traffic: null,
        memoryBound: 0.3,
        bandwidth: 0,
        current: null,
      },
    ],
  })
})

test('every field is read', () => {
  const request = parseRequest({
    schemaVersion: 1,
    kind: 'Request',
    reserve: { cpus: '0,4-5', memory: '1GiB', nodes: '8-9' },
    freeMemoryOnly: true,
    deviceNodes: '0,2',
    overcommit: 2.5,
    strategy: 'spread',
    model: { smt: 0.5, cells: 0.1 },
    expect: [
      { vcpus: 4, memory: '2GiB' },
      { vcpus: 2, memory: '2GiB', share: 0.5 },
    ],
    vms: [
      { ...VM, near: ['web'], current: CURRENT },
      {
        name: 'web',
        vcpus: 4,
        memory: '3MiB',
        cells: [
          { vcpus: '0-1', memory: '1MiB' },
          { vcpus: '2,3', memory: '2M' },
        ],
        span: true,
        cpuPolicy: 'mixed',
        dedicatedVcpus: '0-3:2',
        threadPolicy: 'isolate',
        memoryPolicy: 'interleave',
        pageSize: '2048KiB',
        demand: 0.5,
        memoryNodes: '0-1,3',
        avoidDeviceNodes: true,
        devices: [{ node: 1 }, { node: 0, strict: false }],
        trust: 'tenant',
        separateFrom: ['db'],
        emulator: 'dedicated',
        iothreads: 2,
        weight: 10,
        traffic: Array.from({ length: 4 }, () => [0, 1, 2, 3]),
        memoryBound: 1,
        bandwidth: '10GB/s',
      },
    ],
  })
  const [db, web] = request.vms
  assert.equal(request.reserve, { cpus: [0, 4, 5], memory: 2 ** 30, nodes: [8, 9] })
  assert.is(request.freeMemoryOnly, true)
  assert.equal(request.deviceNodes, [0, 2])
  assert.is(request.model.smt, 0.5)
  assert.is(request.model.cells, 0.1)
  assert.is(request.model.home, 0.9)
  assert.equal(request.expect, [
    { vcpus: 4, memory: 2 ** 31, share: 1 },
    { vcpus: 2, memory: 2 ** 31, share: 0.5 },
  ])
  assert.equal(db!.near, ['web'])
  assert.equal(db!.current, CURRENT)
  assert.equal(web!.cells, [
    { vcpus: [0, 1], memory: 2 ** 20 },
    { vcpus: [2, 3], memory: 2 ** 21 },
  ])
  assert.equal(web!.dedicatedVcpus, [0, 2])
  assert.is(web!.pageSize, 2 ** 21)
  assert.equal(web!.devices, [
    { node: 1, strict: true },
    { node: 0, strict: false },
  ])
  assert.is(web!.trust, 'tenant')
  assert.equal(web!.memoryNodes, [0, 1, 3])
  assert.is(web!.avoidDeviceNodes, true)
  assert.is(web!.bandwidth, 1e10)
})

test('"all" is every vCPU of the VM, and evaluated from left to right', () => {
  const { vms } = parseRequest({
    vms: [
      { ...VM, vcpus: 4, cells: [{ vcpus: 'all', memory: '8GiB' }], cpuPolicy: 'mixed', dedicatedVcpus: 'all,^0-1,1' },
      { ...VM, name: 'web', cells: [0, 1].map((vcpu) => ({ vcpus: `all,^${vcpu}`, memory: '4GiB' })) },
    ],
  })
  assert.equal(vms[0]!.cells, [{ vcpus: [0, 1, 2, 3], memory: 2 ** 33 }])
  assert.equal(vms[0]!.dedicatedVcpus, [1, 2, 3])
  assert.equal(vms[1]!.cells, [
    { vcpus: [1], memory: 2 ** 32 },
    { vcpus: [0], memory: 2 ** 32 },
  ])
  refusedVm({ cells: [{ vcpus: 'all,2', memory: '8GiB' }] }, 'cells[0].vcpus', /from 0 to 1, got 2/)
  refusedVm({ cells: [{ vcpus: 'all,^all', memory: '8GiB' }] }, 'cells[0].vcpus', /at least one number/)
  refusedVm({ cpuPolicy: 'mixed', dedicatedVcpus: 'al' }, 'dedicatedVcpus', /or "all", got "al"/)
})

test('"all" in reserve.cpus is every CPU of whichever host, but those taken out after it', () => {
  const reserved = (cpus: string) => parseRequest({ vms: [VM], reserve: { cpus } }).reserve.cpus
  assert.equal(reserved('all'), { allBut: [] })
  assert.equal(reserved('all,^4-7'), { allBut: [4, 5, 6, 7] })
  assert.equal(reserved('^4,all,^4-7,5'), { allBut: [4, 6, 7] })
  assert.equal(reserved('1,all,^all,2'), [2])
  assert.equal(reserved('65535'), [65535])
  assert.is(refused({ vms: [VM], reserve: { cpus: 'al' } }).where, 'reserve.cpus')
})

test('a Request is returned as it is, frozen; a copy of it is no request file', () => {
  const request = parseRequest({ vms: [VM] })
  assert.is(parseRequest(request), request)
  assert.throws(() => {
    ;(request.vms[0] as { vcpus: number }).vcpus = 4
  }, TypeError)
  assert.is(refused({ vms: request.vms }).where, 'vms[0].memory')
})

test('what is no request is refused', () => {
  for (const input of [null, undefined, 1, 'x', true, [], [VM], () => 1]) assert.is(refused(input).where, '')
  assert.is(refused({}).where, 'vms')
  assert.is(refused({ vms: [] }).where, 'vms')
  assert.is(refused({ vms: VM }).where, 'vms')
  assert.is(refused({ vms: [null] }).where, 'vms[0]')
  assert.is(refused({ vms: [[]] }).where, 'vms[0]')
  assert.is(refused({ kind: 'Plan', vms: [VM] }).where, 'kind')
  assert.is(refused({ schemaVersion: 2, vms: [VM] }).where, 'schemaVersion')
  assert.is(refused({ schemaVersion: '1', vms: [VM] }).where, 'schemaVersion')
})

test('unknown fields are named, wherever they are', () => {
  assert.is(refused({ vms: [VM], vm: [] }).where, 'vm')
  refusedVm({ wieght: 1 }, 'wieght', /one of the fields name, vcpus, memory/)
  refusedVm({ devices: [{ node: 0, soft: true }] }, 'devices[0].soft')
  assert.is(refused({ vms: [VM], model: { hoem: 1 } }).where, 'model.hoem')
  assert.is(refused({ vms: [VM], reserve: { node: '0' } }).where, 'reserve.node')
  assert.is(refused(JSON.parse(`{"vms": [], "__proto__": 1}`)).where, '__proto__')
})

test('sizes need a unit', () => {
  refusedVm({ memory: 8 }, 'memory', /8 without a unit \(virsh would read KiB, QEMU MiB\)/)
  refusedVm({ memory: '4096' }, 'memory', /without a unit/)
  refusedVm({ pageSize: 4096 }, 'pageSize', /without a unit/)
  assert.is(refused({ vms: [VM], reserve: { memory: 0 } }).where, 'reserve.memory')
})

test('memory is whole pages, more than none and not more than any machine has', () => {
  for (const memory of ['0B', '1kB', '6KiB', '1025TiB', '-1GiB', '', null, {}, Number.NaN])
    refusedVm({ memory }, 'memory')
  assert.is(parseRequest({ vms: [{ ...VM, memory: '1024TiB' }] }).vms[0]!.memory, 2 ** 50)
})

test('numbers are finite and in their range', () => {
  const wrong = [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300, '1', null, {}, [], true]
  const fields = ['vcpus', 'demand', 'iothreads', 'weight', 'memoryBound', 'bandwidth']
  for (const field of fields) for (const value of wrong) refusedVm({ [field]: value }, field)
  for (const vcpus of [0, 1.5, 4097]) refusedVm({ vcpus }, 'vcpus', /a whole number from 1 to 4096/)
  refusedVm({ demand: 0 }, 'demand')
  refusedVm({ demand: 1.01 }, 'demand')
  refusedVm({ weight: 0 }, 'weight')
  refusedVm({ weight: 1001 }, 'weight')
  refusedVm({ iothreads: 65 }, 'iothreads')
  for (const overcommit of [0, ...wrong]) assert.is(refused({ vms: [VM], overcommit }).where, 'overcommit')
  assert.is(refused({ vms: [VM], model: { home: 1.1 } }).where, 'model.home')
  for (const field of ['communication', 'smt', 'cells', 'device', 'copyBytesPerSecond', 'horizonSeconds']) {
    for (const value of wrong.filter((value) => value !== 1e300)) {
      assert.is(refused({ vms: [VM], model: { [field]: value } }).where, `model.${field}`)
    }
  }
  assert.is(refused({ vms: [VM], model: { horizonSeconds: 0 } }).where, 'model.horizonSeconds')
})

test('words are the ones of the model', () => {
  refusedVm({ cpuPolicy: 'exclusive' }, 'cpuPolicy', /"dedicated", "shared" or "mixed", got "exclusive"/)
  refusedVm({ threadPolicy: 'Isolate' }, 'threadPolicy')
  refusedVm({ memoryPolicy: 'bind' }, 'memoryPolicy')
  refusedVm({ emulator: true }, 'emulator')
  refusedVm({ span: 'yes' }, 'span')
  refusedVm({ pageSize: '3MiB' }, 'pageSize', /4KiB, 2MiB or 1GiB \(a power of two from 4 KiB\), or "any"/)
  assert.is(refused({ vms: [VM], strategy: 'balance' }).where, 'strategy')
})

test('sizes that are expected are whole, few and each another', () => {
  const size = { vcpus: 2, memory: '4GiB' }
  const at = (fields: object) => refused({ vms: [VM], expect: [size, { ...size, vcpus: 3, ...fields }] })
  for (const share of [0, -1, 1001, '1', null]) {
    const error = at({ share })
    assert.is(error.where, 'expect[1].share')
    assert.match(error.message, /a number above 0, up to 1000/)
  }
  for (const vcpus of [0, 4097, 1.5, '2']) assert.is(at({ vcpus }).where, 'expect[1].vcpus')
  for (const memory of ['0', 4096, '4097B', '2PiB']) assert.is(at({ memory }).where, 'expect[1].memory')
  assert.match(at({ weight: 1 }).message, /expect\[1\]\.weight: expected one of the fields vcpus, memory, share, got 1/)
  const twice = at({ vcpus: 2, memory: '4096MiB', share: 7 })
  assert.is(twice.where, 'expect[1]')
  assert.match(twice.message, /expected a size of its own, got 2 vCPUs with 4 GiB, the size of expect\[0\] too/)
  // As text both are 4 GiB.
  assert.is(parseRequest({ vms: [VM], expect: [size, { ...size, memory: '4194308KiB' }] }).expect.length, 2)
  const many = Array.from({ length: 17 }, (_, more) => ({ vcpus: 1 + more, memory: '1GiB' }))
  assert.match(refused({ vms: [VM], expect: many }).message, /expect: expected at most 16 elements/)
  assert.is(parseRequest({ vms: [VM], expect: many.slice(1) }).expect.length, 16)
  for (const expect of [null, {}, 3]) assert.is(refused({ vms: [VM], expect }).where, 'expect')
})

test('names are unique and printable', () => {
  for (const name of ['', ' ', ' a', 'a ', 'a\nb', '\u001b[31m', 'x'.repeat(256), 7, null]) refusedVm({ name }, 'name')
  const error = refused({ vms: [VM, { ...VM }] })
  assert.is(error.where, 'vms[1].name')
  assert.match(error.message, /"db", the name of vms\[0\] too/)
  assert.is(parseRequest({ vms: [{ ...VM, name: 'Größe 1 (neu)' }] }).vms[0]!.name, 'Größe 1 (neu)')
})

test('relations name other VMs of the request', () => {
  refusedVm({ near: ['db'] }, 'near[0]', /"db", the VM itself/)
  refusedVm({ separateFrom: ['gone'] }, 'separateFrom[0]', /the name of another VM of the request, got "gone"/)
  refusedVm({ near: 'web' }, 'near')
})

test('cells are one to as many as vCPUs', () => {
  for (const cells of [0, -1, 3, 1e9]) refusedVm({ cells }, 'cells', /"auto", or 1 to 2 cells/)
  for (const cells of [1.5, 'many', [], null, {}]) refusedVm({ cells }, 'cells')
})

test('explicit cells hold each vCPU once and all of the memory', () => {
  const half = '4GiB'
  const cells = (...list: [string, string][]) => ({ cells: list.map(([vcpus, memory]) => ({ vcpus, memory })) })
  refusedVm(cells(['0', half], ['0-1', half]), 'cells[1].vcpus', /0, which is in cells\[0\] too/)
  refusedVm(cells(['0', half], ['2', half]), 'cells[1].vcpus', /vCPUs from 0 to 1, got 2/)
  refusedVm(cells(['1', '8GiB']), 'cells', /none with vCPU 0/)
  refusedVm(cells(['0', half], ['1', '3GiB']), 'cells', /8589934592 bytes, got 7516192768 bytes/)
  refusedVm(cells(['0', half], ['', half]), 'cells[1].vcpus')
  refusedVm(cells(['0', half], ['1-', half]), 'cells[1].vcpus', /got "1-"/)
  refusedVm({ cells: [{ vcpus: '0-1' }] }, 'cells[0].memory')
})

test('dedicatedVcpus belong to a mixed VM', () => {
  refusedVm({ dedicatedVcpus: '0' }, 'dedicatedVcpus', /unless cpuPolicy is "mixed"/)
  refusedVm({ cpuPolicy: 'mixed' }, 'dedicatedVcpus')
  refusedVm({ cpuPolicy: 'mixed', dedicatedVcpus: '2' }, 'dedicatedVcpus', /vCPUs from 0 to 1/)
  refusedVm({ cpuPolicy: 'mixed', dedicatedVcpus: 0 }, 'dedicatedVcpus')
})

test('lists of nodes are text, memoryNodes of at least one', () => {
  refusedVm({ memoryNodes: '' }, 'memoryNodes', /at least one number/)
  for (const memoryNodes of [0, [0], null, 'all', '3-1', '-1', '65536']) refusedVm({ memoryNodes }, 'memoryNodes')
  refusedVm({ memoryNodes: [1] }, 'memoryNodes', /a list of nodes such as "0-3,8", got an array of 1/)
  refusedVm({ avoidDeviceNodes: 'yes' }, 'avoidDeviceNodes', /true or false, got "yes"/)
  for (const nodes of [0, [0], null, 'all', '3-1']) {
    assert.is(refused({ vms: [VM], deviceNodes: nodes }).where, 'deviceNodes')
    assert.is(refused({ vms: [VM], reserve: { nodes } }).where, 'reserve.nodes')
  }
  assert.is(refused({ vms: [VM], freeMemoryOnly: 1 }).where, 'freeMemoryOnly')
  const none = parseRequest({ vms: [VM], deviceNodes: '', reserve: { nodes: '' } })
  assert.equal([none.deviceNodes, none.reserve.nodes], [[], []])
})

test('VMs without devices keep off the nodes of devices, unless they say otherwise', () => {
  const avoids = (deviceNodes: string, ...more: object[]) =>
    parseRequest({ deviceNodes, vms: more.map((fields, at) => ({ ...VM, name: `${at}`, ...fields })) }).vms.map(
      ({ avoidDeviceNodes }) => avoidDeviceNodes,
    )
  const devices = [{ node: 1, strict: false }]
  assert.equal(avoids('1', {}, { devices }, { avoidDeviceNodes: false }, { devices, avoidDeviceNodes: true }), [
    true,
    false,
    false,
    true,
  ])
  assert.equal(avoids('', {}, { avoidDeviceNodes: true }), [false, true])
})

test('memoryNodes leave a node for the VM', () => {
  const wrong = (fields: object, request: object, text: RegExp) => {
    const error = refused({ ...request, vms: [{ ...VM, ...fields }] })
    assert.is(error.where, 'vms[0].memoryNodes')
    assert.match(error.message, text)
  }
  const reserve = { nodes: '2-3' }
  wrong({ memoryNodes: '2,3' }, { reserve }, /a node that is not in reserve\.nodes, got "2-3"/)
  wrong(
    { memoryNodes: '1,3' },
    { reserve, deviceNodes: '1' },
    /not in deviceNodes, or avoidDeviceNodes false, got "1,3"/,
  )
  const accepted = (fields: object, request: object) => parseRequest({ ...request, vms: [{ ...VM, ...fields }] })
  accepted({ memoryNodes: '1-2' }, { reserve })
  accepted({ memoryNodes: '1', avoidDeviceNodes: false }, { deviceNodes: '1' })
  accepted({ memoryNodes: '1', devices: [{ node: 1 }] }, { deviceNodes: '1' })
  accepted({ memoryNodes: '1-2' }, { deviceNodes: '1' })
})

test('traffic is a square of numbers from 0', () => {
  refusedVm({ traffic: [[0, 1]] }, 'traffic', /2 rows/)
  refusedVm({ traffic: [[0, 1], [1]] }, 'traffic[1]', /2 numbers/)
  refusedVm(
    {
      traffic: [
        [0, 1],
        [-1, 0],
      ],
    },
    'traffic[1][0]',
  )
  refusedVm(
    {
      traffic: [
        [0, Number.NaN],
        [1, 0],
      ],
    },
    'traffic[0][1]',
  )
  refusedVm({ traffic: 'some' }, 'traffic')
  assert.is(parseRequest({ vms: [{ ...VM, traffic: 'uniform' }] }).vms[0]!.traffic, null)
})

test('current is all of the VM, in order', () => {
  const { cells, vcpus } = CURRENT
  refusedVm({ current: { cells, vcpus: vcpus.slice(1) } }, 'current.vcpus', /all 2 vCPUs/)
  refusedVm({ current: { cells, vcpus: [vcpus[1], vcpus[0]] } }, 'current.vcpus[0].vcpu')
  refusedVm({ current: { cells, vcpus: [vcpus[0], { ...vcpus[1], cell: 1 }] } }, 'current.vcpus[1].cell')
  refusedVm({ current: { cells: [{ ...cells[0], cell: 1 }], vcpus } }, 'current.cells[0].cell')
  refusedVm({ current: { cells: [], vcpus } }, 'current.cells')
  refusedVm({ current: { vcpus } }, 'current.cells')
  refusedVm({ current: null }, 'current')
})

test('there are limits to what one problem holds', () => {
  const vms = (count: number, vcpus: number) =>
    Array.from({ length: count }, (_, at) => ({ ...VM, name: `${at}`, vcpus }))
  assert.is(parseRequest({ vms: vms(4096, 4) }).vms.length, 4096)
  assert.match(refused({ vms: vms(4096, 5) }).message, /vms: expected at most 16384 vCPUs in all, got 20480/)
  assert.is(refused({ vms: vms(4097, 1) }).where, 'vms')
})

test('arbitrary JSON is accepted or refused with an InputError', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (input) => {
      assert.ok(isJudged(input))
    }),
    { numRuns: 500 },
  )
})

test('a valid request with one value replaced is accepted or refused with an InputError', () => {
  const valid = {
    schemaVersion: 1,
    kind: 'Request',
    reserve: { cpus: '0', memory: '1GiB', nodes: '3' },
    freeMemoryOnly: true,
    deviceNodes: '1',
    overcommit: 2,
    model: { home: 0.5 },
    vms: [
      { ...VM, memoryNodes: '0-1', avoidDeviceNodes: true },
      {
        ...VM,
        name: 'two',
        cells: [{ vcpus: '0-1', memory: '8GiB' }],
        devices: [{ node: 0, strict: true }],
        current: CURRENT,
      },
      {
        ...VM,
        name: 'web',
        near: ['db'],
        traffic: [
          [0, 1],
          [1, 0],
        ],
        cpuPolicy: 'mixed',
        dedicatedVcpus: '1',
      },
    ],
  }
  parseRequest(valid)
  const paths = pathsOf(valid)
  const strange = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.double(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      undefined,
      Number.NaN,
      -0,
      2 ** 53,
      1e308,
      '0-99999999999',
      '^0',
      '1e3MiB',
      '٣MiB',
      10n,
      Symbol('x'),
      () => 1,
    ),
  )
  fc.assert(
    fc.property(fc.constantFrom(...paths), strange, (path, value) => {
      assert.ok(isJudged(replaced(valid, path, value)))
    }),
    { numRuns: 3000 },
  )
})

test('the JSON Schema knows the fields', () => {
  const schema = requestSchema() as { properties: { vms: { items: { required: string[] } } } }
  assert.equal(schema.properties.vms.items.required.slice(0, 3), ['name', 'vcpus', 'memory'])
})

/** Whether `parseRequest` gives a request or an InputError; anything else is thrown on. */
function isJudged(input: unknown): boolean {
  try {
    return parseRequest(input).vms.length > 0
  } catch (error) {
    if (error instanceof InputError) return error.message.length > 0
    throw error
  }
}

function pathsOf(value: unknown, path: readonly PropertyKey[] = []): (readonly PropertyKey[])[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, part]) => pathsOf(part, [...path, key]))]
}

function replaced(value: unknown, path: readonly PropertyKey[], by: unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return by
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) }
  Reflect.set(copy, key, replaced(Reflect.get(copy, key), rest, by))
  return copy
}

test.run()
