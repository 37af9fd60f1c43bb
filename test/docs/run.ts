/** How a block of code is run, by its language. Each throws where it does not do what its document says. */

import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as assert from 'uvu/assert'
import { parsePolicy } from '../../executor/policy/policy.js'
import { parseYaml } from '../../src/cli/yaml.js'
import { instantiatePlanner } from '../../src/planner/wasm.js'
import { parseRequest } from '../../src/request.js'
import { parseHost } from '../../src/topology/index.js'
import type { Fence } from './fences.js'

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** A block that hangs is a failure, not a hung run. */
const LIMIT_MS = 120_000

/** Where the blocks of one document are run: a folder with its files, and `homenode` as a command. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), 'homenode-docs-'))
  /** Inside of the checkout, where `homenode` is the package that was built. */
  readonly #programs: string

  constructor(fences: readonly Fence[]) {
    mkdirSync(join(root, '.cache'), { recursive: true })
    this.#programs = mkdtempSync(join(root, '.cache/docs-'))
    mkdirSync(join(this.folder, 'bin'))
    const command = join(this.folder, 'bin/homenode')
    writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'dist/cli.js')}" "$@"\n`)
    chmodSync(command, 0o755)
    for (const name of ['examples', 'node_modules']) symlinkSync(join(root, name), join(this.folder, name))
    for (const { code, marks } of fences) {
      if (marks.file !== null) writeFileSync(join(this.folder, marks.file), code)
    }
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
    rmSync(this.#programs, { recursive: true, force: true })
  }

  /** @throws where the block does not do what its document says */
  async run(fence: Fence): Promise<void> {
    const { language, code, marks } = fence
    if (marks.endOf !== null) {
      assert.ok(readFileSync(join(root, marks.endOf), 'utf8').endsWith(code), `${marks.endOf} ends otherwise`)
    }
    if (language === 'js' || language === 'ts') this.#program(fence)
    else if (language === 'sh') this.#expect('bash', ['-euo', 'pipefail', '-c', code], marks.exit, null)
    else if (language === 'console') this.#session(fence)
    else if (language === 'json') checkJson(code)
    else if (language === 'yaml') parsePolicy(await parseYaml(code))
    else if (language === 'calls') await checkCalls(code)
    else if (language !== 'text') throw new Error(`nothing runs a block of "${language}"`)
  }

  #program(fence: Fence): void {
    const { language, marks } = fence
    const file = join(this.#programs, language === 'ts' ? 'program.mts' : 'program.mjs')
    writeFileSync(file, programOf(fence))
    this.#expect(
      process.execPath,
      [...(language === 'ts' ? ['--import', import.meta.resolve('tsx')] : []), file],
      marks.exit,
      null,
    )
  }

  #session({ code, marks }: Fence): void {
    const commands = [...code.matchAll(/^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)/gm)]
    assert.ok(commands.length > 0, 'a session has commands, after `$ `')
    commands.forEach(([, command = '', output = ''], i) => {
      const exit = i === commands.length - 1 ? marks.exit : 0
      this.#expect('bash', ['-c', `exec 2>&1\n${command}`], exit, marks.outputVaries ? null : output)
    })
  }

  /** @param output where a line `...` stands for any lines; `null`: any output */
  #expect(command: string, args: readonly string[], exit: number, output: string | null): void {
    const env = { ...process.env, PATH: `${join(this.folder, 'bin')}:${process.env.PATH}`, NO_COLOR: '1' }
    const done = spawnSync(command, args, {
      cwd: this.folder,
      env,
      encoding: 'utf8',
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
    })
    assert.is(done.status, exit, `ended with ${done.signal ?? done.status}\n${done.stdout}${done.stderr}`)
    if (output === null) return
    const parts = output.trimEnd().split(/^\.\.\.(?:\n|$)/m)
    const pattern = parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('[^]*?')
    if (!new RegExp(`^${pattern}$`).test(done.stdout.trimEnd())) assert.is(done.stdout, output)
  }
}

/** What is run of a block: with what is said to be before and after it. */
function programOf({ code, marks }: Fence): string {
  const said = pathToFileURL(join(root, 'test/docs/said.mjs')).href
  const helpers = `import { gives as __gives, throws as __throws } from '${said}'`
  return [helpers, marks.before, checked(code), marks.after, ''].join('\n')
}

/** A program whose lines `expression // => value` and `expression // throws Error: text` are held to what they say. */
function checked(code: string): string {
  return code
    .replace(/^(\s*)(\S.*?) +\/\/ => (.+)$/gm, '$1await __gives(async () => ($2), $3)')
    .replace(/^(\s*)(\S.*?) +\/\/ throws (\w*Error: .+)$/gm, (_, indent, expression, text) => {
      return `${indent}await __throws(async () => (${expression}), ${JSON.stringify(text)})`
    })
}

/** Calls of planner.wasm with their results: `name(numbers) = result`, then what it means. */
async function checkCalls(code: string): Promise<void> {
  const planner = (await instantiatePlanner()) as unknown as Record<string, (...args: number[]) => number>
  for (const line of code.trimEnd().split('\n')) {
    const [, name = '', numbers = '', result] = /^(\w+)\(([^)]*)\) = (-?\d+)( {2,}\S.*)?$/.exec(line) ?? []
    assert.is.not(result, undefined, line)
    assert.is(planner[name]?.(...numbers.split(', ').filter(Boolean).map(Number)), Number(result), line)
  }
}

function checkJson(code: string): void {
  const value = JSON.parse(code)
  if ('vms' in value && (value.kind ?? 'Request') === 'Request') parseRequest(value)
  if (value.kind === 'Host') parseHost(value)
}
