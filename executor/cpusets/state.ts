/** A partition of CPUs: what it takes to make it and to undo it. Part of undo files. */

import * as z from 'zod'
import type { PartitionKind } from '../../src/types.js'

export const KINDS: readonly PartitionKind[] = ['root', 'isolated']

/** A thread, and its CPUs before the partition is made. */
export interface PartitionThread {
  /** The kernel's number for it. */
  readonly tid: number
  /** Clock ticks after the system's start: a thread with this number and another start is another. */
  readonly startTime: number
  /** cpulist */
  readonly cpus: string
}

/** A partition of CPUs, and what it takes to undo it. */
export interface PartitionState {
  /** Its cgroup, which is made for it below that of the process. */
  readonly directory: string
  /** What the kernel is asked for. */
  readonly kind: PartitionKind
  /** cpulist */
  readonly cpus: string
  /** Whether cpusets have to be switched on for the children of the process's cgroup. */
  readonly enables: boolean
  /** Those that run there. */
  readonly threads: readonly PartitionThread[]
  /** Others that are pinned, and lose CPUs to it. */
  readonly losers: readonly PartitionThread[]
}

const LIST = /^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?){0,2000}$/

const cpus = z.string().regex(LIST, 'a cpulist such as "0-3,8"')
const thread = z.strictObject({
  tid: z.int().min(1).max(0x7fffffff),
  startTime: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
  cpus,
})

/** As an undo file has it. */
export const partitionState: z.ZodType<PartitionState> = z.strictObject({
  directory: z
    .string()
    .max(4096)
    .regex(/^\/([^\0]*\/)?homenode-\d{1,10}-\d{1,10}$/, 'the path of a cgroup that homenode makes')
    .refine((path) => !path.split('/').includes('..'), 'a path without ".."'),
  kind: z.enum(KINDS),
  cpus,
  enables: z.boolean(),
  threads: z.array(thread).min(1).max(4096),
  losers: z.array(thread).max(1_000_000),
})
