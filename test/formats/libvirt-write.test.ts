/** A placed VM as parts of a libvirt domain, alone and in the XML of one that is there. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/errors.js'
import { guestOf } from '../../src/formats/guest.js'
import { fromLibvirt } from '../../src/formats/libvirt/read.js'
import { intoDomain, nameOfDomain, toLibvirt } from '../../src/formats/libvirt/write.js'
import { Planner } from '../../src/planner/planner.js'
import { parseRequest } from '../../src/request.js'
import type { Host, RequestVm } from '../../src/types.js'
import { hostShape, makeHost, request } from '../planner/cases.js'
import { BY_HAND, KUBEVIRT, NOVA, UNTUNED } from './domains.js'
import { GIB, guest, guestBy, MIB, TWO_NODES } from './guests.js'

const planner = await Planner.load()
const HALF = 512 * MIB

/** Lines that differ, those of the first with `-`, those of the second with `+`: each text's others are in order in the other. */
function difference(before: string, after: string): string[] {
  const [a, b] = [before.split('\n'), after.split('\n')]
  const lengths = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0))
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i]![j] = a[i] === b[j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!)
    }
  }
  const lines: string[] = []
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (a[i] === b[j] && i < a.length) {
      i++
      j++
    } else if (j >= b.length || (i < a.length && lengths[i + 1]![j]! >= lengths[i]![j + 1]!))
      lines.push(`-${a[i++]!.trimStart()}`)
    else lines.push(`+${b[j++]!.trimStart()}`)
  }
  return lines
}

test('alone it is a domain with name, sizes and tuning', () => {
  const { text, notes } = toLibvirt(guest({ cells: 2, iothreads: 1, emulator: 'dedicated' }), null)
  assert.equal(notes, [])
  assert.is(
    text,
    `<domain>
  <name>db</name>
  <memory unit='KiB'>1048576</memory>
  <memoryBacking>
    <hugepages>
      <page size='2048' unit='KiB'/>
    </hugepages>
  </memoryBacking>
  <vcpu placement='static'>4</vcpu>
  <iothreads>1</iothreads>
  <cputune>
    <vcpupin vcpu='0' cpuset='0'/>
    <vcpupin vcpu='1' cpuset='1'/>
    <vcpupin vcpu='2' cpuset='2'/>
    <vcpupin vcpu='3' cpuset='3'/>
    <emulatorpin cpuset='4'/>
    <iothreadpin iothread='1' cpuset='5'/>
  </cputune>
  <numatune>
    <memory mode='strict' nodeset='0'/>
    <memnode cellid='0' mode='strict' nodeset='0'/>
    <memnode cellid='1' mode='strict' nodeset='0'/>
  </numatune>
  <cpu>
    <numa>
      <cell id='0' cpus='0-1' memory='524288' unit='KiB'/>
      <cell id='1' cpus='2-3' memory='524288' unit='KiB'/>
    </numa>
  </cpu>
</domain>
`,
  )
})

test('distances are those of the nodes of the cells; two cells of one node are as far apart as can be said', () => {
  const planned = guestBy([
    { cpus: ['0'], memory: { 0: HALF } },
    { cpus: ['16'], memory: { 1: HALF } },
    { cpus: ['17'], memory: { 1: HALF } },
  ])
  const siblings = (host: Host) =>
    [...toLibvirt(planned, host).text.matchAll(/<sibling id='\d' value='(\d+)'/g)].map(([, value]) => value)
  assert.equal(siblings(TWO_NODES).join(' '), '10 20 20 20 10 11 20 11 10')
  const spread = guestBy([
    { cpus: ['0'], memory: { 0: HALF, 1: HALF } },
    { cpus: ['1'], memory: { 0: HALF } },
  ])
  assert.not.match(toLibvirt(spread, TWO_NODES).text, /sibling/)
  assert.not.match(toLibvirt(guest({ cells: 1 }), TWO_NODES).text, /sibling/)
})

test('policies are modes; the mode preferred names one node', () => {
  const cells = [
    { cpus: ['0'], memory: { 0: 3 * HALF, 1: HALF } },
    { cpus: ['16'], memory: { 1: HALF } },
  ]
  const numatune = (policy: 'strict' | 'preferred' | 'interleave') => {
    const { text, notes } = toLibvirt(guestBy(cells, { policy }), null)
    return { numatune: [...text.matchAll(/<mem(?:ory|node)( cellid.*| mode.*)\/>/g)].map(([, all]) => all), notes }
  }
  assert.equal(numatune('strict'), {
    numatune: [
      " mode='strict' nodeset='0-1'",
      " cellid='0' mode='strict' nodeset='0-1'",
      " cellid='1' mode='strict' nodeset='1'",
    ],
    notes: [
      'cell 0 is planned with 1.5 GiB on node 0, 512 MiB on node 1; libvirt binds it to nodes 0-1, and the kernel divides it',
    ],
  })
  assert.equal(numatune('preferred'), {
    numatune: [" cellid='0' mode='preferred' nodeset='0'", " cellid='1' mode='preferred' nodeset='1'"],
    notes: [
      'cell 0 is planned with 1.5 GiB on node 0, 512 MiB on node 1; libvirt prefers node 0, and the kernel goes on where that is full',
    ],
  })
  assert.equal(numatune('interleave').notes, [])
})

test('huge pages of some cells name them', () => {
  const planned = guestBy([
    { cpus: ['0'], memory: { 0: GIB }, pageSize: GIB },
    { cpus: ['1'], memory: { 0: GIB } },
    { cpus: ['2'], memory: { 0: GIB }, pageSize: GIB },
    { cpus: ['3'], memory: { 0: GIB }, pageSize: 2 * MIB },
  ])
  const pages = [...toLibvirt(planned, null).text.matchAll(/<page.*>/g)].map(([all]) => all)
  assert.equal(pages, ["<page size='1048576' unit='KiB' nodeset='0,2'/>", "<page size='2048' unit='KiB' nodeset='3'/>"])
})

test('cells that libvirt would round are named', () => {
  const { notes } = toLibvirt(guestBy([{ cpus: ['0'], memory: { 0: HALF + 4096 } }]), null)
  assert.equal(notes, ['cell 0 has 524292 KiB, which libvirt rounds up to whole MiB'])
})

test('one that was tuned by hand: only what has to be another is, in its style', () => {
  const planned = guestBy(
    [
      { cpus: ['0', '1'], memory: { 0: HALF }, pageSize: 2 * MIB },
      { cpus: ['16', '17'], memory: { 1: HALF }, pageSize: 2 * MIB },
    ],
    { emulator: '8-15' },
  )
  const { text } = intoDomain(planned, TWO_NODES, BY_HAND)
  assert.is(intoDomain(planned, TWO_NODES, text).text, text)
  assert.equal(difference(BY_HAND, text), [
    '-<hugepages/>  <!-- default size -->',
    '+<hugepages>',
    "+<page size='2048' unit='KiB'/>",
    '+</hugepages>  <!-- default size -->',
    `-<vcpu placement = 'auto'   current="2" cpuset='0-7'>4</vcpu>`,
    `+<vcpu placement = 'static'   current="2">4</vcpu>`,
    '-<vcpupin vcpu="1" cpuset="9"/>  <!-- a guess -->',
    '-<vcpupin vcpu="7" cpuset="9"/>',
    `-<emulatorpin   cpuset='3'  />`,
    '+<vcpupin vcpu="1" cpuset="1"/>  <!-- a guess -->',
    "+<vcpupin vcpu='0' cpuset='0'/>",
    "+<vcpupin vcpu='2' cpuset='16'/>",
    "+<vcpupin vcpu='3' cpuset='17'/>",
    `+<emulatorpin   cpuset='8-15'  />`,
    '-<numatune><memory mode="strict" placement="auto"/></numatune>',
    `+<numatune><memory mode="strict" nodeset='0-1'/>`,
    "+<memnode cellid='0' mode='strict' nodeset='0'/>",
    "+<memnode cellid='1' mode='strict' nodeset='1'/></numatune>",
    '-<cell id="1" cpus="2-3" memory="512" unit="MiB" memAccess="shared"/>',
    '-<cell id="0" cpus="0-1" memory="512" unit="MiB" memAccess="shared"><!-- first --></cell>',
    '+<cell id="1" cpus="2-3" memory="524288" unit="KiB" memAccess="shared">',
    '+<distances>',
    "+<sibling id='0' value='20'/>",
    "+<sibling id='1' value='10'/>",
    '+</distances>',
    '+</cell>',
    '+<cell id="0" cpus="0-1" memory="524288" unit="KiB" memAccess="shared">',
    '+<distances>',
    "+<sibling id='0' value='10'/>",
    "+<sibling id='1' value='20'/>",
    '+</distances><!-- first --></cell>',
  ])
})

test('an untuned domain gets the parts where libvirt has them', () => {
  const planned = guestBy([{ cpus: ['0', '1', '2', '3'], memory: { 0: 4 * GIB } }], { iothreads: ['8', '9'] })
  const { text } = intoDomain(planned, null, UNTUNED)
  assert.equal(difference(UNTUNED, text), [
    '-<vcpu>4</vcpu>',
    "+<vcpu placement='static'>4</vcpu>",
    '+<iothreads>2</iothreads>',
    '+<cputune>',
    ...[0, 1, 2, 3].map((n) => `+<vcpupin vcpu='${n}' cpuset='${n}'/>`),
    "+<emulatorpin cpuset='0'/>",
    "+<iothreadpin iothread='1' cpuset='8'/>",
    "+<iothreadpin iothread='2' cpuset='9'/>",
    '+</cputune>',
    '+<numatune>',
    "+<memory mode='strict' nodeset='0'/>",
    "+<memnode cellid='0' mode='strict' nodeset='0'/>",
    '+</numatune>',
    '-<cpu mode="host-passthrough"/>',
    '+<cpu mode="host-passthrough">',
    '+<numa>',
    "+<cell id='0' cpus='0-3' memory='4194304' unit='KiB'/>",
    '+</numa>',
    '+</cpu>',
  ])
  assert.match(
    text,
    /\n {2}<vcpu placement='static'>4<\/vcpu>\n {2}<iothreads>2<\/iothreads>\n {2}<cputune>\n {4}<vcpupin/,
  )
})

test('what a domain has beyond the plan stays with its cells, its threads and its mode', () => {
  const shared = { cpus: ['2', '18'], memory: { 0: 2 * GIB } }
  const four = guestBy([0, 1, 2, 3].map((n) => ({ cpus: [`${n}`], memory: { 0: 2 * GIB } })))
  const more = intoDomain(four, null, NOVA).text
  assert.is(more.match(/<cell [^>]*memAccess='shared'\/>/g)?.length, 4, 'new cells are as the others')
  assert.not.match(more, /hugepages/)
  assert.match(more, /<memoryBacking>\n {4}<nosharepages\/>\n {2}<\/memoryBacking>/)

  const threads = UNTUNED.replace('<os>', "<iothreadids><iothread id='9'/><iothread id='4'/></iothreadids>\n  <os>")
  const pinned = intoDomain(
    guestBy([{ ...shared, cpus: ['0', '1', '2', '3'], memory: { 0: 4 * GIB } }], { iothreads: ['8', '9'] }),
    null,
    threads,
  )
  assert.match(pinned.text, /<iothreadpin iothread='4' cpuset='8'\/>\n {4}<iothreadpin iothread='9' cpuset='9'\/>/)

  const live = NOVA.replace("<memory mode='strict' nodeset='0-1'/>", "<memory mode='restrictive' nodeset='0-1'/>")
  assert.match(intoDomain(four, null, live).text, /<memory mode='restrictive' nodeset='0'\/>/)
})

test('cells that connect otherwise lose what names the old ones', () => {
  const links = "<interconnects><latency initiator='0' target='1' type='access' value='9'/></interconnects>"
  const linked = NOVA.replace('    </numa>', `      ${links}\n    </numa>`)
  const cells = (count: number) =>
    guestBy(
      Array.from({ length: count }, (_, n) => ({
        cpus: count === 2 ? [`${n}`, `${n + 8}`] : [`${n}`],
        memory: { 0: (8 / count) * GIB },
      })),
    )
  assert.match(intoDomain(cells(2), null, linked).text, links)
  assert.not.match(intoDomain(cells(4), null, linked).text, 'interconnects')
})

test('cells without ids are taken in their order', () => {
  const bare = NOVA.replace("<cell id='0' ", '<cell ').replace("<cell id='1' ", '<cell ')
  const planned = guestBy([0, 1].map((n) => ({ cpus: [`${n}`, `${n + 2}`], memory: { [n]: 4 * GIB }, pageSize: GIB })))
  const { text } = intoDomain(planned, null, bare)
  assert.match(text, `<cell cpus='0-1' memory='4194304' unit='KiB' memAccess='shared' id='0'/>`)
  assert.match(text, `<cell cpus='2-3' memory='4194304' unit='KiB' memAccess='shared' id='1'/>`)
  assert.is(intoDomain(planned, null, text).text, text)
})

test('a byte order mark, line ends of Windows and one line alone stay', () => {
  const planned = guestBy([{ cpus: ['0', '1', '2', '3'], memory: { 0: 4 * GIB } }])
  const windows = `\ufeff${UNTUNED.replaceAll('\n', '\r\n')}`
  const edited = intoDomain(planned, null, windows).text
  assert.is(edited, `\ufeff${intoDomain(planned, null, UNTUNED).text.replaceAll('\n', '\r\n')}`)
  const flat = UNTUNED.replace(/\n\s*/g, '')
  assert.not.match(intoDomain(planned, null, flat).text, '\n')
  assert.is(nameOfDomain(windows), 'web')
})

test('a domain of another size is refused, at the size', () => {
  const planned = guestBy([{ cpus: ['0', '1'], memory: { 0: GIB } }], { iothreads: ['3'] })
  const into = (text: string) => () => intoDomain(planned, null, text)
  assert.throws(into(UNTUNED), /^line 11, column 3: expected 2 vCPUs, as "db" is planned, got 4$/)
  const two = UNTUNED.replace('<vcpu>4', '<vcpu>2')
  assert.throws(into(two), /^line 9, column 3: expected memory of 1 GiB, as "db" is planned, got 4 GiB/)
  const one = two.replace('<memory>4194304', '<memory>1048576')
  assert.throws(
    into(one.replace('<os>', '<iothreads>2</iothreads><os>')),
    /^line 12, column 3: expected 1 I\/O threads, as "db" is planned, got 2$/,
  )
  for (const twice of ['cputune', 'numatune', 'memoryBacking', 'cpu']) {
    assert.throws(
      into(one.replace('<os>', `<${twice}/><${twice}/><os>`)),
      new RegExp(`expected one <${twice}> in <domain>`),
    )
  }
})

/** What is no part of the tuning: it has to be in the result as it is. */
const opaque = fc.constantFrom(
  '<!-- vcpupin <b> -->',
  '<metadata><x:vcpu xmlns:x=\'urn:x\' vcpu = "1">a &amp; b</x:vcpu></metadata>',
  '<description><![CDATA[ <numatune> ]]></description>',
  '<devices >\n<disk type=\'file\'  device="disk"/></devices >',
  '<?keep me?>',
  '<features><acpi/></features>',
  "<memtune><hard_limit unit='G'>3</hard_limit></memtune>",
  ' \t ',
)
const inTuning = fc.constantFrom(
  '<shares>7</shares>',
  '<!-- <emulatorpin/> -->',
  "<vcpusched vcpus='0'/>",
  '<!--\n\n-->',
)
const pinned = fc.record({
  vcpu: fc.integer({ min: 0, max: 9 }),
  cpu: fc.integer({ min: 0, max: 99 }),
  quote: fc.constantFrom("'", '"'),
})
const tuning = fc.array(
  fc.oneof(
    inTuning.map((text) => ({ text, keep: true })),
    pinned.map(({ vcpu, cpu, quote: q }) => ({
      text: `<vcpupin cpuset=${q}${cpu}${q} vcpu=${q}${vcpu}${q}/>`,
      keep: false,
    })),
  ),
  { maxLength: 6 },
)

test('whatever else is in a domain is in it afterwards, in its order, and nothing else but the tuning', () => {
  const planned = guestBy([{ cpus: ['10', '11-12'], memory: { 1: GIB } }], { iothreads: ['4'] })
  const layout = fc.constantFrom('\n  ', '\r\n\t', '', '\n')
  fc.assert(
    fc.property(
      fc.array(opaque, { maxLength: 4 }),
      fc.array(opaque, { maxLength: 4 }),
      tuning,
      layout,
      (before, after, tuned, gap) => {
        const cputune = `<cputune>${tuned.map(({ text }) => `${gap}${text}`).join('')}${gap}</cputune>`
        const size = '<memory>1048576</memory><vcpu>2</vcpu>'
        const pieces = ['<name>db</name>', ...before, size, ...(tuned.length === 0 ? [] : [cputune]), ...after]
        const text = `<domain>${pieces.map((piece) => `${gap}${piece}`).join('')}${gap.trimStart()}</domain>\n`
        const edited = intoDomain(planned, null, text).text
        assert.is(intoDomain(planned, null, edited).text, edited)
        const read = fromLibvirt(edited).vm
        assert.equal([read.cpuPolicy, read.dedicatedVcpus, read.iothreads], ['mixed', '0', 1])
        let rest = ''
        let at = 0
        for (const piece of [...before, ...tuned.filter(({ keep }) => keep).map(({ text: own }) => own), ...after]) {
          const found = edited.indexOf(piece, at)
          assert.ok(found >= 0, `${piece} is gone from ${edited}`)
          rest += edited.slice(at, found)
          at = found + piece.length
        }
        rest += edited.slice(at)
        assert.match(
          rest.replace(/<name>db<\/name>|<memory>1048576<\/memory>/g, '').replace(/[\s]+/g, ' '),
          /^( |<\/?(domain|vcpu|iothreads|cputune|numatune|cpu|numa)( placement='static')?>|<(vcpupin|emulatorpin|iothreadpin|memory|memnode|cell)( [a-z]+=('[\w,-]+'|"[\w,-]+"))*\/>|[12])*$/i,
        )
      },
    ),
    { numRuns: 600 },
  )
})

function dedicatedOf({ cpuPolicy, vcpus, dedicatedVcpus }: RequestVm): readonly number[] {
  return cpuPolicy === 'dedicated' ? Array.from({ length: vcpus }, (_, vcpu) => vcpu) : dedicatedVcpus
}

test('a plan that goes to libvirt and comes back asks for the same again', () => {
  let compared = 0
  fc.assert(
    fc.property(hostShape, request, (shape, input) => {
      const host = makeHost(shape)
      const { vms } = parseRequest(input)
      for (const planned of planner.plan(host, parseRequest(input), { steps: 0 }).vms) {
        const wanted = vms.find(({ name }) => name === planned.name)!
        const domain = toLibvirt(guestOf(planned, wanted.memoryPolicy, host), host).text
        assert.is(intoDomain(guestOf(planned, wanted.memoryPolicy, host), host, domain).text, domain)
        const { vm } = fromLibvirt(domain)
        const [back] = parseRequest({ vms: [vm] }).vms
        const { vcpus, memory, memoryPolicy, iothreads } = wanted
        assert.equal(
          [back!.vcpus, back!.memory, back!.memoryPolicy, back!.iothreads],
          [vcpus, memory, memoryPolicy, iothreads],
        )
        assert.equal(
          back!.cells,
          planned.cells.map(({ cell, memory: parts }) => ({
            vcpus: planned.vcpus.filter((vcpu) => vcpu.cell === cell).map(({ vcpu }) => vcpu),
            memory: parts.reduce((sum, { bytes }) => sum + bytes, 0),
          })),
        )
        // One that floats over one CPU that nobody else floats over looks as if it were dedicated.
        if (planned.vcpus.every(({ dedicated, cpus }) => dedicated || /\D/.test(cpus))) {
          assert.equal(
            dedicatedOf(back!),
            planned.vcpus.filter(({ dedicated }) => dedicated).map(({ vcpu }) => vcpu),
          )
        }
        compared++
      }
    }),
    { numRuns: 150 },
  )
  assert.ok(compared > 30, `${compared} VMs were placed`)
})

test('domains of other programs take a plan for the request that is read from them', () => {
  for (const text of [BY_HAND, UNTUNED, NOVA, KUBEVIRT]) {
    const { vm } = fromLibvirt(text)
    const input = { vms: [{ ...vm, pageSize: 'any' }] }
    const [planned] = planner.plan(TWO_NODES, parseRequest(input), { steps: 0 }).vms
    const edited = intoDomain(guestOf(planned!, 'strict', TWO_NODES), TWO_NODES, text).text
    assert.is(intoDomain(guestOf(planned!, 'strict', TWO_NODES), TWO_NODES, edited).text, edited)
    assert.equal(
      {
        ...fromLibvirt(edited).vm,
        emulator: 0,
        pageSize: 0,
        cells: 0,
        cpuPolicy: 0,
        dedicatedVcpus: 0,
        memoryPolicy: 0,
      },
      {
        ...vm,
        emulator: 0,
        pageSize: 0,
        cells: 0,
        cpuPolicy: 0,
        dedicatedVcpus: 0,
        memoryPolicy: 0,
      },
    )
  }
})

test('a domain that is damaged anywhere is edited or refused, and nothing else', () => {
  const planned = guestBy([{ cpus: ['0', '1', '2', '3'], memory: { 0: GIB } }])
  let edited = 0
  const damage = fc.record({
    text: fc.constantFrom(BY_HAND, UNTUNED.replace('4194304</memory', '1048576</memory'), NOVA, KUBEVIRT),
    cuts: fc.array(
      fc.tuple(fc.nat(4000), fc.nat(30), fc.constantFrom('', '', '-1', '<a/>', '"', '9'.repeat(400), '<cpu>')),
      { maxLength: 3 },
    ),
  })
  fc.assert(
    fc.property(damage, ({ text, cuts }) => {
      const damaged = cuts.reduce((all, [at, length, instead]) => {
        const from = at % all.length
        return `${all.slice(0, from)}${instead}${all.slice(from + length)}`
      }, text)
      for (const use of [
        (xml: string) => fromLibvirt(xml),
        (xml: string) => intoDomain(planned, TWO_NODES, xml).text,
      ]) {
        try {
          const result = use(damaged)
          if (typeof result !== 'string') continue
          assert.is(use(result), result)
          edited++
        } catch (error) {
          assert.instance(error, InputError, `${error}`)
        }
      }
    }),
    { numRuns: 2000 },
  )
  assert.ok(edited > 50, `${edited} were edited`)
})

test.run()
