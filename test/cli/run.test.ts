/** `homenode run`, which runs guests on this machine for real. */

import { type ChildProcess, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kvmStatus, probeMbind } from '../../executor/index.js'
import type { RunReport } from '../../src/types.js'
import { skipUnless } from '../skip.js'
import { cli, homenode, requestOf, SMALL, scratch } from './command.js'

const kvm = kvmStatus()
const mbind = probeMbind()
const withKvm = skipUnless(kvm.usable && mbind.usable, `no usable KVM: ${kvm.usable ? '' : kvm.text}`)
const withMemory = skipUnless(mbind.usable, `memory cannot be bound: ${mbind.usable ? '' : mbind.text}`)
const withoutKvm = skipUnless(!kvm.usable, 'KVM is usable')
const hasScript = spawnSync('script', ['--version']).status === 0
const onTerminal = skipUnless(
  mbind.usable && hasScript,
  'there is no script(1) to make a terminal, or memory cannot be bound',
)
const file = scratch()

function checkReport(report: RunReport): void {
  assert.equal([report.schemaVersion, report.kind], [1, 'RunReport'])
  assert.ok(report.verified, JSON.stringify(report.findings))
  for (const { planned, affinity, lastCpu, exits } of report.vcpus) {
    assert.is(affinity, planned)
    assert.is(lastCpu, Number(planned))
    assert.ok(exits > 0)
  }
  for (const { node, bytes, residentBytes } of report.memory) assert.equal(residentBytes, { [node]: bytes })
}

withKvm('a run under KVM is verified', async () => {
  const { code, stdout, stderr } = await homenode(['run', '--seconds', '1', '--json'])
  assert.is(code, 0, stderr)
  const report: RunReport = JSON.parse(stdout)
  checkReport(report)
  assert.is(report.backend, 'kvm')
  assert.ok(report.vcpus.every(({ exits }) => exits > 1000))
  assert.is(stderr, '', 'no progress where there is no terminal')
})

withMemory('a run with threads is verified, and says that no guest ran', async () => {
  const args = ['run', '--seconds', '0.5', '--backend', 'threads']
  const json = await homenode([...args, '--json'])
  assert.is(json.code, 0, json.stderr)
  const report: RunReport = JSON.parse(json.stdout)
  checkReport(report)
  assert.is(report.backend, 'threads')
  assert.match(report.noGuest ?? '', /no guest ran/)

  const text = await homenode(args)
  assert.is(text.code, 0, text.stderr)
  assert.match(text.stdout, /^optimal: 1 of 1 VM placed, /m)
  assert.match(text.stdout, /no guest ran/)
  assert.match(text.stdout, /^demo +0 +CPU (\d+) +CPU \1 +CPU \1 /m)
  assert.match(text.stdout, /^demo +0 +(\d+ MiB) +node (\d+) +\1 on node \2$/m)
  assert.match(text.stdout, /^verified: /m)
})

withMemory('a request is run as it says', async () => {
  const request = file('two.json', requestOf({ name: 'one', vcpus: 1, memory: '8MiB', cpuPolicy: 'shared' }))
  const { code, stdout, stderr } = await homenode([
    'run',
    '-f',
    request,
    '--seconds',
    '0.3',
    '--backend',
    'threads',
    '--json',
  ])
  assert.is(code, 0, stderr)
  const report: RunReport = JSON.parse(stdout)
  assert.equal(
    report.vcpus.map(({ vm }) => vm),
    ['one'],
  )
  assert.equal(
    report.memory.map(({ bytes }) => bytes),
    [8 * 1024 ** 2],
  )
})

withKvm('where one VM fails the others are run and reported, and the exit code says so', async () => {
  const most = kvm.usable ? kvm.maxVcpus : 0
  const small = { name: 'small', vcpus: 1, memory: '8MiB', cpuPolicy: 'shared' }
  const wide = { ...small, name: 'wide', vcpus: most + 1, memory: '16MiB', demand: 0.0001 }
  const { code, stdout, stderr } = await homenode(['run', '-f', '-', '--seconds', '0.3', '--json', '--relaxed'], {
    input: requestOf(small, wide),
  })
  assert.is(code, 4, stderr)
  const report: RunReport = JSON.parse(stdout)
  assert.equal(
    report.findings.map(({ constraint, vm }) => ({ constraint, vm })),
    [{ constraint: 'failed', vm: 'wide' }],
  )
  assert.match(report.findings[0]!.text, new RegExp(`^VM "wide": KVM_CAP_MAX_VCPUS: the plan has ${most + 1} vCPUs`))
  assert.equal(
    report.vcpus.map(({ vm }) => vm),
    ['small'],
  )
  assert.ok(report.vcpus[0]!.exits > 0)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  withMemory(`${signal} while memory is faulted in ends a run with exit code 130`, async () => {
    const request = file('large.json', requestOf({ name: 'large', vcpus: 1, memory: '4GiB', cpuPolicy: 'shared' }))
    const { code, stderr } = await homenode(['run', '-f', request, '--seconds', '60'], {
      started: (process) => void prefaulting(process).then(() => process.kill(signal)),
    })
    assert.is(code, 130)
    assert.is(stderr, `homenode: interrupted by ${signal}: what ran was stopped and given back\n`)
  })
}

/** Resolves when the process has taken some of the memory, and not yet all of it. */
async function prefaulting({ pid }: ChildProcess): Promise<void> {
  const MiB = 1024 ** 2
  for (let tries = 0; tries < 4000; tries++) {
    await delay(2)
    try {
      const resident = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
      if (resident > 512 * MiB && resident < 4096 * MiB) return
    } catch {
      // It is not there yet.
    }
  }
  throw new Error('the memory was not taken')
}

test('where a VM does not fit nothing runs', async () => {
  const request = requestOf({ name: 'small', vcpus: 1, memory: '8MiB' }, { name: 'vast', vcpus: 1, memory: '900TiB' })
  const text = await homenode(['run', '-f', '-'], { input: request })
  assert.is(text.code, 3)
  assert.match(text.stdout, /^refused: vast\n {2}memory-capacity: /m)
  assert.not.match(text.stdout, /^ran /m)
  const json = await homenode(['run', '-f', '-', '--json'], { input: request })
  assert.is(json.code, 3)
  assert.equal(JSON.parse(json.stdout).kind, 'Plan')
})

/** Resolves when the process has started its vCPU threads. */
async function running({ pid }: ChildProcess): Promise<void> {
  // Fields 14 and 15 of stat: ticks in its own code, and in the kernel, where KVM's work counts.
  const ticks = (task: string) => {
    const fields = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return Number(fields[11]) + Number(fields[12])
  }
  const isBusy = (task: string) => ticks(task) > 10
  for (let tries = 0; tries < 400; tries++) {
    await delay(25)
    try {
      const tasks = readdirSync(`/proc/${pid}/task`).filter((task) => Number(task) !== pid)
      if (tasks.some(isBusy)) return
    } catch {
      // The process or one of its threads went away between two reads.
    }
  }
  throw new Error('no thread got to work')
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  for (const backend of ['kvm', 'threads']) {
    const add = backend === 'kvm' ? withKvm : withMemory
    add(`${signal} ends a run with ${backend} with exit code 130`, async () => {
      let child: ChildProcess | undefined
      const ended = homenode(['run', '--seconds', '60', '--backend', backend], {
        started: (process) => {
          child = process
          void running(process).then(() => process.kill(signal))
        },
      })
      const { code, stderr } = await ended
      assert.is(code, 130)
      assert.is(stderr, `homenode: interrupted by ${signal}: what ran was stopped and given back\n`)
      assert.not.ok(readdirSync('/proc').includes(String(child?.pid)), 'no process is left')
    })
  }
}

onTerminal('on a terminal there is progress on standard error, and colours', () => {
  const command = `"${process.execPath}" "${cli}" run --seconds 0.5 --backend threads`
  const { status, stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
    encoding: 'utf8',
    env: { ...process.env, TERM: 'xterm', NO_COLOR: '' },
  })
  assert.is(status, 0)
  assert.match(stdout, /0\.\d of 0\.5 s, [\d,]+ exits/)
  assert.match(stdout, /verified/)
  assert.ok(stdout.includes('\u001b[32m'))
})

withoutKvm('a backend that cannot be had is refused', async () => {
  const { code, stderr } = await homenode(['run', '--backend', 'kvm', '-f', '-'], { input: SMALL })
  assert.is(code, 1)
  assert.match(stderr, /^homenode: KVM: /)
})

test.run()
