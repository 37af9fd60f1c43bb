/**
 * Modules of a kernel for an initramfs: found by name, with those that they need, in the order in which they are loaded.
 * Source: depmod(8), modules.dep(5), modprobe.d(5)
 */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import type { GuestModule } from '../../executor/index.js'
import { InputError, show } from '../errors.js'
import { readBinary, readText } from './input.js'

const MAX_MODULE_BYTES = 256 * 1024 ** 2
/** What unpacks modules by how their names end. */
const UNPACKERS: Readonly<Record<string, string>> = { xz: 'xz', zst: 'zstd', gz: 'gzip' }

const VERSION_AT = 0x20e
const MAGIC_AT = 0x202
const MAGIC = 'HdrS'
const BANNER = 'Linux version '
const VERSION_MAX = 65

/** The version of a kernel, as its modules' folder is called; `null`: it does not say. */
export function kernelVersionOf(image: Uint8Array): string | null {
  const file = Buffer.from(image.buffer, image.byteOffset, image.byteLength)
  const isBzImage = file.length > VERSION_AT + 2 && file.toString('latin1', MAGIC_AT, MAGIC_AT + 4) === MAGIC
  const banner = isBzImage ? -1 : file.indexOf(BANNER)
  const start = isBzImage ? file.readUInt16LE(VERSION_AT) + 0x200 : banner + BANNER.length
  if (!isBzImage && banner < 0) return null
  return /^[\w.+~-]+/.exec(file.toString('latin1', start, start + VERSION_MAX))?.[0] ?? null
}

/**
 * @param folder as `/lib/modules/VERSION`, with the files that depmod makes
 * @returns the modules of these names and what they need, in order; those that are part of the kernel are not among them
 * @throws {InputError} for a folder without modules.dep, a name that is unknown there, and a file that nothing here unpacks
 */
export async function modulesOf(folder: string, names: readonly string[]): Promise<GuestModule[]> {
  const index = await indexOf(folder)
  const ordered = new Set<string>()
  const seen = new Set<string>()
  for (const name of names) {
    const paths = pathsOf(index, name)
    if (paths.length === 0 && !index.builtIn.has(plain(name))) {
      throw new InputError('--modules', `a folder with the module ${name}`, show(folder))
    }
    for (const path of paths) addModule(index, path, ordered, seen)
  }
  return Promise.all(
    [...ordered].map(async (path) => ({ name: moduleName(path), content: await contentOf(join(folder, path)) })),
  )
}

interface ModuleIndex {
  /** What each module needs, by its path; the one that is loaded first is the last. */
  readonly needs: ReadonlyMap<string, readonly string[]>
  readonly byName: ReadonlyMap<string, string>
  /** Names of modules by another name of theirs. */
  readonly aliases: ReadonlyMap<string, readonly string[]>
  /** What is loaded before a module though its file does not say that it is needed. */
  readonly before: ReadonlyMap<string, readonly string[]>
  readonly builtIn: ReadonlySet<string>
}

async function indexOf(folder: string): Promise<ModuleIndex> {
  const linesOf = async (name: string) => (await readText(join(folder, name))).split('\n').filter(Boolean)
  // Without these there are none.
  const ifThere = (name: string) => linesOf(name).catch(() => [])
  if (!existsSync(join(folder, 'modules.dep'))) {
    throw new InputError('--modules', "a kernel's folder of modules, with modules.dep (depmod)", show(folder))
  }
  const needs = new Map(
    (await linesOf('modules.dep')).map((line) => {
      const [path = '', rest = ''] = line.split(':')
      return [path, rest.split(' ').filter(Boolean)] as const
    }),
  )
  const aliases = new Map<string, string[]>()
  for (const line of await ifThere('modules.alias')) {
    const [, alias, module] = /^alias (\S+) (\S+)$/.exec(line) ?? []
    if (alias !== undefined) aliases.set(plain(alias), [...(aliases.get(plain(alias)) ?? []), module!])
  }
  const before = new Map(
    (await ifThere('modules.softdep')).flatMap((line) => {
      const [, module, words] = /^softdep (\S+)(?:.*?)\spre: ?(.*?)(?: post:.*)?$/.exec(line) ?? []
      return module === undefined ? [] : [[plain(module), words!.split(' ').filter(Boolean)] as const]
    }),
  )
  const builtIn = new Set((await ifThere('modules.builtin')).map(moduleName))
  const byName = new Map([...needs.keys()].map((path) => [moduleName(path), path]))
  return { needs, byName, aliases, before, builtIn }
}

/** Paths of modules by a name: its own, or one that others go by, too. */
function pathsOf({ byName, aliases }: ModuleIndex, name: string): string[] {
  const path = byName.get(plain(name))
  if (path !== undefined) return [path]
  return (aliases.get(plain(name)) ?? []).flatMap((other) => byName.get(plain(other)) ?? [])
}

/** Adds a module to `ordered` after what it needs, however deep that goes. */
function addModule(index: ModuleIndex, first: string, ordered: Set<string>, seen: Set<string>): void {
  const open = [{ path: first, hasNeeds: false }]
  for (let last = open.pop(); last !== undefined; last = open.pop()) {
    const { path, hasNeeds } = last
    if (hasNeeds) ordered.add(path)
    if (seen.has(path)) continue
    seen.add(path)
    open.push({ path, hasNeeds: true })
    const before = (index.before.get(moduleName(path)) ?? []).flatMap((name) => pathsOf(index, name))
    // The last one is the next one.
    for (const other of [...(index.needs.get(path) ?? []), ...before.reverse()]) {
      open.push({ path: other, hasNeeds: false })
    }
  }
}

/** The kernel takes both for the same. */
function plain(name: string): string {
  return name.replaceAll('-', '_')
}

function moduleName(path: string): string {
  return plain(basename(path).replace(/\.ko(\.\w+)?$/, ''))
}

async function contentOf(file: string): Promise<Uint8Array> {
  const [, packed] = /\.ko\.(\w+)$/.exec(file) ?? []
  if (packed === undefined) return readBinary(file)
  const program = UNPACKERS[packed]
  if (program === undefined) throw new InputError('--modules', 'modules in xz, zstd or gzip', show(basename(file)))
  try {
    const options = { encoding: 'buffer', maxBuffer: MAX_MODULE_BYTES } as const
    return (await promisify(execFile)(program, ['-dc', '--', file], options)).stdout
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? `no ${program} here` : `${program} refuses it`
    throw new InputError('--modules', `modules that ${program} unpacks`, `${basename(file)}: ${why}`)
  }
}
