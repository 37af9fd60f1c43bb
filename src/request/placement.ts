/** The cells and vCPUs of one VM as a plan has them; a request's `current` is the same. */

import * as z from 'zod'
import { canonicalCpulist } from '../cpulist.js'
import { cpulistText, id, MAX_MEMORY, read, whole } from './fields.js'

const bytes = whole(1, MAX_MEMORY)

export const planCell = z.strictObject({
  cell: id,
  pageSize: bytes,
  memory: z.array(z.strictObject({ node: id, bytes })).min(1),
})

/** Shared vCPUs repeat the same long lists: each is read once. */
const known = new Map<string, string>()
const MOST_KNOWN = 256

function canonical(text: string): string {
  const before = known.get(text)
  if (before !== undefined) return before
  const after = canonicalCpulist(text, { allowEmpty: true })
  if (known.size === MOST_KNOWN) known.clear()
  known.set(text, after)
  return after
}

/** A cpulist, in its canonical form. */
export const planCpus = read(cpulistText, canonical)

export const planVcpu = z.strictObject({ vcpu: id, cell: id, node: id, cpus: planCpus, dedicated: z.boolean() })
