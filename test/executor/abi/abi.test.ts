import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as kvm from '../../../executor/abi/kvm.js'
import * as kvmStats from '../../../executor/abi/kvm-stats.js'
import * as linux from '../../../executor/abi/linux.js'
import * as perf from '../../../executor/abi/perf.js'
import { skipUnless } from '../../skip.js'
import { hasProgram } from '../programs.js'

const headers = ['/usr/include/linux/kvm.h', '/usr/include/linux/mempolicy.h']
const testWithHeaders = skipUnless(
  process.arch === 'x64' && hasProgram('cc') && headers.every((path) => existsSync(path)),
  'no x86-64 C compiler with linux/kvm.h and linux/mempolicy.h (Debian: gcc linux-libc-dev)',
)

/** Compiles and runs a C program that prints `name value` lines for the expressions. */
function evaluate(includes: readonly string[], expressions: Readonly<Record<string, string>>): Map<string, number> {
  const dir = mkdtempSync(join(tmpdir(), 'homenode-abi-'))
  try {
    const source = [
      '#define _GNU_SOURCE',
      ...includes.map((name) => `#include <${name}>`),
      'int main(void) {',
      ...Object.entries(expressions).map(([name, c]) => `printf("${name} %llu\\n", (unsigned long long)(${c}));`),
      '}',
    ].join('\n')
    writeFileSync(join(dir, 'abi.c'), source)
    execFileSync('cc', ['-o', join(dir, 'abi'), join(dir, 'abi.c')])
    const lines = execFileSync(join(dir, 'abi'), { encoding: 'utf8' }).trim().split('\n')
    return new Map(lines.map((line): [string, number] => [line.split(' ')[0]!, Number(line.split(' ')[1])]))
  } finally {
    rmSync(dir, { recursive: true })
  }
}

type Layout = Readonly<Record<string, number>>

const structs: Readonly<Record<string, Layout>> = {
  kvm_run: kvm.kvm_run,
  kvm_regs: kvm.kvm_regs,
  kvm_segment: kvm.kvm_segment,
  kvm_sregs: kvm.kvm_sregs,
  kvm_userspace_memory_region: kvm.kvm_userspace_memory_region,
  kvm_cpuid2: kvm.kvm_cpuid2,
  kvm_cpuid_entry2: kvm.kvm_cpuid_entry2,
  kvm_dtable: kvm.kvm_dtable,
  kvm_coalesced_mmio_zone: kvm.kvm_coalesced_mmio_zone,
  kvm_coalesced_mmio: kvm.kvm_coalesced_mmio,
  kvm_coalesced_mmio_ring: kvm.kvm_coalesced_mmio_ring,
  kvm_ioeventfd: kvm.kvm_ioeventfd,
  kvm_irqfd: kvm.kvm_irqfd,
  kvm_enable_cap: kvm.kvm_enable_cap,
  kvm_msrs: kvm.kvm_msrs,
  kvm_msr_entry: kvm.kvm_msr_entry,
  kvm_stats_header: kvmStats.kvm_stats_header,
  kvm_stats_desc: kvmStats.kvm_stats_desc,
  sigaction: linux.sigaction,
  sockaddr_un: linux.sockaddr_un,
  perf_event_attr: perf.perf_event_attr,
}

const constants = Object.fromEntries(
  [kvm, kvmStats, linux, perf]
    .flatMap((module) => Object.entries(module))
    .filter(([, value]) => typeof value === 'number'),
) as Record<string, number>

testWithHeaders('every constant is that of the installed headers', () => {
  const libc = ['stdio.h', 'errno.h', 'fcntl.h', 'poll.h', 'sched.h', 'signal.h']
  const system = ['sys/eventfd.h', 'sys/file.h', 'sys/mman.h', 'sys/prctl.h', 'sys/resource.h', 'sys/socket.h']
  const includes = [...libc, ...system, 'linux/kvm.h', 'linux/mempolicy.h', 'linux/perf_event.h']
  const found = evaluate(includes, Object.fromEntries(Object.keys(constants).map((name) => [name, name])))
  assert.equal(Object.fromEntries(found), constants)
  assert.ok(found.size > 50)
})

testWithHeaders('every structure has the size and the offsets of the installed headers', () => {
  const expressions: Record<string, string> = {}
  const expected: Record<string, number> = {}
  for (const [struct, layout] of Object.entries(structs)) {
    for (const [field, offset] of Object.entries(layout)) {
      const name = `${struct}.${field}`
      // A field that is called "size" has an underscore behind it: "size" is that of the whole.
      expressions[name] =
        field === 'size' ? `sizeof(struct ${struct})` : `offsetof(struct ${struct}, ${field.replace(/_$/, '')})`
      expected[name] = offset
    }
  }
  assert.equal(
    Object.fromEntries(
      evaluate(['stdio.h', 'stddef.h', 'signal.h', 'sys/un.h', 'linux/kvm.h', 'linux/perf_event.h'], expressions),
    ),
    expected,
  )
})

testWithHeaders('the system call numbers are those of the installed headers, for x86-64 and arm64', () => {
  for (const [arch, include] of [
    ['x64', 'asm/unistd_64.h'],
    ['arm64', 'asm-generic/unistd.h'],
  ] as const) {
    const numbers = linux.syscallNumbers[arch]!
    const found = evaluate(
      ['stdio.h', include],
      Object.fromEntries(Object.keys(numbers).map((name) => [name, `__NR_${name}`])),
    )
    assert.equal(Object.fromEntries(found), { ...numbers }, arch)
  }
})

test('exit reasons are named as in the kernel, and an unknown one by its number', () => {
  assert.is(kvm.exitName(kvm.KVM_EXIT_IO), 'io')
  assert.is(kvm.exitName(kvm.KVM_EXIT_SHUTDOWN), 'shutdown')
  assert.is(kvm.exitName(63), 'exit_63')
})

test.run()
