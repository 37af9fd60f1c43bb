/** Where the memory of a run's VMs is while they run: looked at again whenever the kernel may have moved some of it. */

import type { Finding } from '../../src/errors.js'
import type { RunMemory } from '../../src/types.js'
import { type ReadText, readText } from '../observe/free-memory.js'
import { pagesMigrated } from '../observe/vmstat.js'

/** Each reading back takes a thread, and a CPU for a while. */
const BETWEEN_LOOKS_MS = 1000

/** What is read of a VM. */
export interface WatchedMemory {
  readMemory(): Promise<readonly RunMemory[]>
  memoryFindings(rows: readonly RunMemory[]): Finding[]
}

export class MemoryWatch {
  readonly #read: ReadText
  /** Pages that had been migrated when it began, and when the memory was last looked at. */
  readonly #before: number | null
  #seen: number | null
  #looks = 0
  #lookedAt = Number.NEGATIVE_INFINITY
  #looking: Promise<void> | null = null
  /** By their texts: the same again is nothing new. */
  readonly #findings = new Map<string, Finding>()

  /** @param read reads a file of procfs; replaced in tests */
  constructor(read: ReadText = readText) {
    this.#read = read
    this.#before = pagesMigrated(read)
    this.#seen = this.#before
  }

  /** Begins a look at the memory, if pages have been migrated on this host since the last one, and none is under way. */
  tick(vms: readonly WatchedMemory[]): void {
    const now = pagesMigrated(this.#read)
    if (now === this.#seen || this.#looking !== null) return
    if (performance.now() - this.#lookedAt < BETWEEN_LOOKS_MS) return
    this.#seen = now
    this.#lookedAt = performance.now()
    // A VM that fails meanwhile is a finding of its own.
    this.#looking = this.look(vms)
      .catch(() => {})
      .then(() => {
        this.#looking = null
      })
  }

  /** Reads back where the memory is, in the order of the VMs. */
  async look(vms: readonly WatchedMemory[]): Promise<RunMemory[]> {
    const found = await Promise.all(vms.map((vm) => vm.readMemory()))
    this.#looks++
    for (const [i, vm] of vms.entries()) {
      for (const finding of vm.memoryFindings(found[i]!)) this.#findings.set(finding.text, finding)
    }
    return found.flat()
  }

  /** Resolves when no look is under way. */
  async settled(): Promise<void> {
    await this.#looking
  }

  /** How often was looked. */
  get looks(): number {
    return this.#looks
  }

  /** Pages migrated on the host since it began; `null`: the kernel does not count them. */
  get pagesMigrated(): number | null {
    const now = pagesMigrated(this.#read)
    return now === null || this.#before === null ? null : now - this.#before
  }

  /** Of all looks. */
  get findings(): readonly Finding[] {
    return [...this.#findings.values()]
  }
}
