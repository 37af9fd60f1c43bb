// What the planner's sources say of their interface: constants of assembly/abi.ts, and exported functions with their documentation.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(fileURLToPath(import.meta.url))

/** Doc comment before a position in a source: its text on one line. */
function docBefore(source, position) {
  const comment = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/.exec(source.slice(0, position))
  if (comment === null) return ''
  return comment[1]
    .replace(/^\s*\* ?/gm, '')
    .replace(/\s+/g, ' ')
    .trim()
}

function readExports(source) {
  return [...source.matchAll(/^export function (\w+)\(([^)]*)\): (\w+) \{$/gm)].map((match) => ({
    name: match[1],
    parameters: match[2]
      .split(', ')
      .filter(Boolean)
      .map((parameter) => parameter.split(': ')),
    returns: match[3],
    doc: docBefore(source, match.index),
  }))
}

/** Of files below assembly/: the functions that they export. */
export function readFunctions(files) {
  return files.flatMap((file) => readExports(readFileSync(join(root, `assembly/${file}.ts`), 'utf8')))
}

/** Constants of assembly/abi.ts and the functions that planner.wasm exports. */
export function readInterface() {
  const abi = readFileSync(join(root, 'assembly/abi.ts'), 'utf8')
  const constants = [...abi.matchAll(/^export const (\w+): i32 = (-?\d+);$/gm)].map((match) => ({
    name: match[1],
    value: Number(match[2]),
    doc: docBefore(abi, match.index),
  }))
  return { constants, functions: readFunctions(['index', 'vms', 'results', 'refusals']) }
}
