/**
 * Debian as a guest, in a machine of the lab: its packed kernel found by itself, its root file system on a disk, the virtio
 * console. On demand (`node --import tsx test/lab/debian/run.ts`), since the emulated CPU takes minutes for it.
 */

import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { APPEND, folder, homenode, type Run, single } from '../suites/linux-guests.js'

const { LAB_DEBIAN_KERNEL: kernel, LAB_DEBIAN_ROOT: image, LAB_DEBIAN_MODULES: modules } = process.env
const { LAB_DEBIAN_VERSION: version } = process.env

/** What the run says of its time, for people. */
function tell(what: string, run: Run): void {
  console.log(`${what}: ${/^Linux ran .*$/m.exec(run.stderr())?.[0] ?? '-'}`)
}

test('a packed kernel is found in /boot, and a command runs in the root file system of a disk, which stays as it is', async () => {
  mkdirSync('/boot', { recursive: true })
  copyFileSync(kernel!, `/boot/vmlinuz-${version}`)
  mkdirSync('/lib/modules', { recursive: true })
  symlinkSync(modules!, `/lib/modules/${version}`)
  const command =
    'cat /etc/debian_version; ls --version | head -n 1; df --output=target / | tail -n 1; touch /x; exit 7'
  const disk = ['--disk', image!, '--append', `${APPEND} root=/dev/vda`]
  const run = homenode(['--kernel', '--exec', command, ...disk], single)
  assert.is(await run.ended, 7, run.stderr())
  tell('bzImage', run)
  const [release, tool, root] = run.stdout().split('\n')
  assert.match(release!, /^\d+/)
  assert.match(tool!, /GNU coreutils/)
  assert.is(root, '/')
  assert.match(run.stderr(), /touch: cannot touch '\/x': Read-only file system/)
  assert.match(run.stderr(), /guest sees: 1 CPU, 1 node/)
})

test('what the guest writes to its root file system is in the file', async () => {
  const own = join(folder, 'root.ext4')
  copyFileSync(image!, own)
  const disk = ['--modules', modules!, '--disk', `${own},rw`, '--append', `${APPEND} root=/dev/vda rw`]
  const run = homenode(['--exec', 'echo from the guest >/root/written', ...disk], single)
  assert.is(await run.ended, 0, run.stderr())
  tell('vmlinux', run)
  const written = execFileSync('debugfs', ['-R', 'cat /root/written', own], { encoding: 'utf8' })
  assert.is(written, 'from the guest\n')
  execFileSync('e2fsck', ['-fn', own])
})

test('without a command its first process is started, with its number', async () => {
  const own = join(folder, 'root.ext4')
  const init = join(folder, 'init')
  writeFileSync(init, "#!/bin/sh\necho init is $$\nprintf '\\011' | dd of=/dev/port bs=1 seek=244 status=none\n")
  execFileSync('debugfs', ['-w', '-R', `write ${init} /usr/sbin/init`, own])
  execFileSync('debugfs', ['-w', '-R', 'set_inode_field /usr/sbin/init mode 0100755', own])
  const disk = ['--modules', modules!, '--disk', own, '--append', `${APPEND} root=/dev/vda`]
  const run = homenode(['--initrd', 'auto', ...disk], single)
  assert.is(await run.ended, 9, run.stderr())
  tell('init', run)
  assert.match(run.stdout(), /init is 1\r?\n/)
})

test('the virtio console is the terminal of a shell', async () => {
  const append = ['--modules', modules!, '--append', `${APPEND} console=hvc0`]
  const run = homenode(['--initrd', 'auto', ...append], single)
  await run.until(/[#$] /)
  run.child.stdin!.write('echo on $(tty); exit 5\n')
  assert.is(await run.ended, 5, run.stderr())
  tell('hvc0', run)
  assert.match(run.stdout(), /on \/dev\/hvc0/)
})

test.after(() => rmSync(folder, { recursive: true }))

test.run()
