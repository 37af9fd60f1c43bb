/** Domains of a real libvirt, changed through its own library and brought back: virsh, the kernel and the XML say so. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { domainState, ioThreadNumber } from '../../../executor/apply/domain-state.js'
import { type Domain, openDomain } from '../../../executor/apply/libvirt.js'
import { UnsupportedError } from '../../../src/errors.js'
import { parseWith } from '../../../src/schema.js'
import { skipUnless } from '../../skip.js'
import { folder } from '../found/guests.js'
import { type Libvirtd, startLibvirtd, whyNoLibvirtd } from '../found/libvirtd.js'
import { holdings } from '../process.js'

const CPUS = '/sys/devices/system/cpu/online'
const severalCpus = /[-,]/.test(readFileSync(CPUS, 'utf8'))
const why = whyNoLibvirtd ?? (severalCpus ? null : 'one CPU is not enough to pin')
const withLibvirt = skipUnless(why === null, `no libvirt daemon: ${why}`)

const UUIDS = {
  plain: '3f0c2d6e-7a91-4b1e-9d35-2b1d6b6c1b01',
  tuned: '3f0c2d6e-7a91-4b1e-9d35-2b1d6b6c1b02',
  strict: '3f0c2d6e-7a91-4b1e-9d35-2b1d6b6c1b03',
  passing: '3f0c2d6e-7a91-4b1e-9d35-2b1d6b6c1b04',
} as const
const NUMATUNE = (mode: string) => `<numatune><memory mode='${mode}' nodeset='0'/></numatune>`
const TUNED = `<cputune><shares>512</shares><vcpupin vcpu='0' cpuset='0'/></cputune>${NUMATUNE('restrictive')}`

function xmlOf(name: keyof typeof UUIDS, tuning = ''): string {
  return `<domain type='qemu'><name>${name}</name><uuid>${UUIDS[name]}</uuid><memory unit='MiB'>32</memory><vcpu>2</vcpu>
<iothreads>2</iothreads>${tuning}<os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/>
<graphics type='vnc' passwd='secret'><listen type='socket' socket='${join(folder, `${name}.vnc`)}'/></graphics></devices></domain>`
}

/** A file for virsh. */
function file(name: keyof typeof UUIDS, tuning?: string): string {
  const path = join(folder, `${name}.xml`)
  writeFileSync(path, xmlOf(name, tuning))
  return path
}

async function withDomains(check: (libvirt: Libvirtd) => Promise<void>): Promise<void> {
  const libvirt = await startLibvirtd()
  try {
    const tunings = { plain: '', tuned: TUNED, strict: NUMATUNE('strict') }
    for (const [name, tuning] of Object.entries(tunings)) {
      libvirt.virsh('define', file(name as keyof typeof tunings, tuning))
      libvirt.virsh('start', name)
    }
    await check(libvirt)
  } finally {
    await libvirt.stop()
  }
}

async function withDomain<Result>(
  { uri }: Libvirtd,
  name: keyof typeof UUIDS,
  work: (domain: Domain) => Result,
): Promise<Result> {
  using domain = await openDomain(UUIDS[name], uri)
  return work(domain)
}

/** The kernel's word on the thread of this name, of a domain's QEMU. */
function affinityOf(domain: string, thread: string): string {
  const isIts = (pid: string) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return command.includes(`guest=${domain},`) && command.includes(folder)
    } catch {
      return false
    }
  }
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && isIts(name))!
  const tid = readdirSync(`/proc/${pid}/task`).find(
    (each) => readFileSync(`/proc/${pid}/task/${each}/comm`, 'utf8').trim() === thread,
  )
  return /^Cpus_allowed_list:\s+(\S+)/m.exec(readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8'))![1]!
}

function thrownBy(work: () => unknown): UnsupportedError {
  try {
    work()
  } catch (error) {
    assert.instance(error, UnsupportedError)
    return error as UnsupportedError
  }
  throw new Error('nothing was thrown')
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error('it went well'),
    (reason: Error) => reason,
  )
  assert.instance(error, UnsupportedError)
  return error.message
}

function openDescriptors(): number {
  return holdings().fds.length
}

withLibvirt(
  'pins, now and in the config, as virsh and the kernel see them; what was there is brought back',
  async () => {
    await withDomains(async (libvirt) => {
      const { virsh } = libvirt
      const views = () =>
        (['plain', 'tuned'] as const).map((name) => ({
          // libvirt writes the numbers of I/O threads down once one of them has been pinned.
          config: virsh('dumpxml', name, '--inactive', '--security-info').replace(
            /\s*<iothreadids>.*<\/iothreadids>/s,
            '',
          ),
          vcpus: virsh('vcpupin', name, '--live'),
          emulator: virsh('emulatorpin', name, '--live'),
          iothreads: virsh('iothreadinfo', name, '--live'),
          kernel: ['CPU 0/TCG', 'IO iothread1'].map((thread) => affinityOf(name, thread)),
        }))
      const before = views()
      for (const name of ['plain', 'tuned'] as const) {
        await withDomain(libvirt, name, (domain) => {
          const state = parseWith(domainState, JSON.parse(JSON.stringify(domain.state(true))))
          domain.pin({ role: 'vcpu', number: 0 }, '1')
          domain.pin({ role: 'vcpu', number: 1 }, '0')
          domain.pin({ role: 'emulator' }, '1')
          domain.pin({ role: 'iothread', number: ioThreadNumber('iothread2')! }, '0')
          domain.saveConfig([])

          assert.match(virsh('vcpupin', name, '--live'), /0\s+1\s+1\s+0$/)
          assert.match(virsh('vcpupin', name, '--config'), /0\s+1\s+1\s+0$/)
          assert.match(virsh('emulatorpin', name, '--live'), /^(.*\s)?1$/)
          assert.match(virsh('emulatorpin', name, '--config'), /^(.*\s)?1$/)
          assert.match(virsh('iothreadinfo', name, '--config'), /2\s+0$/)
          assert.equal(
            ['CPU 0/TCG', 'CPU 1/TCG', 'IO iothread2'].map((thread) => affinityOf(name, thread)),
            ['1', '0', '0'],
          )

          assert.equal(domain.restore(state), [])
          assert.equal(domain.state(true), state)
        })
      }
      assert.equal(views(), before)
    })
  },
)

withLibvirt(
  'nodes: who may change them, that libvirt makes no strict domain of one without, and the way back',
  async () => {
    await withDomains(async (libvirt) => {
      const { virsh } = libvirt
      const config = virsh('dumpxml', 'plain', '--inactive', '--security-info')
      await withDomain(libvirt, 'plain', (domain) => {
        const state = domain.state(true)
        assert.is(domain.memoryWay([0]), 'kernel')
        assert.is(domain.whyNoConfig([0]), null)
        domain.setNodes([0])
        domain.saveConfig([0])
        assert.not.match(virsh('dumpxml', 'plain'), /<numatune>/)
        assert.match(virsh('dumpxml', 'plain', '--inactive'), /<memory mode='restrictive' nodeset='0'\/>/)
        assert.equal(domain.restore(state), [])
        assert.is(virsh('dumpxml', 'plain', '--inactive', '--security-info'), config)
      })
      await withDomain(libvirt, 'tuned', (domain) => {
        assert.is(domain.memoryWay([1]), 'libvirt')
        domain.setNodes([0])
        assert.match(virsh('numatune', 'tuned', '--live'), /restrictive\s+numa_nodeset\s+: 0$/)
      })
      await withDomain(libvirt, 'strict', (domain) => {
        assert.is(domain.memoryWay([0]), 'kernel')
        assert.match((domain.memoryWay([0, 1]) as { why: string }).why, /strict, nodes 0: .*"restrictive" only/)
      })
    })
  },
)

withLibvirt('what libvirt refuses is said with its words', async () => {
  await withDomains(async (libvirt) => {
    const nobody = '3f0c2d6e-7a91-4b1e-9d35-2b1d6b6c1b99'
    assert.match(await refusal(openDomain(nobody, libvirt.uri)), /Domain not found.*1b99/)
    assert.match(await refusal(openDomain(UUIDS.plain, `${libvirt.uri}-nowhere`)), /sock-nowhere/)
    assert.match(await refusal(openDomain(UUIDS.plain, `${libvirt.uri}-ro`)), /denied|read-only|refused|forbidden/i)
    await withDomain(libvirt, 'plain', (domain) => {
      assert.match(thrownBy(() => domain.pin({ role: 'vcpu', number: 7 }, '0')).message, /vcpu 7 /)
      assert.match(thrownBy(() => domain.pin({ role: 'iothread', number: 9 }, '0')).message, /iothread 9/i)
      assert.match(thrownBy(() => domain.pin({ role: 'emulator' }, '4000')).message, /cpu/i)
    })

    libvirt.virsh('create', file('passing'))
    using domain = await openDomain(UUIDS.passing, libvirt.uri)
    assert.is(domain.state(true).config, null)
    assert.match(domain.whyNoConfig([])!, /transient/)
    const state = domain.state(false)
    libvirt.virsh('destroy', 'passing')
    assert.match(thrownBy(() => domain.state(false)).message, /does not run|not found/)
    assert.match(thrownBy(() => domain.pin({ role: 'emulator' }, '0')).message, /not running|not found/i)
    libvirt.virsh('create', file('passing'))
    await withDomain(libvirt, 'passing', (again) => {
      assert.equal(again.restore(state), ['it has been started anew since, with the pins of its config'])
    })
  })
})

withLibvirt('nothing is left open, and no memory is kept', async () => {
  await withDomains(async (libvirt) => {
    const cycle = () =>
      withDomain(libvirt, 'tuned', (domain) => {
        const state = domain.state(true)
        domain.pin({ role: 'emulator' }, '0')
        domain.saveConfig([0])
        domain.restore(state)
      })
    for (let i = 0; i < 5; i++) await cycle()
    const [descriptors, rss] = [openDescriptors(), process.memoryUsage.rss()]
    for (let i = 0; i < 100; i++) await cycle()
    assert.is(openDescriptors(), descriptors)
    const grown = process.memoryUsage.rss() - rss
    assert.ok(grown < 32 * 2 ** 20, `${grown} bytes more`)
    const domain = await openDomain(UUIDS.tuned, libvirt.uri)
    domain.close()
    domain.close()
    assert.throws(() => domain.state(false), /is closed/)
  })
})

/** Pins after each line of its input, and says how that went. */
const PINNER = `
import { createInterface } from 'node:readline'
import { openDomain } from '${join(import.meta.dirname, '../../../executor/apply/libvirt.js')}'
const [uuid, uri] = process.argv.slice(-2)
const domain = await openDomain(uuid, uri)
const pin = () => domain.pin({ role: 'emulator' }, '0')
console.log('open')
for await (const line of createInterface(process.stdin)) {
  try {
    pin()
    console.log('pinned')
  } catch (error) {
    console.log(error.name + ': ' + error.message)
  }
}
domain.close()
`

withLibvirt('a daemon that goes away in the middle is an error, and nothing is printed', async () => {
  const first = await startLibvirtd()
  first.virsh('create', file('passing'))
  const script = join(folder, 'pinner.mts')
  writeFileSync(script, PINNER)
  const child = spawn(process.execPath, ['--import', 'tsx', script, UUIDS.passing, first.uri], { stdio: 'pipe' })
  const closed = once(child, 'close')
  const lines: string[] = []
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  child.stdout.on('data', (chunk) => lines.push(...`${chunk}`.trim().split('\n')))
  const said = async (count: number) => {
    while (lines.length < count && child.exitCode === null) await Promise.race([once(child.stdout, 'data'), closed])
  }
  await said(1)
  child.stdin.write('once\n')
  await said(2)
  await first.kill()
  child.stdin.write('again\n')
  await said(3)
  const second = await startLibvirtd()
  try {
    child.stdin.end('more\n')
    await closed
    assert.equal(lines.slice(0, 2), ['open', 'pinned'])
    assert.match(lines[2]!, /^UnsupportedError: libvirt: /)
    assert.match(lines[3]!, /^UnsupportedError: libvirt: /)
    assert.is(errors, '')
    assert.is(child.exitCode, 0)
    await withDomain(second, 'passing', (domain) => assert.is(domain.state(false).live.emulator, '0'))
  } finally {
    await second.stop()
  }
})

test.run()
