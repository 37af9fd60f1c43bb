/**
 * Static ELF64 programs for x86-64: where their parts go and where they start.
 * Source: System V Application Binary Interface, chapter 5; the x86-64 supplement.
 */

import { InputError } from '../../src/errors.js'

export interface ElfSegment {
  /** Guest physical address. */
  readonly gpa: number
  /** What is in the file. */
  readonly content: Uint8Array
  /** Bytes in memory: those beyond the content are 0. */
  readonly bytes: number
}

export interface Elf {
  readonly entry: number
  readonly segments: readonly ElfSegment[]
}

const MAGIC = 0x464c457f
const CLASS_64 = 2
const LITTLE_ENDIAN = 1
const ET_EXEC = 2
const EM_X86_64 = 62
const PT_LOAD = 1
const PT_DYNAMIC = 2
const PT_INTERP = 3
const EHDR = { size: 64, class: 4, data: 5, type: 16, machine: 18, entry: 24, phoff: 32, phentsize: 54, phnum: 56 }
const PHDR = { size: 56, type: 0, offset: 8, paddr: 24, filesz: 32, memsz: 40 }

export function isElf(file: Uint8Array): boolean {
  return file.length >= 4 && viewOf(file).getUint32(0, true) === MAGIC
}

const wrong = (expected: string, got: string) => new InputError('ELF file', expected, got)

/**
 * Where its program headers are, all inside of the file.
 * @throws {InputError} for what is no ELF64 program for x86-64, and for one that wants a dynamic linker
 */
export function staticProgramHeaders(file: Uint8Array): number[] {
  const view = viewOf(file)
  if (!isElf(file) || file.length < EHDR.size) throw wrong('an ELF header', `${file.length} bytes without one`)
  const kind = { class: view.getUint8(EHDR.class), data: view.getUint8(EHDR.data) }
  if (kind.class !== CLASS_64 || kind.data !== LITTLE_ENDIAN) {
    throw wrong('64 bits, little-endian', `class ${kind.class}, data ${kind.data}`)
  }
  const machine = view.getUint16(EHDR.machine, true)
  if (machine !== EM_X86_64) throw wrong('machine 62 (x86-64)', `machine ${machine}`)
  const first = Number(view.getBigUint64(EHDR.phoff, true))
  const stride = view.getUint16(EHDR.phentsize, true)
  const count = view.getUint16(EHDR.phnum, true)
  if (stride < PHDR.size || first + count * stride > file.length) {
    throw wrong('program headers inside of the file', `${count} of ${stride} bytes at ${first}`)
  }
  const headers = Array.from({ length: count }, (_, i) => first + i * stride)
  if (headers.some((at) => view.getUint32(at + PHDR.type, true) === PT_INTERP)) {
    throw wrong('a static program', 'one that wants a dynamic linker')
  }
  return headers
}

/** @throws {InputError} for what is no static ELF64 program for x86-64 */
export function parseElf(file: Uint8Array): Elf {
  const headers = staticProgramHeaders(file)
  const view = viewOf(file)
  const word = (at: number) => Number(view.getBigUint64(at, true))
  const type = view.getUint16(EHDR.type, true)
  if (type !== ET_EXEC) throw wrong('type 2 (an executable at fixed addresses: link with -static -no-pie)', `${type}`)
  const segments: ElfSegment[] = []
  for (const at of headers) {
    const kind = view.getUint32(at + PHDR.type, true)
    if (kind === PT_DYNAMIC) throw wrong('a static program', 'one that wants a dynamic linker')
    if (kind !== PT_LOAD) continue
    const [offset, gpa, inFile, bytes] = [PHDR.offset, PHDR.paddr, PHDR.filesz, PHDR.memsz].map((k) => word(at + k))
    if (offset! + inFile! > file.length || inFile! > bytes!) {
      throw wrong(`a segment inside of the file's ${file.length} bytes`, `${inFile} bytes at ${offset}`)
    }
    // Nothing of it is anywhere.
    if (bytes === 0) continue
    segments.push({ gpa: gpa!, content: file.subarray(offset!, offset! + inFile!), bytes: bytes! })
  }
  if (segments.length === 0) throw wrong('something to load', 'no segment')
  return { entry: word(EHDR.entry), segments }
}

function viewOf(file: Uint8Array): DataView {
  return new DataView(file.buffer, file.byteOffset, file.byteLength)
}
