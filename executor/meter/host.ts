/** Counters of the host's nodes, and how long tasks wait for CPUs, memory and I/O. */

import { readList, type SysReader } from '../../src/topology/files.js'
import { meminfoOfNode, readNodeBytes } from '../../src/topology/memory.js'
import { nodeDirectory, readNodeIds, readNodeOfCpus } from '../../src/topology/nodes.js'
import { readPageSize } from '../../src/topology/page-sizes.js'
import { type Kept, readKept, reclaimableBytes } from '../../src/topology/reclaimable.js'
import { Files, valueOr } from '../found/files.js'
import type { KeptFile, KeptFiles } from './kept-files.js'
import { counterIn, parseCpuTimes, parseNumastat, parsePressure } from './parse.js'
import { ResctrlMeter } from './resctrl.js'
import type { HostReading, NodeReading } from './types.js'

/** CPUs come and go, and watermarks change, but seldom. */
const LAYOUT_MS = 30_000

interface Layout {
  readonly nodes: readonly { readonly node: number; readonly cpus: readonly number[] }[]
  readonly pageSize: number
  readonly kept: ReadonlyMap<number, Kept>
  readonly resctrl: ResctrlMeter
}

/** The nodes' files, kept open. */
export class HostMeter {
  readonly #kept: KeptFiles
  readonly #files: Files
  readonly #byPath = new Map<string, KeptFile>()
  readonly #reader: SysReader
  #layout: Layout | null = null
  #layoutUntil = 0

  constructor(kept: KeptFiles, root = '/') {
    this.#kept = kept
    this.#files = new Files(root)
    this.#reader = {
      readFile: (path) => this.#text(`/${path}`) ?? undefined,
      list: (directory) => valueOr([], this.#files.list(`/${directory}`)),
    }
  }

  read(): HostReading {
    const { nodes, pageSize, kept, resctrl } = this.#layoutNow()
    const times = parseCpuTimes(this.#text('/proc/stat') ?? '')
    const vmstat = this.#text('/proc/vmstat') ?? ''
    const [all, local] = [counterIn(vmstat, 'numa_hint_faults'), counterIn(vmstat, 'numa_hint_faults_local')]
    const pressure = (name: string) => parsePressure(this.#text(`/proc/pressure/${name}`) ?? '')
    return {
      nodes: nodes.map(({ node, cpus }): NodeReading => {
        const bytes = readNodeBytes(this.#reader, node, nodes.length === 1)
        const own = cpus.flatMap((cpu) => times.get(cpu) ?? [])
        const isWhole = own.length > 0 && own.length === cpus.length
        return {
          node,
          cpus,
          busyNs: isWhole ? own.reduce((sum, { busyNs }) => sum + busyNs, 0) : null,
          idleNs: isWhole ? own.reduce((sum, { idleNs }) => sum + idleNs, 0) : null,
          total: bytes.total,
          free: bytes.free,
          reclaimable: reclaimableBytes(bytes, kept.get(node), pageSize) ?? null,
          allocations: parseNumastat(this.#text(`/${nodeDirectory(node)}/numastat`) ?? ''),
          traffic: resctrl.read(node),
        }
      }),
      pressure: { cpu: pressure('cpu'), memory: pressure('memory'), io: pressure('io') },
      migratedPages: counterIn(vmstat, 'pgmigrate_success'),
      hintFaults: all === null || local === null ? null : { all, local },
    }
  }

  #layoutNow(): Layout {
    const now = performance.now()
    if (this.#layout !== null && now < this.#layoutUntil) return this.#layout
    this.#layout?.resctrl.close()
    this.#layoutUntil = now + LAYOUT_MS
    const online = readList(this.#reader, 'sys/devices/system/cpu/online') ?? []
    const ids = readNodeIds(this.#reader)
    const nodeOf = readNodeOfCpus(this.#reader, ids, online)
    const nodes = ids.map((node) => ({ node, cpus: online.filter((cpu) => nodeOf.get(cpu) === node) }))
    const known = nodes.length > 0 ? nodes : [{ node: 0, cpus: online }]
    this.#layout = {
      nodes: known,
      pageSize: readPageSize(
        this.#reader,
        known.map(({ node }) => meminfoOfNode(node)),
        [],
      ),
      kept: readKept(this.#reader),
      resctrl: new ResctrlMeter(this.#files, this.#kept, known),
    }
    return this.#layout
  }

  #text(path: string): string | null {
    const known = this.#byPath.get(path)
    if (known !== undefined) return known.text()
    const file = this.#kept.file(path)
    this.#byPath.set(path, file)
    return file.text()
  }
}
