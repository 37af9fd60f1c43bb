/** A guest that never leaves. Source: spin.S beside it. */

import type { Guest } from '../../executor/guests/guest.js'

export const spin: Guest = {
  code: Uint8Array.of(0xeb, 0xfe),
  registers: () => ({}),
}
