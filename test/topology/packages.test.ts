import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { column, cpu, hostOf, type Tree } from './tree.js'

/** CPUs with the files below `topology/` that `filesOf` gives to each. */
function cpus(count: number, filesOf: (id: number) => Tree): Tree {
  const trees = Array.from({ length: count }, (_, id) =>
    cpu(id, Object.fromEntries(Object.entries(filesOf(id)).map(([name, text]) => [`topology/${name}`, `${text}\n`]))),
  )
  return Object.assign({}, ...trees)
}

/** The run of `size` CPUs that one is in. */
const run = (id: number, size: number) => `${id - (id % size)}-${id - (id % size) + size - 1}`

test('packages have the numbers of the kernel, and none where it says nothing', () => {
  const numbers = ['36', '-1', '8442']
  assert.equal(
    column(
      cpus(3, (id) => ({ physical_package_id: numbers[id]! })),
      'package',
    ),
    [36, null, 8442],
  )
})

test('a number that repeats in every book stands for a package each time', () => {
  const tree = cpus(12, (id) => ({
    physical_package_id: `${Math.floor(id / 2) % 2}`,
    package_cpus_list: run(id, 2),
    book_id: `${Math.floor(id / 4) % 3}`,
  }))
  assert.equal(column(tree, 'package'), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
})

test('packages without numbers are told apart by their CPUs, with the old names of the files and as masks', () => {
  const numbered = cpus(4, (id) => ({ physical_package_id: '-1', core_siblings_list: run(id, 2) }))
  assert.equal(column(numbered, 'package'), [0, 0, 1, 1])
  const masks = cpus(4, (id) => ({ core_siblings: id < 2 ? '00000003' : '0000000c' }))
  assert.equal(column(masks, 'package'), [0, 0, 1, 1])
})

test('a package without a number gets one that no other has', () => {
  const tree = cpus(6, (id) => ({ physical_package_id: id < 2 ? '7' : '-1', package_cpus_list: run(id, 2) }))
  assert.equal(column(tree, 'package'), [7, 7, 8, 8, 9, 9])
})

test('a list of the package without the CPU itself is passed over for the mask', () => {
  const tree = cpus(4, (id) => ({ package_cpus_list: '', package_cpus: id % 2 === 0 ? '5' : 'a' }))
  assert.equal(column(tree, 'package'), [0, 1, 0, 1])
})

test('packages of one core each may have the same number', () => {
  const tree = cpus(4, (id) => ({ physical_package_id: `${id >> 1}`, core_siblings_list: `${id}` }))
  assert.equal(column(tree, 'package'), [0, 2, 1, 3])
})

test('on POWER the chip decides where the siblings are those of the core', () => {
  const threads = cpus(8, (id) => ({
    physical_package_id: `${16 * (id >> 2)}`,
    thread_siblings_list: run(id, 2),
    core_siblings_list: run(id, 2),
  }))
  assert.equal(column(threads, 'package'), [0, 0, 0, 0, 16, 16, 16, 16])
  const switchedOff = cpus(4, (id) => ({ physical_package_id: `${id >> 1}`, core_siblings_list: `${id}` }))
  const power = 'processor\t: 0\ncpu\t\t: POWER8E (raw), altivec supported\n\ntimebase\t: 512000000\n'
  assert.equal(column({ ...switchedOff, 'proc/cpuinfo': power }, 'package'), [0, 0, 1, 1])
  const other = 'processor\t: 0\nvendor\t\t: GenuineIntel\narch\t\t: IA-64\n'
  assert.equal(column({ ...threads, 'proc/cpuinfo': other }, 'package'), [0, 0, 17, 17, 16, 16, 18, 18])
})

test('sockets of one core with threads are packages in books, too', () => {
  const tree = cpus(8, (id) => ({
    physical_package_id: `${(id >> 1) & 1}`,
    thread_siblings_list: run(id, 2),
    package_cpus_list: run(id, 2),
    book_id: `${id >> 2}`,
  }))
  assert.equal(column(tree, 'package'), [0, 0, 1, 1, 2, 2, 3, 3])
})

test('siblings that are offline say nothing', () => {
  const tree = {
    ...cpus(8, (id) => ({
      physical_package_id: '3',
      thread_siblings_list: run(id, 4),
      core_siblings_list: run(id, 4),
    })),
    'sys/devices/system/cpu/online': '0-1,4-5\n',
    'proc/cpuinfo': 'timebase\t: 512000000\n',
  }
  assert.equal(column(tree, 'package'), [3, 3, null, null, 3, 3, null, null])
})

test('numbers too large for the kernel are not its own', () => {
  const host = hostOf(cpus(2, () => ({ physical_package_id: '9007199254740991' })))
  assert.equal(
    host.cpus.map((each) => each.package),
    [null, null],
  )
})

test.run()
