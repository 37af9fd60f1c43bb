/** A small sysfs tree in memory, to show the detection one trap at a time. */

import * as assert from 'uvu/assert'
import type { SysReader } from '../../src/topology/files.js'
import { parseHost } from '../../src/topology/hostfile.js'
import { readHost } from '../../src/topology/sysfs.js'
import type { Host, HostCpu } from '../../src/types.js'

/** Contents of the files by their paths; directories are there through their files. */
export type Tree = Readonly<Record<string, string>>

export function treeReader(tree: Tree): SysReader {
  return {
    readFile: (path) => tree[path],
    list(directory) {
      const below = Object.keys(tree).filter((path) => path.startsWith(`${directory}/`))
      return [...new Set(below.map((path) => path.slice(directory.length + 1).split('/')[0]!))]
    },
  }
}

const CPU = 'sys/devices/system/cpu'

/** Files of one CPU, by their names below its directory; `topology/` for the siblings, `cache/` for the caches. */
export function cpu(id: number, files: Tree = {}): Tree {
  const entries = Object.entries({ uevent: '', ...files })
  return Object.fromEntries(entries.map(([name, content]) => [`${CPU}/cpu${id}/${name}`, content]))
}

/** Files of one node, by their names below its directory. */
export function node(id: number, files: Tree = {}): Tree {
  const entries = Object.entries({ uevent: '', ...files })
  return Object.fromEntries(entries.map(([name, content]) => [`sys/devices/system/node/node${id}/${name}`, content]))
}

/** Files of one cache of a CPU. */
export function cache(index: number, level: number, type: string, shared: string): Tree {
  const directory = `cache/index${index}`
  return {
    [`${directory}/level`]: `${level}\n`,
    [`${directory}/type`]: `${type}\n`,
    [`${directory}/shared_cpu_list`]: `${shared}\n`,
  }
}

/** A node's meminfo, as the kernel words it. */
export const meminfo = (node: number, totalKb: number, freeKb: number): string =>
  `\nNode ${node} MemTotal:       ${totalKb} kB\nNode ${node} MemFree:  ${freeKb} kB\nNode ${node} HugePages_Total:     0\n`

/** The host that a tree shows; each is also held to the promise that a detected host is a valid host file. */
export function hostOf(tree: Tree): Host {
  const host = readHost(treeReader(tree))
  assert.equal(parseHost(JSON.parse(JSON.stringify(host))), host)
  return host
}

/** One field of all CPUs, in their order. */
export function column<Field extends keyof HostCpu>(tree: Tree, field: Field): readonly HostCpu[Field][] {
  return hostOf(tree).cpus.map((cpu) => cpu[field])
}
