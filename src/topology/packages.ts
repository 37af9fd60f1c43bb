/**
 * Packages (sockets): which cores are in one, and its number.
 * Source: Documentation/admin-guide/cputopology.rst; hwloc goes by the siblings, too.
 */

import { CPU_DIRECTORY } from './cpus.js'
import { readInteger, readSetOf, readText, type SysReader } from './files.js'
import { indexOfMembers, partition } from './groups.js'

/** A core by its first CPU, and what that says of the package. */
interface Core {
  readonly cpu: number
  /** Online. */
  readonly threads: readonly number[]
  readonly id: number | undefined
  /** Online. */
  readonly siblings: readonly number[] | undefined
}

/**
 * The package of each core; `null` where the kernel says nothing of it. A package is the set that its CPUs give as their
 * siblings, and has the kernel's number. Numbers may repeat (in each book of an s390, in each node of some ia64), be -1
 * or be missing: such a set gets a number that no other has, after the kernel's. Without siblings the number decides.
 * @param cores the online CPUs of each, ascending
 */
export function readPackages(reader: SysReader, cores: readonly (readonly number[])[]): readonly (number | null)[] {
  const online = new Set(cores.flat())
  const known = new Map(cores.map((threads) => [threads[0]!, readCore(reader, threads, online)]))
  const packages = partition(known.keys(), membersBy(reader, known))

  const taken = new Set<number>()
  let unused = [...known.values()].reduce((most, { id = -1 }) => Math.max(most, id), -1) + 1
  const numbers = packages.map(([first]) => {
    const { id, siblings } = known.get(first!)!
    if (id === undefined && siblings === undefined) return null
    const number = id === undefined || taken.has(id) ? unused++ : id
    taken.add(number)
    return number
  })
  const packageOf = indexOfMembers(packages)
  return cores.map(([first]) => numbers[packageOf.get(first!)!]!)
}

function readCore(reader: SysReader, threads: readonly number[], online: ReadonlySet<number>): Core {
  const cpu = threads[0]!
  const topology = `${CPU_DIRECTORY}/cpu${cpu}/topology`
  const id = readInteger(reader, `${topology}/physical_package_id`)
  const siblings =
    readSetOf(reader, cpu, `${topology}/package_cpus_list`, `${topology}/package_cpus`) ??
    readSetOf(reader, cpu, `${topology}/core_siblings_list`, `${topology}/core_siblings`)
  return {
    cpu,
    threads,
    // The kernel prints a C int.
    id: id === undefined || id < 0 || id > 0x7fff_ffff ? undefined : id,
    siblings: siblings?.filter((sibling) => online.has(sibling)),
  }
}

/** The CPUs in the package of a core, by its first CPU: the siblings, or all cores of its number if the siblings say less. */
function membersBy(reader: SysReader, known: ReadonlyMap<number, Core>) {
  const namesakes = new Map<number, number[]>()
  for (const { id, cpu } of known.values()) {
    if (id !== undefined) namesakes.set(id, [...(namesakes.get(id) ?? []), cpu])
  }
  let cpuinfo: string | undefined
  return (first: number): readonly number[] | undefined => {
    const core = known.get(first)!
    const sameNumber = core.id === undefined ? [] : namesakes.get(core.id)!
    if (core.siblings === undefined) return sameNumber
    if (sameNumber.length < 2 || core.siblings.some((sibling) => !core.threads.includes(sibling))) return core.siblings
    cpuinfo ??= readText(reader, 'proc/cpuinfo') ?? ''
    return numbersChips(reader, cpuinfo, core) ? sameNumber : core.siblings
  }
}

/**
 * Whether the number is that of the chip, on a machine whose siblings are those of the core: so it is on POWER, known by
 * its time base in /proc/cpuinfo. Where there is no such file: where cores have several threads, outside of books (s390).
 */
function numbersChips(reader: SysReader, cpuinfo: string, { cpu, threads }: Core): boolean {
  if (cpuinfo !== '') return /^timebase\s*:/m.test(cpuinfo)
  return threads.length > 1 && readInteger(reader, `${CPU_DIRECTORY}/cpu${cpu}/topology/book_id`) === undefined
}
