/** The devices of the machine, and its soft-off state. Source: ACPI 6.5, 5.2.11.1 and 7.4.2. */

import { addresses, device, eisaId, integer, interrupt, name, pack, ports, resources, scope, string } from './aml.js'
import { table } from './bytes.js'
import type { AcpiMachine } from './machine.js'

const UART_PORTS = 8

export function dsdt({ serials, virtios, power }: AcpiMachine): Uint8Array {
  const numbered = (letters: string, i: number) =>
    `${letters}${i
      .toString(16)
      .toUpperCase()
      .padStart(4 - letters.length, '0')}`
  return table(
    'DSDT',
    2,
    name('\\_S5_', pack(integer(power.offType), integer(power.offType))),
    scope(
      '\\_SB_',
      ...serials.map(({ port, gsi }, i) =>
        device(
          numbered('COM', i + 1),
          name('_HID', eisaId('PNP0501')),
          name('_UID', integer(i + 1)),
          name('_CRS', resources(ports(port, UART_PORTS), interrupt(gsi))),
        ),
      ),
      ...virtios.map(({ gpa, bytes, gsi }, i) =>
        device(
          numbered('VR', i),
          name('_HID', string('LNRO0005')),
          name('_UID', integer(i)),
          name('_CCA', integer(1)),
          name('_CRS', resources(addresses(gpa, bytes), interrupt(gsi))),
        ),
      ),
    ),
  )
}
