/** What VMs were like before they were changed, in a file: written before anything is touched, and believed only as far as it can be. */

import { renameSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import * as z from 'zod'
import { MAX_ID, parseCpulist } from '../../src/cpulist.js'
import { InputError, UnsupportedError } from '../../src/errors.js'
import { parseWith } from '../../src/schema.js'
import { partitionState } from '../cpusets/state.js'
import { domainState } from './domain-state.js'
import { bootId } from './look.js'
import type { VmPartition } from './types.js'
import { readOwn, writeWhole } from './whole-file.js'

const MAX_VMS = 4096
const MAX_THREADS = 65_536
const MAX_RANGES = 65_536
const MAX_NODES = 1024
const MAX_CGROUPS = 64
/** Of a file. */
const MAX_BYTES = 64 * 2 ** 20
const MAX_PID = 2 ** 22

const whole = (most: number) => z.int().min(0).max(most)
const pid = z.int().min(1).max(MAX_PID)
const bytes = whole(Number.MAX_SAFE_INTEGER)
const isCpulist = (text: string, allowEmpty: boolean): boolean => {
  try {
    parseCpulist(text, { allowEmpty })
    return true
  } catch {
    return false
  }
}
const cpulist = z.string().refine((text) => isCpulist(text, false), { error: 'a cpulist such as "0-3,8"' })
const anyCpulist = z.string().refine((text) => isCpulist(text, true), { error: 'a cpulist such as "0-3,8", or ""' })
const name = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+$/u, 'a name of printable characters')

const thread = z.strictObject({
  tid: pid,
  startTime: bytes,
  role: z.enum(['vcpu', 'emulator', 'iothread']),
  number: whole(MAX_ID).nullable(),
  cpus: cpulist,
})

const range = z.strictObject({
  start: bytes,
  bytes: z.int().min(1),
  pageSize: z
    .int()
    .min(4096)
    .refine((size) => Number.isInteger(Math.log2(size)), { error: 'a power of two' }),
  /** As the kernel had it: it cannot be brought back, and is there to be said. */
  policy: z.string().max(4096),
  on: z.array(z.strictObject({ node: whole(MAX_ID), bytes })).max(MAX_NODES),
})

const cpuset = z.strictObject({
  path: z
    .string()
    .max(4096)
    .refine((path) => path.startsWith('/') && !path.split('/').includes('..'), { error: 'the path of a cgroup' }),
  version: z.union([z.literal(1), z.literal(2)]),
  cpus: anyCpulist,
  mems: anyCpulist,
})

const vm = z.strictObject({
  name,
  pid,
  startTime: bytes,
  /** All that it had. */
  threads: z.array(thread).max(MAX_THREADS),
  /** Those that were to move. */
  memory: z.array(range).max(MAX_RANGES),
  /** Those that were to change. */
  cpusets: z.array(cpuset).max(MAX_CGROUPS),
  /** Of libvirt, where it manages the VM. */
  domain: domainState.nullable().default(null),
})

const undoFile = z.strictObject({
  schemaVersion: z.literal(1),
  kind: z.literal('Undo'),
  boot: z.string().min(1).max(64),
  made: z.string().max(64),
  vms: z.array(vm).max(MAX_VMS),
  /** Those that were to be made. */
  partitions: z
    .array(z.strictObject({ vm: name, partition: partitionState }))
    .max(MAX_VMS)
    .default([]),
})

export type UndoFile = z.output<typeof undoFile>
export type UndoVm = UndoFile['vms'][number]

/**
 * Writes it so that it is there as a whole or not at all, also when the power goes.
 * @returns its path
 * @throws {UnsupportedError} where it cannot be written
 */
export function writeUndoFile(folder: string, vms: readonly UndoVm[], partitions: readonly VmPartition[] = []): string {
  const made = new Date().toISOString()
  const content = { schemaVersion: 1, kind: 'Undo', boot: bootId(), made, vms, partitions }
  try {
    const name = `undo-${made.replaceAll(':', '-')}-${process.pid}.json`
    return writeWhole(folder, name, `${JSON.stringify(content)}\n`, 'undo.new')
  } catch (error) {
    throw new UnsupportedError('undo file', `nothing was changed, as it cannot be written: ${(error as Error).message}`)
  }
}

/**
 * Reads one that anybody may have written.
 * @throws {InputError} for one that is not there, is none, is another user's or of another boot of the system
 */
export function readUndoFile(path: string): UndoFile {
  const content = contentOf(path)
  if (content.boot === bootId()) return content
  const expected = 'an undo file of this boot of the system'
  throw new InputError(path, expected, `one from ${content.made}: the processes that it names have ended`)
}

function contentOf(path: string): UndoFile {
  try {
    return parseWith(undoFile, JSON.parse(readOwn(path, 'an undo file', MAX_BYTES)))
  } catch (error) {
    if (error instanceof InputError) throw error.in(path)
    throw new InputError(path, 'an undo file', (error as Error).message)
  }
}

/** From now on it is not taken for one that is still to be undone. */
export function markUndone(path: string): void {
  renameSync(path, join(dirname(path), basename(path).replace(/^undo-/, 'undone-')))
}
