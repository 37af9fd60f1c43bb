/** `homenode ganeti-iallocator`: Ganeti asks it which node an instance goes to. */

import { InputError, UnsupportedError } from '../errors.js'
import { type AllocatorSources, allocate } from '../fleet/ganeti/allocator.js'
import { type AllocatorAnswer, Hail } from '../fleet/ganeti/hail.js'
import { HostFiles } from '../fleet/http/host-files.js'
import { inFile, readJson } from './input.js'
import { printJson } from './output.js'

interface AllocatorOptions {
  readonly hosts: string
  readonly hail: string
}

/**
 * Ganeti shows `info` of an answer to whoever asked for the instance, but of a program that failed only that it did: so what is wrong is an
 * answer, too.
 */
export async function ganetiIallocator(
  { hosts, hail }: AllocatorOptions,
  file: string,
  ...options: string[]
): Promise<void> {
  printJson(await answer(file, { files: new HostFiles(hosts), hail: new Hail(hail), options }))
}

async function answer(file: string, sources: AllocatorSources): Promise<AllocatorAnswer> {
  try {
    const content = await readJson(file)
    return await inFile(file, () => allocate(file, content, sources))
  } catch (error) {
    if (!(error instanceof InputError || error instanceof UnsupportedError)) throw error
    return { success: false, info: `homenode: ${error.message}`, result: [] }
  }
}
