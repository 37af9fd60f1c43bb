/**
 * The states that a vCPU can start in: real mode, as after a reset but at an address of choice, and 64-bit mode with flat
 * segments.
 * Source: AMD64 Architecture Programmer's Manual volume 2, sections 4.8 and 14.1.
 */

import { requireId, requireObject, requireOneOf } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import { kvm_dtable, kvm_segment, kvm_sregs } from '../abi/kvm.js'
import type { KvmVcpu, Registers } from './kvm-vcpu.js'

export const SEGMENT_NAMES = ['cs', 'ds', 'es', 'fs', 'gs', 'ss', 'tr', 'ldt'] as const
/**
 * The segment registers.
 * @useDeclaredType
 */
export type SegmentName = (typeof SEGMENT_NAMES)[number]

/** A segment register with what it hides. Source: `struct kvm_segment`. */
export interface Segment {
  /** Linear address at which it begins. */
  readonly base: bigint
  /** Its last offset, in bytes also where `g` is set. */
  readonly limit: number
  /** The part that programs see. */
  readonly selector: number
  /** Code or data, and what is allowed; for `tr` and `ldt` the kind of system segment. */
  readonly type: number
  /** 1: it is there. */
  readonly present: number
  /** Privilege level, 0 to 3. */
  readonly dpl: number
  /** 1: 32-bit code or stack; 0 in 64-bit code. */
  readonly db: number
  /** 1: code or data; 0: system. */
  readonly s: number
  /** 1: 64-bit code. */
  readonly l: number
  /** 1: the limit counts pages of 4 KiB in the descriptor. */
  readonly g: number
  /** For the guest's own use. */
  readonly avl: number
  /** 1: not loaded. */
  readonly unusable: number
}

/** Where the GDT or the IDT is. Source: `struct kvm_dtable`. */
export interface DescriptorTable {
  /** Linear address. */
  readonly base: bigint
  /** Its last offset, in bytes. */
  readonly limit: number
}

const CONTROL_NAMES = ['cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'efer', 'apic_base'] as const
/**
 * Control registers, and two model-specific ones.
 * @useDeclaredType
 */
export type ControlName = (typeof CONTROL_NAMES)[number]
const TABLE_NAMES = ['gdt', 'idt'] as const
/**
 * The descriptor tables.
 * @useDeclaredType
 */
export type TableName = (typeof TABLE_NAMES)[number]
const FLAGS = ['type', 'present', 'dpl', 'db', 's', 'l', 'g', 'avl', 'unusable'] as const

/** Segments, descriptor tables and control registers. */
export type SpecialRegisters = Readonly<
  Record<SegmentName, Segment> & Record<TableName, DescriptorTable> & Record<ControlName, bigint>
>

/** Each that is named replaces the one there is; a segment's fields, too. */
export type SpecialRegisterChanges = Readonly<
  Partial<
    Record<SegmentName, Partial<Segment>> & Record<TableName, Partial<DescriptorTable>> & Record<ControlName, bigint>
  >
>

export function readSpecialRegisters(vcpu: KvmVcpu): SpecialRegisters {
  const sregs = vcpu.getSregs()
  return Object.fromEntries([
    ...SEGMENT_NAMES.map((name) => [name, readSegment(sregs, kvm_sregs[name])]),
    ...TABLE_NAMES.map((name) => [name, readTable(sregs, kvm_sregs[name])]),
    ...CONTROL_NAMES.map((name) => [name, sregs.getBigUint64(kvm_sregs[name], true)]),
  ])
}

/** @throws {SyscallError} EINVAL where the control registers contradict each other */
export function changeSpecialRegisters(vcpu: KvmVcpu, changes: SpecialRegisterChanges): void {
  checkChanges(changes)
  const sregs = vcpu.getSregs()
  for (const name of SEGMENT_NAMES) {
    const change = changes[name]
    if (change === undefined) continue
    writeSegment(sregs, kvm_sregs[name], { ...readSegment(sregs, kvm_sregs[name]), ...change })
  }
  for (const name of TABLE_NAMES) {
    const { base, limit } = { ...readTable(sregs, kvm_sregs[name]), ...changes[name] }
    sregs.setBigUint64(kvm_sregs[name] + kvm_dtable.base, base, true)
    sregs.setUint16(kvm_sregs[name] + kvm_dtable.limit, limit, true)
  }
  for (const name of CONTROL_NAMES) {
    const value = changes[name]
    if (value !== undefined) sregs.setBigUint64(kvm_sregs[name], value, true)
  }
  vcpu.setSregs(sregs)
}

const [SEGMENT, TABLE] = [
  ['base', 'limit', 'selector', ...FLAGS],
  ['base', 'limit'],
]

/** @throws {InputError} for a name that is none, and for a value that is not of its kind */
function checkChanges(changes: SpecialRegisterChanges): void {
  requireObject('registers', changes)
  const partsOf = (name: string) =>
    SEGMENT_NAMES.includes(name as SegmentName) ? SEGMENT : TABLE_NAMES.includes(name as TableName) ? TABLE : null
  const requireBigInt = (where: string, value: unknown) => {
    if (typeof value !== 'bigint') throw new InputError(where, 'a BigInt', show(value))
  }
  for (const [name, value] of Object.entries(changes)) {
    const parts = partsOf(name)
    if (value === undefined) continue
    if (parts === null) {
      requireOneOf('registers', name, [...SEGMENT_NAMES, ...TABLE_NAMES, ...CONTROL_NAMES])
      requireBigInt(`registers.${name}`, value)
      continue
    }
    requireObject(`registers.${name}`, value)
    for (const [part, field] of Object.entries(value)) {
      requireOneOf(`registers.${name}`, part, parts)
      if (part === 'base') requireBigInt(`registers.${name}.base`, field)
      else requireId(`registers.${name}.${part}`, field)
    }
  }
}

function readSegment(sregs: DataView, at: number): Segment {
  const flags = Object.fromEntries(FLAGS.map((name) => [name, sregs.getUint8(at + kvm_segment[name])]))
  return {
    base: sregs.getBigUint64(at + kvm_segment.base, true),
    limit: sregs.getUint32(at + kvm_segment.limit, true),
    selector: sregs.getUint16(at + kvm_segment.selector, true),
    ...(flags as Record<(typeof FLAGS)[number], number>),
  }
}

function writeSegment(sregs: DataView, at: number, segment: Segment): void {
  sregs.setBigUint64(at + kvm_segment.base, segment.base, true)
  sregs.setUint32(at + kvm_segment.limit, segment.limit, true)
  sregs.setUint16(at + kvm_segment.selector, segment.selector, true)
  for (const name of FLAGS) sregs.setUint8(at + kvm_segment[name], segment[name])
}

function readTable(sregs: DataView, at: number): DescriptorTable {
  return {
    base: sregs.getBigUint64(at + kvm_dtable.base, true),
    limit: sregs.getUint16(at + kvm_dtable.limit, true),
  }
}

/** Bit 1 is always set; interrupts are off. */
const RFLAGS = 2n
const CR0_PE_ET_NE_PG = 0x80000031n
const CR4_PAE = 0x20n
const EFER_LME_LMA = 0x500n

/** type 0xb: code, execute and read, accessed; type 3: data, read and write, accessed. */
const flat = { base: 0n, limit: 0xffffffff, present: 1, dpl: 0, s: 1, g: 1, avl: 0, unusable: 0 } as const
const CODE_64: Segment = { ...flat, selector: 8, type: 0xb, db: 0, l: 1 }
const DATA_64: Segment = { ...flat, selector: 16, type: 3, db: 1, l: 0 }

/** 64-bit mode with flat segments, paging by the tables at `cr3`, and these registers; the others are 0. */
export function startLong(vcpu: KvmVcpu, cr3: number, registers: Partial<Registers>): void {
  const data = Object.fromEntries((['ds', 'es', 'fs', 'gs', 'ss'] as const).map((name) => [name, DATA_64]))
  const controls = { cr0: CR0_PE_ET_NE_PG, cr3: BigInt(cr3), cr4: CR4_PAE, efer: EFER_LME_LMA }
  changeSpecialRegisters(vcpu, { cs: CODE_64, ...data, ...controls })
  vcpu.setRegs({ rflags: RFLAGS, ...registers })
}

const CR0_ET = 0x10n
const real = { limit: 0xffff, present: 1, dpl: 0, db: 0, s: 1, l: 0, g: 0, avl: 0, unusable: 0 } as const

/** Real mode: the code segment's base is the address's upper part, the other segments are at 0. */
export function startReal(vcpu: KvmVcpu, entry: number, registers: Partial<Registers>): void {
  // Below 64 KiB in segment 0, so that code and data have the same addresses.
  const selector = entry < 0x10000 ? 0 : entry >> 4
  const data: Segment = { ...real, base: 0n, selector: 0, type: 3 }
  changeSpecialRegisters(vcpu, {
    cs: { ...real, base: BigInt(selector * 16), selector, type: 0xb },
    ...Object.fromEntries((['ds', 'es', 'fs', 'gs', 'ss'] as const).map((name) => [name, data])),
    cr0: CR0_ET,
    cr3: 0n,
    cr4: 0n,
    efer: 0n,
  })
  vcpu.setRegs({ rflags: RFLAGS, ...registers, rip: BigInt(entry - selector * 16) })
}
