/** `homenode page`: the page as a file. */

import { readFile, writeFile } from 'node:fs/promises'
import { InputError } from '../errors.js'
import { CommandError, EXIT } from './errors.js'
import { write } from './output.js'

/** As it was built. */
export async function readPage(): Promise<string> {
  return readFile(new URL('dist/page.html', import.meta.resolve('homenode/package.json')), 'utf8')
}

export async function page(_: object, file: string): Promise<void> {
  if (file === '') throw new InputError('FILE', 'the name of a file', 'an empty name')
  const text = await readPage()
  if (file === '-') {
    write(text)
    return
  }
  await writeFile(file, text).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(`${file} cannot be written: ${error.code ?? error.message}`, EXIT.failed)
  })
}
