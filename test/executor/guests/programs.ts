/** Programs that use what a VM offers; the sources are beside this file, by the same names. */

const program = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))

export const greet = program('f36e89d8e6f4ebfe')
export const cpuids = program('8b068b4e040fa28907895f04894f0889570c4883c6084883c71049ffc875e1f4')
export const echo = program('488b0648ffc048890766ed66ffc066eff4')
export const pour = program('89c8ef8907e2f931c0e6f4ebfe')
export const count = program('48ff07ebfb')
export const real = program('8cc8a30005e8000058a30205f4')
export const sweep = program('4889f848ff004805001000004839f072f2ebed')
