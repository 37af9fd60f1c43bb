/** A plan file's placement as the target of what runs now: where threads float, the moves and the price are reckoned anew, and verified. */

import { nameIn, runningOf } from '../../executor/found/as-request.js'
import { keepersOf } from '../../executor/found/beside.js'
import { type Finding, PlanError } from '../errors.js'
import { orderMoves } from '../planner/moves.js'
import { floatAnew } from '../planner/target.js'
import { withVms } from '../request.js'
import { COST_TERMS, type Host, type Plan, type PlanVm, type Request, type VerifiedPlan } from '../types.js'
import { costOf, type MicroTerms, totalOf } from '../verify/cost.js'
import { machineOf } from '../verify/machine.js'
import { MICRO } from '../verify/micro.js'
import { checkShape } from '../verify/placement.js'
import { checkPlan, parsePlan, verifyPlan } from '../verify.js'
import { CommandError, EXIT } from './errors.js'
import { inFile, nameOf, readJson } from './input.js'
import { type Asked, askFor, type Here, namesOf, type RunningSource } from './running-request.js'

export interface Target extends Asked {
  readonly plan: VerifiedPlan
  /** VMs of the plan that neither run nor are in the request. */
  readonly gone: readonly string[]
  /** VMs that run and are not in the plan. They stay as they are. */
  readonly beside: readonly string[]
}

/** @throws {InputError} with the file's name, for what is no plan */
export async function readPlanFile(file: string): Promise<Plan> {
  const content = await readJson(file)
  return inFile(nameOf(file), () => parsePlan(content))
}

/**
 * @param plan of the file
 * @param wishes the content of the request that it was made with
 * @throws {CommandError} where its placement does not hold for what runs now
 */
export async function aimAt(
  here: Here,
  { plan, file }: { readonly plan: Plan; readonly file: string },
  source: RunningSource,
  wishes: unknown,
): Promise<Target> {
  const planned = new Set([...plan.vms, ...plan.refused].map(({ name }) => name))
  const known = runningOf(here.found.vms, new Set()).running.map(({ name }) => name)
  const asked = await askFor(here, source, withPolicies(wishes, plan, known), (name) => planned.has(name))
  const wanted = new Set(asked.request.vms.map(({ name }) => name))
  const vms = plan.vms.filter(({ name }) => wanted.has(name))
  const refused = plan.refused.filter(({ name }) => wanted.has(name))
  const hint = source.request === undefined ? '; a plan made with -f has to be given that file here, too' : ''
  const failWith = (findings: readonly Finding[], more = '') => {
    const texts = [...new Set(findings.map(({ text }) => text))].join('; ')
    return new CommandError(`${nameOf(file)}: the plan does not hold for what runs now: ${texts}${more}`, EXIT.unfit)
  }
  const fail = (findings: readonly Finding[]) => failWith(findings, hint)
  const kept = keptFindings(here, asked, vms)
  if (kept.length > 0) throw failWith(kept)
  const absent = [...planned].filter((name) => !wanted.has(name))
  const running = namesOf(here.found)
  const beside = running.filter((name) => !planned.has(name))
  return {
    ...asked,
    plan: verified(asked, { ...plan, vms, refused }, absent.length + beside.length > 0, fail),
    gone: absent.filter((name) => !running.includes(name)),
    beside,
  }
}

/** vCPUs that the plan has on CPUs of VMs that run and are not in it. */
function keptFindings({ found, host }: Here, { asked }: Asked, vms: readonly PlanVm[]): Finding[] {
  const others = found.vms.filter((vm) => asked.running.every((one) => one.vm !== vm))
  const keepers = keepersOf(host, others)
  return vms.flatMap((vm) =>
    vm.vcpus.flatMap(({ vcpu, cpus, cell }) => {
      const keeper = keepers.get(Number(cpus))
      if (keeper === undefined) return []
      const name = nameIn(found.vms, keeper)
      const text = `${vm.name}: vCPU ${vcpu} would be on CPU ${cpus}, whose core ${name} is pinned to, which runs and is not in the plan`
      return [{ constraint: 'cpu-usable', vm: vm.name, cell, vcpu, text }]
    }),
  )
}

/** Which vCPUs have CPUs of their own is the plan's to say, where the file with wishes does not. */
function withPolicies(wishes: unknown, plan: Plan, running: readonly string[]): unknown {
  // What is wrong with it is said where it is read.
  if (wishes !== undefined && (typeof wishes !== 'object' || wishes === null || Array.isArray(wishes))) return wishes
  const { vms = [], ...rest } = (wishes ?? {}) as { readonly vms?: unknown }
  if (!Array.isArray(vms) || vms.some((vm) => typeof vm !== 'object' || vm === null)) return wishes
  const policies = new Map(plan.vms.map((vm) => [vm.name, policyOf(vm)]))
  const wished = vms.map((vm) => ({ ...policies.get(vm.name), ...vm }))
  const named = new Set(vms.map((vm) => vm.name))
  const others = running.filter((name) => policies.has(name) && !named.has(name))
  return { ...rest, vms: [...wished, ...others.map((name) => ({ name, ...policies.get(name) }))] }
}

function policyOf({ vcpus }: PlanVm): object {
  const dedicated = vcpus.filter((vcpu) => vcpu.dedicated).map(({ vcpu }) => vcpu)
  if (dedicated.length === vcpus.length) return { cpuPolicy: 'dedicated' }
  return dedicated.length === 0 ? { cpuPolicy: 'shared' } : { cpuPolicy: 'mixed', dedicatedVcpus: dedicated.join() }
}

/** @param isOther the VMs here are not just those of the plan: threads that float get the CPUs that they have now */
function verified(
  { asked: { host }, request }: Asked,
  given: Plan,
  isOther: boolean,
  fail: (findings: readonly Finding[]) => CommandError,
): VerifiedPlan {
  const shape = checkShape(machineOf(host, request), request, given)
  if (shape.length > 0) throw fail(shape)
  const { moves: _, spare: __, ...rest } = given
  const plan = isOther ? { ...rest, vms: floatAnew(host, request, rest.vms) } : rest
  // The placement alone: moves and price are of those that hold.
  const bare = withVms(
    request,
    request.vms.map((vm) => ({ ...vm, current: null })),
  )
  const findings = checkPlan(host, bare, plan).filter(({ constraint }) => !['cost', 'status'].includes(constraint))
  if (findings.length > 0) throw fail(findings)
  const isReplan = request.vms.some(({ current }) => current !== null)
  const moves = isReplan ? orderMoves(host, request, plan) : {}
  try {
    return verifyPlan(host, request, { ...plan, ...moves, ...priced(host, request, plan) })
  } catch (error) {
    if (error instanceof PlanError) throw fail(error.findings)
    throw error
  }
}

/** The plan with what it costs from where its VMs are now. No lower bound is known. */
function priced(host: Host, request: Request, plan: Plan): Pick<Plan, 'status' | 'cost' | 'vms'> {
  const price = costOf(host, request, plan.vms)
  const lostVcpus = totalOf(price.terms) / MICRO
  const whole = lostVcpus === 0 ? 'optimal' : 'feasible'
  return {
    status: plan.vms.length === 0 ? 'infeasible' : plan.refused.length > 0 ? 'partial' : whole,
    cost: { lostVcpus, lowerBound: 0, gap: lostVcpus, terms: inVcpus(price.terms, COST_TERMS) },
    vms: plan.vms.map((vm) => {
      const micro = price.vms.get(vm.name)!
      const kept = COST_TERMS.filter((term) => micro[term] !== 0)
      return { ...vm, cost: { lostVcpus: totalOf(micro) / MICRO, terms: inVcpus(micro, kept) } }
    }),
  }
}

function inVcpus<Term extends keyof MicroTerms>(micro: MicroTerms, terms: readonly Term[]): Record<Term, number> {
  return Object.fromEntries(terms.map((term) => [term, micro[term] / MICRO])) as Record<Term, number>
}
