/** A request from the XML of libvirt's domains. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromLibvirt } from '../../src/formats/libvirt/read.js'
import { parseLibvirtSize } from '../../src/formats/libvirt/size.js'
import { parseRequest } from '../../src/request.js'
import { BY_HAND, KUBEVIRT, NOVA, UNTUNED } from './domains.js'

function domain(content: string, memory = "<memory unit='GiB'>1</memory>"): string {
  return `<domain>\n  <name>a</name>\n  ${memory}\n  ${content}\n</domain>`
}

function vm(text: string): Record<string, unknown> {
  const { vm: found } = fromLibvirt(text)
  parseRequest({ vms: [found] })
  return { ...found }
}

test('an untuned domain floats, and leaves the rest to the defaults', () => {
  assert.equal(fromLibvirt(UNTUNED), {
    vm: { name: 'web', vcpus: 4, memory: '4GiB', cpuPolicy: 'shared' },
    notes: [],
  })
})

test("Nova's dedicated CPUs, guest nodes and huge pages are wishes of the request", () => {
  assert.equal(fromLibvirt(NOVA), {
    vm: {
      name: 'instance-0000002a',
      vcpus: 4,
      memory: '8GiB',
      cells: [
        { vcpus: '0-1', memory: '4GiB' },
        { vcpus: '2-3', memory: '4GiB' },
      ],
      cpuPolicy: 'dedicated',
      memoryPolicy: 'strict',
      pageSize: '1GiB',
    },
    notes: [],
  })
})

test("KubeVirt's emulator and I/O thread with CPUs of their own are dedicated", () => {
  assert.equal(fromLibvirt(KUBEVIRT), {
    vm: {
      name: 'shop_cart-7',
      vcpus: 3,
      memory: '2GiB',
      cpuPolicy: 'dedicated',
      pageSize: '2MiB',
      emulator: 'dedicated',
      iothreads: 1,
    },
    notes: [],
  })
})

test('one that was written by hand: cells by their ids, pins of vCPUs that are not there left out', () => {
  assert.equal(fromLibvirt(BY_HAND), {
    vm: {
      name: 'db',
      vcpus: 4,
      memory: '1GiB',
      cells: [
        { vcpus: '0-1', memory: '512MiB' },
        { vcpus: '2-3', memory: '512MiB' },
      ],
      cpuPolicy: 'mixed',
      dedicatedVcpus: '1',
      memoryPolicy: 'strict',
      pageSize: '2MiB',
    },
    notes: ["huge pages of the host's default size are taken to be of 2 MiB"],
  })
})

test('a vCPU is dedicated only where no other vCPU may run on its CPU', () => {
  const pins = (...sets: string[]) => {
    const lines = sets.map((set, vcpu) => `<vcpupin vcpu='${vcpu}' cpuset='${set}'/>`)
    return vm(domain(`<vcpu>${sets.length}</vcpu><cputune>${lines.join('')}</cputune>`)).cpuPolicy
  }
  assert.is(pins('0', '1'), 'dedicated')
  assert.is(pins('0', '0'), 'shared')
  assert.is(pins('0', '0-1'), 'shared')
  assert.is(pins('0', '1-3,^2', '2'), 'mixed')
  assert.is(vm(domain("<vcpu cpuset='3'>1</vcpu>")).cpuPolicy, 'dedicated')
  assert.is(vm(domain("<vcpu cpuset='3'>2</vcpu>")).cpuPolicy, 'shared')
  assert.is(vm(domain('')).vcpus, 1)
})

test('vCPUs that no cell names are in the first', () => {
  const cells = "<cell cpus='1' memory='1' unit='GiB'/><cell cpus='2-3' memory='2' unit='GiB'/>"
  assert.equal(vm(domain(`<vcpu>6</vcpu><cpu><numa>${cells}</numa></cpu>`)), {
    name: 'a',
    vcpus: 6,
    memory: '3GiB',
    cells: [
      { vcpus: '0-1,4-5', memory: '1GiB' },
      { vcpus: '2-3', memory: '2GiB' },
    ],
    cpuPolicy: 'shared',
  })
})

test('memory policies are those of the cells, else that of all memory', () => {
  const policy = (numatune: string) => vm(domain(`<numatune>${numatune}</numatune>`)).memoryPolicy
  assert.is(policy("<memory mode='interleave' nodeset='0-1'/>"), 'interleave')
  assert.is(policy("<memory mode='restrictive' nodeset='0'/>"), 'strict')
  assert.is(policy("<memory nodeset='0'/>"), 'strict')
  assert.is(
    policy("<memory mode='strict' nodeset='0'/><memnode cellid='0' mode='preferred' nodeset='0'/>"),
    'preferred',
  )
  assert.is(policy(''), undefined)
})

test('I/O threads are those that are named and those that are counted', () => {
  const iothreads = (content: string) => vm(domain(content)).iothreads
  assert.is(iothreads('<iothreads>3</iothreads>'), 3)
  assert.is(iothreads("<iothreads>3</iothreads><iothreadids><iothread id='7'/></iothreadids>"), 3)
  assert.is(iothreads("<iothreadids><iothread id='7'/><iothread id='2'/></iothreadids>"), 2)
  assert.is(iothreads('<iothreads>0</iothreads>'), undefined)
})

test('huge pages of some cells, or of several sizes, are said to be left to the plan', () => {
  const cells = "<cpu><numa><cell cpus='0' memory='524288'/><cell cpus='1' memory='524288'/></numa></cpu>"
  const read = (pages: string) =>
    fromLibvirt(domain(`<vcpu>2</vcpu>${cells}<memoryBacking><hugepages>${pages}</hugepages></memoryBacking>`))
  const some = read("<page size='2048' nodeset='1'/>")
  assert.is(some.vm.pageSize, undefined)
  assert.equal(some.notes, ['cells have pages of different sizes; a request has one, so its pages are of any size'])
  assert.is(read("<page size='2048' nodeset='1'/><page size='1' unit='G' nodeset='0'/>").notes.length, 1)
  assert.is(read("<page size='2048' nodeset='0-1'/>").vm.pageSize, '2MiB')
})

test('sizes are read in all of the units of libvirt', () => {
  const sizes: [string, string | undefined, number][] = [
    ['7', undefined, 7 * 1024],
    ['7', 'b', 7],
    ['7', 'bytes', 7],
    ['7', 'KB', 7000],
    ['7', 'k', 7168],
    ['7', 'kib', 7168],
    ['7', 'M', 7 * 1024 ** 2],
    ['7', 'GB', 7e9],
    ['7', 'TiB', 7 * 1024 ** 4],
    ['0', 'E', 0],
    [' 7\n', 'GiB', 7 * 1024 ** 3],
  ]
  for (const [number, unit, bytes] of sizes) assert.is(parseLibvirtSize(number, unit), bytes, `${number} ${unit}`)
  assert.throws(() => parseLibvirtSize('1', 'pages', 'x'), /^x: expected a unit such as .*, got "pages"/)
  for (const number of ['', '-1', '1.5', '0x10', '1e3', '99999999999999999999']) {
    assert.throws(() => parseLibvirtSize(number, 'KiB'), /expected a whole number of less than 8 PiB/)
  }
})

test('what is no domain that a request can have is refused at its line', () => {
  const numa = (cells: string) => domain(`<vcpu>2</vcpu>\n  <cpu><numa>\n    ${cells}\n  </numa></cpu>`)
  const cases: [string, RegExp][] = [
    ['<network/>', /^line 1, column 1: expected a libvirt domain's XML, <domain>, got <network>/],
    ['<domain xmlns="urn:x"><name/></domain>', /got <\{urn:x\}domain>/],
    ['<domain/>', /expected a <domain> with a <name>/],
    ['<domain><name>a</name></domain>', /expected a <domain> with a <memory>/],
    ['<domain>\n<name>a</name><name>b</name></domain>', /^line 2, column 15: expected one <name>/],
    [domain('', '<memory>1.5</memory>'), /^line 3, column 3: expected a whole number .*, got "1.5"/],
    [domain('', "<memory unit='furlong'>1</memory>"), /^line 3, column 3: expected a unit .*, got "furlong"/],
    [domain('<vcpu>none</vcpu>'), /^line 4, column 3: expected a whole number from 1 to 4096 in <vcpu>, got "none"/],
    [domain('<vcpu>0</vcpu>'), /got "0"/],
    [domain('<vcpu>1000000000</vcpu>'), /got "1000000000"/],
    [domain("<cputune><vcpupin vcpu='0' cpuset='x'/></cputune>"), /^line 4, column 12: expected a cpulist/],
    [domain("<cputune><vcpupin vcpu='a' cpuset='1'/></cputune>"), /^line 4, column 12: .*got "a"/],
    [domain("<cputune><vcpupin vcpu='0'/></cputune>"), /^line 4, column 12: expected a cpulist/],
    [numa("<cell cpus='0'/>"), /^line 6, column 5: expected a <cell> with its memory/],
    [numa("<cell cpus='0-1' memory='4'/><cell memory='4'/>"), /^line 6, column 34: expected cells with vCPUs/],
    [numa("<cell cpus='0-2' memory='4'/>"), /expected vCPUs from 0 to 1, got 2/],
    [numa("<cell cpus='0' memory='4'/><cell cpus='0' memory='4'/>"), /^line 6, column 32: .*no other cell has, got 0/],
    [numa("<cell id='1' cpus='0' memory='4'/>"), /expected cells with ids from 0 to 0, each once, got "1"/],
    [domain("<numatune><memory mode='fair'/></numatune>"), /expected a mode: strict, .*, got "fair"/],
    [domain("<numatune><memory mode='constructor'/></numatune>"), /got "constructor"/],
    [
      domain("<numatune><memnode cellid='0' mode='strict'/>\n<memnode cellid='1' mode='preferred'/></numatune>"),
      /^line 5, column 1: expected the mode of the cells before it \(strict\).*, got "preferred"/,
    ],
    [domain("<iothreadids><iothread id='0'/></iothreadids>"), /expected an id from 1, got "0"/],
    [
      domain("<devices><memory model='dimm'><target/></memory></devices>"),
      /^line 4, column 12: expected a domain without memory devices, got a <memory> of model "dimm"/,
    ],
    [domain('', "<memory unit='b'>5000</memory>"), /^line 1, column 1: .*\(vms\[0\]\.memory\): a multiple of 4 KiB/],
    [domain('<iothreads>65</iothreads>'), /^line 1, column 1: .*\(vms\[0\]\.iothreads\)/],
  ]
  for (const [text, says] of cases) assert.throws(() => fromLibvirt(text), says, text)
})

test.run()
