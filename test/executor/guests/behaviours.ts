/** One guest for each way to go wrong; the sources are beside this file, by the same names. */

import type { Guest, GuestRegisters, GuestShare } from '../../../executor/guests/guest.js'

function guest(hex: string, registers: (share: GuestShare) => GuestRegisters = () => ({})): Guest {
  return { code: Uint8Array.from(Buffer.from(hex, 'hex')), registers }
}

export const crash = guest('0f0b')
export const crashone = guest('48ffc9e302ebfe0f0b', ({ vcpu }) => ({ rcx: BigInt(vcpu) }))
export const stray = guest('c70701000000', ({ end }) => ({ rdi: BigInt(end) }))
export const lost = guest('ffe7', ({ end }) => ({ rdi: BigInt(end) }))
export const otherport = guest('e680')
