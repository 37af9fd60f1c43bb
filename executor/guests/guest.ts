/** What a guest program is to the executor. */

/** The part of a VM's memory that one vCPU works on, as byte offsets into that memory. */
export interface GuestShare {
  readonly vcpu: number
  /** First byte. */
  readonly start: number
  /** Byte after the last. */
  readonly end: number
}

export interface GuestRegisters {
  readonly rbx?: bigint
  readonly rcx?: bigint
  readonly rdx?: bigint
  readonly rdi?: bigint
  readonly r8?: bigint
  readonly r9?: bigint
  readonly r10?: bigint
  readonly r11?: bigint
}

/** A program in 64-bit machine code, independent of its address, with flat segments and without a stack. */
export interface Guest {
  /** At most one page. */
  readonly code: Uint8Array
  /** The registers that a vCPU starts with. */
  registers(share: GuestShare): GuestRegisters
}
