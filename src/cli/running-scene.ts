/** What runs here as a scene: VMs where they are. */

import type { RunningRequest, RunningVm } from '../../executor/found/as-request.js'
import type { FoundThread } from '../../executor/found/types.js'
import { parseCpulist } from '../cpulist.js'
import { sceneOfHost } from '../picture/of-plan.js'
import type { Scene, SceneVm } from '../picture/scene.js'
import { hostText } from '../picture/words.js'
import { countLost, formatCost } from './numbers.js'
import type { RunningVms } from './running.js'
import { count } from './table.js'

/** All of them: what one of several has would look free. */
export function sceneOfRunning({ host, running, left }: RunningRequest, { vms, lost }: RunningVms): Scene {
  const judgements = new Map(vms.map(({ vm, judgement }) => [vm, judgement]))
  const best = lost.placed === null ? '' : `, ${formatCost(lost.placed)} if placed well`
  return {
    ...sceneOfHost(host),
    title:
      running.length === 0
        ? 'no VM that can be drawn runs here'
        : `${count(vms.length, 'VM')} as found: ${countLost(lost.now)}${best}`,
    facts: [hostText(host), ...left.map(({ vm, why }) => `not drawn: ${vm.name.value}: ${why}`)],
    vms: running.map((one): SceneVm => {
      const judgement = judgements.get(one.vm)
      return { ...placeOf(one), name: one.name, lost: judgement?.now ?? null, terms: judgement?.terms ?? {} }
    }),
  }
}

function placeOf({ vm, vcpus, cells }: RunningVm): Pick<SceneVm, 'vcpus' | 'memory' | 'emulator' | 'iothreads'> {
  return {
    vcpus: vcpus.map(({ cpus: list }, vcpu) => {
      const cpus = parseCpulist(list, { allowEmpty: true })
      return { vcpu, cpus, pinned: cpus.length === 1 }
    }),
    memory: cells.flatMap(({ pageSize, memory }) => memory.map(({ node, bytes }) => ({ node, pageSize, bytes }))),
    emulator: [...new Set(vm.emulator.flatMap(cpusOf))].sort((a, b) => a - b),
    iothreads: vm.iothreads.map(cpusOf),
  }
}

function cpusOf({ cpus }: FoundThread): number[] {
  return parseCpulist(cpus, { allowEmpty: true })
}
