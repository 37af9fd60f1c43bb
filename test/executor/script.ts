/** Programs of their own, for what a test must not do to its own process. */

import { spawnSync } from 'node:child_process'
import { planOf } from './plans.js'
import { directory, first, last } from './vms.js'

/**
 * What a process of its own prints and ends with. It has `Vm`, `plan` (a VM `demo` of two vCPUs) and `spinning()`, one that runs without end.
 * @param prefix what the shell does before
 */
export function runScript(script: string, prefix = '') {
  const whole = `
    const { Vm } = await import(process.env.BUNDLE + '/executor.js')
    const { sealPlan } = await import(process.env.BUNDLE + '/verified.js')
    const plan = sealPlan(JSON.parse(process.env.PLAN))
    const spinning = async (code) => {
      const vm = await Vm.create(plan, 'demo')
      await vm.load(Uint8Array.of(0xeb, 0xfe))
      for (const vcpu of vm.vcpus) vcpu.startInLongMode(0)
      await vm.run()
      return vm
    }
    ${script}`
  const plan = JSON.stringify(planOf({ vcpus: [first, last] }))
  const env = { ...process.env, NODE: process.execPath, SCRIPT: whole, BUNDLE: directory, PLAN: plan }
  const command = `${prefix} exec "$NODE" --input-type=module -e "$SCRIPT"`
  return spawnSync('sh', ['-c', command], { encoding: 'utf8', env, timeout: 60_000 })
}
