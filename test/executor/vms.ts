/** What the tests of `Vm` have in common. */

import type { Vm, VmOptions } from '../../executor/index.js'
import { skipUnless } from '../skip.js'
import { bundleExecutor } from './bundle.js'
import { cpus, planOf, type VmSketch } from './plans.js'

export const { executor, run, verified, directory, accel } = await bundleExecutor()

const status = executor.kvmStatus()
export const testWithKvm = skipUnless(status.usable, status.usable ? '' : `KVM is not usable: ${status.text}`)
export const [first, last] = [String(cpus[0]), String(cpus.at(-1))]

/** A VM of one vCPU on the first CPU with 64 MiB, but for what is given. */
export function makeVm(sketch: Partial<VmSketch> = {}, options: VmOptions = {}): Promise<Vm> {
  const { name = 'demo' } = sketch
  return executor.Vm.create(verified.sealPlan(planOf({ vcpus: [first], ...sketch, name })), name, options)
}

/** A VM with a program at 4 KiB, which each vCPU is about to start in 64-bit mode. */
export async function makeVmWith(
  code: Uint8Array,
  registers: Parameters<Vm['vcpus'][number]['startInLongMode']>[1] = {},
  sketch: Partial<VmSketch> = {},
  options: VmOptions = {},
): Promise<Vm> {
  const vm = await makeVm(sketch, options)
  const { entry } = await vm.load(code, 0x1000)
  for (const vcpu of vm.vcpus) vcpu.startInLongMode(entry, registers)
  return vm
}

/** The error that a promise ends with. */
export async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing failed')
}

/** What a call throws. */
export function refusal(call: () => unknown): Error {
  try {
    call()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing failed')
}

export function number64(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
}

/** Threads of the pool stay for a while: those that a few VMs need are there before anything is counted. */
export async function warmUp(): Promise<void> {
  const plan = planOf({ vcpus: [first, last, first, last] })
  await run.carryOut(plan, plan, { seconds: 0.05 })
}
