/** The C library and what is built on it, for tests: which tools are here, and what they say. */

import { execFile, execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BUILD, build, CLIENTS } from './built.js'

/** A compiler of a loaded machine takes its time; one that hangs is a failure. */
const LIMIT_MS = 560_000
const MAX_OUTPUT_BYTES = 2 ** 26

export const NATIVE = join(BUILD, 'c')
export const VECTORS = join(CLIENTS, 'vectors')

/** Where the library is, for programs that look for it. */
export const ENVIRONMENT = {
  ...process.env,
  HOMENODE_LIBRARY: join(NATIVE, 'libhomenode.so'),
  HOMENODE_LIB_DIR: NATIVE,
  CGO_CFLAGS: `-I${NATIVE} -O1`,
  CGO_LDFLAGS: `-L${NATIVE}`,
  LD_LIBRARY_PATH: NATIVE,
  GOFLAGS: '-mod=mod',
  GOPROXY: 'off',
}

export function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function hasWasm2c(): boolean {
  return isInstalled('wasm2c') && execFileSync('wasm2c', ['--version'], { encoding: 'utf8' }).trim() === '1.0.32'
}

/** Whether the C library can be made, and what it takes. */
export const HAS_LIBRARY = hasWasm2c() && ['cc', 'make'].every(isInstalled)
export const NO_LIBRARY = 'wasm2c 1.0.32 (Debian: wabt), a C compiler or make is not installed'

/** What a program prints, on both streams. It fails on an exit code and on a signal, with what it has printed. */
export async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  const options = { cwd, env: ENVIRONMENT, timeout: LIMIT_MS, maxBuffer: MAX_OUTPUT_BYTES }
  try {
    const { stdout, stderr } = await promisify(execFile)(program, [...args], options)
    return `${stdout}${stderr}`
  } catch (error) {
    const { message, stdout = '', stderr = '' } = error as Error & { stdout?: string; stderr?: string }
    throw new Error(`${message}\n${stdout}\n${stderr}`)
  }
}

/** Makes targets of clients/c/Makefile, after what they are made of. */
export async function make(...targets: readonly string[]): Promise<void> {
  build()
  await run('make', ['-C', join(CLIENTS, 'c'), '-j2', ...targets], CLIENTS)
}

/** The code of a README's first block in this language. */
export function codeOf(readme: string, language: string): string {
  const [, code] = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(readme) ?? []
  if (code === undefined) throw new Error(`no code in ${language}`)
  return code
}
