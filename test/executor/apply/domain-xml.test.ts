import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pinsIn, shapeOf, withPins } from '../../../executor/apply/domain-xml.js'

const domain = (inside: string) =>
  `<domain type='kvm'>\n  <name>db</name>\n  <memory unit='KiB'>65536</memory>\n  <vcpu>4</vcpu>\n${inside}</domain>\n`

const PINNED = domain(`  <cputune>
    <shares>512</shares> <!-- ours -->
    <vcpupin vcpu='0' cpuset='0-1'/>
    <vcpupin vcpu='2' cpuset='3'/>
    <emulatorpin cpuset='1'/>
    <iothreadpin iothread='7' cpuset='2'/>
  </cputune>
  <numatune>
    <memory mode='interleave' nodeset='0-1'/>
    <memnode cellid='0' mode='strict' nodeset='1'/>
  </numatune>
`)
const NOTHING = { vcpus: [], emulator: null, iothreads: [], numatune: null }

test('pins and nodes are read as the XML says them, and nothing else', () => {
  assert.equal(pinsIn(PINNED), {
    vcpus: [
      { vcpu: 0, cpus: '0-1' },
      { vcpu: 2, cpus: '3' },
    ],
    emulator: '1',
    iothreads: [{ id: 7, cpus: '2' }],
    numatune: { mode: 'interleave', nodes: '0-1' },
  })
  assert.equal(shapeOf(PINNED), { vcpus: 4, hasMemnodes: true })
  assert.equal(pinsIn(domain('')), NOTHING)
  const auto = domain("  <numatune>\n    <memory mode='strict' placement='auto'/>\n  </numatune>\n")
  assert.equal(pinsIn(auto).numatune, { mode: 'strict', nodes: null })
})

test('pins that are put back replace those that are there; all else in the text stays', () => {
  assert.is(withPins(PINNED, pinsIn(PINNED)), PINNED)
  assert.is(withPins(domain(''), NOTHING), domain(''))
  const none = withPins(PINNED, NOTHING)
  assert.equal(pinsIn(none), NOTHING)
  assert.match(none, /<shares>512<\/shares> <!-- ours -->/)
  assert.match(none, /<memnode cellid='0' mode='strict' nodeset='1'\/>/)
  const before = { ...pinsIn(PINNED), emulator: '0,3', numatune: { mode: 'strict', nodes: null } } as const
  assert.equal(pinsIn(withPins(withPins(PINNED, NOTHING), before)), before)
  assert.match(withPins(PINNED, before), /<memory mode='strict' placement='auto'\/>/)
})

test.run()
