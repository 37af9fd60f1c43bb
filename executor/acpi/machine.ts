/** What the tables say of a machine: its processors, memory, distances and devices. */

/** A processor of the guest. */
export interface AcpiCpu {
  /** Its number in the plan, which is its ACPI processor UID. */
  readonly uid: number
  readonly apicId: number
}

/** A run of guest physical memory. */
export interface AcpiMemory {
  readonly gpa: number
  readonly bytes: number
}

/** A proximity domain, which is a node in the guest. */
export interface AcpiNode {
  readonly cpus: readonly AcpiCpu[]
  readonly memory: readonly AcpiMemory[]
}

/** A 16550 UART at I/O ports. */
export interface AcpiSerial {
  readonly port: number
  readonly gsi: number
}

/** A virtio device at guest physical addresses. */
export interface AcpiVirtio {
  readonly gpa: number
  readonly bytes: number
  readonly gsi: number
}

/** Registers at I/O ports, of a byte each. */
export interface AcpiPower {
  readonly sleepControl: number
  readonly sleepStatus: number
  readonly reset: number
  /** What resets when it is written to the reset register. */
  readonly resetValue: number
  /** Type of the soft-off state, in the sleep control register. */
  readonly offType: number
}

export interface AcpiMachine {
  /** By proximity domain. */
  readonly nodes: readonly AcpiNode[]
  /** A row for each node, 10 on the diagonal and more elsewhere. */
  readonly distances: readonly (readonly number[])[]
  /** Bytes a second from the row's processors to the column's memory; `null`: nobody knows. */
  readonly bandwidths: readonly (readonly (number | null)[])[]
  readonly serials: readonly AcpiSerial[]
  readonly virtios: readonly AcpiVirtio[]
  readonly power: AcpiPower
}
