/** The request's format, field by field, with its defaults. What holds between fields is in rules.ts. */

import * as z from 'zod'
import {
  bandwidth,
  between,
  cpulistText,
  guestMemory,
  hostCpus,
  id,
  name,
  nodeList,
  nodesOrNone,
  pageSize,
  positive,
  size,
  whole,
} from './fields.js'
import { planCell, planVcpu } from './placement.js'

/** Limits of one problem, the planner module's (docs/planner-abi.md). */
export const MAX_VMS = 4096
export const MAX_VCPUS = 16_384
export const MAX_VCPUS_PER_VM = 4096
const MAX_EXPECTED = 16
const MAX_SHARE = 1000
/** Devices, and relations to other VMs. */
const MAX_LINKS = 16_384
const MAX_IOTHREADS = 64
const MAX_WEIGHT = 1000
const MAX_OVERCOMMIT = 1000
/** Keeps every cost far inside of the whole numbers that a double holds. */
const MAX_COEFFICIENT = 10
const MAX_TRAFFIC = 1e12

const coefficient = between(0, MAX_COEFFICIENT)

const model = z.strictObject({
  home: between(0, 1).default(0.9),
  communication: coefficient.default(0.1),
  smt: coefficient.exactOptional(),
  cells: coefficient.default(0.01),
  device: coefficient.default(0.05),
  copyBytesPerSecond: between(1, Number.MAX_SAFE_INTEGER).default(4_294_967_296),
  horizonSeconds: between(1, 1e9).default(600),
})

const reserve = z.strictObject({
  cpus: hostCpus.default([]),
  memory: size.optional().transform((bytes) => bytes ?? 0),
  nodes: nodesOrNone.default([]),
})

const cell = z.strictObject({ vcpus: cpulistText, memory: guestMemory })

const expected = z.strictObject({
  vcpus: whole(1, MAX_VCPUS_PER_VM),
  memory: guestMemory,
  share: positive(MAX_SHARE).default(1),
})

export const vmFormat = z.strictObject({
  name,
  vcpus: whole(1, MAX_VCPUS_PER_VM),
  memory: guestMemory,
  cells: z.union([z.literal('auto'), z.int(), z.array(cell).min(1).max(MAX_VCPUS_PER_VM)]).default('auto'),
  span: z.boolean().default(false),
  cpuPolicy: z.enum(['dedicated', 'shared', 'mixed']).default('dedicated'),
  dedicatedVcpus: cpulistText.optional(),
  threadPolicy: z.enum(['prefer', 'require', 'isolate', 'spread']).default('prefer'),
  memoryPolicy: z.enum(['strict', 'preferred', 'interleave']).default('strict'),
  pageSize: pageSize.default('any'),
  demand: positive(1).default(1),
  memoryNodes: nodeList.optional(),
  avoidDeviceNodes: z.boolean().optional(),
  devices: z
    .array(z.strictObject({ node: id, strict: z.boolean().default(true) }))
    .max(MAX_LINKS)
    .default([]),
  trust: name.optional(),
  separateFrom: z.array(name).max(MAX_LINKS).default([]),
  near: z.array(name).max(MAX_LINKS).default([]),
  emulator: z.enum(['housekeeping', 'dedicated']).default('housekeeping'),
  iothreads: whole(0, MAX_IOTHREADS).default(0),
  weight: positive(MAX_WEIGHT).default(1),
  traffic: z
    .union([
      z.literal('uniform'),
      z.array(z.array(between(0, MAX_TRAFFIC)).max(MAX_VCPUS_PER_VM)).max(MAX_VCPUS_PER_VM),
    ])
    .default('uniform'),
  memoryBound: between(0, 1).default(0.3),
  bandwidth: bandwidth.default(0),
  current: z
    .strictObject({
      cells: z.array(planCell).min(1).max(MAX_VCPUS_PER_VM),
      vcpus: z.array(planVcpu).max(MAX_VCPUS_PER_VM),
    })
    .optional(),
})

export const requestFormat = z.strictObject({
  schemaVersion: z.literal(1).optional(),
  kind: z.literal('Request').optional(),
  reserve: reserve.prefault({}),
  freeMemoryOnly: z.boolean().default(false),
  deviceNodes: nodesOrNone.default([]),
  overcommit: positive(MAX_OVERCOMMIT).default(4),
  strategy: z.enum(['pack', 'spread']).default('pack'),
  model: model.prefault({}),
  expect: z.array(expected).max(MAX_EXPECTED).default([]),
  vms: z.array(vmFormat).min(1).max(MAX_VMS),
})

export type ParsedVm = z.output<typeof vmFormat>
