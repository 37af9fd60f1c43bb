/** A process with a running VM that the kernel kills for its memory: nobody else notices. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { skipUnless } from '../../skip.js'
import { count } from '../guests/programs.js'
import { MiB, planOf } from '../plans.js'
import { directory, executor, first, last, makeVmWith, number64 } from '../vms.js'

interface MemoryGroup {
  readonly path: string
  close(): void
}

/** A cgroup with a limit, version 2 or 1; `null` where none can be made. */
function memoryGroup(bytes: number): MemoryGroup | null {
  const name = `homenode-test-${process.pid}`
  for (const [parent, limit] of [
    ['/sys/fs/cgroup', 'memory.max'],
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
  ] as const) {
    const path = `${parent}/${name}`
    try {
      mkdirSync(path)
    } catch {
      continue
    }
    if (existsSync(`${path}/${limit}`)) {
      writeFileSync(`${path}/${limit}`, String(bytes))
      return { path, close: () => rmdirSync(path) }
    }
    rmdirSync(path)
  }
  return null
}

const LIMIT = 256 * MiB
const group = memoryGroup(LIMIT)
test.after(() => group?.close())

skipUnless(group !== null && executor.kvmStatus().usable, 'it takes KVM and a cgroup with the memory controller')(
  'a process that is killed for its memory takes its guests along, and those of others go on',
  async () => {
    await using other = await makeVmWith(count, { rdi: 0x3000n }, { vcpus: [last] })
    await other.run()
    const script = `
      const { Vm } = await import(process.env.BUNDLE + '/executor.js')
      const { sealPlan } = await import(process.env.BUNDLE + '/verified.js')
      const vm = await Vm.create(sealPlan(JSON.parse(process.env.PLAN)), 'demo')
      await vm.load(Uint8Array.of(0xeb, 0xfe))
      vm.vcpus[0].startInLongMode(0)
      await vm.run()
      console.log('running')
      const held = []
      for (;;) held.push(Buffer.alloc(${4 * MiB}, 1))`
    // The shell enters the group, and Node takes its place.
    const { signal, stdout, stderr } = spawnSync(
      'sh',
      ['-c', 'echo $$ > "$GROUP/cgroup.procs" && exec "$NODE" --input-type=module -e "$SCRIPT"'],
      {
        encoding: 'utf8',
        timeout: 60_000,
        killSignal: 'SIGTERM',
        env: {
          ...process.env,
          GROUP: group!.path,
          NODE: process.execPath,
          SCRIPT: script,
          BUNDLE: directory,
          PLAN: JSON.stringify(planOf({ vcpus: [first], cells: [16 * MiB] })),
        },
      },
    )
    assert.is(stdout, 'running\n', stderr)
    assert.is(signal, 'SIGKILL')
    const at = number64(other.read(0x3000, 8))
    await new Promise((resolve) => setTimeout(resolve, 30))
    assert.ok(number64(other.read(0x3000, 8)) > at)
    assert.is(other.state.name, 'running')
  },
)

test.run()
