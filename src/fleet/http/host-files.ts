/** A folder with a file for each host: read again when a file has changed. */

import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError, show } from '../../errors.js'
import { type HostState, parseHostState } from '../host-state.js'

const NAME = /^(?!\.)[^/\0]{1,250}$/

export class HostFiles {
  readonly #folder: string
  readonly #known = new Map<string, { readonly version: string; readonly state: HostState }>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /**
   * The host of `NAME.json`: the same objects as long as the file stays as it is.
   * @throws {InputError} where there is no such file, or no host in it
   */
  async read(name: string): Promise<HostState> {
    if (!NAME.test(name)) throw new InputError('host', 'the name of a file without its ".json"', show(name))
    const file = join(this.#folder, `${name}.json`)
    try {
      const found = await stat(file)
      // A pipe would be waited for without end.
      if (!found.isFile())
        throw new InputError('', 'a file', found.isDirectory() ? 'a folder' : 'none that can be read')
      const { mtimeMs, size, ino } = found
      const version = `${ino} ${size} ${mtimeMs}`
      const known = this.#known.get(name)
      if (known?.version === version) return known.state
      const state = parseHostState(JSON.parse(await readFile(file, 'utf8')))
      this.#known.set(name, { version, state })
      return state
    } catch (error) {
      if (error instanceof InputError) throw error.in(file)
      if (error instanceof SyntaxError) throw new InputError(file, 'JSON', 'text that is none')
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined) throw error
      throw new InputError(
        file,
        'a host as "homenode topo --json" prints it',
        code === 'ENOENT' ? 'no such file' : code,
      )
    }
  }
}
