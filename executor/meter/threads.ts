/** Counters of the threads that run a VM's vCPUs. */

import type { FoundVcpu } from '../found/types.js'
import type { KeptFile, KeptFiles } from './kept-files.js'
import { parseSched, parseSchedstat, parseStatCounters } from './parse.js'
import type { ThreadReading } from './types.js'

type Counters = Omit<ThreadReading, 'kvm'>

/** A thread whose files stay open. */
export class ThreadMeter {
  readonly vcpu: number
  readonly tid: number
  readonly #stat: KeptFile
  readonly #schedstat: KeptFile
  readonly #sched: KeptFile
  #last: Counters | null = null

  constructor(files: KeptFiles, pid: number, { vcpu, tid }: Pick<FoundVcpu, 'vcpu' | 'tid'>) {
    this.vcpu = vcpu
    this.tid = tid
    const dir = `/proc/${pid}/task/${tid}`
    this.#stat = files.file(`${dir}/stat`)
    this.#schedstat = files.file(`${dir}/schedstat`)
    this.#sched = files.file(`${dir}/sched`)
  }

  /** `null`: it has ended. */
  read(): Counters | null {
    const times = parseSchedstat(this.#schedstat.text() ?? '')
    const last = this.#last
    // A thread that neither ran nor left a queue since is where it was: `schedstat` alone is a tenth of the work.
    if (times !== null && last?.onCpuNs === times.onCpuNs && last.delayNs === times.delayNs) return last
    const stat = parseStatCounters(this.#stat.text() ?? '')
    if (stat === null) return null
    this.#last = {
      vcpu: this.vcpu,
      tid: this.tid,
      onCpuNs: times?.onCpuNs ?? stat.ranNs,
      delayNs: times?.delayNs ?? null,
      lastCpu: stat.lastCpu,
      ...parseSched(this.#sched.text() ?? ''),
    }
    return this.#last
  }

  close(): void {
    for (const file of [this.#stat, this.#schedstat, this.#sched]) file.close()
  }
}
