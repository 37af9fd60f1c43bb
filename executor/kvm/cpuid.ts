/**
 * What a guest finds out about its CPU: what KVM supports, with the planned topology in it.
 * Sources: Intel SDM volume 2A, CPUID; AMD64 Architecture Programmer's Manual volume 3, appendix E.
 */

import { KVM_CPUID_FLAG_SIGNIFCANT_INDEX, kvm_cpuid_entry2, kvm_cpuid2 } from '../abi/kvm.js'
import type { GuestTopology } from '../plan/guest-topology.js'

/** One answer of the instruction: `index` is the ECX that it is for, where the leaf has several. */
export interface CpuidEntry {
  readonly leaf: number
  readonly index: number
  readonly flags: number
  readonly eax: number
  readonly ebx: number
  readonly ecx: number
  readonly edx: number
}

/** Reads a `struct kvm_cpuid2`. */
export function parseCpuid(cpuid: Uint8Array): CpuidEntry[] {
  const view = new DataView(cpuid.buffer, cpuid.byteOffset, cpuid.byteLength)
  const count = view.getUint32(kvm_cpuid2.nent, true)
  return Array.from({ length: count }, (_, i) => {
    const at = kvm_cpuid2.size + i * kvm_cpuid_entry2.size
    const word = (field: Exclude<keyof typeof kvm_cpuid_entry2, 'size'>) =>
      view.getUint32(at + kvm_cpuid_entry2[field], true)
    const registers = { eax: word('eax'), ebx: word('ebx'), ecx: word('ecx'), edx: word('edx') }
    return { leaf: word('function'), index: word('index'), flags: word('flags'), ...registers }
  })
}

/** Writes a `struct kvm_cpuid2`. */
export function formatCpuid(entries: readonly CpuidEntry[]): Uint8Array {
  const cpuid = new Uint8Array(kvm_cpuid2.size + entries.length * kvm_cpuid_entry2.size)
  const view = new DataView(cpuid.buffer)
  view.setUint32(kvm_cpuid2.nent, entries.length, true)
  entries.forEach(({ leaf, ...fields }, i) => {
    const at = kvm_cpuid2.size + i * kvm_cpuid_entry2.size
    for (const [name, value] of Object.entries({ ...fields, function: leaf })) {
      view.setUint32(at + kvm_cpuid_entry2[name as keyof typeof kvm_cpuid_entry2], value, true)
    }
  })
  return cpuid
}

export type CpuVendor = 'intel' | 'amd' | 'other'

/** By the name in leaf 0. Hygon's CPUs are AMD's. */
export function vendorOf(entries: readonly CpuidEntry[]): CpuVendor {
  const first = entries.find(({ leaf }) => leaf === 0)
  if (first === undefined) return 'other'
  const name = Buffer.from(Uint32Array.of(first.ebx, first.edx, first.ecx).buffer).toString('latin1')
  if (name === 'GenuineIntel') return 'intel'
  return name === 'AuthenticAMD' || name === 'HygonGenuine' ? 'amd' : 'other'
}

const HTT = 2 ** 28
const LEGACY_MULTI_CORE = 2
/** Leaf 0xB and 0x1F: types of the levels. */
const SMT_LEVEL = 1
const CORE_LEVEL = 2

/** Leaf 1, ECX: the local APIC's timer takes times of the TSC; this is a guest. */
const DEADLINE_TIMER = 2 ** 24
const HYPERVISOR = 2 ** 31

/** KVM's own leaf of features. EDX: vCPUs are not kept waiting for a CPU, so that a spinlock is better waited for than slept on. */
const KVM_FEATURES = 0x40000001
const HINT_REALTIME = 1

/** What of a VM its topology does not say. */
export interface CpuidTraits {
  /** Whether it has local APICs whose timers take times of the TSC. */
  readonly deadlineTimer: boolean
  /** Whether each vCPU has a CPU of its own. */
  readonly dedicated: boolean
}

/** The answers that one vCPU gives. */
export function guestCpuid(
  supported: readonly CpuidEntry[],
  topology: GuestTopology,
  vcpu: number,
  traits: CpuidTraits = { deadlineTimer: false, dedicated: false },
): CpuidEntry[] {
  const facts = { ...factsOf(topology, vcpu), ...traits }
  const vendor = vendorOf(supported)
  const has = (leaf: number) => supported.some((entry) => entry.leaf === leaf)
  const levels = [0xb, 0x1f].filter(has).flatMap((leaf) => levelEntries(leaf, facts))
  return [
    ...supported
      .filter(({ leaf }) => leaf !== 0xb && leaf !== 0x1f)
      .map((entry) => (entry.leaf === KVM_FEATURES ? featuresEntry(entry, facts) : entry))
      .map((entry) => (vendor === 'amd' ? amdEntry(entry, facts) : intelEntry(entry, facts))),
    ...levels,
  ]
}

function featuresEntry(entry: CpuidEntry, { dedicated }: Facts): CpuidEntry {
  return { ...entry, edx: dedicated ? (entry.edx | HINT_REALTIME) >>> 0 : (entry.edx & ~HINT_REALTIME) >>> 0 }
}

interface Facts extends CpuidTraits {
  readonly apicId: number
  readonly package: number
  readonly threadBits: number
  /** Bits of thread, core and LLC: what tells packages apart is above. */
  readonly packageBits: number
  /** Bits of thread and core. */
  readonly llcBits: number
  /** vCPUs of this one's core, and of its package. */
  readonly inCore: number
  readonly inPackage: number
}

function factsOf(
  { places, apicIds, threadBits, coreBits, llcBits }: GuestTopology,
  vcpu: number,
): Omit<Facts, keyof CpuidTraits> {
  const apicId = apicIds[vcpu]!
  const packageBits = threadBits + coreBits + llcBits
  const alike = (bits: number) => apicIds.filter((id) => id >>> bits === apicId >>> bits).length
  return {
    apicId,
    package: places[vcpu]!.package,
    threadBits,
    packageBits,
    llcBits: threadBits + coreBits,
    inCore: alike(threadBits),
    inPackage: alike(packageBits),
  }
}

/** Leaf 1: initial APIC id, how many ids a package has, and whether that is more than one; what KVM leaves to its user. */
function basicEntry(entry: CpuidEntry, { apicId, packageBits, deadlineTimer }: Facts): CpuidEntry {
  const ids = Math.min(2 ** packageBits, 255)
  const ebx = ((entry.ebx & 0xffff) | (ids << 16) | ((apicId & 0xff) << 24)) >>> 0
  const edx = ids > 1 ? (entry.edx | HTT) >>> 0 : (entry.edx & ~HTT) >>> 0
  const timer = deadlineTimer ? entry.ecx | DEADLINE_TIMER : entry.ecx & ~DEADLINE_TIMER
  return { ...entry, ebx, ecx: (timer | HYPERVISOR) >>> 0, edx }
}

/** How many ids share a cache, less one, in bits 14 to 25. */
function cacheSharing({ eax }: CpuidEntry, { threadBits, llcBits }: Facts): number {
  const level = (eax >>> 5) & 7
  const ids = 2 ** (level >= 3 ? llcBits : threadBits)
  return ((eax & 0x3fff) | (((ids - 1) & 0xfff) << 14)) >>> 0
}

function hasCache({ eax }: CpuidEntry): boolean {
  return (eax & 0x1f) !== 0
}

function intelEntry(entry: CpuidEntry, facts: Facts): CpuidEntry {
  if (entry.leaf === 1) return basicEntry(entry, facts)
  if (entry.leaf === 4 && hasCache(entry)) {
    const cores = Math.min(2 ** (facts.packageBits - facts.threadBits), 64)
    return { ...entry, eax: (cacheSharing(entry, facts) | ((cores - 1) << 26)) >>> 0 }
  }
  return entry
}

function amdEntry(entry: CpuidEntry, facts: Facts): CpuidEntry {
  switch (entry.leaf) {
    case 1:
      return basicEntry(entry, facts)
    case 0x80000001:
      return {
        ...entry,
        ecx: facts.inPackage > 1 ? (entry.ecx | LEGACY_MULTI_CORE) >>> 0 : (entry.ecx & ~LEGACY_MULTI_CORE) >>> 0,
      }
    case 0x80000008:
      return {
        ...entry,
        ecx: ((entry.ecx & ~0xf0ff) | ((facts.inPackage - 1) & 0xff) | (facts.packageBits << 12)) >>> 0,
      }
    case 0x8000001d:
      return hasCache(entry) ? { ...entry, eax: cacheSharing(entry, facts) } : entry
    case 0x8000001e:
      return {
        ...entry,
        eax: facts.apicId,
        ebx: (((facts.apicId >>> facts.threadBits) & 0xff) | ((facts.inCore - 1) << 8)) >>> 0,
        ecx: facts.package & 0xff,
        edx: 0,
      }
    default:
      return entry
  }
}

/** Extended topology: threads of a core, then all of a package, then the end. */
function levelEntries(leaf: number, { apicId, threadBits, packageBits, inCore, inPackage }: Facts): CpuidEntry[] {
  const flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX
  return [
    { leaf, index: 0, flags, eax: threadBits, ebx: inCore, ecx: SMT_LEVEL << 8, edx: apicId },
    { leaf, index: 1, flags, eax: packageBits, ebx: inPackage, ecx: (CORE_LEVEL << 8) | 1, edx: apicId },
    { leaf, index: 2, flags, eax: 0, ebx: 0, ecx: 2, edx: apicId },
  ]
}
