/** Who is on which CPU, as a picture needs it. */

import { formatCpulist } from '../cpulist.js'
import type { CpuId } from '../types.js'
import type { Scene, SceneVm } from './scene.js'

/** A box in a CPU: a vCPU, or a thread of a VMM that has the CPU for itself. */
export interface Occupant {
  /** Index of its VM. */
  readonly vm: number
  /** The letters of its VM and what it is: `b3`, `b e`, `b i0`. */
  readonly label: string
  readonly title: string
  /** `null`: a thread of the VMM. */
  readonly vcpu: number | null
}

/** Those that float over the same CPUs. */
export interface Pool {
  /** Ascending. */
  readonly cpus: readonly CpuId[]
  /** The same as a cpulist. */
  readonly list: string
  readonly vcpus: readonly Occupant[]
}

export interface Occupancy {
  /** By CPU, in the order of the VMs. */
  readonly boxes: ReadonlyMap<CpuId, readonly Occupant[]>
  readonly pools: readonly Pool[]
  /** CPUs over which vCPUs float, with the names of their VMs. */
  readonly floats: ReadonlyMap<CpuId, ReadonlySet<string>>
  /** CPUs that threads of VMMs share with others, with what they are. */
  readonly threads: ReadonlyMap<CpuId, readonly string[]>
}

const LETTERS = 26

/** `a` to `z`, `aa`, `ab`, ...: what stands for the VM with this index in boxes. */
export function tagOf(index: number): string {
  const last = String.fromCharCode(97 + (index % LETTERS))
  return index < LETTERS ? last : tagOf(Math.floor(index / LETTERS) - 1) + last
}

export function occupancyOf({ vms, reserve }: Scene): Occupancy {
  const boxes = new Map<CpuId, Occupant[]>()
  const pools = new Map<string, Pool & { vcpus: Occupant[] }>()
  const floats = new Map<CpuId, Set<string>>()
  vms.forEach((vm, index) => {
    for (const { vcpu, cpus, pinned } of vm.vcpus) {
      const list = formatCpulist(cpus)
      const title = `${vm.name}: vCPU ${vcpu} ${pinned ? 'on CPU' : 'floats over CPUs'} ${list}`
      const occupant = { vm: index, label: `${tagOf(index)}${vcpu}`, title, vcpu }
      if (pinned) {
        for (const cpu of cpus) add(boxes, cpu, occupant)
        continue
      }
      const pool = pools.get(list)
      if (pool === undefined) pools.set(list, { cpus, list, vcpus: [occupant] })
      else pool.vcpus.push(occupant)
      for (const cpu of cpus) floats.set(cpu, (floats.get(cpu) ?? new Set()).add(vm.name))
    }
  })
  const threads = new Map<CpuId, string[]>()
  const all = vms.flatMap(threadsOf)
  const users = new Map<CpuId, number>()
  for (const { cpus } of all) for (const cpu of cpus) users.set(cpu, (users.get(cpu) ?? 0) + 1)
  for (const { cpus, occupant } of all) {
    const [only] = cpus
    const isFree = only !== undefined && !boxes.has(only) && !floats.has(only) && !reserve.cpus.has(only)
    if (isFree && cpus.length === 1 && users.get(only) === 1) add(boxes, only, occupant)
    else for (const cpu of cpus) add(threads, cpu, occupant.title)
  }
  return { boxes, pools: [...pools.values()], floats, threads }
}

function threadsOf({ name, emulator, iothreads }: SceneVm, vm: number) {
  const one = (cpus: readonly CpuId[], what: string, mark: string) => ({
    cpus,
    occupant: { vm, label: `${tagOf(vm)} ${mark}`, title: `${name}: ${what}`, vcpu: null },
  })
  return [
    one(emulator, 'emulator threads', 'e'),
    ...iothreads.map((cpus, at) => one(cpus, `I/O thread ${at}`, `i${at}`)),
  ]
}

function add<Value>(map: Map<CpuId, Value[]>, cpu: CpuId, value: Value): void {
  const values = map.get(cpu)
  if (values === undefined) map.set(cpu, [value])
  else values.push(value)
}
