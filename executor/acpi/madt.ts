/** Processors and interrupt controllers. Source: ACPI 6.5, 5.2.12. */

import { joined, table, u8, u16, u32 } from './bytes.js'
import type { AcpiCpu, AcpiMachine } from './machine.js'

const LOCAL_APIC = 0xfee00000
const IO_APIC = 0xfec00000
const ENABLED = 1
/** The largest APIC id that a local APIC structure may have; larger ones are x2APIC's. */
const MAX_XAPIC_ID = 254
const NMI_PIN = 1

export function madt({ nodes }: AcpiMachine): Uint8Array {
  const cpus = nodes.flatMap((node) => node.cpus).sort((a, b) => a.uid - b.uid)
  const isX2 = cpus.some(({ apicId }) => apicId > MAX_XAPIC_ID)
  return table(
    'APIC',
    5,
    u32(LOCAL_APIC),
    u32(0),
    ...cpus.map(isX2 ? x2apic : localApic),
    joined(u8(1), u8(12), u8(0), u8(0), u32(IO_APIC), u32(0)),
    isX2
      ? joined(u8(0xa), u8(12), u16(0), u32(0xffffffff), u8(NMI_PIN), u8(0), u16(0))
      : joined(u8(4), u8(6), u8(0xff), u16(0), u8(NMI_PIN)),
  )
}

function localApic({ uid, apicId }: AcpiCpu): Uint8Array {
  return joined(u8(0), u8(8), u8(uid), u8(apicId), u32(ENABLED))
}

function x2apic({ uid, apicId }: AcpiCpu): Uint8Array {
  return joined(u8(9), u8(16), u16(0), u32(apicId), u32(ENABLED), u32(uid))
}
