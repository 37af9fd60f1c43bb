/** For each rule of docs/model.md about CPUs and cores a plan that holds, and one that differs in the smallest way that breaks it. */

import { test } from 'uvu'
import { coresOf, GIB, hostOf, type VmSpec } from './support.js'
import { on0, on1, twins, vm } from './twins.js'

/** Three cores of 2 CPUs on each node: 0-5 on node 0, 6-11 on node 1. */
const HOST = hostOf({ nodes: { 0: 4, 1: 4 }, cores: coresOf([3, 3], 2) })

/** One cell on these CPUs, all of its memory on their node. */
function on(cpus: readonly (number | readonly number[])[], emulator: string, more: Partial<VmSpec> = {}): VmSpec {
  const [first] = cpus.flat()
  return { cells: [{ cpus, memory: (first ?? 0) < 6 ? on0 : on1 }], emulator, ...more }
}

interface Mutation {
  readonly constraint: string
  readonly vms: readonly object[]
  readonly good: Record<string, VmSpec>
  readonly bad: Record<string, VmSpec>
  readonly host?: typeof HOST
  readonly options?: object
}

const reserve = (cpus: string, more: object = {}) => ({ reserve: { cpus, ...more } })
const ours = { trust: 'ours' }
const shared = { cpuPolicy: 'shared' }
const dedicatedEmulator = { emulator: 'dedicated' }

/** CPUs 2 and 3 are one core that is isolated, 8 and 9 another. */
const ISOLATED = hostOf({
  nodes: { 0: 4, 1: 4 },
  cores: coresOf([3, 3], 2).map((core, at) => ({ ...core, isolated: at % 3 === 1 })),
})

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'a dedicated vCPU on a reserved CPU': {
    constraint: 'cpu-usable',
    vms: [vm('a', 1)],
    options: reserve('0-1'),
    good: { a: on([2], '0-1') },
    bad: { a: on([1], '0-1') },
  },
  'a dedicated emulator on a reserved CPU': {
    constraint: 'cpu-usable',
    vms: [vm('a', 1, dedicatedEmulator)],
    options: reserve('1'),
    good: { a: on([2], '4') },
    bad: { a: on([2], '1') },
  },
  'two vCPUs on a CPU': {
    constraint: 'cpu-exclusive',
    vms: [vm('a', 2)],
    options: reserve('4'),
    good: { a: on([0, 1], '4') },
    bad: { a: on([0, 0], '4') },
  },
  'a shared vCPU over the sibling of a dedicated one': {
    constraint: 'cpu-exclusive',
    vms: [vm('a', 1), vm('b', 1, shared)],
    good: { a: on([0], '2-5'), b: on([[2, 3, 4, 5]], '2-5') },
    bad: { a: on([0], '2-5'), b: on([[1, 2, 3, 4, 5]], '2-5') },
  },
  'a shared vCPU over the sibling of a dedicated emulator': {
    constraint: 'cpu-exclusive',
    vms: [vm('a', 1, dedicatedEmulator), vm('b', 1, shared)],
    good: { a: on([0], '2'), b: on([[4, 5]], '4-5') },
    bad: { a: on([0], '2'), b: on([[3, 4, 5]], '4-5') },
  },
  'a shared vCPU over less than all shared CPUs': {
    constraint: 'overcommit',
    vms: [vm('a', 1, shared)],
    good: { a: on([[0, 1, 2, 3, 4, 5]], '0-5') },
    bad: { a: on([[0, 1, 2, 3, 4]], '0-5') },
  },
  'a shared vCPU over isolated CPUs': {
    constraint: 'isolated',
    host: ISOLATED,
    vms: [vm('a', 1, shared)],
    good: { a: on([[0, 1, 4, 5]], '0-1,4-5') },
    bad: { a: on([[0, 1, 2, 4, 5]], '0-1,4-5') },
  },
  'a housekeeping thread on an isolated shared CPU': {
    constraint: 'isolated',
    host: ISOLATED,
    vms: [vm('a', 1)],
    good: { a: on([0], '4-5') },
    bad: { a: on([0], '2-5') },
  },
  'a housekeeping thread on an isolated reserved CPU': {
    constraint: 'isolated',
    host: ISOLATED,
    vms: [vm('a', 1)],
    options: reserve('2,4'),
    good: { a: on([0], '4') },
    bad: { a: on([0], '2,4') },
  },
  'a vCPU said to be on another node': {
    constraint: 'cell-node',
    vms: [vm('a', 1)],
    options: reserve('4'),
    good: { a: on([0], '4') },
    bad: { a: { cells: [{ cpus: [0], memory: on1, node: 1 }], emulator: '4' } },
  },
  'vCPUs of a cell on two nodes': {
    constraint: 'cell-node',
    vms: [vm('a', 2, { memoryPolicy: 'preferred' })],
    options: reserve('4'),
    good: { a: on([0, 1], '4') },
    bad: { a: on([0, 6], '4') },
  },
  'isolate: a vCPU of the VM beside it': {
    constraint: 'thread-policy',
    vms: [vm('a', 2, { threadPolicy: 'isolate' })],
    options: { ...reserve('4'), model: { smt: 0 } },
    good: { a: on([0, 2], '4') },
    bad: { a: on([0, 1], '4') },
  },
  'isolate: a vCPU of another VM beside it': {
    constraint: 'thread-policy',
    vms: [vm('a', 1, { ...ours, threadPolicy: 'isolate' }), vm('b', 1, ours)],
    options: reserve('4'),
    good: { a: on([0], '4'), b: on([2], '4') },
    bad: { a: on([0], '4'), b: on([1], '4') },
  },
  "isolate: its VMM's own thread beside it": {
    constraint: 'thread-policy',
    vms: [vm('a', 1, { threadPolicy: 'isolate', ...dedicatedEmulator })],
    good: { a: on([0], '2') },
    bad: { a: on([0], '1') },
  },
  'isolate: the host beside it': {
    constraint: 'thread-policy',
    vms: [vm('a', 1, { threadPolicy: 'isolate' })],
    options: reserve('1,4'),
    good: { a: on([2], '1,4') },
    bad: { a: on([0], '4') },
  },
  'require: a vCPU of another VM beside it': {
    constraint: 'thread-policy',
    vms: [vm('a', 1, { ...ours, threadPolicy: 'require' }), vm('b', 1, ours)],
    options: reserve('4'),
    good: { a: on([0], '4'), b: on([2], '4') },
    bad: { a: on([0], '4'), b: on([1], '4') },
  },
  "require: another VMM's thread beside it": {
    constraint: 'thread-policy',
    vms: [vm('a', 1, { ...ours, threadPolicy: 'require' }), vm('b', 1, { ...ours, ...dedicatedEmulator })],
    options: reserve('4'),
    good: { a: on([0], '4'), b: on([2], '3') },
    bad: { a: on([0], '4'), b: on([2], '1') },
  },
  'require: the host beside it': {
    constraint: 'thread-policy',
    vms: [vm('a', 1, { threadPolicy: 'require' })],
    options: reserve('1'),
    good: { a: on([2], '1') },
    bad: { a: on([0], '1') },
  },
  "require: two cores partly idle, where one has its VMM's thread": {
    constraint: 'thread-policy',
    vms: [vm('a', 2, { threadPolicy: 'require', ...dedicatedEmulator })],
    good: { a: on([0, 2], '1') },
    bad: { a: on([0, 2], '4') },
  },
  'trust: vCPUs of two VMs on a core': {
    constraint: 'trust',
    vms: [vm('a', 1), vm('b', 1)],
    options: reserve('4'),
    good: { a: on([0], '4'), b: on([2], '4') },
    bad: { a: on([0], '4'), b: on([1], '4') },
  },
  "trust: a vCPU beside another VMM's thread": {
    constraint: 'trust',
    vms: [vm('a', 1, dedicatedEmulator), vm('b', 1)],
    options: reserve('4'),
    good: { a: on([0], '1'), b: on([2], '4') },
    bad: { a: on([0], '3'), b: on([2], '4') },
  },
  'trust: shared vCPUs of a VM with a domain and of one without': {
    constraint: 'trust',
    vms: [vm('a', 1, { ...shared, ...ours }), vm('b', 1, shared)],
    options: reserve('11'),
    good: { a: on([[0, 1, 2, 3, 4, 5]], '0-5'), b: on([[6, 7, 8, 9, 10]], '11') },
    bad: { a: on([[0, 1, 2, 3, 4, 5]], '11'), b: on([[0, 1, 2, 3, 4, 5]], '11') },
  },
  'trust: shared vCPUs of two domains': {
    constraint: 'trust',
    vms: [vm('a', 1, { ...shared, ...ours }), vm('b', 1, { ...shared, trust: 'theirs' })],
    good: { a: on([[0, 1, 2, 3, 4, 5]], '0-5'), b: on([[6, 7, 8, 9, 10, 11]], '6-11') },
    bad: { a: on([[0, 1, 2, 3, 4, 5]], '0-5'), b: on([[0, 1, 2, 3, 4, 5]], '0-5') },
  },
  'housekeeping beside the vCPU of another domain': {
    constraint: 'emulator',
    vms: [vm('a', 1), vm('b', 1)],
    options: reserve('1,5'),
    good: { a: on([0], '1,5'), b: on([2], '5') },
    bad: { a: on([0], '1,5'), b: on([2], '1,5') },
  },
  "housekeeping beside another domain's emulator": {
    constraint: 'emulator',
    vms: [vm('a', 1, dedicatedEmulator), vm('b', 1)],
    options: reserve('1,5'),
    good: { a: on([2], '0'), b: on([6], '5') },
    bad: { a: on([2], '0'), b: on([6], '1,5') },
  },
  'housekeeping beside whole cores of another VM': {
    constraint: 'emulator',
    vms: [vm('a', 1, { ...ours, threadPolicy: 'require', memoryPolicy: 'preferred' }), vm('b', 1, ours)],
    good: { a: on([0], '2-3'), b: on([4], '2-3') },
    bad: { a: on([0], '2-3'), b: on([4], '1-3') },
  },
  'housekeeping beside an isolated vCPU of its own': {
    constraint: 'emulator',
    vms: [vm('a', 1, { threadPolicy: 'isolate' })],
    good: { a: on([0], '2-5') },
    bad: { a: on([0], '1-5') },
  },
  'housekeeping beside shared vCPUs of another domain': {
    constraint: 'emulator',
    vms: [vm('a', 1, { ...shared, ...ours }), vm('b', 1)],
    options: reserve('1,11'),
    good: { a: on([[0, 2, 3, 4, 5]], '1'), b: on([6], '11') },
    bad: { a: on([[0, 2, 3, 4, 5]], '1'), b: on([6], '1,11') },
  },
  'housekeeping on its own CPUs, though there are shared ones': {
    constraint: 'emulator',
    vms: [vm('a', 1)],
    good: { a: on([0], '2-5') },
    bad: { a: on([0], '0') },
  },
  'an I/O thread elsewhere than housekeeping': {
    constraint: 'emulator',
    vms: [vm('a', 1, { iothreads: 1 })],
    options: reserve('4-5'),
    good: { a: on([0], '4-5', { iothreads: ['4-5'] }) },
    bad: { a: on([0], '4-5', { iothreads: ['4'] }) },
  },
  'a dedicated emulator on another node than the first': {
    constraint: 'emulator',
    vms: [vm('a', 1, dedicatedEmulator)],
    good: { a: on([0], '2') },
    bad: { a: on([0], '6') },
  },
  'more shared demand than the overcommit': {
    constraint: 'overcommit',
    vms: [vm('a', 7, { ...shared, demand: 0.9 })],
    options: { overcommit: 1, model: { cells: 0 } },
    good: {
      a: {
        cells: [
          { cpus: Array(4).fill([0, 1, 2, 3, 4, 5]), memory: { 0: Math.floor((GIB / 4096 / 7) * 4 + 1) * 4096 } },
          { cpus: Array(3).fill([6, 7, 8, 9, 10, 11]), memory: { 1: Math.floor((GIB / 4096 / 7) * 3) * 4096 } },
        ],
        emulator: '0-11',
      },
    },
    bad: { a: on(Array(7).fill([0, 1, 2, 3, 4, 5]), '0-5') },
  },
  'a VM on a node of one that it is kept apart from': {
    constraint: 'separate',
    vms: [vm('a', 1), vm('b', 1, { separateFrom: ['a'] })],
    options: reserve('4'),
    good: { a: on([0], '4'), b: on([6], '4') },
    bad: { a: on([0], '4'), b: on([2], '4') },
  },
  'a VM whose first node is not that of one it is to be near': {
    constraint: 'near',
    vms: [vm('a', 1), vm('b', 1, { near: ['a'] })],
    options: reserve('4'),
    good: { a: on([0], '4'), b: on([2], '4') },
    bad: { a: on([0], '4'), b: on([6], '4') },
  },
  'a device on a node without the VM': {
    constraint: 'device',
    vms: [vm('a', 1, { devices: [{ node: 0 }] })],
    options: reserve('4'),
    good: { a: on([0], '4') },
    bad: { a: on([6], '4') },
  },
  'vCPUs on a node of devices': {
    constraint: 'device-nodes',
    vms: [vm('a', 1, { memoryPolicy: 'preferred' })],
    options: { ...reserve('4'), deviceNodes: '1' },
    good: { a: on([0], '4') },
    bad: { a: { cells: [{ cpus: [6], memory: on0 }], emulator: '4' } },
  },
}

for (const [what, { constraint, host = HOST, vms, options = {}, good, bad }] of Object.entries(MUTATIONS)) {
  test(`${what} is found (${constraint})`, () => twins(constraint, host, vms, good, bad, options))
}

test.run()
