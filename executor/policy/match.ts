/** Whether a rule is about a VM. */

import type { FoundManager, FoundMetadata, FoundVm, Vmm } from '../found/types.js'
import { matchesGlob } from './glob.js'
import type { PolicyMatch, PolicyRange } from './types.js'

/** What rules look at. What is `null` is not known, and fits nothing. */
export interface Subject {
  /** Its name in requests, and that which others may have, too. */
  readonly names: readonly string[]
  readonly vmm: Vmm | null
  readonly manager: FoundManager['name'] | 'nobody' | null
  /** Those of its threads. */
  readonly cgroups: readonly string[]
  readonly metadata: readonly FoundMetadata[]
  readonly vcpus: number | null
  /** Bytes. */
  readonly memory: number | null
}

export type Labels = Readonly<Record<string, string>>

export function subjectOf(name: string, vm: FoundVm): Subject {
  return {
    names: [name, vm.name.value],
    vmm: vm.vmm.value,
    manager: vm.manager?.value.name ?? 'nobody',
    cgroups: vm.cgroups.map(({ path }) => path),
    metadata: vm.metadata,
    vcpus: vm.vcpuCount?.value ?? null,
    memory: vm.memory?.value ?? null,
  }
}

/** A VM of which no more than the name is known. */
export function subjectNamed(name: string): Subject {
  return { names: [name], vmm: null, manager: null, cgroups: [], metadata: [], vcpus: null, memory: null }
}

/** @param labels that it has so far */
export function matches(match: PolicyMatch, subject: Subject, labels: Labels): boolean {
  const { vmm, manager } = subject
  return (
    fits(match.name, subject.names) &&
    (match.vmm === undefined || (vmm !== null && match.vmm.includes(vmm))) &&
    (match.manager === undefined || (manager !== null && match.manager.includes(manager))) &&
    fits(match.cgroup, subject.cgroups) &&
    Object.entries(match.metadata ?? {}).every(([path, globs]) => fits(globs, valuesAt(subject.metadata, path))) &&
    Object.entries(match.labels ?? {}).every(
      ([key, globs]) => Object.hasOwn(labels, key) && fits(globs, [labels[key]!]),
    ) &&
    isIn(match.vcpus, subject.vcpus) &&
    isIn(match.memory, subject.memory)
  )
}

/** Some value is as one of the patterns says. */
function fits(globs: readonly string[] | undefined, values: readonly string[]): boolean {
  return globs === undefined || globs.some((glob) => values.some((value) => matchesGlob(glob, value)))
}

function valuesAt(metadata: readonly FoundMetadata[], path: string): string[] {
  return metadata.filter((one) => one.path === path).map(({ value }) => value)
}

function isIn(range: PolicyRange | undefined, value: number | null): boolean {
  if (range === undefined) return true
  return value !== null && value >= (range.min ?? 0) && value <= (range.max ?? Number.POSITIVE_INFINITY)
}
