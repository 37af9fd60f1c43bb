/** Counters of the threads that run a VM's vCPUs. */

import type { FoundVcpu } from '../found/types.js'
import type { KeptFile, KeptFiles } from './kept-files.js'
import { parseSched, parseSchedstat, parseStatCounters } from './parse.js'
import { follow } from './rationed.js'
import type { KvmCounters, ThreadReading } from './types.js'

type Counters = Omit<ThreadReading, 'details'>

/** A thread whose files stay open. */
export class ThreadMeter {
  readonly vcpu: number
  readonly tid: number
  readonly #stat: KeptFile
  readonly #schedstat: KeptFile
  readonly #sched: KeptFile
  #last: Counters | null = null
  #details: ThreadReading['details'] = null

  constructor(files: KeptFiles, pid: number, { vcpu, tid }: Pick<FoundVcpu, 'vcpu' | 'tid'>) {
    this.vcpu = vcpu
    this.tid = tid
    const dir = `/proc/${pid}/task/${tid}`
    this.#stat = files.file(`${dir}/stat`)
    this.#schedstat = files.file(`${dir}/schedstat`)
    this.#sched = files.file(`${dir}/sched`)
  }

  /** `null`: it has ended. */
  read(): ThreadReading | null {
    this.#last = this.#counters(this.#last)
    return this.#last === null ? null : { ...this.#last, details: this.#details }
  }

  /** @param kvm what KVM counts of its vCPU */
  readDetails(kvm: KvmCounters | null): void {
    this.#details = follow(this.#details, { ...parseSched(this.#sched.text() ?? ''), kvm })
  }

  #counters(last: Counters | null): Counters | null {
    const times = parseSchedstat(this.#schedstat.text() ?? '')
    // A thread that neither ran nor left a queue since is where it was: `schedstat` alone is a third of the work.
    if (times !== null && last?.onCpuNs === times.onCpuNs && last.delayNs === times.delayNs) return last
    const stat = parseStatCounters(this.#stat.text() ?? '')
    if (stat === null) return null
    return {
      vcpu: this.vcpu,
      tid: this.tid,
      onCpuNs: times?.onCpuNs ?? stat.ranNs,
      delayNs: times?.delayNs ?? null,
      lastCpu: stat.lastCpu,
    }
  }

  close(): void {
    for (const file of [this.#stat, this.#schedstat, this.#sched]) file.close()
  }
}
