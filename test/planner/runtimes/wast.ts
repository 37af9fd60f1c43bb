/** The common problems as a script of WebAssembly's own test language, which interpreters run. */

import type { Signature } from '../abi-table.js'
import type { Recorded } from './record.js'

/** A number as the text format writes it. */
function constant(type: Signature['returns'], value: number): string {
  // JavaScript's conversion to i32 is done here: a script has no other.
  if (type === 'i32') return `(i32.const ${value | 0})`
  const text = Number.isNaN(value) ? 'nan' : Number.isFinite(value) ? `${value}` : value > 0 ? 'inf' : '-inf'
  return `(f64.const ${Object.is(value, -0) ? '-0' : text})`
}

function bytesAsText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('')
}

/** One module, then each call with the result that it has to have. */
export function wastOf(bytes: Uint8Array, signatures: readonly Signature[], problems: readonly Recorded[]): string {
  const byName = new Map(signatures.map((signature) => [signature.name, signature]))
  const lines = problems.flatMap(({ calls }) =>
    calls.map(({ call: [name, ...numbers], result }) => {
      const signature = byName.get(name)
      if (signature === undefined) throw new RangeError(`docs/planner-abi.md does not show ${name}`)
      const given = signature.parameters.map(({ type }, at) => constant(type, numbers[at] ?? 0)).join(' ')
      return `(assert_return (invoke "${name}" ${given}) ${constant(signature.returns, result)})`
    }),
  )
  return `(module binary "${bytesAsText(bytes)}")\n${lines.join('\n')}\n`
}
