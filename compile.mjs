// What build.mjs and clients/build.mjs have in common: files that are made anew where their sources are newer, and how asc is called.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** For all modules: no imports, and no more of WebAssembly than every runtime has. */
const EVERYWHERE = ['--runtime', 'stub', '--use', 'abort=', '--disable', 'bulk-memory', '--disable', 'nontrapping-f2i']
/** For modules that are used rather than looked into. */
export const RELEASE = [
  ...['-O3', '--shrinkLevel', '1', '--converge', '--noAssert'],
  ...['--transform', fileURLToPath(new URL('assembly/flat.mjs', import.meta.url))],
]

/**
 * Arguments of asc.
 * @param maximumPages of 64 KiB: how much memory the module may have
 */
export function ascArguments(source, file, maximumPages, options) {
  return [source, '-o', file, ...EVERYWHERE, '--maximumMemory', String(maximumPages), ...options]
}

export function isNewer(file, others) {
  return existsSync(file) && others.every((other) => statSync(other).mtimeMs <= statSync(file).mtimeMs)
}

export function writeIfChanged(file, text) {
  mkdirSync(dirname(file), { recursive: true })
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text)
}
