/** The part of a system's files that detection reads, to be kept: for bug reports, and as test data. */

import type { SysReader } from './files.js'

export interface Recording {
  /** Reads as the original does, and remembers. */
  readonly reader: SysReader
  /** What was read, one character for each byte, by path. */
  readonly files: ReadonlyMap<string, string>
  /** Directories that were seen and in which nothing was read, perhaps. */
  readonly directories: ReadonlySet<string>
}

export function recordingOf(original: SysReader): Recording {
  const files = new Map<string, string>()
  const directories = new Set<string>()
  const reader: SysReader = {
    readFile(path) {
      const content = original.readFile(path)
      if (content === undefined) return undefined
      const kept = readLines(path, content)
      files.set(path, kept)
      return kept
    },
    list(directory) {
      // What detection looks for in a directory is numbered: cpu0, node1, index3, hugepages-2048kB.
      const names = original.list(directory).filter((name) => /\d/.test(name))
      for (const name of names) directories.add(`${directory}/${name}`)
      return names
    },
  }
  return { reader, files, directories }
}

/** Of these files, which lines detection reads; the rest is long, or nobody's business. */
const LINES: Readonly<Record<string, RegExp>> = {
  'proc/mounts': /^\S+ \S+ (cgroup2?|cpuset) /,
  'proc/self/mountinfo': / - (cgroup2?|cpuset) /,
  'proc/cpuinfo': /^timebase\s*:/,
  'proc/zoneinfo': /^Node \d+, zone|^ +(low|high|managed|present) +\d|^ +protection:/,
}

function readLines(path: string, content: string): string {
  const wanted = LINES[path]
  if (wanted === undefined) return content
  const lines = content.split('\n').filter((line) => wanted.test(line))
  return lines.map((line) => `${line}\n`).join('')
}
