/**
 * Text of procfs -> values. Pure, and for any text: what is not as the kernel writes it is left out.
 * Source: proc(5), numa(7); Documentation/filesystems/proc.rst; fs/proc/task_mmu.c
 */

/** What `stat` says of a process or a thread. */
export interface Stat {
  /** Its name: at most 15 characters, any. */
  readonly name: string
  /** Clock ticks after the system's start: with the number it stands for one process only. */
  readonly startTime: number
  /** Clock ticks that it ran: in user mode, a guest's time too, and in the kernel. */
  readonly ranTicks: number
  readonly lastCpu: number
}

/** `null`: this is no such file. */
export function parseStat(text: string): Stat | null {
  // The name is in parentheses and may hold any of them.
  const open = text.indexOf('(')
  const close = text.lastIndexOf(')')
  if (open < 0 || close < open) return null
  const fromThird = text.slice(close + 2).split(' ')
  const field = (n: number) => wholeNumber(fromThird[n - 3])
  const [user, kernel, startTime, lastCpu] = [field(14), field(15), field(22), field(39)]
  if (user === null || kernel === null || startTime === null || lastCpu === null) return null
  return { name: text.slice(open + 1, close), startTime, ranTicks: user + kernel, lastCpu }
}

/** What `status` says of a thread. */
export interface Status {
  /** The real user. */
  readonly uid: number
  /** cpulist: its affinity, within the cpuset. */
  readonly cpus: string
}

export function parseStatus(text: string): Status | null {
  const uid = wholeNumber(/^Uid:\s+(\d+)/m.exec(text)?.[1])
  const cpus = /^Cpus_allowed_list:\s+([\d,-]+)$/m.exec(text)?.[1]
  return uid === null || cpus === undefined ? null : { uid, cpus }
}

/** A line of `maps`: a range of addresses. */
export interface MappedRange {
  readonly start: number
  readonly end: number
  readonly writable: boolean
  readonly executable: boolean
  /** Shared with whoever maps the same file. */
  readonly shared: boolean
  /** Where in the file it begins. */
  readonly offset: number
  /** 0 where there is no file. */
  readonly inode: number
  /** File, or a name in brackets; empty where it has none. */
  readonly path: string
}

const MAPS =
  /^([\da-f]{1,16})-([\da-f]{1,16}) [r-]([w-])([x-])([sp]) ([\da-f]{1,16}) [\da-f]+:[\da-f]+ (\d{1,20})(?: +(.*))?$/gm

export function parseMaps(text: string): MappedRange[] {
  return [...text.matchAll(MAPS)].flatMap(
    ([, from = '', to = '', write, execute, share, offset = '', inode, path = '']) => {
      const [start, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)]
      // The kernel's own page at the very end is beyond what a double counts.
      if (!Number.isSafeInteger(end) || start >= end) return []
      const range = { start, end, writable: write === 'w', executable: execute === 'x', shared: share === 's' }
      return [{ ...range, offset: Number.parseInt(offset, 16), inode: Number(inode), path: unescaped(path) }]
    },
  )
}

/** A line of `numa_maps`: what the kernel has done with the range that begins there. */
export interface NumaRange {
  readonly start: number
  /** As the kernel writes it: `default`, `bind:1`, `prefer (many):0`. */
  readonly policy: string
  /** Bytes of the pages that are counted. */
  readonly pageSize: number
  /** Pages on each node, ascending by node. */
  readonly pages: readonly { readonly node: number; readonly count: number }[]
}

const BASE_PAGE = 4096

/** Two policies have a space in their names. */
const NUMA_MAPS = /^([\da-f]{1,16}) ((?:prefer \(many\)|weighted interleave|[a-z]+)\S*)(?: (.*))?$/

export function parseNumaMaps(text: string): NumaRange[] {
  return text.split('\n').flatMap((line) => {
    const [, from, policy, rest = ''] = NUMA_MAPS.exec(line) ?? []
    if (from === undefined || policy === undefined) return []
    const start = Number.parseInt(from, 16)
    if (!Number.isSafeInteger(start)) return []
    // A file's name comes first, with its spaces escaped.
    const fields = rest.split(' ').filter((field) => !field.startsWith('file='))
    const pages = fields.flatMap((field) => {
      const [, node, count] = /^N(\d{1,5})=(\d{1,15})$/.exec(field) ?? []
      return node === undefined ? [] : [{ node: Number(node), count: Number(count) }]
    })
    const kilobytes = /^kernelpagesize_kB=(\d{1,10})$/.exec(fields.at(-1) ?? '')?.[1]
    const pageSize = kilobytes === undefined ? BASE_PAGE : Number(kilobytes) * 1024
    return [{ start, policy, pageSize, pages: pages.sort((a, b) => a.node - b.node) }]
  })
}

/** A line of `cgroup`. */
export interface CgroupLine {
  /** Version 1: its controllers; version 2: none. */
  readonly controllers: readonly string[]
  readonly path: string
}

export function parseCgroup(text: string): CgroupLine[] {
  return [...text.matchAll(/^\d+:([^:\n]*):(\/.*)$/gm)].map(([, controllers = '', path = '']) => ({
    controllers: controllers === '' ? [] : controllers.split(','),
    path,
  }))
}

/** A line of `mountinfo`. */
export interface Mount {
  readonly root: string
  readonly at: string
  readonly type: string
  /** Of the file system. */
  readonly options: readonly string[]
}

export function parseMountinfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ')
    const [, , , root, at] = before.split(' ')
    const [type, , options] = after.split(' ')
    if (root === undefined || at === undefined || type === undefined || options === undefined) return []
    return [{ root: unescaped(root), at: unescaped(at), type, options: options.split(',') }]
  })
}

/** A line of `net/unix`. */
export interface UnixSocket {
  readonly inode: number
  /** `listening`: others may connect; `connected`: one end of a connection. */
  readonly state: 'listening' | 'connected' | 'other'
  /** As it was bound; a `@` at its beginning stands for the abstract namespace. Empty where it has none. */
  readonly path: string
}

const ACCEPTS = 0x10000
const CONNECTED = 3

export function parseUnixSockets(text: string): UnixSocket[] {
  const line = /^[\da-f]+: [\da-f]{8} [\da-f]{8} ([\da-f]{8}) [\da-f]{4} ([\da-f]{2}) +(\d{1,15})(?: (.*))?$/gim
  return [...text.matchAll(line)].map(([, flags = '', state = '', inode, path = '']) => ({
    inode: Number(inode),
    state:
      Number.parseInt(flags, 16) & ACCEPTS
        ? 'listening'
        : Number.parseInt(state, 16) === CONNECTED
          ? 'connected'
          : 'other',
    path,
  }))
}

/** The arguments of `cmdline`. */
export function parseCmdline(text: string): string[] {
  return text.replace(/\0+$/, '').split('\0')
}

/** procfs writes spaces, line breaks and backslashes in names as octal numbers. */
function unescaped(text: string): string {
  return text.replace(/\\([0-3][0-7]{2})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
}

function wholeNumber(text: string | undefined): number | null {
  if (text === undefined || !/^\d{1,20}$/.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}
