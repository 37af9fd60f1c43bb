/** Linux guests of one vCPU: a shell on the console, a panic, disks. */

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MiB } from './inside.js'
import { APPEND, folder, homenode, modulesOf, single } from './linux-guests.js'

test('a shell on the console takes what is typed, and its exit code is that of homenode', async () => {
  const run = homenode(['--initrd', 'auto'], single)
  await run.until(/[#$] /)
  run.child.stdin!.write('echo answer $((6 * 7)); exit 9\n')
  assert.is(await run.ended, 9, run.stderr())
  assert.match(run.stdout(), /answer 42/)
  assert.match(run.stderr(), /guest sees: 1 CPU, 1 node\n {2}node 0: CPUs 0, /)
})

test('a kernel that panics ends with its last words', async () => {
  const run = homenode(['--exec', 'true', '--append', `${APPEND} rdinit=/none init=/none root=none`], single)
  assert.is(await run.ended, 1)
  assert.match(run.stderr(), /the guest ended \(reset\) before the command did.*Kernel panic/s)
})

test("disks are read and written by the kernel's own drivers, and random bytes come", async () => {
  const modules = modulesOf('virtio_mmio', 'virtio_blk', 'virtio_rng')
  const [data, target] = ['data', 'target'].map((name) => join(folder, name))
  writeFileSync(data!, Buffer.alloc(MiB, 'sector of data. '))
  writeFileSync(target!, Buffer.alloc(64 * 1024))
  const command = [
    ...modules.map((path) => `insmod /bin/${path.split('/').at(-1)}`),
    'cat /sys/block/vda/ro /sys/block/vdb/ro /sys/block/vda/size',
    'cat /sys/devices/virtual/misc/hw_random/rng_current',
    'cmp -n 32768 /dev/vda /dev/vda && dd if=/dev/vda of=/dev/vdb bs=4096 count=8 conv=fsync 2>/dev/null && echo copied',
    'head -c 16 /dev/hwrng | wc -c',
  ].join('\n')
  const files = modules.flatMap((path) => ['--file', path])
  const run = homenode(['--exec', command, ...files, '--disk', data!, '--disk', `${target},rw`], single)
  assert.is(await run.ended, 0, run.stderr())
  const lines = run.stdout().trim().split('\n')
  assert.equal(lines.slice(0, 3), ['1', '0', '2048'])
  assert.match(lines[3]!, /^virtio_rng/)
  assert.equal(lines.slice(4), ['copied', '16'])
  const written = readFileSync(target!)
  assert.equal(written.subarray(0, 32768), readFileSync(data!).subarray(0, 32768))
  assert.ok(written.subarray(32768).every((byte) => byte === 0))
})

test.after(() => rmSync(folder, { recursive: true }))

test.run()
