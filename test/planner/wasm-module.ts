/**
 * planner.wasm as bytes: what it declares and which instructions it has, and a copy of it that counts its own work.
 * Source: WebAssembly Core Specification 1.0, chapter 5 (binary format); sign extension: the proposal of that name
 */

/** Sections by number, in the order of the file. */
const SECTION = { TYPE: 1, IMPORT: 2, FUNCTION: 3, MEMORY: 5, GLOBAL: 6, EXPORT: 7, CODE: 10 } as const
const LOOP = 0x03
const MEMORY_GROW = 0x40
const VALUE_TYPES: Readonly<Record<number, string>> = { 127: 'i32', 126: 'i64', 125: 'f32', 124: 'f64' }

interface Section {
  readonly id: number
  readonly bytes: Uint8Array
}

interface FunctionType {
  readonly parameters: readonly string[]
  readonly results: readonly string[]
}

/** What the module declares and does. */
export interface ModuleFacts {
  readonly sections: readonly Section[]
  /** Types of the exported functions. The module has no imports, so function numbers are those of its own functions. */
  readonly exports: ReadonlyMap<string, FunctionType>
  /** In pages of 64 KiB. */
  readonly memory: { readonly initial: number; readonly maximum: number | undefined }
  /** Whether any function has memory.grow. */
  readonly grows: boolean
  /** How many instructions are of neither WebAssembly 1.0 nor sign extension. */
  readonly beyond: number
  /** Bodies of the functions: their bytes, where their instructions start, and where each loop's body starts. */
  readonly bodies: readonly { readonly bytes: Uint8Array; readonly start: number; readonly loops: readonly number[] }[]
}

class Reader {
  at = 0
  constructor(readonly bytes: Uint8Array) {}

  byte(): number {
    const value = this.bytes[this.at++]
    if (value === undefined) throw new RangeError(`the module ends at ${this.at - 1}`)
    return value
  }

  /** Unsigned LEB128 of at most 32 bits. */
  size(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte()
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }

  /** Any LEB128. */
  skipNumber(): void {
    while (this.byte() >= 128);
  }

  take(length: number): Uint8Array {
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  list<T>(read: () => T): T[] {
    return Array.from({ length: this.size() }, read)
  }
}

function readType(reader: Reader): FunctionType {
  if (reader.byte() !== 0x60) throw new RangeError('not a function type')
  const values = () => [...reader.take(reader.size())].map((type) => VALUE_TYPES[type] ?? `type ${type}`)
  return { parameters: values(), results: values() }
}

/**
 * Steps over the immediates of an instruction; whether it is one of WebAssembly 1.0 or of sign extension.
 * @throws {RangeError} where it is not known here: neither one of these nor a saturating conversion
 */
function skipImmediates(reader: Reader, code: number): boolean {
  if (code >= 0x02 && code <= 0x04) {
    const result = reader.byte()
    if (result !== 0x40 && VALUE_TYPES[result] === undefined) throw new RangeError(`a block of type ${result}`)
  } else if (code === 0x0c || code === 0x0d || code === 0x10 || (code >= 0x20 && code <= 0x24)) reader.skipNumber()
  else if (code === 0x0e) {
    reader.list(() => reader.skipNumber())
    reader.skipNumber()
  } else if (code === 0x11 || (code >= 0x28 && code <= 0x3e)) {
    reader.skipNumber()
    reader.skipNumber()
  } else if (code === 0x3f || code === MEMORY_GROW) reader.byte()
  else if (code === 0x41 || code === 0x42) reader.skipNumber()
  else if (code === 0x43) reader.take(4)
  else if (code === 0x44) reader.take(8)
  else if (code === 0xfc) {
    const saturating = reader.size()
    if (saturating > 7) throw new RangeError(`instruction 0xfc ${saturating}`)
    return false
  } else if (!(code <= 0x01 || [0x05, 0x0b, 0x0f, 0x1a, 0x1b].includes(code) || (code >= 0x45 && code <= 0xc4))) {
    throw new RangeError(`instruction 0x${code.toString(16)}`)
  }
  return true
}

function readBody(bytes: Uint8Array): { start: number; loops: number[]; grows: boolean; beyond: number } {
  const reader = new Reader(bytes)
  reader.list(() => [reader.size(), reader.byte()])
  const start = reader.at
  const loops: number[] = []
  let grows = false
  let beyond = 0
  while (reader.at < bytes.length) {
    const code = reader.byte()
    if (!skipImmediates(reader, code)) beyond++
    if (code === LOOP) loops.push(reader.at)
    grows ||= code === MEMORY_GROW
  }
  return { start, loops, grows, beyond }
}

/**
 * Reads a module without imports.
 * @throws {RangeError} where it is malformed, or has instructions that are not known here
 */
export function readModule(bytes: Uint8Array): ModuleFacts {
  const reader = new Reader(bytes)
  reader.take(8)
  const sections: Section[] = []
  while (reader.at < bytes.length) sections.push({ id: reader.byte(), bytes: reader.take(reader.size()) })
  const of = (id: number) => new Reader(sections.find((section) => section.id === id)?.bytes ?? Uint8Array.of(0))
  if (of(SECTION.IMPORT).size() > 0) throw new RangeError('the module has imports')
  const typeReader = of(SECTION.TYPE)
  const types = typeReader.list(() => readType(typeReader))
  const functionReader = of(SECTION.FUNCTION)
  const functions = functionReader.list(() => functionReader.size())
  const exportReader = of(SECTION.EXPORT)
  const exported = exportReader.list(() => ({
    name: new TextDecoder().decode(exportReader.take(exportReader.size())),
    kind: exportReader.byte(),
    index: exportReader.size(),
  }))
  const memoryReader = of(SECTION.MEMORY)
  const [memory] = memoryReader.list(() => {
    const bounded = memoryReader.byte() === 1
    return { initial: memoryReader.size(), maximum: bounded ? memoryReader.size() : undefined }
  })
  const codeReader = of(SECTION.CODE)
  const bodies = codeReader.list(() => {
    const body = codeReader.take(codeReader.size())
    return { bytes: body, ...readBody(body) }
  })
  return {
    sections,
    exports: new Map(
      exported
        .filter(({ kind }) => kind === 0)
        .map(({ name, index }) => [name, types[functions[index] ?? -1] ?? { parameters: [], results: [] }]),
    ),
    memory: memory ?? { initial: 0, maximum: 0 },
    grows: bodies.some(({ grows }) => grows),
    beyond: bodies.reduce((sum, { beyond }) => sum + beyond, 0),
    bodies,
  }
}

function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)]
}

function append(list: Uint8Array, entry: readonly number[]): number[] {
  const reader = new Reader(list)
  const count = reader.size()
  return [...leb(count + 1), ...list.subarray(reader.at), ...entry]
}

/** The name under which the copy exports what it may still do: function calls and turns of loops, an i32 global. */
export const FUEL = 'fuel'

/**
 * A copy of the module that takes 1 from the exported global `fuel` at each function's start and each turn of a loop, and traps
 * where it would be below 0: work becomes a number that is the same on every machine, and an endless loop a trap.
 */
export function meter(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { sections, bodies } = readModule(bytes)
  const globals = sections.find(({ id }) => id === SECTION.GLOBAL)
  if (globals === undefined) throw new RangeError('the module has no globals')
  const fuel = leb(new Reader(globals.bytes).size())
  // global.get fuel; i32.const 1; i32.sub; global.set fuel; global.get fuel; i32.const 0; i32.lt_s; if; unreachable; end
  const burn = [0x23, ...fuel, 0x41, 1, 0x6b, 0x24, ...fuel, 0x23, ...fuel, 0x41, 0, 0x48, 0x04, 0x40, 0x00, 0x0b]
  const code = bodies.flatMap(({ bytes: body, start, loops }) => {
    const places = [0, start, ...loops]
    const pieces = places.flatMap((from, index) => [
      ...(index === 0 ? [] : burn),
      ...body.subarray(from, places[index + 1]),
    ])
    return [...leb(pieces.length), ...pieces]
  })
  const name = [...new TextEncoder().encode(FUEL)]
  const rewritten: Readonly<Record<number, (old: Uint8Array) => number[]>> = {
    [SECTION.GLOBAL]: (old) => append(old, [0x7f, 1, 0x41, 0xff, 0xff, 0xff, 0xff, 0x07, 0x0b]),
    [SECTION.EXPORT]: (old) => append(old, [name.length, ...name, 3, ...fuel]),
    [SECTION.CODE]: () => [...leb(bodies.length), ...code],
  }
  const parts = sections.map(({ id, bytes: old }) => {
    const content = rewritten[id]?.(old) ?? [...old]
    return [id, ...leb(content.length), ...content]
  })
  return Uint8Array.from([...bytes.subarray(0, 8), ...parts.flat()])
}
