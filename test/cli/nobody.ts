/** The command as an ordinary user runs it, from a copy that everybody may read. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from './command.js'

export const canBeNobody = process.geteuid?.() === 0 && spawnSync('setpriv', ['--version']).status === 0
export const NOT_NOBODY = 'becoming another user takes root, setpriv and QEMU'

const USER = ['--reuid=65534', '--regid=65534', '--clear-groups']

export class Nobody implements Disposable {
  readonly #copy: string

  private constructor(copy: string) {
    this.#copy = copy
  }

  /** Makes the copy: files that bring their packages along, but for those with machine code. */
  static async withCommand(): Promise<Nobody> {
    const copy = mkdtempSync(join(tmpdir(), 'homenode-nobody-'))
    await build({
      entryPoints: [join(root, 'dist/cli.js')],
      outdir: copy,
      outExtension: { '.js': '.mjs' },
      splitting: true,
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['koffi', 'piscina', '@resvg/resvg-js'],
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)" },
      logLevel: 'error',
    })
    spawnSync('chmod', ['-R', 'a+rX', copy])
    return new Nobody(copy)
  }

  homenode(...args: string[]) {
    const command = [process.execPath, join(this.#copy, 'cli.mjs'), ...args]
    return spawnSync('setpriv', [...USER, ...command], { encoding: 'utf8' })
  }

  [Symbol.dispose](): void {
    rmSync(this.#copy, { recursive: true })
  }
}
