/** The interface of planner.wasm as docs/planner-abi.md shows it, which build.mjs generates from the planner's source. */

import { readFileSync } from 'node:fs'

export interface Parameter {
  readonly name: string
  readonly type: 'i32' | 'f64'
}

export interface Signature {
  readonly name: string
  readonly parameters: readonly Parameter[]
  readonly returns: 'i32' | 'f64'
  readonly doc: string
}

/** The page's text. */
export const page = readFileSync(new URL('../../docs/planner-abi.md', import.meta.url), 'utf8')

const FUNCTION = /^### `(\w+)\((.*)\) -> (i32|f64)`\n\n(.*)$/gm

/** All functions of the module. */
export const signatures: readonly Signature[] = [...page.matchAll(FUNCTION)].map(
  ([, name = '', list = '', returns, doc = '']) => ({
    name,
    parameters: list
      .split(', ')
      .filter(Boolean)
      .map((parameter) => {
        const [label = '', type] = parameter.split(': ')
        return { name: label, type: type as Parameter['type'] }
      }),
    returns: returns as Signature['returns'],
    doc,
  }),
)

export type Call = readonly [name: string, ...numbers: number[]]

/** The functions of an instance, called by name. */
export type Exports = Readonly<Record<string, (...numbers: number[]) => number>>

/** A call as one reads it, every number as it is: `setPages(0, 12, -0)`. */
export function showCall([name, ...numbers]: Call): string {
  return `${name}(${numbers.map((number) => (Object.is(number, -0) ? '-0' : `${number}`)).join(', ')})`
}
