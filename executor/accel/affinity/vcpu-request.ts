/** vCPUs and what is wanted of them, as a request to the planner. */

import { InputError, show, UnsupportedError } from '../../../src/errors.js'
import { plan } from '../../../src/plan.js'
import type {
  CpuPolicy,
  CurrentPlacement,
  Host,
  MemoryPolicy,
  NodeId,
  PlanVm,
  Refusal,
  ThreadPolicy,
  VerifiedPlan,
} from '../../../src/types.js'
import { verifyPlan } from '../../../src/verify.js'

/** What is wanted of the vCPUs: fields of a request's VM and of the request, as in its file, and a few more. */
export interface ConfigureOptions {
  /** Guest nodes: how many, or which; default: as many as cost least. */
  readonly cells?: 'auto' | number | readonly { readonly vcpus: string; readonly memory: string }[]
  /** Whether a cell may be on several nodes. */
  readonly span?: boolean
  /** Default: `dedicated`, a CPU for each vCPU. */
  readonly cpuPolicy?: CpuPolicy
  /** cpulist, with `cpuPolicy: 'mixed'`. */
  readonly dedicatedVcpus?: string
  /** Who shares a core; default: `prefer`, and `isolate` with `enableHt: false`. */
  readonly threadPolicy?: ThreadPolicy
  /** With a unit: `64MiB`. Default: a page for each vCPU, so that the CPUs alone decide. */
  readonly memory?: string
  /** Where the memory may be; default: `strict`. */
  readonly memoryPolicy?: MemoryPolicy
  /** `4KiB`, `2MiB`, `1GiB`, `any`. */
  readonly pageSize?: string
  /** Mean load of a vCPU that shares CPUs, up to 1. */
  readonly demand?: number
  /** Devices that the guest uses, by their node. */
  readonly devices?: readonly { readonly node: NodeId; readonly strict?: boolean }[]
  /** vCPU-to-vCPU traffic, a square matrix. */
  readonly traffic?: 'uniform' | readonly (readonly number[])[]
  /** Share of time that a vCPU waits for memory when all is local. */
  readonly memoryBound?: number
  /** Bytes a second, or with a unit. */
  readonly bandwidth?: number | string
  /** What is kept for the host. */
  readonly reserve?: { readonly cpus?: string; readonly memory?: string }
  /** Most demand of shared vCPUs for each shared CPU of a node. */
  readonly overcommit?: number
  /** Between plans of equal cost: few nodes, or many. */
  readonly strategy?: 'pack' | 'spread'
  /** Steps of search. */
  readonly steps?: number
  /** Another seed searches elsewhere; the same one gives the same plan. */
  readonly seed?: number
  /** Of each vCPU, as in `VcpuConfig`; default 0. */
  readonly priority?: number
  /** `false`: one vCPU a core; with `isolate` its siblings stay idle, with `spread` others may have them. Default: true. */
  readonly enableHt?: boolean
  /** Another host than that of the topology, such as one with other free memory. */
  readonly host?: Host
}

const NAME = 'vm'

/**
 * The vCPUs' places, planned and verified.
 * @param current where they are now
 * @throws {InputError} for options that are not valid
 * @throws {UnsupportedError} where they do not fit, with what clashes and what would help
 */
export async function placeVcpus(
  host: Host,
  vcpus: number,
  options: ConfigureOptions,
  current?: CurrentPlacement,
): Promise<VerifiedPlan> {
  const { reserve, overcommit, strategy, steps, seed, priority: _, enableHt = true, host: __, ...vm } = options
  const request = {
    ...(reserve === undefined ? {} : { reserve }),
    ...(overcommit === undefined ? {} : { overcommit }),
    ...(strategy === undefined ? {} : { strategy }),
    vms: [
      {
        memory: `${vcpus * (host.nodes[0]?.pages[0]?.size ?? 4096)}B`,
        ...vm,
        name: NAME,
        vcpus,
        ...(enableHt ? {} : { threadPolicy: ownCores(vm) }),
        ...(current === undefined ? {} : { current }),
      },
    ],
  }
  const search = { ...(steps === undefined ? {} : { steps }), ...(seed === undefined ? {} : { seed }) }
  const planned = verifyPlan(host, request, await plan(host, request, search).catch(inOptions))
  const [refusal] = planned.refused
  if (refusal !== undefined) throw unfit(vcpus, refusal)
  return planned
}

/** The thread policy of vCPUs that share no core. */
function ownCores({ threadPolicy = 'isolate', cpuPolicy = 'dedicated' }: ConfigureOptions): ThreadPolicy {
  if (cpuPolicy !== 'dedicated') {
    throw new InputError('cpuPolicy', '"dedicated", with enableHt: false: others float over cores', show(cpuPolicy))
  }
  // `spread` is a wish to the planner: whoever asks for both is told where it could not be fulfilled.
  if (threadPolicy === 'isolate' || threadPolicy === 'spread') return threadPolicy
  throw new InputError('threadPolicy', '"isolate" or "spread", with enableHt: false', show(threadPolicy))
}

/** The place of an error in the options, rather than in the request that is made of them. */
function inOptions(error: unknown): never {
  if (!(error instanceof InputError)) throw error
  throw new InputError(error.where.replace(/^vms\[0\]\.?/, ''), error.expected, error.got)
}

function unfit(vcpus: number, { because, nearest }: Refusal): UnsupportedError {
  const why = because.map(({ text }) => text).join('; ')
  const help = nearest.length === 0 ? '' : `; it fits with ${nearest.map(({ change }) => change).join(', or ')}`
  return new UnsupportedError(because[0]?.constraint ?? 'placement', `${vcpus} vCPUs do not fit: ${why}${help}`)
}

/** The one VM of a plan of `placeVcpus`. */
export function plannedVm({ vms }: VerifiedPlan): PlanVm {
  return vms[0]!
}
