/**
 * What the decision engine of `homenode balance` takes and gives. All of it is plain data that JSON keeps. Times are milliseconds on
 * the caller's clock (any origin, never backwards), sizes bytes, loads and pressures shares of 1. `null` is what nothing measures.
 */

import type { CostTerms, Host, Plan, Request, VerifiedPlan } from '../../src/types.js'
import type { Resident } from '../../src/verify.js'

// ------------------------------------------------------------------------------------------------ what is seen

/** What happened in one interval: one for each round, whether anything is decided in it or not. */
export interface Observation {
  /** The end of the interval. */
  readonly at: number
  /** How long it was, in milliseconds. */
  readonly interval: number
  /** VMs that ran at its end. Who is no longer here is forgotten. */
  readonly vms: readonly ObservedVm[]
  /** Share of the interval in which some task waited for it (PSI `some`). */
  readonly pressure: { readonly cpu: number | null; readonly memory: number | null }
}

/** What a VM did in an interval. */
export interface ObservedVm {
  /** Who it is, for as long as it runs: `PID:STARTTIME`. Another VM under the same name has another key. */
  readonly key: string
  /** As requests have it. */
  readonly name: string
  /** By number. `null` fields: not measured, as in the first interval of a VM. */
  readonly vcpus: readonly {
    /** Share of the interval that it ran. */
    readonly use: number | null
    /** Share of the interval that it was runnable and did not run. */
    readonly delay: number | null
  }[]
}

/** What the next plan is to reckon with for a VM: see `Balancer.demands`. */
export interface Demand {
  /** As in `ObservedVm`. */
  readonly key: string
  /** As requests have it. */
  readonly name: string
  /** Percentile over the window of what its vCPUs wanted on average (use and delay), 0.01 to 1: `demand` of a request's VM. */
  readonly demand: number
  /** The same of the window's middle (median). */
  readonly usual: number
  /** Milliseconds of it that are known, up to the window. */
  readonly known: number
}

// ---------------------------------------------------------------------------------------------- what is planned

/** All that runs, at one time, as what may be planned. */
export interface Situation {
  /** The time of the observation before it. */
  readonly at: number
  /** As if none of the request's VMs ran (`requestOf(...).host`). */
  readonly host: Host
  /**
   * Complete (`parseRequest`). All VMs of which enough is known, those that may not move now, too: with `current`, what policy
   * says of them, and `demand` of `Balancer.demands` where they are shared. Its `model` has the horizon and the rate of the settings.
   */
  readonly request: Request
  /** The same VMs, as they are (`requestOf(...).running`). */
  readonly residents: readonly Resident[]
  /** One for each of them. */
  readonly vms: readonly SituatedVm[]
}

/** What may be done to a VM now. */
export interface SituatedVm {
  /** As in `ObservedVm`. */
  readonly key: string
  /** As in the request. */
  readonly name: string
  /** Why nothing of it may change now, as a sentence; `null`: it may. */
  readonly mayNot: string | null
  /** The most that may be copied for it; `null`: any, 0: its memory stays. */
  readonly maxBytes: number | null
}

/** A plan for those that may move. */
export interface Proposal {
  /** Candidate for any of the situation's VMs. Who is not in it, or is refused, stays as it is. */
  readonly plan: Plan
  /** VMs that it leaves out, with a sentence each (`planWithin(...).kept`). */
  readonly kept: readonly { readonly name: string; readonly why: string }[]
}

/**
 * Makes a plan of a situation. Of `planWithin`, or of the planner alone. It is not trusted: what is chosen of it is checked against the whole
 * situation, and priced, by the verifier. `null`: nothing may move.
 */
export type Planning = (situation: Situation) => Promise<Proposal | null>

// ---------------------------------------------------------------------------------------------- what is decided

/**
 * `act`: `moves` are to be made now. `wait`: a move pays, and has not done so for long enough. `stay`: nothing pays, or nothing is allowed to.
 * `back-off`: nothing is looked for, since the host or its guests suffer, or moves were made just before. `undo`: the last moves are to be
 * undone.
 */
export type Decision = 'act' | 'wait' | 'stay' | 'back-off' | 'undo'

/** A round: what was decided, why, and with which figures. One line of the log. */
export interface Round {
  /** Of this format. */
  readonly schemaVersion: 1
  /** What this object is. */
  readonly kind: 'BalanceRound'
  /** Its number, from 1; goes on after a restart. */
  readonly round: number
  /** Of the situation. */
  readonly at: number
  /** What is to be done. */
  readonly decision: Decision
  /** Which rule decided: stable, for counting. */
  readonly reason: Reason
  /** The same as a sentence, with its figures. */
  readonly why: string
  /** What is lost now, of all VMs; `null`: it was not priced. */
  readonly now: Price | null
  /** What would be lost after `moves`; `null`: there are none. */
  readonly planned: Price | null
  /** What it was reckoned with. */
  readonly figures: Figures
  /** What is (or with `wait` would be) done now, in the order of the plan. */
  readonly moves: readonly ChosenMove[]
  /** What it was decided on: VMs with something to say of them: that they would move, why they do not, what they lose. */
  readonly vms: readonly VmRecord[]
  /** The `undo` of the action that is to be undone; `null`: none is. */
  readonly undoes: string | null
}

/**
 * act: `pays`. wait: `patience` (too few rounds so far). stay: `even` (nothing is lost that a plan would save), `small` (less than the least
 * gain), `price` (it does not pay), `caps` (what pays is more than may be moved at a time), `policy` (what would pay may not move),
 * `resting` (what would pay was moved not long ago), `check` (no part of the plan stands up to the verifier), `unknown` (too little is known of the
 * demand yet), `none` (no VM).
 * back-off: `settling` (moves were just made), `pressure` (PSI), `backed-off` (a while after an undo, a failure or pressure). undo: `suffers`.
 */
export type Reason =
  | 'pays'
  | 'patience'
  | 'even'
  | 'small'
  | 'price'
  | 'caps'
  | 'policy'
  | 'resting'
  | 'check'
  | 'unknown'
  | 'none'
  | 'settling'
  | 'pressure'
  | 'backed-off'
  | 'suffers'

/** Lost vCPUs, without `migration`. */
export interface Price {
  /** The sum. */
  readonly lostVcpus: number
  /** Only the terms that are not zero. */
  readonly terms: Partial<CostTerms>
}

/** What a round was reckoned with. */
export interface Figures {
  /** Lost vCPUs that `moves` save. */
  readonly gain: number | null
  /** What moving them costs, in vCPU seconds. */
  readonly price: number | null
  /** For how long a gain counts, in seconds. */
  readonly horizon: number
  /** `gain` x `horizon` has to be above `price` so many times. */
  readonly margin: number
  /** Rounds in a row in which moving these VMs has paid, this one too. */
  readonly held: number
  /** So many are asked for. */
  readonly patience: number
  /** Bytes that `moves` copy. */
  readonly bytes: number
  /** vCPUs that get other CPUs. */
  readonly pinned: number
  /** Of the observation. */
  readonly pressure: Observation['pressure']
  /** Mean share of the interval that vCPUs waited for a CPU. */
  readonly delay: number | null
  /** Until when nothing is done; `null`: now. */
  readonly until: number | null
}

/** A VM that is moved. */
export interface ChosenMove {
  /** As in the request. */
  readonly vm: string
  /** As in `ObservedVm`. */
  readonly key: string
  /** Nodes of its vCPUs' CPUs now, as a cpulist. */
  readonly from: string
  /** And then. */
  readonly to: string
  /** Copied. */
  readonly bytes: number
  /** vCPUs that get other CPUs. */
  readonly pinned: number
}

/** What was decided of one VM. */
export interface VmRecord {
  /** As in the request. */
  readonly vm: string
  /** As in `ObservedVm`. */
  readonly key: string
  /** What was planned with; `null`: it is not known yet. */
  readonly demand: number | null
  /** What it loses now, without the host's terms; `null`: it was not priced. */
  readonly lostVcpus: number | null
  /** `move`: it is among `moves`. `stay`: the plan has it elsewhere, and it stays. `rest`: it may not move, or the plan leaves it. */
  readonly decision: 'move' | 'stay' | 'rest'
  /** A sentence. */
  readonly why: string
}

/** A round, and what carries it out. */
export interface Decided {
  /** For the log. */
  readonly round: Round
  /**
   * With `act`: a verified plan of the VMs in `moves` alone, for `prepareChanges`: all others stay as they are, and every state on the
   * way was checked with them. `null` otherwise.
   */
  readonly plan: VerifiedPlan | null
}

/** What became of an `act` or an `undo`. */
export interface Outcome {
  /** When it was done. */
  readonly at: number
  /** `Round.decision`. */
  readonly decision: 'act' | 'undo'
  /** `Round.round`. */
  readonly round: number
  /**
   * `done`: all of it; `partial`: some, or VMs have ended; `failed`: nothing, or nobody knows; `dry`: it was not tried (`--dry-run`). After `dry` the same is decided
   * again as if nothing had been said.
   */
  readonly result: 'done' | 'partial' | 'failed' | 'dry'
  /** Bytes that were copied, as measured. */
  readonly bytes: number
  /** Keys of VMs of which something was changed. */
  readonly moved: readonly string[]
  /** Whatever the caller needs to undo it, such as the path of an undo file; comes back as `Round.undoes`. `null`: it cannot be undone. */
  readonly undo: string | null
}

// ------------------------------------------------------------------------------------------------- what is kept

/** All that the engine remembers: plain data. `readState` takes it back from a file. */
export interface BalanceState {
  /** Of this format. */
  readonly schemaVersion: 1
  /** What this object is. */
  readonly kind: 'BalanceState'
  /** The last round's number. */
  readonly round: number
  /** The last observation's time; `null`: there was none. */
  readonly at: number | null
  /** VMs that ran then. */
  readonly vms: readonly VmState[]
  /** Nothing is done before; `null`: nothing stands against it. */
  readonly backOff: { readonly until: number; readonly why: string; readonly times: number } | null
  /** The last moves, while their effect is watched. */
  readonly watched: Watched | null
}

/** What is remembered of a VM. */
export interface VmState {
  /** As in `ObservedVm`. */
  readonly key: string
  /** As requests have it. */
  readonly name: string
  /** How many it has. */
  readonly vcpus: number
  /** The window, oldest first: parts of it, each with milliseconds that were measured, and means per vCPU. */
  readonly parts: readonly DemandPart[]
  /** Rounds in a row in which moving it has paid. */
  readonly held: number
  /** It rests until then; `null`: it may move. */
  readonly restsUntil: number | null
  /** How often it was moved within the last day, by when. */
  readonly movedAt: readonly number[]
}

/** A part of the window. */
export interface DemandPart {
  /** Its beginning. */
  readonly from: number
  /** Milliseconds of it that were measured. */
  readonly measured: number
  /** Mean share that a vCPU ran. */
  readonly use: number
  /** Mean share that a vCPU waited for a CPU; of the time in which that was measured, 0 where it never was. */
  readonly delay: number
}

/** Moves whose effect is watched. */
export interface Watched {
  /** When they were made. */
  readonly at: number
  /** In which round. */
  readonly round: number
  /** Of `Outcome`. */
  readonly undo: string | null
  /** Who was moved. */
  readonly moved: readonly string[]
  /** VMs that were there just before. */
  readonly before: readonly WatchedVm[]
  /** And since then. */
  readonly after: readonly WatchedVm[]
}

/** What a VM's vCPUs did while they were watched. */
export interface WatchedVm {
  /** As in `ObservedVm`. */
  readonly key: string
  /** How many it has. */
  readonly vcpus: number
  /** Milliseconds that were measured. */
  readonly measured: number
  /** Mean share that a vCPU ran. */
  readonly use: number
  /** Mean share that a vCPU waited for a CPU. */
  readonly delay: number
}

// ------------------------------------------------------------------------------------------------- who decides

/**
 * The engine: `new Balancer(settings, state)` is one. It does no I/O and has no clock. In each round: `observe`, then a situation is made with
 * `demands`, then `decide`; after an `act` or an `undo` that was tried, `acted`. With the same calls it decides the same.
 */
export interface DecisionEngine {
  /** Takes in what happened. VMs that are not in it are forgotten; their places are free for others at once. */
  observe(observation: Observation): void
  /** What is known of the demand of the VMs of the last observation, by key. VMs of which nothing is known are not in it. */
  demands(): ReadonlyMap<string, Demand>
  /**
   * Decides on the situation after the last observation. Changes nothing but the count of rounds and who pays for how long.
   * @param plan called at most once, and not where nothing could be done anyway
   * @throws what `plan` throws; {InputError} for a situation that does not fit together
   */
  decide(situation: Situation, plan: Planning): Promise<Decided>
  /** Tells what became of the last decision. Without it nothing is taken to have been done. */
  acted(outcome: Outcome): void
  /** All that it remembers, for a file: `new Balancer(settings, readState(...))` goes on from there. */
  state(): BalanceState
}
