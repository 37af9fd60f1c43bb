/** Memory of a VM that is made call by call: ranges at the guest physical addresses that the caller gives, each on a node. */

import { requireBytes, requireId, requireObject } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import { formatBytes } from '../../src/units.js'
import { BASE_PAGE } from '../ffi/mapping.js'
import type { CpuidEntry } from '../kvm/cpuid.js'
import { KVM_RANGES } from '../kvm/kvm.js'
import { bytesByNode } from '../observe/residency.js'
import { layoutRange } from '../plan/layout.js'
import { vmError } from '../wire/failure.js'
import type { VmMemory } from './memory.js'
import { PlacedMemory, takeMemory } from './placed-memory.js'

/** Memory that a guest is to have. */
export interface RegionRequest {
  /** The node that it is bound to. */
  readonly node: number
  /** Guest physical address. */
  readonly gpa: number
  /** A multiple of the page size. */
  readonly bytes: number
  /** Host virtual address; default: where the kernel puts it. */
  readonly hva?: number
  /** Bytes of a page; default: the base page. */
  readonly pageSize?: number
}

/** Memory of the guest that has been set up. */
export interface MemoryRegion {
  /** The node that it is bound to. */
  readonly node: number
  /** Guest physical address. */
  readonly gpa: number
  /** A multiple of the page size. */
  readonly bytes: number
  /** Host virtual address. */
  readonly hva: number
  /** Bytes of a page. */
  readonly pageSize: number
}

/** A part of the address space that is taken, or about to be. */
type Range = Pick<MemoryRegion, 'gpa' | 'bytes'>

/** User space of x86-64 with four levels of page tables; the last page is not given out. */
const HVA_END = 2 ** 47 - 4096
/** Leaf of CPUID whose EAX begins with the number of physical address bits. */
const ADDRESS_SIZES = 0x80000008
const FEWEST_ADDRESS_BITS = 36

interface HeldRegion {
  region: MemoryRegion
  readonly memory: VmMemory
  readonly placed: PlacedMemory
  /** Moves, one after the other. */
  moving: Promise<unknown>
}

export class RegionMap {
  readonly #vm: string
  readonly #limit: number
  readonly #regions: HeldRegion[] = []
  readonly #pending = new Map<Range, Promise<unknown>>()
  readonly #closing = new AbortController()

  readonly #hasDevice: (gpa: number, bytes: number) => boolean

  /**
   * @param cpuid what KVM supports: how long an address can be
   * @param hasDevice whether a device is at one of these addresses
   */
  constructor(vm: string, cpuid: readonly CpuidEntry[], hasDevice: (gpa: number, bytes: number) => boolean) {
    this.#vm = vm
    this.#hasDevice = hasDevice
    const bits = (cpuid.find(({ leaf }) => leaf === ADDRESS_SIZES)?.eax ?? 0) & 0xff
    this.#limit = 2 ** Math.min(52, Math.max(bits, FEWEST_ADDRESS_BITS))
  }

  /** By guest physical address. */
  get all(): readonly MemoryRegion[] {
    return this.#regions.map(({ region }) => region)
  }

  /** The first guest physical address above all of it. */
  get end(): number {
    return Math.max(0, ...this.all.map(({ gpa, bytes }) => gpa + bytes))
  }

  /**
   * Takes the memory, and then gives it to the guest; where that fails, all of it is given back.
   * @param register gives the guest what is at this host virtual address
   * @throws {InputError} {VmError}
   */
  async add(request: RegionRequest, register: (hva: number) => void): Promise<MemoryRegion> {
    requireObject('request', request)
    const { node, gpa, bytes, pageSize = BASE_PAGE } = request
    requireId('node', node)
    requireId('pageSize', pageSize)
    this.#check(request, pageSize)
    const range = { gpa, bytes }
    const work = this.#take({ ...request, pageSize }, (hva) => register(hva)).catch((error) => {
      throw vmError(this.#vm, error)
    })
    // Until this ends, no other region gets these addresses, and the VM does not close.
    this.#pending.set(
      range,
      work.catch(() => {}),
    )
    try {
      const { memory, placed } = await work
      const region = { node, gpa, bytes, hva: memory.addressOf(0), pageSize }
      this.#regions.push({ region, memory, placed, moving: Promise.resolve() })
      this.#regions.sort((a, b) => a.region.gpa - b.region.gpa)
      return region
    } finally {
      this.#pending.delete(range)
    }
  }

  async #take(
    { node, gpa, bytes, hva, pageSize }: RegionRequest & { pageSize: number },
    register: (hva: number) => void,
  ) {
    const layout = layoutRange(`${this.#vm} at 0x${gpa.toString(16)}`, node, bytes, pageSize)
    const options = hva === undefined ? {} : { memory: { address: hva } }
    const memory = await takeMemory(layout, { ...options, signal: this.#closing.signal })
    const placed = new PlacedMemory(memory, [], {})
    try {
      register(memory.addressOf(0))
      return { memory, placed }
    } catch (error) {
      await placed.close()
      throw error
    }
  }

  #check({ gpa, bytes, hva }: RegionRequest, pageSize: number): void {
    const pages = `a multiple of ${formatBytes(pageSize)}`
    const isWhole = (value: number) => Number.isSafeInteger(value) && value >= 0 && value % pageSize === 0
    if (!isWhole(bytes) || bytes === 0) throw new InputError('size', `bytes, ${pages}, more than 0`, show(bytes))
    if (!isWhole(gpa)) throw new InputError('gpa', `${pages}, from 0`, address(gpa))
    if (gpa + bytes > this.#limit) {
      throw new InputError(
        'gpa',
        `addresses below ${address(this.#limit)}, which is all that a guest here has`,
        text({ gpa, bytes }),
      )
    }
    const other = [...this.all, ...this.#pending.keys()].find((range) => overlap(range, { gpa, bytes }))
    if (other !== undefined) {
      throw new InputError(
        'gpa',
        `addresses where no memory is (there is some at ${text(other)})`,
        text({ gpa, bytes }),
      )
    }
    if (this.#hasDevice(gpa, bytes)) throw new InputError('gpa', 'addresses that no device has', text({ gpa, bytes }))
    const own = KVM_RANGES.find(({ start, end }) => overlap({ gpa: start, bytes: end - start }, { gpa, bytes }))
    if (own !== undefined) {
      const taken = `${text({ gpa: own.start, bytes: own.end - own.start })}, where ${own.what} is`
      throw new InputError('gpa', `addresses outside of ${taken}`, text({ gpa, bytes }))
    }
    if (hva !== undefined && !(isWhole(hva) && hva > 0 && hva + bytes <= HVA_END)) {
      throw new InputError('hva', `${pages}, above 0 and below ${address(HVA_END)}`, address(hva))
    }
  }

  /**
   * Binds a region to another node and moves its pages there, while the guest runs or not; its addresses stay.
   * @param gpa where it begins
   * @throws {InputError} {VmError} where the node has too little, or the kernel refuses: what was moved stays there
   */
  async move(gpa: number, node: number): Promise<MemoryRegion> {
    requireId('node', node)
    const held = this.#regions.find(({ region }) => region.gpa === gpa)
    if (held === undefined) {
      throw new InputError(
        'gpa',
        `where memory begins (${this.all.map(text).join(', ') || 'there is none'})`,
        address(gpa),
      )
    }
    const { placed } = held
    const [cell] = placed.memory.layout.cells
    const work = held.moving.then(() => placed.move(cell!, node))
    held.moving = work.catch(() => {})
    await work.catch((error) => {
      throw vmError(this.#vm, error)
    })
    held.region = { ...held.region, node }
    return held.region
  }

  /** @throws {InputError} unless all of it is memory */
  require(gpa: number, length: number): void {
    this.#parts(gpa, length, () => {})
  }

  write(gpa: number, bytes: Uint8Array): void {
    requireBytes('bytes', bytes)
    this.require(gpa, bytes.length)
    this.#parts(gpa, bytes.length, (memory, offset, at, count) => memory.write(offset, bytes.subarray(at, at + count)))
  }

  read(gpa: number, length: number): Uint8Array {
    this.require(gpa, length)
    const bytes = new Uint8Array(length)
    this.#parts(gpa, length, (memory, offset, at, count) => bytes.set(memory.read(offset, count), at))
    return bytes
  }

  /** From one region into the next where that begins there. */
  #parts(
    gpa: number,
    length: number,
    use: (memory: VmMemory, offset: number, at: number, count: number) => void,
  ): void {
    const isSound = Number.isSafeInteger(gpa) && gpa >= 0 && Number.isSafeInteger(length) && length >= 0
    let at = 0
    do {
      const found = this.#regions.find(
        ({ region }) => isSound && gpa + at >= region.gpa && gpa + at < region.gpa + region.bytes,
      )
      if (found === undefined) {
        const where = this.all.length === 0 ? 'none yet' : this.all.map(text).join(', ')
        throw new InputError('gpa', `memory of VM "${this.#vm}" (${where})`, `${show(length)} bytes at ${address(gpa)}`)
      }
      const { region, memory } = found
      const offset = gpa + at - region.gpa
      const count = Math.min(length - at, region.bytes - offset)
      use(memory, offset, at, count)
      at += count
    } while (at < length)
  }

  /** Where the kernel has the pages of each region: bytes by node. */
  residentBytes(): Promise<{ readonly region: MemoryRegion; readonly resident: Readonly<Record<string, number>> }[]> {
    return Promise.all(
      this.#regions.map(async ({ region, placed }) => {
        const [cell] = await placed.pages()
        return { region, resident: bytesByNode(cell!.pages) }
      }),
    )
  }

  /** Gives all of it back, also what is only being taken. Nobody else may use it any more. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the VM has been closed'))
    await Promise.all(this.#pending.values())
    await Promise.all(this.#regions.splice(0).map(({ placed }) => placed.close()))
  }
}

function overlap(a: Range, b: Range): boolean {
  return a.gpa < b.gpa + b.bytes && b.gpa < a.gpa + a.bytes
}

/** What is no address is shown as it is. */
function address(value: number): string {
  return Number.isSafeInteger(value) && value >= 0 ? `0x${value.toString(16)}` : show(value)
}

function text({ gpa, bytes }: Range): string {
  return `${address(gpa)}-${address(gpa + bytes)}`
}
