import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseDomain } from '../../../executor/found/domain-xml.js'

const XML = `<domain type='qemu' id='1'>
  <!-- <name>no</name> -->
  <name>a &amp; b</name>
  <uuid>3F0C2D6E-7a91-4b1e-9d35-2b1d6b6c1a01</uuid>
  <memory unit='KiB'>65536</memory>
  <currentMemory unit='KiB'>32768</currentMemory>
  <vcpu placement='static' current='3'>4</vcpu>
  <cpu mode='custom'><numa>
    <cell id='1' cpus='2' memory='32768'/>
    <cell id='0' cpus='0-1' memory='32' unit='MiB'/>
  </numa></cpu>
</domain>`

test('name, UUID, vCPUs that are there, memory and nodes', () => {
  assert.equal(parseDomain(XML), {
    name: 'a & b',
    uuid: '3f0c2d6e-7a91-4b1e-9d35-2b1d6b6c1a01',
    vcpus: 3,
    memory: 2 ** 26,
    cells: [
      { cell: 0, vcpus: [0, 1, 3], memory: 2 ** 25 },
      { cell: 1, vcpus: [2], memory: 2 ** 25 },
    ],
    metadata: [],
  })
})

test('a domain without nodes has none', () => {
  assert.equal(parseDomain(XML.replace(/<numa>.*<\/numa>/s, ''))?.cells, [])
})

const withMetadata = (inner: string) => parseDomain(XML.replace('<memory ', `<metadata>${inner}</metadata><memory `))!

test('metadata is what elements and attributes say, by the names around it', () => {
  const { metadata } = withMetadata(`
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:flavor name="m1.small"><nova:vcpus>2</nova:vcpus></nova:flavor>
      <nova:owner><nova:project uuid="f00">demo &amp; co</nova:project></nova:owner>
    </nova:instance>
    <labels xmlns="urn:homenode:labels" tier="gold"/>`)
  const nova = 'http://openstack.org/xmlns/libvirt/nova/1.1'
  assert.equal(metadata, [
    { namespace: nova, path: 'instance/flavor@name', value: 'm1.small' },
    { namespace: nova, path: 'instance/flavor/vcpus', value: '2' },
    { namespace: nova, path: 'instance/owner/project', value: 'demo & co' },
    { namespace: nova, path: 'instance/owner/project@uuid', value: 'f00' },
    { namespace: 'urn:homenode:labels', path: 'labels@tier', value: 'gold' },
  ])
})

test('metadata of any length is taken in part, control characters are not', () => {
  const { metadata } = withMetadata(`<a b="x&#x9;y"/>${'<a>1</a>'.repeat(5000)}`)
  assert.is(metadata.length, 1000)
  assert.not.match(metadata[0]!.value, /\p{Cc}/u)
})

test('what is no domain is none', () => {
  const none = [
    '',
    '<domain/>',
    '<network><name>a</name></network>',
    XML.slice(0, -3),
    XML.replace('MiB', 'cubit'),
    XML.replace('0-1', '0-'),
    '<a>'.repeat(500),
  ]
  for (const xml of none) assert.is(parseDomain(xml), null, xml.slice(0, 40))
  assert.is(parseDomain(XML.replace('a &amp; b', '&xxe;')), null)
})

test('any text is taken', () => {
  const piece = fc.constantFrom(
    '<domain>',
    '</domain>',
    '<name>',
    'x',
    '</name>',
    '<vcpu>',
    '<![CDATA[',
    ']]>',
    '<!ENTITY a "b">',
    '&a;',
    '<cell cpus="',
    '"/>',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(piece).map((parts) => parts.join('')),
      ),
      (text) => {
        parseDomain(text)
      },
    ),
    { numRuns: 1000 },
  )
})

test.run()
