/** A small sysfs tree in memory, to show the detection one trap at a time. */

import type { SysReader } from '../../src/topology/files.js'

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
