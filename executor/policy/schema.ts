/** The format of a policy file, field by field. */

import * as z from 'zod'
import { name, read, size, whole } from '../../src/request/fields.js'
import { MAX_VCPUS_PER_VM, vmFormat } from '../../src/request/schema.js'
import { isTimeZone, parseTimes } from './times.js'

const MAX_RULES = 1000
const MAX_GLOBS = 64
const MAX_KEYS = 64
const MAX_WINDOWS = 32

const globs = z.union([name, z.array(name).min(1).max(MAX_GLOBS)]).transform((given) => [given].flat())
const MAX_KEYS_ERROR = { error: `at most ${MAX_KEYS} names` }
const named = <Schema extends z.ZodType>(value: Schema) =>
  z.record(name, value).refine((given) => Object.keys(given).length <= MAX_KEYS, MAX_KEYS_ERROR)

/** One number, or bounds that are within it. */
function range<Schema extends z.ZodType<number>>(value: Schema) {
  const bounds = z
    .strictObject({ min: value.optional(), max: value.optional() })
    .refine(({ min, max }) => min !== undefined || max !== undefined, { error: 'min, max or both' })
    .refine(({ min, max }) => min === undefined || max === undefined || min <= max, { error: 'a min up to max' })
  return z.union([value.transform((exact) => ({ min: exact, max: exact })), bounds])
}

/** One of these, or some. */
function someOf<const Values extends readonly [string, ...string[]]>(values: Values) {
  const one = z.enum(values)
  return z.union([one, z.array(one).min(1).max(MAX_GLOBS)]).transform((given) => [given].flat())
}

const match = z.strictObject({
  name: globs.optional(),
  vmm: someOf(['qemu', 'cloud-hypervisor', 'firecracker', 'crosvm', 'kvmtool', 'other']).optional(),
  manager: someOf(['libvirt', 'kubernetes', 'proxmox', 'systemd', 'nobody']).optional(),
  cgroup: globs.optional(),
  metadata: named(globs).optional(),
  labels: named(globs).optional(),
  vcpus: range(whole(1, MAX_VCPUS_PER_VM)).optional(),
  memory: range(size).optional(),
})

const times = read(z.string(), parseTimes)
const zone = z.string().refine((text) => text.length < 100 && isTimeZone(text), {
  error: 'a time zone such as "Europe/Berlin" or "UTC"',
})

const vm = vmFormat.shape
/** As in a request. `null`: as if no rule had said anything of it. */
const placement = {
  cpuPolicy: z.enum(['dedicated', 'shared']).nullable().optional(),
  threadPolicy: vm.threadPolicy.unwrap().nullable().optional(),
  memoryPolicy: vm.memoryPolicy.unwrap().nullable().optional(),
  pageSize: vm.pageSize.unwrap().nullable().optional(),
  memoryNodes: vm.memoryNodes.unwrap().nullable().optional(),
  avoidDeviceNodes: vm.avoidDeviceNodes.unwrap().nullable().optional(),
  trust: vm.trust.unwrap().nullable().optional(),
  emulator: vm.emulator.unwrap().nullable().optional(),
  weight: vm.weight.unwrap().nullable().optional(),
  demand: vm.demand.unwrap().nullable().optional(),
  memoryBound: vm.memoryBound.unwrap().nullable().optional(),
  bandwidth: vm.bandwidth.unwrap().nullable().optional(),
}

const set = z.strictObject({
  ...placement,
  near: globs.nullable().optional(),
  separateFrom: globs.nullable().optional(),
  memory: z.literal('stay').nullable().optional(),
  moves: z.literal('never').nullable().optional(),
  moveTimes: z.array(times).min(1).max(MAX_WINDOWS).nullable().optional(),
  moveBytes: size.nullable().optional(),
  labels: named(name.nullable()).optional(),
})

const rule = z.strictObject({ name: name.optional(), match: match.default({}), set })

export const policyFormat = z.strictObject({
  schemaVersion: z.literal(1).optional(),
  kind: z.literal('Policy').optional(),
  timeZone: zone.optional(),
  rules: z.array(rule).min(1).max(MAX_RULES),
})

/** Fields of a rule that are those of a request, as they are. */
export const PLACEMENT = Object.keys(placement) as (keyof typeof placement)[]
