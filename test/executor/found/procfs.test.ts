/** Text of procfs: as a kernel wrote it, and as nobody would. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  parseCgroup,
  parseCmdline,
  parseMaps,
  parseMountinfo,
  parseNumaMaps,
  parseStat,
  parseStatus,
  parseUnixSockets,
} from '../../../executor/found/procfs.js'

test("a thread's name may hold what stands around it", () => {
  const rest =
    'S 1 22707 22594 0 -1 4194560 9 0 0 0 14 7 0 0 20 0 6 0 295001 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 3 0 0'
  const stat = { startTime: 295001, ranTicks: 21, lastCpu: 3 }
  assert.equal(parseStat(`22728 (CPU 0/TCG) ${rest}\n`), { name: 'CPU 0/TCG', ...stat })
  assert.equal(parseStat(`22728 (a) S (b) 1) ${rest}\n`), { name: 'a) S (b) 1', ...stat })
  assert.is(parseStat('22728 (cut'), null)
  assert.is(parseStat(`22728 (x) ${rest.replace('295001', '-1')}`), null)
})

test('user and CPUs of a thread', () => {
  const text = 'Name:\tqemu\nUid:\t64055\t0\t0\t0\nCpus_allowed:\tf0f\nCpus_allowed_list:\t0-3,8-11\n'
  assert.equal(parseStatus(text), { uid: 64055, cpus: '0-3,8-11' })
  assert.is(parseStatus('Name:\tqemu\n'), null)
})

test('ranges of addresses, with files whose names have spaces', () => {
  const text = [
    '7f2343e00000-7f2347e00000 rw-p 00000000 00:00 0 ',
    '7f2350000000-7f2351000000 rw-s 00200000 00:01 2051                       /memfd:memory-backend-memfd (deleted)',
    '7f2352000000-7f2352001000 r-xp 00000000 fe:00 77                         /tmp/a\\012b',
    'ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]',
    'nonsense',
  ].join('\n')
  const [anonymous, shared, code] = parseMaps(text)
  assert.is(parseMaps(text).length, 3)
  assert.equal(anonymous, {
    start: 0x7f2343e00000,
    end: 0x7f2347e00000,
    writable: true,
    executable: false,
    shared: false,
    offset: 0,
    inode: 0,
    path: '',
  })
  assert.equal([shared!.shared, shared!.offset, shared!.inode], [true, 0x200000, 2051])
  assert.is(shared!.path, '/memfd:memory-backend-memfd (deleted)')
  assert.equal([code!.executable, code!.path], [true, '/tmp/a\nb'])
})

test('policies, page sizes and pages by node', () => {
  const text = [
    '7f2343e00000 default anon=1536 dirty=1536 active=512 N0=1536 kernelpagesize_kB=4',
    '7f2350000000 bind:1 file=/memfd:N9=7\\040(deleted) huge dirty=8 N1=6 N0=2 kernelpagesize_kB=2048',
    '7f2360000000 prefer (many):0-1 anon=1 N1=1 kernelpagesize_kB=4',
    '7f2370000000 weighted interleave:0-1 anon=1 N1=1 kernelpagesize_kB=4',
    '7f2380000000 bind=static:0',
    '7f2390000000',
  ].join('\n')
  const ranges = parseNumaMaps(text)
  assert.equal(
    ranges.map(({ policy }) => policy),
    ['default', 'bind:1', 'prefer (many):0-1', 'weighted interleave:0-1', 'bind=static:0'],
  )
  assert.equal(ranges[0]!.pages, [{ node: 0, count: 1536 }])
  assert.equal([ranges[1]!.pageSize, ranges[1]!.start], [2 ** 21, 0x7f2350000000])
  assert.equal(ranges[1]!.pages, [
    { node: 0, count: 2 },
    { node: 1, count: 6 },
  ])
  assert.equal(ranges[4]!.pages, [])
})

test('cgroups of both versions, mounts, arguments', () => {
  assert.equal(parseCgroup('3:cpuset,memory:/machine/a.libvirt-qemu/vcpu0\n0::/x:y\n'), [
    { controllers: ['cpuset', 'memory'], path: '/machine/a.libvirt-qemu/vcpu0' },
    { controllers: [], path: '/x:y' },
  ])
  const mount = '31 23 0:28 /docker\\040x /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n'
  assert.equal(parseMountinfo(mount), [
    { root: '/docker x', at: '/sys/fs/cgroup', type: 'cgroup2', options: ['rw', 'nsdelegate'] },
  ])
  assert.equal(parseCmdline('qemu\0-name\0a b\0\0'), ['qemu', '-name', 'a b'])
})

test('sockets that listen, and those that serve', () => {
  const text = [
    'Num       RefCount Protocol Flags    Type St Inode Path',
    '00000000d8426365: 00000002 00000000 00010000 0001 01 431800 /tmp/a b.sock',
    '00000000e044c4cf: 00000003 00000000 00000000 0001 03 440458 /tmp/a b.sock',
    '00000000711c2cce: 00000003 00000000 00000000 0001 03 440460',
    '00000000711c2cce: 00000002 00000000 00000000 0002 01 440461 @x',
  ].join('\n')
  assert.equal(parseUnixSockets(text), [
    { inode: 431800, state: 'listening', path: '/tmp/a b.sock' },
    { inode: 440458, state: 'connected', path: '/tmp/a b.sock' },
    { inode: 440460, state: 'connected', path: '' },
    { inode: 440461, state: 'other', path: '@x' },
  ])
})

const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  parseCgroup,
  parseCmdline,
  parseMaps,
  parseMountinfo,
  parseNumaMaps,
  parseStat,
  parseStatus,
  parseUnixSockets,
}

/** Numbers of anything that was read. */
function numbersIn(value: unknown): number[] {
  if (typeof value === 'number') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersIn) : []
}

/** Any text, and text that looks like procfs here and there. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc
    .array(
      fc.constantFrom(
        '7f00',
        '-',
        ' rw-p',
        ' 0 ',
        ':',
        'N0=',
        '9'.repeat(30),
        'file=',
        '\n',
        '(',
        ')',
        '\\777',
        ' - ',
        ',',
        '/',
      ),
      { maxLength: 60 },
    )
    .map((parts) => parts.join('')),
)

for (const [name, parse] of Object.entries(PARSERS)) {
  test(`${name} takes any text, and its numbers are whole and not negative`, () => {
    fc.assert(
      fc.property(hostile, (text) => {
        for (const number of numbersIn(parse(text))) assert.ok(Number.isSafeInteger(number) && number >= 0, `${number}`)
      }),
      { numRuns: 500 },
    )
  })
}

test('long text takes no more than its length', () => {
  const long = `${'7f00-7f01 rw-p 0 0:0 0 '.repeat(20_000)}\n${'('.repeat(100_000)}${',-'.repeat(100_000)}`
  const start = performance.now()
  for (const parse of Object.values(PARSERS)) parse(long)
  assert.ok(performance.now() - start < 5000)
})

test.run()
