/** Rules for VMs that run. */

import type { FoundManager, Vmm } from '../found/types.js'
import type { Span } from './times.js'

/** A range with both ends in it; without one of them it is open there. */
export interface PolicyRange {
  /** The least. */
  readonly min?: number | undefined
  /** The most. */
  readonly max?: number | undefined
}

/** Patterns, with `*` for any text and `?` for one character. One of them has to fit. */
export type Patterns = readonly string[]

/** Which VMs a rule is about: all of it has to fit. What is not known of a VM fits nothing. */
export interface PolicyMatch {
  /** Its name. */
  readonly name?: Patterns | undefined
  /** What runs it. */
  readonly vmm?: readonly Vmm[] | undefined
  /** Who manages it. */
  readonly manager?: readonly (FoundManager['name'] | 'nobody')[] | undefined
  /** The path of a cgroup of its threads. */
  readonly cgroup?: Patterns | undefined
  /** Of a libvirt domain, by `FoundMetadata.path`. */
  readonly metadata?: Readonly<Record<string, Patterns>> | undefined
  /** Labels that earlier rules set, and those of its metadata. */
  readonly labels?: Readonly<Record<string, Patterns>> | undefined
  /** How many it has. */
  readonly vcpus?: PolicyRange | undefined
  /** Bytes. */
  readonly memory?: PolicyRange | undefined
}

/** What a rule says beside the fields of a request. `null`: as if no rule had said anything of it. */
export interface PolicyOrders {
  /** Other VMs, by their names. */
  readonly near?: Patterns | null | undefined
  /** Other VMs, by their names. */
  readonly separateFrom?: Patterns | null | undefined
  /** No byte of its memory is copied. */
  readonly memory?: 'stay' | null | undefined
  /** It stays as it is. */
  readonly moves?: 'never' | null | undefined
  /** It stays as it is but in these times. */
  readonly moveTimes?: readonly (readonly Span[])[] | null | undefined
  /** The most that is copied for it in one plan. */
  readonly moveBytes?: number | null | undefined
  /** For the rules after this one; `null` takes one away. */
  readonly labels?: Readonly<Record<string, string | null>> | undefined
}

/** A rule of a policy. */
export interface Rule {
  /** As it is called in answers: its own name, or its place. */
  readonly name: string
  /** Which VMs it is about. */
  readonly match: PolicyMatch
  /** What it says of them, beside the fields of a request. */
  readonly set: PolicyOrders
  /** All that it says, as written in the file. */
  readonly given: Readonly<Record<string, unknown>>
}

/** Rules for VMs that run. Of two that say something of the same field the later one counts. */
export interface Policy {
  /** Of the times of its rules; `null`: that of this system. */
  readonly timeZone: string | null
  /** In the order of the file. */
  readonly rules: readonly Rule[]
}
