/** Counters of the threads that run a VM's vCPUs. */

import type { FoundVcpu } from '../found/types.js'
import type { KeptFile, KeptFiles } from './kept-files.js'
import { parseSched, parseSchedstat, parseStatCounters } from './parse.js'
import { follow } from './rationed.js'
import type { KvmCounters, ThreadReading } from './types.js'

/** A thread whose files stay open. */
export class ThreadMeter {
  readonly vcpu: number
  readonly tid: number
  readonly #stat: KeptFile
  readonly #schedstat: KeptFile
  readonly #sched: KeptFile
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
    const { vcpu, tid } = this
    const text = this.#schedstat.text()
    const times = text === null ? null : parseSchedstat(text)
    if (times !== null) return { vcpu, tid, ...times, details: this.#details }
    const stat = parseStatCounters(this.#stat.text() ?? '')
    return stat === null ? null : { vcpu, tid, onCpuNs: stat.ranNs, delayNs: null, details: this.#details }
  }

  /** @param kvm what KVM counts of its vCPU */
  readDetails(kvm: KvmCounters | null): void {
    const lastCpu = parseStatCounters(this.#stat.text() ?? '')?.lastCpu ?? null
    this.#details = follow(this.#details, { lastCpu, ...parseSched(this.#sched.text() ?? ''), kvm })
  }

  close(): void {
    for (const file of [this.#stat, this.#schedstat, this.#sched]) file.close()
  }
}
