import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import koffi from 'koffi'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PR_SCHED_CORE } from '../../../executor/abi/linux.js'
import type { Host } from '../../../src/types.js'
import { skipUnless } from '../../skip.js'
import { count } from '../guests/programs.js'
import { cpus, planOf } from '../plans.js'
import { hasProgram } from '../programs.js'
import {
  directory,
  executor,
  failure,
  first,
  last,
  makeVm,
  makeVmWith,
  refusal,
  run,
  testWithKvm,
  verified,
} from '../vms.js'

/** Nice value, real-time priority, policy: fields 19, 40 and 41 of stat. */
function scheduleOf(tid: number): { nice: number; realtime: number; policy: number } {
  const stat = readFileSync(`/proc/self/task/${tid}/stat`, 'utf8')
  const field = (n: number) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[n - 3])
  return { nice: field(19), realtime: field(40), policy: field(41) }
}

const allowedOf = (tid: number) =>
  /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync(`/proc/self/task/${tid}/status`, 'utf8'))![1]

/** That of the test itself, which may have been started with `nice`. */
const OWN = getPriority()
const PLAIN = { nice: OWN, realtime: 0, policy: 0 }
const FIFO = 1
const testAsRoot = skipUnless(
  process.getuid?.() === 0 && executor.kvmStatus().usable,
  'it takes root and KVM to raise priorities',
)

testWithKvm('a vCPU may have several CPUs, gets others while it runs, and they are read back', async () => {
  const all = cpus.join(',')
  await using vm = await makeVmWith(count, { rdi: 0x3000n }, { vcpus: [all] })
  const [vcpu] = vm.vcpus
  assert.is(vcpu!.tid, 0)
  await vm.run()
  const threadCpus = () => allowedOf(vcpu!.tid)
  assert.is(threadCpus(), cpus.length === 2 ? all.replace(',', '-') : threadCpus())
  assert.is(vcpu!.repin(last), last)
  assert.equal([threadCpus(), vcpu!.cpus], [last, last])
  assert.is(vm.repin(0, first), first)
  assert.is(threadCpus(), first)
  const error = refusal(() => vm.repin(0, '8000'))
  assert.match(error.message, /^VM "demo", vCPU 0: sched_setaffinity\(CPU 8000\): EINVAL/)
  assert.match(refusal(() => vm.repin(0, `${first},8000`)).message, /the others are offline or not in the cpuset/)
  assert.match(refusal(() => vm.repin(7, first)).message, /^vcpu: expected a number of a vCPU/)
  assert.match(refusal(() => vm.repin(0, '1-')).message, /cpulist|expected/)
})

testWithKvm('a vCPU that is given other CPUs before it runs starts there', async () => {
  await using vm = await makeVmWith(count, { rdi: 0x3000n }, { vcpus: ['8000'] })
  vm.repin(0, last)
  await vm.run()
  assert.is(allowedOf(vm.vcpus[0]!.tid), last)
})

testAsRoot('threads have the policy that is asked for, and none when they have ended', async () => {
  const tids: number[] = []
  for (const [scheduling, expected] of [
    [{ realtime: 10 }, { ...PLAIN, realtime: 10, policy: FIFO }],
    [{ nice: 7 }, { ...PLAIN, nice: 7 }],
    [{ nice: -5 }, { ...PLAIN, nice: -5 }],
    [{}, PLAIN],
  ] as const) {
    await using vm = await makeVm({}, { scheduling })
    // Not run: a guest with SCHED_FIFO keeps its CPU to itself.
    await vm.prepare()
    assert.equal(scheduleOf(vm.tid(0)), expected)
    tids.push(vm.tid(0))
  }
  assert.is(new Set(tids).size < tids.length, true, 'a thread was used again')
  for (const tid of tids) {
    assert.equal(scheduleOf(tid), PLAIN)
    assert.is(allowedOf(tid), allowedOf(process.pid))
  }
})

testAsRoot('what the kernel refuses is an error that names the vCPU, or with `relaxed` a finding', async () => {
  await using strict = await makeVm({}, { scheduling: { realtime: 1000 } })
  assert.match(
    (await failure(strict.prepare())).message,
    /^VM "demo", vCPU 0: sched_setscheduler\(SCHED_FIFO, 1000\): EINVAL/,
  )
  await using relaxed = await makeVmWith(count, { rdi: 0x3000n }, {}, { scheduling: { realtime: 1000 }, relaxed: true })
  await relaxed.run()
  assert.equal(
    relaxed.refusals.map(({ constraint, vcpu }) => ({ constraint, vcpu })),
    [{ constraint: 'refused', vcpu: 0 }],
  )
  assert.equal(scheduleOf(relaxed.tid(0)), PLAIN)
})

/** A thread's core scheduling cookie; 0: none. `null`: the kernel or the host has no core scheduling. */
function cookieOf(tid: number): bigint | null {
  const cookie = new BigUint64Array(1)
  return prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, tid, 0, cookie) < 0 ? null : cookie[0]!
}

const prctl = koffi.load(null).func('int prctl(int, unsigned long, unsigned long, unsigned long, void *)')
const PR_SCHED_CORE_GET = 0
const hasCoreScheduling = cookieOf(process.pid) !== null

skipUnless(hasCoreScheduling, 'this kernel has no core scheduling (CONFIG_SCHED_CORE), or this host no SMT')(
  'vCPUs of a trust domain have a cookie in common, those of another one another, and nobody keeps it',
  async () => {
    const plan = planOf(
      { name: 'a', vcpus: [first, last] },
      { name: 'b', vcpus: [first] },
      { name: 'c', vcpus: [last] },
    )
    const vms = ['a', 'b', 'c'].map((name) => ({ name, trust: name === 'b' ? 'two' : 'one', memoryPolicy: 'strict' }))
    const against = { host: { cpus: [] } as unknown as Host, request: { vms } as never }
    const seen = new Map<string, Set<bigint | null>>()
    await run.runPlan(verified.sealPlan(plan, against), {
      seconds: 0.3,
      onProgress: ({ vcpus }) => {
        for (const { vm, tid } of vcpus) seen.set(vm, (seen.get(vm) ?? new Set()).add(cookieOf(tid)))
      },
    })
    const [a, b, c] = ['a', 'b', 'c'].map((vm) => [...seen.get(vm)!])
    assert.is(a!.length, 1)
    assert.ok(a![0]! > 0n)
    assert.equal(c, a)
    assert.ok(b!.length === 1 && b![0]! > 0n && b![0] !== a![0])
    for (const tid of readdirSync('/proc/self/task')) assert.is(cookieOf(Number(tid)), 0n)
  },
)

skipUnless(!hasCoreScheduling && executor.kvmStatus().usable, 'this host has core scheduling')(
  'without SMT, core scheduling is left out, and an error where it is required',
  async () => {
    await using silent = await makeVm({}, { scheduling: { core: 'available' } })
    await silent.prepare()
    assert.equal(silent.refusals, [])
    await using off = await makeVm({}, { scheduling: { core: 'off' } })
    await off.prepare()
    await using required = await makeVm({}, { scheduling: { core: 'required' } })
    assert.match(
      (await failure(required.prepare())).message,
      /^VM "demo": core scheduling: prctl\(PR_SCHED_CORE_CREATE\): (EINVAL|ENODEV) .*(CONFIG_SCHED_CORE|SMT)/,
    )
    assert.is(required.state.name, 'failed')
    await using relaxed = await makeVm({}, { scheduling: { core: 'required' }, relaxed: true })
    await relaxed.prepare()
    assert.match(relaxed.refusals[0]!.text, /^VM "demo": core scheduling/)
  },
)

skipUnless(
  process.getuid?.() === 0 && hasProgram('setpriv') && hasProgram('unshare') && executor.kvmStatus().usable,
  'it takes root, setpriv and KVM to become an ordinary user who may use /dev/kvm',
)('an ordinary user is refused a priority, and a thread that was made nicer is not used again', () => {
  const script = `
    const { readFileSync } = await import('node:fs')
    const { Vm } = await import(process.env.BUNDLE + '/executor.js')
    const { sealPlan } = await import(process.env.BUNDLE + '/verified.js')
    const plan = sealPlan(JSON.parse(process.env.PLAN))
    const niceOf = (tid) => Number(readFileSync('/proc/self/task/' + tid + '/stat', 'utf8').split(') ')[1].split(' ')[16])
    const once = async (scheduling) => {
      const vm = await Vm.create(plan, 'demo', { scheduling })
      try {
        await vm.prepare()
        return niceOf(vm.tid(0))
      } finally {
        await vm.close()
      }
    }
    const out = [await once({}), await once({ nice: ${OWN + 5} }), await once({})]
    for (const scheduling of [{ realtime: 10 }, { nice: ${OWN - 5} }]) out.push(await once(scheduling).catch((error) => error.message))
    console.log(JSON.stringify(out))`
  const setup = 'mount -t tmpfs none /mnt; mknod -m 666 /mnt/kvm c 10 232; mount --bind /mnt/kvm /dev/kvm'
  const nobody = 'setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all'
  const { stdout, stderr } = spawnSync(
    'unshare',
    ['--mount', 'sh', '-ec', `${setup}; exec ${nobody} "$NODE" --input-type=module -e "$SCRIPT"`],
    {
      encoding: 'utf8',
      env: {
        ...process.env,
        NODE: process.execPath,
        SCRIPT: script,
        BUNDLE: directory,
        PLAN: JSON.stringify(planOf({ vcpus: [first] })),
      },
    },
  )
  const [before, nicer, after, realtime, lower] = JSON.parse(stdout || JSON.stringify([stderr]))
  assert.equal([before, nicer, after], [OWN, OWN + 5, OWN])
  assert.match(realtime, /^VM "demo", vCPU 0: sched_setscheduler\(SCHED_FIFO, 10\): EPERM .*CAP_SYS_NICE/)
  const call = `setpriority\\(${OWN - 5}\\)`
  assert.match(lower, new RegExp(`^VM "demo", vCPU 0: ${call}: (EACCES|EPERM) .*CAP_SYS_NICE`))
})

test.run()
