/** What this machine's memory and CPUs take, measured (docs/calibrate.md). */

import { UnsupportedError } from '../../src/errors.js'
import { type CacheLevel, readCaches } from '../../src/topology/caches.js'
import { directoryReader } from '../../src/topology/node-fs.js'
import { readLatencies } from '../../src/topology/nodes.js'
import type { CpuId, Host, HostCpu, Measures, NodeId, NodeMatrix } from '../../src/types.js'
import { count } from '../../src/units.js'
import { getAffinity } from '../ffi/threads.js'
import { MemoryBlock } from '../memory/memory-block.js'
import { filledBy } from './firmware.js'
import {
  acrossNodes,
  coresOn,
  inOneLlc,
  memoryNodes,
  onOneNode,
  type Pair,
  siblings,
  someOf,
  usableCpus,
} from './places.js'
import { type Figure, figureOf } from './statistics.js'
import { handOvers, latencies, rates, Stop } from './threads.js'

/** How far a calibration is. */
export interface CalibrationProgress {
  /** Measurements that are made. */
  readonly done: number
  /** All of them. */
  readonly of: number
  /** What is measured now: `memory of node 1 from node 0`. */
  readonly what: string
}

/** How a machine is measured. */
export interface CalibrateOptions {
  /** Ends it, with everything given back. */
  readonly signal?: AbortSignal
  /** Told before each measurement. */
  readonly onProgress?: (progress: CalibrationProgress) => void
}

/** What was measured. */
export interface Calibration {
  /** Medians; what could not be measured is `null`, but for latencies that HMAT has in proportion to one that was (`notes` say so). */
  readonly measures: Required<Measures>
  /** Of each, the distance between its quartiles as a share of its median. */
  readonly spread: Required<Measures>
  /** What could not be measured, and why, and what HMAT says of latencies, as sentences. */
  readonly notes: readonly string[]
}

/** CPUs that latency is measured from, on each node, and samples on each of them. */
const CHASERS = 3
const CHASE_SAMPLES = 5
const TURNS = 3
/** A spread that says that the figure is not to be trusted. */
const WIDE = 0.25
const MIB = 1024 ** 2
/** Memory that is read: more than the caches hold, so that hardly any of it is found there. */
const LEAST_BYTES = 64 * MIB
const MOST_BYTES = 1024 * MIB
const CACHES = 4
/** The smallest that says anything. */
const FEWEST_CACHES = 2

type Matrix = (Figure | null)[][]

/**
 * Measures this machine: latency and bandwidth of memory for each pair of nodes, hand-over between CPUs, what two busy siblings yield. Takes
 * about a second for each pair of nodes, and the CPUs meanwhile: what else runs shows in `spread`.
 * @param host this machine, as `detectHost` returns it
 * @throws {SyscallError} where binding memory or pinning threads is refused
 * @throws the signal's reason
 * @example
 * ```ts
 * import { detectHost } from 'homenode'
 * import { calibrate } from 'homenode/executor'
 *
 * const host = await detectHost()
 * const { measures, spread } = await calibrate(host)
 * const measured = { ...host, ...measures, spread }
 * measured.latencies.length === host.nodes.length // => true
 * ```
 */
export async function calibrate(host: Host, options: CalibrateOptions = {}): Promise<Calibration> {
  const { signal } = options
  signal?.throwIfAborted()
  const calibrator = new Calibrator(host, options)
  try {
    return await calibrator.run()
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : error
  }
}

class Calibrator {
  readonly #host: Host
  readonly #options: CalibrateOptions
  readonly #stop: Stop
  readonly #cpus: readonly HostCpu[]
  readonly #targets: readonly NodeId[]
  /** Nodes with CPUs that can be used. */
  readonly #sources: readonly NodeId[]
  readonly #notes: string[] = []
  readonly #of: number
  #done = 0

  constructor(host: Host, options: CalibrateOptions) {
    this.#host = host
    this.#options = options
    this.#stop = new Stop(options.signal)
    this.#cpus = usableCpus(host, getAffinity(0))
    this.#targets = memoryNodes(host)
    this.#sources = host.nodes.map(({ id }) => id).filter((node) => this.#cpus.some((cpu) => cpu.node === node))
    const count = this.#sources.length
    this.#of = 2 * count * this.#targets.length + (count * (count - 1)) / 2 + 4
  }

  async run(): Promise<Calibration> {
    this.#noteUnusable()
    const latencies = this.#matrix()
    const bandwidths = this.#matrix()
    for (const to of this.#targets) await this.#memory(to, latencies, bandwidths)
    const hops = await this.#hops()
    const smt = await this.#siblings()
    // Of what was called off there are samples, too.
    this.#options.signal?.throwIfAborted()
    const part = (which: keyof Figure): Required<Measures> => ({
      latencies: matrixOf(latencies, which),
      bandwidths: matrixOf(bandwidths, which),
      hops: {
        core: figureIn(hops.core, which),
        llc: figureIn(hops.llc, which),
        node: figureIn(hops.node, which),
        nodes: matrixOf(hops.nodes, which),
      },
      smt: figureIn(smt, which),
    })
    const spread = part('spread')
    this.#noteSpread(spread)
    const measures = part('median')
    return { measures: { ...measures, latencies: this.#filled(measures.latencies) }, spread, notes: this.#notes }
  }

  /** What could not be measured is as the firmware has it, where it says so. */
  #filled(measured: NodeMatrix): NodeMatrix {
    const nodes = this.#host.nodes.map(({ id }) => id)
    const firmware = readLatencies(directoryReader('/'), nodes)
    this.#noteFirmware(firmware, measured, nodes)
    const filled = measured.map((row) => [...row])
    for (const { from, to, ns, local, latency } of filledBy(firmware, measured, nodes)) {
      filled[this.#at(from)]![this.#at(to)] = rounded(latency)
      this.#notes.push(
        `latency of the memory of node ${to} from node ${from} is by HMAT: ${(ns / local).toFixed(2)} times what was measured of its own`,
      )
    }
    return filled
  }

  /** The firmware's figures beside those that were measured. */
  #noteFirmware(firmware: NodeMatrix, measured: NodeMatrix, nodes: readonly NodeId[]): void {
    const pairs = nodes.flatMap((from, row) => nodes.map((to, column) => ({ from, to, row, column })))
    const told = pairs.flatMap(({ from, to, row, column }) => {
      const [ns, found] = [firmware[row]![column]!, measured[row]![column]!]
      return ns === null
        ? []
        : [`node ${from} to node ${to} ${ns} (measured: ${found === null ? '-' : found.toFixed(0)})`]
    })
    if (told.length > 0) this.#notes.push(`latencies by the firmware's HMAT, ns: ${told.join(', ')}`)
  }

  #noteUnusable(): void {
    const { nodes, cpus } = this.#host
    const forbidden = cpus.filter(({ online, id }) => online && !this.#cpus.some((cpu) => cpu.id === id)).length
    if (forbidden > 0) {
      this.#notes.push(
        `${count(forbidden, 'online CPU')} ${forbidden === 1 ? 'is' : 'are'} outside of this process's cpuset or affinity`,
      )
    }
    const offline = cpus.filter(({ online }) => !online).length
    if (offline > 0) this.#notes.push(`${count(offline, 'CPU')} ${offline === 1 ? 'is' : 'are'} offline`)
    for (const { id, memory, allowed } of nodes) {
      if (allowed === false) this.#notes.push(`memory of node ${id} is outside of this process's cpuset`)
      else if (memory.total !== 0 && !this.#sources.includes(id))
        this.#notes.push(`node ${id} has no CPU to measure from`)
    }
  }

  #noteSpread({ latencies, bandwidths, hops, smt }: Required<Measures>): void {
    const all = [...latencies, ...bandwidths, ...hops.nodes, [hops.core, hops.llc, hops.node, smt]].flat()
    const most = Math.max(...all.map((spread) => spread ?? 0))
    if (most <= WIDE) return
    const percent = Math.round(100 * most)
    this.#notes.push(
      `quartiles are up to ${percent} % of a median apart: something else ran here, most likely: measure again when nothing does`,
    )
  }

  #matrix(): Matrix {
    return this.#host.nodes.map(() => this.#host.nodes.map(() => null))
  }

  #at(node: NodeId): number {
    return this.#host.nodes.findIndex(({ id }) => id === node)
  }

  #tell(what: string): void {
    this.#options.signal?.throwIfAborted()
    this.#options.onProgress?.({ done: this.#done++, of: this.#of, what })
  }

  async #memory(to: NodeId, latency: Matrix, bandwidth: Matrix): Promise<void> {
    const block = await this.#take(to)
    if (block === null) {
      this.#done += 2 * this.#sources.length
      return
    }
    await using memory = block
    const span = { address: memory.address, bytes: memory.bytes }
    let lays = true
    for (const from of this.#sources) {
      const cores = coresOn(this.#cpus, from)
      const chasers = someOf(cores, CHASERS).map(({ id }) => id)
      this.#tell(`latency of the memory of node ${to} from node ${from}`)
      const samples = (CHASE_SAMPLES * CHASERS) / chasers.length
      const times = await latencies(span, chasers, lays, samples, this.#stop)
      lays = false
      latency[this.#at(from)]![this.#at(to)] = figureOf(times)
      this.#tell(`bandwidth of the memory of node ${to} from node ${from}`)
      const bytes = await rates(
        span,
        cores.map(({ id }) => id),
        this.#stop,
      )
      bandwidth[this.#at(from)]![this.#at(to)] = figureOf(bytes)
    }
  }

  /** Memory of a node, as much as it takes and can be had; `null`: the node has too little. */
  async #take(node: NodeId): Promise<MemoryBlock | null> {
    const { one, all } = cacheBytes(this.#cpus)
    let why = ''
    for (let bytes = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, CACHES * one, FEWEST_CACHES * all)); ; bytes /= 2) {
      if (bytes < Math.max(LEAST_BYTES / 4, FEWEST_CACHES * one)) break
      const whole = Math.floor(bytes / MIB) * MIB
      const free = MemoryBlock.freeOn(node)
      // Half of what is free is left to others.
      if (free !== null && whole > free / 2) {
        why = `${Math.floor(free / MIB)} MiB are free there`
        continue
      }
      try {
        return await MemoryBlock.allocate(whole, node)
      } catch (error) {
        if (!(error instanceof UnsupportedError)) throw error
        why = error.message
      }
    }
    this.#notes.push(`memory of node ${node} is not measured, caches would hold what can be had of it: ${why}`)
    return null
  }

  async #hops() {
    const cpus = this.#cpus
    const none = 'no two CPUs that can be used'
    const core = await this.#handOver(siblings(cpus), 'SMT siblings', `${none} are SMT siblings`)
    const llc = await this.#handOver(inOneLlc(cpus), 'cores that share a cache', `${none} share a last-level cache`)
    const node = await this.#handOver(onOneNode(cpus), 'caches of one node', null)
    const nodes = this.#matrix()
    for (const [at, from] of this.#sources.entries()) {
      for (const to of this.#sources.slice(at + 1)) {
        const figure = await this.#handOver(acrossNodes(cpus, from, to), `nodes ${from} and ${to}`, null)
        nodes[this.#at(from)]![this.#at(to)] = figure
        nodes[this.#at(to)]![this.#at(from)] = figure
      }
    }
    return { core, llc, node, nodes }
  }

  /** @param lacking what is noted where there is no such pair */
  async #handOver(pairs: readonly Pair[], what: string, lacking: string | null): Promise<Figure | null> {
    this.#tell(`hand-over between ${what}`)
    if (pairs.length > 0) return figureOf(await handOvers(pairs, this.#stop))
    if (lacking !== null) this.#notes.push(lacking)
    return null
  }

  /** What two siblings do together, by what one of them does alone, by turns. */
  async #siblings(): Promise<Figure | null> {
    this.#tell('what two busy siblings yield')
    const yields: number[] = []
    for (const pair of siblings(this.#cpus)) {
      for (let turn = 0; turn < TURNS; turn++) {
        const alone = figureOf(await rates(null, [pair[turn % 2]!], this.#stop))
        const both = await rates(null, pair, this.#stop)
        if (alone !== null) yields.push(...both.map((rate) => rate / alone.median))
      }
    }
    return figureOf(yields)
  }
}

/** Bytes of the largest cache, and of all last-level caches of the CPUs together. */
function cacheBytes(cpus: readonly HostCpu[]): { readonly one: number; readonly all: number } {
  const own = new Set<CpuId>(cpus.map(({ id }) => id))
  const levels = readCaches(directoryReader('/')).filter(({ sharedCpus }) => sharedCpus.some((cpu) => own.has(cpu)))
  const last = Math.max(0, ...levels.map(({ level }) => level))
  const bytes = levels.filter(({ level }: CacheLevel) => level === last).map(({ sizeKiB }) => (sizeKiB ?? 0) * 1024)
  return { one: Math.max(0, ...bytes), all: bytes.reduce((sum, size) => sum + size, 0) }
}

function figureIn(figure: Figure | null, which: keyof Figure): number | null {
  return figure === null ? null : rounded(figure[which])
}

function matrixOf(matrix: Matrix, which: keyof Figure): (number | null)[][] {
  return matrix.map((row) => row.map((figure) => figureIn(figure, which)))
}

/** Four digits: more than can be measured. */
function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
