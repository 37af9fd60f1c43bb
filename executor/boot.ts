/**
 * Starts a vCPU in 64-bit mode with flat segments, so that the guest reaches all of its memory, with nothing between.
 *
 * Guest virtual address = byte offset into the VM's memory. Page tables of 2 MiB pages (every x86-64 CPU has them) map
 * that onto the guest physical addresses, which leave out a hole below 4 GiB as PCs do: KVM keeps pages of its own there
 * (APIC access page, and on older Intel CPUs an identity map and a TSS).
 * Source: AMD64 Architecture Programmer's Manual volume 2, sections 4.8 and 5.3.
 */

import { kvm_segment, kvm_sregs } from './abi/kvm.js'
import type { Guest, GuestShare } from './guests/guest.js'
import type { Vcpu } from './kvm.js'

const PAGE = 4096
const LARGE_PAGE = 2 * 1024 ** 2
const GIB = 1024 ** 3
/** Entries of a table; a PDPT maps as many GiB. */
const ENTRIES = 512

/** Memory below this is at its own address, the rest from 4 GiB. */
const HOLE_START = 3 * GIB
const HOLE_END = 4 * GIB

/** The guest physical address of a byte of the VM's memory. */
export function gpaOf(offset: number): number {
  return offset < HOLE_START ? offset : offset - HOLE_START + HOLE_END
}

/** A run of memory without the hole in it. */
export interface GpaRange {
  readonly offset: number
  readonly gpa: number
  readonly bytes: number
}

/** The memory slots of `bytes` from `offset`: one, or two around the hole. */
export function gpaRanges(offset: number, bytes: number): GpaRange[] {
  const below = Math.min(Math.max(HOLE_START - offset, 0), bytes)
  const parts = [
    { offset, bytes: below },
    { offset: offset + below, bytes: bytes - below },
  ]
  return parts.filter((part) => part.bytes > 0).map((part) => ({ ...part, gpa: gpaOf(part.offset) }))
}

const CODE = 0
const PML4 = PAGE

function tablesFor(memoryBytes: number): { readonly pdpts: number; readonly pds: number } {
  const pds = Math.ceil(memoryBytes / GIB)
  return { pdpts: Math.ceil(pds / ENTRIES), pds }
}

/** Bytes at the start of the guest's memory that its code and its page tables take. */
export function bootBytes(memoryBytes: number): number {
  const { pdpts, pds } = tablesFor(memoryBytes)
  return PML4 + (1 + pdpts + pds) * PAGE
}

/** Writes code and page tables. `memory` is the first `bootBytes` bytes of the guest's memory, or more. */
export function writeBootImage(memory: ArrayBuffer, guest: Guest, memoryBytes: number): void {
  if (guest.code.length > PAGE) throw new RangeError(`expected a guest of one page, got ${guest.code.length} bytes`)
  new Uint8Array(memory, CODE, PAGE).set(guest.code)
  const { pdpts, pds } = tablesFor(memoryBytes)
  const firstPdpt = PML4 + PAGE
  const firstPd = firstPdpt + pdpts * PAGE
  const words = new Uint32Array(memory, 0, bootBytes(memoryBytes) / 4)
  for (let i = 0; i < pdpts; i++) writeEntry(words, PML4, i, firstPdpt + i * PAGE, TABLE)
  for (let i = 0; i < pds; i++) writeEntry(words, firstPdpt, i, firstPd + i * PAGE, TABLE)
  for (let i = 0; i * LARGE_PAGE < memoryBytes; i++) {
    writeEntry(words, firstPd, i, gpaOf(i * LARGE_PAGE), TABLE | PAGE_SIZE)
  }
}

/** Present, writable, accessed. */
const TABLE = 0x23
/** PS: maps a page rather than a table. */
const PAGE_SIZE = 0x80

function writeEntry(words: Uint32Array, table: number, index: number, gpa: number, flags: number): void {
  const at = table / 4 + 2 * index
  words[at] = (gpa % 2 ** 32) + flags
  words[at + 1] = gpa / 2 ** 32
}

const CR0_PE_ET_NE_PG = 0x80000031n
const CR4_PAE = 0x20n
const EFER_LME_LMA = 0x500n
/** Bit 1 is always set; interrupts are off. */
const RFLAGS = 2n

/** Sets the registers of a vCPU whose VM has the boot image. */
export function setStartState(vcpu: Vcpu, guest: Guest, share: GuestShare): void {
  const sregs = vcpu.getSregs()
  setSegment(sregs, kvm_sregs.cs, { selector: 8, type: 0xb, long: 1 })
  for (const at of [kvm_sregs.ds, kvm_sregs.es, kvm_sregs.fs, kvm_sregs.gs, kvm_sregs.ss]) {
    setSegment(sregs, at, { selector: 16, type: 3, long: 0 })
  }
  sregs.setBigUint64(kvm_sregs.cr0, CR0_PE_ET_NE_PG, true)
  sregs.setBigUint64(kvm_sregs.cr3, BigInt(PML4), true)
  sregs.setBigUint64(kvm_sregs.cr4, CR4_PAE, true)
  sregs.setBigUint64(kvm_sregs.efer, EFER_LME_LMA, true)
  vcpu.setSregs(sregs)
  vcpu.setRegs({ ...guest.registers(share), rip: BigInt(CODE), rflags: RFLAGS })
}

/** A flat segment; type 0xb: code, execute and read, accessed; type 3: data, read and write, accessed. */
function setSegment(
  sregs: DataView,
  at: number,
  segment: { readonly selector: number; readonly type: number; readonly long: 0 | 1 },
): void {
  sregs.setBigUint64(at + kvm_segment.base, 0n, true)
  sregs.setUint32(at + kvm_segment.limit, 0xffffffff, true)
  sregs.setUint16(at + kvm_segment.selector, segment.selector, true)
  sregs.setUint8(at + kvm_segment.type, segment.type)
  sregs.setUint8(at + kvm_segment.present, 1)
  sregs.setUint8(at + kvm_segment.dpl, 0)
  sregs.setUint8(at + kvm_segment.db, 1 - segment.long)
  sregs.setUint8(at + kvm_segment.s, 1)
  sregs.setUint8(at + kvm_segment.l, segment.long)
  sregs.setUint8(at + kvm_segment.g, 1)
}
