/** Partitions of CPUs for dedicated vCPUs: the kernel has them, others' pins stay, and all of it is undone. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { detectHost, plan as planFor, verifyPlan } from 'homenode'
import {
  applyChanges,
  type Found,
  prepareChanges,
  prepareUndo,
  requestOf as runningRequest,
  runPlan,
} from 'homenode/executor'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkPartition, makePartition, planPartition, removePartition } from '../../../executor/cpusets/partition.js'
import { type PartitionState, partitionState } from '../../../executor/cpusets/state.js'
import { formatCpulist } from '../../../src/cpulist.js'
import { parseWith } from '../../../src/schema.js'
import { affinities, affinityOf, backend, findThese, folder, pinTo, startGuest } from './guests.js'
import { failure, homenode, planned, requestOf, SECONDS, threadOf, write } from './inside.js'

const ROOT = '/sys/fs/cgroup'
const read = (path: string) => readFileSync(path, 'utf8').trim()

const children: ChildProcess[] = []
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

/** A process that sleeps, with these CPUs. */
function sleeper(cpus: string): number {
  const child = spawn('sleep', ['1000'])
  children.push(child)
  execFileSync('taskset', ['-cp', cpus, `${child.pid}`], { stdio: 'ignore' })
  return child.pid!
}

/** A guest that is never let go: its vCPUs 0 and 1 have threads, and no more is needed. */
async function guest(cgroup = ROOT): Promise<{ readonly pid: number; readonly vcpus: readonly number[] }> {
  const args = ['-accel', 'kvm', '-display', 'none', '-nodefaults', '-m', '32', '-smp', '2', '-S']
  const child = spawn('qemu-system-x86_64', [...args, '-name', 'guest=db,debug-threads=on'], { stdio: 'ignore' })
  children.push(child)
  const pid = child.pid!
  write(`${cgroup}/cgroup.procs`, pid)
  for (;;) {
    const tids = readdirSync(`/proc/${pid}/task`).map(Number)
    const vcpus = tids.filter((tid) => /^CPU [01]\/KVM$/.test(read(`/proc/${pid}/task/${tid}/comm`)))
    if (vcpus.length === 2) return { pid, vcpus }
    if (child.exitCode !== null) throw new Error(`QEMU ended with ${child.exitCode}`)
    await sleep(200)
  }
}

async function endAll(): Promise<void> {
  for (const child of children.splice(0)) {
    const ended = new Promise((resolve) => child.once('close', resolve))
    if (child.exitCode === null && child.kill('SIGKILL')) await ended
  }
}
test.after.each(endAll)

const affinity = (tid: number) => threadOf(tid, tid).allowed
const cgroupOf = (pid: number, tid: number) => /^0::(.*)$/m.exec(read(`/proc/${pid}/task/${tid}/cgroup`))![1]
const cgroups = () => readdirSync(ROOT, { withFileTypes: true }).flatMap((one) => (one.isDirectory() ? [one.name] : []))

function stateOf(pid: number, vcpus: readonly number[], kind?: 'root' | 'isolated'): PartitionState {
  const threads = vcpus.map((tid, at) => ({ tid, cpus: `${at + 2}` }))
  const state = planPartition({ pid, threads }, kind)
  if ('why' in state) throw new Error(state.why)
  // As it comes out of an undo file.
  return parseWith(partitionState, JSON.parse(JSON.stringify(state)))
}

function whyNot(pid: number, threads: Parameters<typeof planPartition>[0]['threads']): string {
  const state = planPartition({ pid, threads })
  return 'why' in state ? state.why : assert.unreachable('it can be made')!
}

for (const kind of ['root', 'isolated'] as const) {
  test(`${kind}: CPUs 2 and 3 are the vCPUs' own, others keep their pins without them, and all comes back`, async () => {
    const { pid, vcpus } = await guest()
    const others = { floating: '0-7', apart: '1', loses: '1-2', 'loses all': '2', alike: '0-7' }
    const tids = Object.fromEntries(Object.entries(others).map(([name, cpus]) => [name, sleeper(cpus)]))
    const affinities = () => Object.fromEntries(Object.entries(tids).map(([name, tid]) => [name, affinity(tid)]))
    execFileSync('taskset', ['-cp', '2', `${vcpus[0]}`], { stdio: 'ignore' })
    const before = { groups: cgroups(), enabled: read(`${ROOT}/cgroup.subtree_control`) }

    const state = stateOf(pid, vcpus, kind)
    assert.equal(affinities(), others)
    makePartition(state)
    assert.is(read(`${state.directory}/cpuset.cpus.partition`), kind)
    assert.is(read(`${state.directory}/cpuset.cpus.effective`), '2-3')
    assert.is(read(`${ROOT}/cpuset.cpus.effective`), '0-1,4-7')
    assert.is(checkPartition(state), null)
    assert.equal(vcpus.map(affinity), ['2', '3'])
    assert.equal(
      vcpus.map((tid) => cgroupOf(pid, tid)),
      vcpus.map(() => state.directory.slice(ROOT.length)),
    )
    assert.is(cgroupOf(pid, pid), '/')
    const rest = '0-1,4-7'
    assert.equal(affinities(), { floating: rest, apart: '1', loses: '1', 'loses all': rest, alike: rest })

    // Whoever is pinned anew meanwhile stays so.
    execFileSync('taskset', ['-cp', '5', `${tids.alike}`], { stdio: 'ignore' })
    assert.equal(removePartition(state), [])
    assert.equal(affinities(), { ...others, alike: '5' })
    assert.equal(vcpus.map(affinity), ['2', '3'])
    assert.equal(
      vcpus.map((tid) => cgroupOf(pid, tid)),
      ['/', '/'],
    )
    assert.is(read(`${ROOT}/cpuset.cpus.effective`), '0-7')
    assert.equal({ groups: cgroups(), enabled: read(`${ROOT}/cgroup.subtree_control`) }, before)
    assert.equal(removePartition(state), [])
  })
}

test('a guest that has ended, threads that have, and a partition that was half made are undone', async () => {
  const { pid, vcpus } = await guest()
  const state = stateOf(pid, vcpus)
  mkdirSync(state.directory)
  assert.equal(removePartition(state), [])
  assert.is(existsSync(state.directory), false)

  makePartition(state)
  await endAll()
  assert.match(checkPartition({ ...state, kind: 'isolated' })!, /is "root" instead of "isolated"/)
  assert.equal(removePartition(state), [])
  assert.is(existsSync(state.directory), false)
})

test('a partition that a process left behind is in nobody s way', async () => {
  const first = await guest()
  const left = stateOf(first.pid, first.vcpus)
  makePartition(left)
  await endAll()
  assert.ok(existsSync(left.directory))
  const { pid, vcpus } = await guest()
  // The CPUs are not in the root any more, until it is gone.
  const state = planPartition({ pid, threads: [{ tid: vcpus[0]!, cpus: '4' }] })
  if ('why' in state) throw new Error(state.why)
  makePartition(state)
  assert.is(existsSync(left.directory), false)
  assert.is(read(`${ROOT}/cpuset.cpus.effective`), '0-3,5-7')
  assert.equal(removePartition(state), [])
})

test('a cgroup that names one of its CPUs is said before; if it comes later, the kernel s word is', async () => {
  const { pid, vcpus } = await guest()
  const state = stateOf(pid, vcpus)
  makePartition(state)
  mkdirSync(`${ROOT}/rival`)
  write(`${ROOT}/rival/cpuset.cpus`, '3-4')
  write(`${ROOT}/rival/cpuset.cpus.partition`, 'root')
  assert.match(checkPartition(state)!, /is "root invalid \(Cpu list in cpuset.cpus not exclusive\)" instead of "root"/)
  assert.equal(removePartition(state), [])
  assert.match(whyNot(pid, [{ tid: vcpus[0]!, cpus: '3' }]), /CPU 3 is in the cpuset of cgroup .*rival, too/)
  rmdirSync(`${ROOT}/rival`)
})

test('where the hierarchy does not allow it, that is said, and nothing is touched', async () => {
  const { pid, vcpus } = await guest()
  const [tid] = vcpus as [number, number]
  assert.match(whyNot(pid, [{ tid, cpus: '0-7' }]), /no CPU would be left/)
  assert.match(whyNot(pid, [{ tid, cpus: '9' }]), /CPU 9 is not free/)
  mkdirSync(`${ROOT}/some`)
  mkdirSync(`${ROOT}/some.slice`)
  write(`${ROOT}/some/cgroup.procs`, pid)
  assert.match(whyNot(pid, [{ tid, cpus: '2' }]), /below a partition, and cgroup \/some, .* is "member"/)
  write(`${ROOT}/some.slice/cgroup.procs`, pid)
  assert.match(whyNot(pid, [{ tid, cpus: '2' }]), /\/some.slice is systemd's, and is left alone/)

  // Below a partition of somebody's it goes.
  write(`${ROOT}/some/cpuset.cpus`, '1-3')
  write(`${ROOT}/some/cpuset.cpus.partition`, 'root')
  write(`${ROOT}/some/cgroup.procs`, pid)
  const state = planPartition({ pid, threads: [{ tid, cpus: '2' }] })
  if ('why' in state) throw new Error(state.why)
  assert.is(state.enables, true)
  makePartition(state)
  assert.is(dirname(state.directory), `${ROOT}/some`)
  assert.is(read(`${ROOT}/some/cpuset.cpus.effective`), '1,3')
  assert.is(affinity(tid), '2')
  assert.equal(removePartition(state), [])
  assert.is(read(`${ROOT}/some/cgroup.subtree_control`), '')
  assert.is(read(`${ROOT}/some/cgroup.type`), 'domain')
  await endAll()
  for (const name of ['some', 'some.slice']) rmdirSync(`${ROOT}/${name}`)
})

test('a guest that a plan is carried out on has its CPUs to itself, until that is undone', async () => {
  const one = await startGuest('db', backend('ram', 'policy=bind,host-nodes=1'))
  const groups = cgroups()
  const options = { state: join(folder, 'state'), exclusive: true }
  const find = () => findThese([one])
  const plans = async (found: Found) => {
    const asked = runningRequest(found.vms, await detectHost())
    return verifyPlan(asked.host, asked.request, await planFor(asked.host, asked.request))
  }
  const apply = async () => {
    const found = await find()
    const verified = await plans(found)
    return { verified, applied: await applyChanges(await prepareChanges(found, verified), options) }
  }
  try {
    pinTo(one.pid, '0-3')
    const before = affinities(one.pid)
    const { verified, applied } = await apply()
    const cpus = formatCpulist(verified.vms[0]!.vcpus.map((vcpu) => Number(vcpu.cpus)))
    assert.equal(applied.partitions, [{ vm: 'db', cpus, state: 'made', why: null }])
    assert.equal(applied.differences, [])
    const [name] = cgroups().filter((each) => !groups.includes(each))
    assert.is(read(`${ROOT}/${name}/cpuset.cpus.partition`), 'root')
    assert.is(read(`${ROOT}/${name}/cpuset.cpus`), cpus)
    for (const { vcpu, cpus: own } of verified.vms[0]!.vcpus) assert.is(affinityOf(one.pid, `CPU ${vcpu}/KVM`), own)
    assert.ok(await one.isSound())

    const { steps, partitions } = (await apply()).applied
    assert.equal([steps, partitions], [[], [{ vm: 'db', cpus, state: 'made', why: null }]])

    const undone = await applyChanges(await prepareUndo(undefined, options), options)
    assert.equal(undone.partitions, [{ vm: 'db', cpus, state: 'removed', why: null }])
    assert.equal([undone.differences, cgroups()], [[], groups])
    assert.equal(affinities(one.pid), before)
    assert.ok(await one.isSound())

    await apply()
    await one.stop()
    const gone = await applyChanges(await prepareUndo(undefined, options), options)
    assert.equal(
      gone.partitions.map((each) => each.state),
      ['removed'],
    )
    assert.equal(cgroups(), groups)
  } finally {
    await one.stop()
  }
})

const REQUEST = requestOf({ name: 'db', vcpus: 2, devices: [{ node: 1, strict: true }] })
const RUN = ['run', '-f', '-', '--exclusive']

/** The cgroup of a run, when its partition is there. */
async function partitionOfRun(): Promise<string> {
  for (;;) {
    const name = cgroups().find((each) => each.startsWith('homenode-'))
    const directory = `${ROOT}/${name}`
    if (name !== undefined && read(`${directory}/cpuset.cpus.partition`) === 'root') return directory
    await sleep(50)
  }
}

/** A run that goes on until it is told otherwise. */
function endlessRun(): { readonly child: ChildProcess; readonly ended: Promise<number | null> } {
  const cli = `${process.env.LAB_PACKAGE}/dist/cli.js`
  const child = spawn(process.execPath, [...process.execArgv, cli, ...RUN, '--seconds', '1000'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  children.push(child)
  child.stdin!.end(JSON.stringify(REQUEST))
  return { child, ended: new Promise((resolve) => child.once('close', resolve)) }
}

test('a run with exclusive: nobody else may run there meanwhile, and afterwards all is as before', async () => {
  const before = cgroups()
  const bystander = sleeper('1')
  const own = () =>
    readdirSync('/proc/self/task')
      .map(Number)
      .map((tid) => threadOf(tid).allowed)
  const threads = new Set(own())
  const plan = await planned(await detectHost(), REQUEST)
  let seen: object | undefined
  const report = await runPlan(plan, {
    seconds: SECONDS,
    exclusive: 'root',
    onProgress: () => {
      const directory = `${ROOT}/${cgroups().find((name) => name.startsWith('homenode-'))}`
      const inside = read(`${directory}/cgroup.threads`).split('\n').map(Number)
      seen ??= {
        kind: read(`${directory}/cpuset.cpus.partition`),
        cpus: read(`${directory}/cpuset.cpus.effective`),
        rest: read(`${ROOT}/cpuset.cpus.effective`),
        own: inside.map((tid) => threadOf(tid).allowed).sort(),
        bystander: affinity(bystander),
      }
    },
  })
  assert.equal(report.findings, [])
  const cpus = plan.vms[0]!.vcpus.map((vcpu) => Number(vcpu.cpus)).sort()
  const rest = [0, 1, 2, 3, 4, 5, 6, 7].filter((cpu) => !cpus.includes(cpu))
  const [list, others] = [formatCpulist(cpus), formatCpulist(rest)]
  assert.equal(seen, { kind: 'root', cpus: list, rest: others, own: cpus.map(String), bystander: '1' })
  const { cgroup, ...partition } = report.partition!
  assert.equal(partition, { cpus: list, kind: 'root', held: true })
  assert.match(cgroup, /homenode-\d+-\d+$/)
  assert.equal(cgroups(), before)
  assert.is(read(`${ROOT}/cpuset.cpus.effective`), '0-7')
  assert.equal(new Set(own()), threads)
})

test('a run that is interrupted gives the CPUs back; what one that was killed has left is cleared by the next', async () => {
  const before = cgroups()
  const first = endlessRun()
  await partitionOfRun()
  first.child.kill('SIGINT')
  assert.is(await first.ended, 130)
  assert.equal(cgroups(), before)

  const second = endlessRun()
  const left = await partitionOfRun()
  second.child.kill('SIGKILL')
  await second.ended
  assert.ok(existsSync(left))
  const { code, stdout, stderr } = await homenode([...RUN, 'isolated', '--seconds', '1'], REQUEST)
  assert.is(code, 0, stderr)
  assert.match(stdout.replace(/\s+/g, ' '), /as planned; nobody else could run on CPU/)
  assert.equal(cgroups(), before)
})

test('a partition that breaks while a run lasts is found', async () => {
  const plan = await planned(await detectHost(), REQUEST)
  const rival = `${ROOT}/rival`
  const report = await runPlan(plan, {
    seconds: SECONDS,
    exclusive: 'isolated',
    onProgress: () => {
      if (existsSync(rival)) return
      mkdirSync(rival)
      write(`${rival}/cpuset.cpus`, plan.vms[0]!.vcpus[0]!.cpus)
      write(`${rival}/cpuset.cpus.partition`, 'root')
    },
  })
  rmdirSync(rival)
  assert.is(report.partition!.held, false)
  assert.is(report.verified, false)
  const found = report.findings.find(({ constraint }) => constraint === 'partition')!
  assert.match(found.text, /to themselves: .*is "isolated invalid \(.*not exclusive\)" instead of "isolated"/)
  assert.is(existsSync(report.partition!.cgroup), false)
})

test('a run that cannot have it says why; relaxed, it goes on without', async () => {
  mkdirSync(`${ROOT}/member`)
  write(`${ROOT}/member/cgroup.procs`, process.pid)
  try {
    const plan = await planned(await detectHost(), REQUEST)
    const { message } = await failure(runPlan(plan, { seconds: SECONDS, exclusive: 'root' }))
    const why = /^exclusive CPUs: a partition can only be below a partition, and cgroup \/member, .*, is "member"$/
    assert.match(message, why)
    const report = await runPlan(plan, { seconds: SECONDS, exclusive: 'root', relaxed: true })
    assert.is(report.partition, undefined)
    assert.equal(
      report.findings.map(({ constraint }) => constraint),
      ['refused'],
    )
    assert.match(report.findings[0]!.text, why)
    const shared = await planned(await detectHost(), requestOf({ name: 'web', cpuPolicy: 'shared' }))
    assert.match((await failure(runPlan(shared, { exclusive: 'root' }))).message, /no dedicated vCPU/)
  } finally {
    write(`${ROOT}/cgroup.procs`, process.pid)
    rmdirSync(`${ROOT}/member`)
  }
})

test.run()
