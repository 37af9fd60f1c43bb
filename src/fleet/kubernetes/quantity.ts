/**
 * Kubernetes' quantities: `500m`, `2`, `4Gi`, `1e3`.
 * Source: k8s.io/apimachinery/pkg/api/resource, quantity.go
 */

import { InputError, show } from '../../errors.js'

const FORMAT = /^(\d+\.?\d*|\.\d+)(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,2}))?$/
const BINARY = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }

/**
 * What a quantity comes to, 0 or more.
 * @throws {InputError} at `where`
 */
export function parseQuantity(text: unknown, where: string): number {
  const [, digits, binary, decimal = '', exponent] = typeof text === 'string' ? (FORMAT.exec(text) ?? []) : []
  if (digits === undefined)
    throw new InputError(where, 'a quantity of Kubernetes, such as "2", "500m" or "4Gi"', show(text))
  const number = Number(digits)
  if (binary !== undefined) return number * 1024 ** (BINARY.indexOf(binary) + 1)
  const power = exponent === undefined ? (DECIMAL[decimal] ?? 0) : Number(exponent)
  // Divided: thousandths are no binary fractions.
  return power < 0 ? number / 10 ** -power : number * 10 ** power
}
