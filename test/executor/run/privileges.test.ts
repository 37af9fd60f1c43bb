/** Runs in processes of their own: as an ordinary user, and where /dev/kvm is hidden or another device. */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RunReport } from '../../../src/types.js'
import { skipUnless } from '../../skip.js'
import { bundleExecutor } from '../bundle.js'
import { cpus, MiB, planOf } from '../plans.js'
import { hasProgram } from '../programs.js'

const { executor, directory } = await bundleExecutor()
const status = executor.kvmStatus()

const script = `
  const { runPlan } = await import(process.env.BUNDLE + '/run.js')
  const { sealPlan } = await import(process.env.BUNDLE + '/verified.js')
  const report = await runPlan(sealPlan(JSON.parse(process.env.PLAN)), { seconds: 0.2 })
  console.log(JSON.stringify({ uid: process.getuid(), report }))
`
const plan = planOf({ vcpus: [String(cpus[0]), String(cpus.at(-1))], cells: [16 * MiB] })

/** Runs the plan in a mount namespace of its own, after `setup` and with `prefix` before the command. */
function runIn<Result = { uid: number; report: RunReport }>(setup: string, prefix = '', program = script): Result {
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['--mount', 'sh', '-ec', `${setup}\nexec ${prefix} "$NODE" --input-type=module -e "$SCRIPT"`],
    {
      encoding: 'utf8',
      env: { ...process.env, NODE: process.execPath, SCRIPT: program, BUNDLE: directory, PLAN: JSON.stringify(plan) },
    },
  )
  assert.is(status, 0, stderr)
  return JSON.parse(stdout)
}

const namespaces = hasProgram('unshare') && spawnSync('unshare', ['--mount', 'true']).status === 0
const testInNamespace = skipUnless(namespaces, 'this user cannot make a mount namespace')
const testAsOther = skipUnless(
  namespaces && hasProgram('setpriv') && status.usable && process.getuid?.() === 0,
  'it takes root, setpriv and /dev/kvm to become an ordinary user who may use /dev/kvm',
)

/** A directory to mount things from, gone with the namespace. */
const TMPFS = 'mount -t tmpfs none /mnt'
const NOBODY = 'setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all'

testAsOther('an ordinary user with access to /dev/kvm needs no privilege, nor locked memory', () => {
  const setup = `${TMPFS}
    mknod -m 666 /mnt/kvm c 10 232
    mount --bind /mnt/kvm /dev/kvm
    ulimit -l 64`
  const { uid, report } = runIn(setup, NOBODY)
  assert.is(uid, 65534)
  assert.is(report.backend, 'kvm')
  assert.equal(report.findings, [])
  assert.is(report.verified, true)
  assert.ok(report.vcpus.every(({ exits }) => exits > 100))
})

testAsOther('a user without access to /dev/kvm is told so, and threads run instead', () => {
  const setup = `${TMPFS}
    mknod -m 600 /mnt/kvm c 10 232
    mount --bind /mnt/kvm /dev/kvm`
  const { report } = runIn(setup, NOBODY)
  assert.is(report.backend, 'threads')
  assert.match(report.noGuest ?? '', /KVM is not usable: open\(\/dev\/kvm\): EACCES .*usermod -aG kvm.*no guest ran/)
  assert.is(report.verified, true)
})

const vmScript = `
  const { Vm } = await import(process.env.BUNDLE + '/executor.js')
  const { sealPlan } = await import(process.env.BUNDLE + '/verified.js')
  const { readdirSync } = await import('node:fs')
  const plan = sealPlan(JSON.parse(process.env.PLAN))
  const attempt = () => Vm.create(plan, 'demo').then(() => 'created', (error) => error.message)
  await attempt()
  const fds = readdirSync('/proc/self/fd').length
  const message = await attempt()
  console.log(JSON.stringify({ message, left: readdirSync('/proc/self/fd').length - fds }))
`

testInNamespace('a VM without /dev/kvm is an error that names VM, call and what to do', () => {
  const none = `${TMPFS}
    touch /mnt/null && mount --bind /dev/null /mnt/null
    mount -t tmpfs none /dev
    touch /dev/null && mount --bind /mnt/null /dev/null`
  const missing = runIn<{ message: string; left: number }>(none, '', vmScript)
  assert.match(missing.message, /^VM "demo": open\(\/dev\/kvm\): ENOENT .*modprobe/)
  assert.is(missing.left, 0)
})

testAsOther('a VM of a user who may not use /dev/kvm is refused, with the group to join', () => {
  const setup = `${TMPFS}
    mknod -m 600 /mnt/kvm c 10 232
    mount --bind /mnt/kvm /dev/kvm`
  const { message } = runIn<{ message: string }>(setup, NOBODY, vmScript)
  assert.match(message, /^VM "demo": open\(\/dev\/kvm\): EACCES .*usermod -aG kvm/)
})

testInNamespace('where /dev/kvm does not exist, threads run instead', () => {
  const setup = `${TMPFS}
    touch /mnt/null && mount --bind /dev/null /mnt/null
    mount -t tmpfs none /dev
    touch /dev/null && mount --bind /mnt/null /dev/null`
  const { report } = runIn(setup)
  assert.is(report.backend, 'threads')
  assert.match(report.noGuest ?? '', /open\(\/dev\/kvm\): ENOENT .*modprobe.*no guest ran/)
  assert.is(report.verified, true)
  assert.ok(report.vcpus.every(({ exitReasons }) => exitReasons.walk! > 0))
})

const testOverDevice = skipUnless(namespaces && existsSync('/dev/kvm'), 'no /dev/kvm to mount another device over')

testOverDevice('where /dev/kvm is another device, threads run instead', () => {
  const { report } = runIn('mount --bind /dev/null /dev/kvm')
  assert.is(report.backend, 'threads')
  assert.match(report.noGuest ?? '', /KVM_GET_API_VERSION\): ENOTTY .*another device/)
})

test.run()
