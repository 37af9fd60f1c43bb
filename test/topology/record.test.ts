import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { detectHost, recordHost } from '../../src/topology/index.js'
import { cache, cpu, hostOf, meminfo, node, type Tree } from './tree.js'

const scratch = mkdtempSync(join(tmpdir(), 'homenode-record-'))
test.after(() => rmSync(scratch, { recursive: true }))

let trees = 0
function write(tree: Tree): string {
  const root = join(scratch, `tree-${++trees}`)
  for (const [path, content] of Object.entries(tree)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content, 'latin1')
  }
  return root
}

const tree: Tree = {
  ...cpu(0, { 'topology/core_cpus_list': '0\n', ...cache(3, 3, 'Unified', '0-1'), secret: 'not read' }),
  ...cpu(1, { online: '1\n' }),
  // Which node an offline CPU belongs to, only the name of a directory tells.
  ...cpu(2, { online: '0\n', 'node1/uevent': '' }),
  ...node(0, { cpulist: '0-1\n', distance: '10 40\n', meminfo: meminfo(0, 1000, 500) }),
  ...node(1, { cpulist: '\n', distance: '40 10\n', meminfo: meminfo(1, 2000, 900) }),
  'sys/devices/system/cpu/power/async': 'disabled\n',
  'sys/devices/system/node/online': '0-1\n',
  'proc/self/cgroup': '0::/a\xe9\n',
  'proc/mounts': 'server:/home /home nfs rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n',
  'sys/fs/cgroup/a\xe9/cpuset.cpus.effective': '0\n',
}

test('a copy shows the same host, and has no more than detection reads', async () => {
  // The name of the cgroup is not UTF-8 in the tree that is held as characters, and UTF-8 in the one on disk.
  const root = write({ ...tree, 'proc/self/cgroup': '0::/a\xc3\xa9\n' })
  const copy = join(scratch, 'copy')
  const { host, files } = await recordHost(copy, { root })
  assert.equal(host, hostOf(tree))
  assert.equal(await detectHost({ root: copy }), host)
  const names = readdirSync(copy, { recursive: true, withFileTypes: true, encoding: 'utf8' })
  assert.is(names.filter((entry) => entry.isFile()).length, files)
  assert.not.ok(names.some(({ name }) => name === 'secret' || name === 'power'))
  assert.is(readFileSync(join(copy, 'proc/mounts'), 'utf8'), 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n')

  await recordHost(join(scratch, 'again'), { root: copy })
  assert.equal(await detectHost({ root: join(scratch, 'again') }), host)
})

test('of long files only the lines that say something of the host are copied, and limits are copied, too', async () => {
  const zones = (cpus: number) =>
    `Node 0, zone Normal\n  per-node stats\n      nr_dirty 5\n  pages free 10\n        low      3\n        high     4\n        managed  999\n        protection: (0, 7)\n${'    cpu: 0\n              high:  1\n'.repeat(cpus)}`
  const mounts = '1 0 0:1 / /home/secret rw - nfs server:/home rw\n2 0 0:2 /a /cg rw shared:1 - cgroup2 c rw\n'
  const cached = `${meminfo(0, 1000, 500)}Node 0 Inactive(file): 300 kB\n`
  const root = write({
    ...cpu(0),
    ...node(0, { meminfo: cached, 'hugepages/hugepages-2048kB/nr_hugepages': '9\n' }),
    ...node(1, { 'hugepages/hugepages-2048kB/free_hugepages': '9\n' }),
    'sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages': '1\n',
    'proc/zoneinfo': zones(10_000),
    'proc/self/cgroup': '0::/a/b\n',
    'proc/self/mountinfo': mounts,
    'cg/b/memory.max': '409600\n',
    'cg/b/memory.stat': 'anon 5\n',
    'cg/b/hugetlb.2MB.max': '4194304\n',
    'cg/b/hugetlb.2MB.current': '0\n',
  })
  const copy = join(scratch, 'lines')
  const { host } = await recordHost(copy, { root })
  assert.is(host.nodes[0]!.memory.reclaimable, (300 - 12 - (7 + 4) * 4) * 1024)
  assert.equal(
    host.limits?.map(({ cause }) => cause),
    ['memory.max of /b', 'hugetlb.2MB.max of /b'],
  )
  assert.equal(await detectHost({ root: copy }), host)
  assert.is(readFileSync(join(copy, 'proc/self/mountinfo'), 'utf8'), `${mounts.split('\n')[1]}\n`)
  assert.is(readFileSync(join(copy, 'proc/zoneinfo'), 'utf8').split('\n').length, 6)
})

test('this machine is copied, but for what changes meanwhile', async () => {
  const copy = join(scratch, 'here')
  const { host } = await recordHost(copy)
  assert.equal(await detectHost({ root: copy }), host)
})

test('a directory with files is left as it is', async () => {
  const full = write({ file: 'content' })
  await fails(
    recordHost(full, { root: write(tree) }),
    'an empty directory, or a name for a new one, got one with files',
  )
  assert.equal(readdirSync(full), ['file'])
  await fails(recordHost(join(full, 'file')), 'ENOTDIR')
  await fails(recordHost(join(full, 'missing/new')), 'a directory that can be written, got ENOENT')
})

test('nothing is made where there is no host', async () => {
  const target = join(scratch, 'none')
  await fails(recordHost(target, { root: write({ file: '' }) }), 'the CPUs of a Linux system')
  await fails(recordHost(target, { root: join(scratch, 'missing') }), 'no such directory')
  assert.not.ok(readdirSync(scratch).includes('none'))
})

async function fails(promise: Promise<unknown>, message: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: Error) => reason,
  )
  assert.is(error?.name, 'InputError')
  assert.ok(error?.message.includes(message), error?.message)
}

test.run()
