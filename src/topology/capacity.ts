/**
 * How fast the cores are against each other.
 * Sources: Documentation/scheduler/sched-capacity.rst; intel_pstate.rst and cppc_sysfs.rst for hybrid x86
 */

import { CPU_DIRECTORY } from './cpus.js'
import { readInteger, readList, type SysReader } from './files.js'
import { FULL_CAPACITY } from './limits.js'

/**
 * Capacity of each core, by its first CPU; the fastest has 1024. In this order: what the kernel says (cpu_capacity);
 * on hybrid x86 the performance of each kind of core; else all are alike.
 */
export function readCapacities(reader: SysReader, cores: readonly number[]): ReadonlyMap<number, number> {
  const speeds = readKernelCapacities(reader, cores) ?? readKindSpeeds(reader, cores)
  const fastest = Math.max(0, ...speeds.values())
  const capacityOf = (core: number) => {
    const speed = speeds.get(core)
    return speed === undefined ? FULL_CAPACITY : Math.max(1, Math.round((speed * FULL_CAPACITY) / fastest))
  }
  return new Map(cores.map((core) => [core, capacityOf(core)]))
}

function readKernelCapacities(reader: SysReader, cores: readonly number[]): ReadonlyMap<number, number> | undefined {
  return readAll(cores, (core) => readSpeed(reader, core, 'cpu_capacity'))
}

/**
 * Each kind of core has one speed, its median: a few cores of a kind may clock higher than the rest (favoured cores),
 * which is a matter of luck and load, not of kind.
 */
function readKindSpeeds(reader: SysReader, cores: readonly number[]): ReadonlyMap<number, number> {
  const kinds = readKinds(reader, cores)
  if (kinds.length < 2) return new Map()
  const speeds =
    readAll(cores, (core) => readSpeed(reader, core, 'acpi_cppc/highest_perf')) ??
    readAll(cores, (core) => readSpeed(reader, core, 'cpufreq/cpuinfo_max_freq'))
  if (speeds === undefined) return new Map()
  const speedOfKind = (kind: readonly number[]) => median(kind.map((core) => speeds.get(core)!))
  return new Map(kinds.flatMap((kind) => kind.map((core): [number, number] => [core, speedOfKind(kind)])))
}

/** Kinds of cores as perf names them, else by the base frequency, which favoured cores have in common with the rest. */
function readKinds(reader: SysReader, cores: readonly number[]): readonly (readonly number[])[] {
  const named = ['cpu_core', 'cpu_atom', 'cpu_lowpower'].map((kind) => {
    const members = new Set(readList(reader, `sys/devices/${kind}/cpus`))
    return cores.filter((core) => members.has(core))
  })
  const known = named.filter((kind) => kind.length > 0)
  if (known.length > 1) return known
  const frequencies = readAll(cores, (core) => readSpeed(reader, core, 'cpufreq/base_frequency'))
  const distinct = [...new Set(frequencies?.values())]
  return distinct.map((frequency) => cores.filter((core) => frequencies?.get(core) === frequency))
}

/** A value for each core, or none at all: kernels have these files for every CPU or for none. */
function readAll(
  cores: readonly number[],
  read: (core: number) => number | undefined,
): ReadonlyMap<number, number> | undefined {
  const values = new Map<number, number>()
  for (const core of cores) {
    const value = read(core)
    if (value === undefined) return undefined
    values.set(core, value)
  }
  return values
}

function readSpeed(reader: SysReader, core: number, file: string): number | undefined {
  const speed = readInteger(reader, `${CPU_DIRECTORY}/cpu${core}/${file}`)
  return speed !== undefined && speed > 0 ? speed : undefined
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1]!
}
