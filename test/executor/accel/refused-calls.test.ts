/** Calls that the kernel refuses, as in containers: a seccomp filter has it do so in a process of its own. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { skipUnless } from '../../skip.js'
import { runScript } from '../script.js'
import { testWithKvm } from '../vms.js'

const testRefused = process.arch === 'x64' ? testWithKvm : skipUnless(false, 'the filter has the numbers of x86-64')

/** From `refuseCalls()` on, the kernel refuses these in all threads of the process, with EPERM. Source: seccomp(2) */
const FILTER = `
  const { createRequire } = await import('node:module')
  const koffi = createRequire(process.env.BUNDLE + '/')('koffi')
  const refuseCalls = () => {
    const libc = koffi.load('libc.so.6')
    const prctl = libc.func('int prctl(int, ulong, ulong, ulong, ulong)')
    const syscall = libc.func('long syscall(long, long, long, void *)')
    const [SCHED_SETAFFINITY, MBIND, MOVE_PAGES, SECCOMP] = [203, 237, 279, 317]
    const [LOAD, JUMP_IF_EQUAL, RETURN] = [0x20, 0x15, 0x06]
    const [ALLOW, EPERM] = [0x7fff0000, 0x00050001]
    const numbers = [SCHED_SETAFFINITY, MBIND, MOVE_PAGES]
    const program = [
      [LOAD, 0, 0],
      ...numbers.map((number, i) => [JUMP_IF_EQUAL, numbers.length - i, number]),
      [RETURN, 0, ALLOW],
      [RETURN, 0, EPERM],
    ]
    const bytes = Buffer.alloc(8 * program.length)
    for (const [i, [code, jump, k]] of program.entries()) {
      bytes.writeUInt16LE(code, 8 * i)
      bytes.writeUInt8(jump, 8 * i + 2)
      bytes.writeUInt32LE(k, 8 * i + 4)
    }
    const header = Buffer.alloc(16)
    header.writeUInt16LE(program.length)
    header.writeBigUInt64LE(BigInt(koffi.address(bytes)), 8)
    const [PR_SET_NO_NEW_PRIVS, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC] = [38, 1, 1]
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) throw new Error('prctl')
    if (Number(syscall(SECCOMP, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, header)) !== 0) throw new Error('seccomp')
  }
  const { AccelKvm, CpuTopology, NumaOptimizer, VcpuAffinityManager } = await import(process.env.BUNDLE + '/accel.js')
  const refusal = async (call) => {
    try { await call() } catch ({ name, message }) { return console.log(name + ': ' + message) }
    console.log('nothing was refused')
  }`

function refusals(script: string): string[] {
  const { status, stdout, stderr } = runScript(`${FILTER}\n${script}`)
  assert.is(status, 0, stderr)
  return stdout.trim().split('\n')
}

testRefused('AccelKvm says which call the kernel refuses, and a vCPU keeps its CPUs', () => {
  const [pinned = '', bound = '', isBound, isPinned, memory = '', moved = '', resident = '', end] = refusals(`
    const accel = new AccelKvm({ name: 'web' })
    await accel.init()
    await accel.createVcpu(0)
    accel.enableNuma(accel.topology.numaNodes)
    const node = accel.topology.cpuToNode.get(accel.getVcpuAffinity(0)[0])
    await accel.setupNumaMemory({ node, size: 2 ** 20, gpa: 0 })
    const before = accel.getVcpuAffinity(0)
    accel.setVcpuAffinity(0, [before[0]])
    accel.bindVcpuToNumaNode(0, node)
    refuseCalls()
    await refusal(() => accel.setVcpuAffinity(0, before))
    await refusal(() => accel.disableNuma())
    console.log(accel.getVcpuNumaNode(0) === node)
    console.log(String(accel.getVcpuAffinity(0)) === String(before[0]))
    await refusal(() => accel.setupNumaMemory({ node, size: 2 ** 20, gpa: 2 ** 20 }))
    await refusal(() => accel.moveNumaMemory(0, node))
    await refusal(() => accel.residentMemory())
    await accel.close()
    console.log('closed')`)
  assert.match(pinned, /^VmError: VM "web", vCPU 0: sched_setaffinity.*: EPERM /)
  assert.match(bound, /^VmError: VM "web", vCPU 0: sched_setaffinity.*: EPERM /)
  assert.equal([isBound, isPinned], ['true', 'true'])
  assert.match(memory, /^VmError: VM "web": mbind\(node \d+\): EPERM /)
  assert.match(moved, /^VmError: VM "web": (mbind\(node \d+\)|move_pages): EPERM /)
  assert.match(resident, /^SyscallError: move_pages: EPERM /)
  assert.is(end, 'closed')
})

testRefused('NumaOptimizer says that mbind is refused, and holds nothing', () => {
  const [memory = '', used, end] = refusals(`
    const topology = CpuTopology.detectSync()
    const node = [...topology.cpusPerNode].find(([, cpus]) => cpus.length > 0)[0]
    const optimizer = new NumaOptimizer(topology, VcpuAffinityManager.withTopology(topology), { [node]: 2 ** 24 })
    refuseCalls()
    await refusal(() => optimizer.allocateMemory(2 ** 20, node))
    console.log(optimizer.nodeStats(node).budget.used)
    await optimizer.close()
    console.log('closed')`)
  assert.match(memory, /^SyscallError: mbind\(node \d+\): EPERM /)
  assert.equal([used, end], ['0', 'closed'])
})

test.run()
