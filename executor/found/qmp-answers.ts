/**
 * QEMU's answers, checked against a format before anything in them is believed. Fields that are not used are not looked at.
 * Source: qapi/machine.json, qapi/misc.json of QEMU; monitor/hmp-cmds.c (gpa2hva), hw/core/machine-hmp-cmds.c (info numa)
 */

import * as z from 'zod'
import { parseCpulist } from '../../src/cpulist.js'
import type { FoundCell } from './types.js'

const MOST_VCPUS = 4096
const MOST_OBJECTS = 1024

const count = z.int().min(0)
const tid = z
  .int()
  .min(1)
  .max(2 ** 22)
const text = z.string().max(4096)

export const cpus = z
  .array(
    z.object({
      'cpu-index': count.max(MOST_VCPUS - 1),
      'thread-id': tid,
      props: z.object({ 'node-id': count.max(1023).optional() }).optional(),
    }),
  )
  .max(MOST_VCPUS)

export const iothreads = z.array(z.object({ id: text, 'thread-id': tid })).max(MOST_OBJECTS)

export const backends = z.array(z.object({ id: text.optional(), size: count })).max(MOST_OBJECTS)

export const name = z.object({ name: text.optional() })
export const uuid = z.object({ UUID: text })
export const kvm = z.object({ enabled: z.boolean() })
export const memorySize = z.object({ 'base-memory': count, 'plugged-memory': count.optional() })
export const monitorText = z.string().max(2 ** 20)

/** `Host virtual address for 0x0 (pc.ram) is 0x7f127fe00000`. */
export function parseAddress(answer: string): { readonly backend: string; readonly address: number } | null {
  const [, backend, digits] =
    /^Host virtual address for 0x[\da-f]+ \((.*)\) is 0x([\da-f]{1,13})\s*$/.exec(answer) ?? []
  if (backend === undefined || digits === undefined) return null
  return { backend, address: Number.parseInt(digits, 16) }
}

const MIB = 2 ** 20

/** `info numa`: for each node its vCPUs and its size in MiB. `null` for anything else. */
export function parseNuma(answer: string): FoundCell[] | null {
  const nodes = Number(/^(\d{1,4}) nodes?\s*$/m.exec(answer)?.[1] ?? Number.NaN)
  const vcpus = new Map<number, number[]>()
  for (const [, node, list = ''] of answer.matchAll(/^node (\d{1,4}) cpus:((?: \d{1,4})*)\s*$/gm)) {
    vcpus.set(Number(node), parseCpulist(list.trim().replaceAll(' ', ','), { allowEmpty: true }))
  }
  const sizes = [...answer.matchAll(/^node (\d{1,4}) size: (\d{1,10}) MB\s*$/gm)]
  if (sizes.length !== nodes || vcpus.size !== nodes) return null
  const cells = sizes.map(([, node, size]) => ({
    cell: Number(node),
    vcpus: vcpus.get(Number(node)) ?? [],
    memory: Number(size) * MIB,
  }))
  return cells.sort((a, b) => a.cell - b.cell)
}
