/** The cells and vCPUs of one VM as a plan has them; a request's `current` is the same. */

import * as z from 'zod'
import { formatCpulist } from '../cpulist.js'
import { cpulistOrNone, id, MAX_MEMORY, whole } from './fields.js'

const bytes = whole(1, MAX_MEMORY)

export const planCell = z.strictObject({
  cell: id,
  pageSize: bytes,
  memory: z.array(z.strictObject({ node: id, bytes })).min(1),
})

/** A cpulist, in its canonical form. */
export const planCpus = cpulistOrNone.transform(formatCpulist)

export const planVcpu = z.strictObject({ vcpu: id, cell: id, node: id, cpus: planCpus, dedicated: z.boolean() })
