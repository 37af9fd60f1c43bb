/** All checks of `doctor`: first what is missing, in the order in which to mend it, then whether placing pays. */

import type { Host } from '../../types.js'
import {
  checkGuestSize,
  checkIsolatedCpus,
  checkLoad,
  checkMemoryLimits,
  checkNumaBalancing,
  checkPlacement,
  checkRandomAccess,
  checkTransparentHugePages,
} from './advice.js'
import { type Check, problem } from './check.js'
import { checkGuests } from './guests.js'
import { checkKvm, checkKvmGroup } from './kvm.js'
import type { ExecutorProbes, Probes } from './probes.js'
import { checkCapSysNice, checkCgroup, checkKernel, checkMbind, checkNodeJs } from './system.js'
import { checkCpus, checkHugePages, checkNodes } from './topology.js'

export async function examine(probes: Probes): Promise<Check[]> {
  const checks = [checkNodeJs(probes), checkKernel(probes)]
  const executor = await attempt(() => probes.executor())
  if ('value' in executor) checks.push(...executorChecks(probes, executor.value))
  else {
    const mend = 'Install again without --omit=optional, on a system for which koffi has a binary.'
    checks.push(
      problem('koffi', executor.reason, 'Calls to libc cannot be made: plan and check work, run does not.', mend),
    )
  }
  checks.push(checkCapSysNice(probes))
  const host = await attempt(() => probes.host())
  if ('value' in host) {
    const affinity = 'value' in executor ? executor.value.affinity() : { usable: true as const, cpus: [] }
    checks.push(checkCpus(host.value, affinity), checkNodes(host.value), checkHugePages(host.value))
  } else {
    const mend = 'Mount sysfs at /sys; elsewhere use --host, --root or --synthetic.'
    checks.push(problem('topology', host.reason, 'This machine cannot be planned for.', mend))
  }
  checks.push(checkCgroup(probes), checkGuests(await probes.guests()))
  if ('value' in host) checks.push(...advice(probes, host.value))
  return checks
}

/** Whether placing guests pays here. */
function advice(probes: Probes, host: Host): Check[] {
  return [
    checkPlacement(host),
    checkGuestSize(host),
    checkMemoryLimits(host),
    checkRandomAccess(host),
    checkLoad(probes, host),
    checkNumaBalancing(probes, host),
    checkTransparentHugePages(probes),
    checkIsolatedCpus(host),
  ]
}

function executorChecks(probes: Probes, executor: ExecutorProbes): Check[] {
  const kvm = executor.kvm()
  return [checkKvm(probes, kvm), checkKvmGroup(probes, kvm), checkMbind(executor.mbind())]
}

async function attempt<Value>(ask: () => Promise<Value>): Promise<{ value: Value } | { reason: string }> {
  try {
    return { value: await ask() }
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) }
  }
}
