/** CONTRIBUTING.md's part that is made from the table of rooms. */

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { roomsText } from './rooms.js'

const file = fileURLToPath(new URL('../../CONTRIBUTING.md', import.meta.url))
const BEGIN = '<!-- rooms: made from test/house/rooms.ts -->\n'
const END = '\n<!-- end of rooms -->'

/** The page as it is, and as it has to be. */
export function contributing(): { readonly found: string; readonly expected: string } {
  const found = readFileSync(file, 'utf8')
  const [before = '', rest = ''] = found.split(BEGIN)
  const after = rest.slice(rest.indexOf(END))
  return { found, expected: `${before}${BEGIN}${roomsText()}${after}` }
}

export function writeContributing(): void {
  writeFileSync(file, contributing().expected)
}
