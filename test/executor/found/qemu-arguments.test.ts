import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseQemuArguments } from '../../../executor/found/qemu-arguments.js'

function parse(...args: string[]) {
  return parseQemuArguments(['qemu-system-x86_64', ...args])
}

test('defaults are those of QEMU', () => {
  assert.equal(parse(), {
    name: null,
    uuid: null,
    accelerator: null,
    vcpus: 1,
    memory: 128 * 2 ** 20,
    backends: [{ id: '', bytes: 128 * 2 ** 20, policy: null }],
    cells: [],
    qmpSockets: [],
    isLibvirt: false,
  })
})

test('name, memory and vCPUs in their spellings', () => {
  assert.is(parse('-name', 'db').name, 'db')
  assert.is(parse('-name', 'guest=a,,b,debug-threads=on').name, 'a,b')
  assert.is(parse('-m', '64').memory, 64 * 2 ** 20)
  assert.is(parse('-m', 'size=1048576k,slots=2,maxmem=2G').memory, 2 ** 30)
  assert.is(parse('-m', '1.5G').memory, 1.5 * 2 ** 30)
  assert.is(parse('-smp', '4,maxcpus=8').vcpus, 4)
  assert.is(parse('-smp', 'cpus=3').vcpus, 3)
  assert.is(parse('--smp', 'sockets=2,cores=4,threads=2').vcpus, 16)
  assert.is(parse('-m', '64', '-m', '32').memory, 32 * 2 ** 20)
})

test('an accelerator is known only where there is no choice', () => {
  assert.is(parse('-accel', 'kvm').accelerator, 'kvm')
  assert.is(parse('-enable-kvm').accelerator, 'kvm')
  assert.is(parse('-machine', 'q35,accel=tcg').accelerator, 'tcg')
  assert.is(parse('-M', 'accel=kvm:tcg').accelerator, null)
  assert.is(parse('-accel', 'kvm', '-accel', 'tcg').accelerator, null)
})

test('guest nodes with their memory, as virsh and as people write them', () => {
  const libvirt = parse(
    ...['-m', '64', '-smp', '4,sockets=4,cores=1,threads=1'],
    ...[
      '-object',
      '{"qom-type":"memory-backend-ram","id":"ram-node0","size":33554432,"host-nodes":[1],"policy":"bind"}',
    ],
    ...['-numa', 'node,nodeid=0,cpus=0-1,cpus=3,memdev=ram-node0'],
    ...[
      '-object',
      '{"qom-type":"memory-backend-ram","id":"ram-node1","size":33554432,"host-nodes":[0,1,2],"policy":"interleave"}',
    ],
    ...['-numa', 'node,nodeid=1,cpus=2,memdev=ram-node1'],
  )
  assert.equal(libvirt.cells, [
    { cell: 0, vcpus: [0, 1, 3], memory: 2 ** 25, backend: 'ram-node0' },
    { cell: 1, vcpus: [2], memory: 2 ** 25, backend: 'ram-node1' },
  ])
  assert.equal(libvirt.backends, [
    { id: 'ram-node0', bytes: 2 ** 25, policy: 'bind:1' },
    { id: 'ram-node1', bytes: 2 ** 25, policy: 'interleave:0-2' },
  ])
  const plain = parse('-m', '64', '-smp', '2', '-numa', 'node,cpus=0,mem=48', '-numa', 'node,cpus=1,mem=16M')
  assert.equal(plain.cells, [
    { cell: 0, vcpus: [0], memory: 48 * 2 ** 20, backend: null },
    { cell: 1, vcpus: [1], memory: 16 * 2 ** 20, backend: null },
  ])
})

test('nodes that leave something to QEMU are not known', () => {
  assert.is(parse('-smp', '2', '-m', '64', '-numa', 'node,cpus=0', '-numa', 'node,cpus=1').cells, null)
  assert.is(parse('-smp', '2', '-m', '64', '-numa', 'node,cpus=0,mem=64').cells, null)
  assert.is(parse('-smp', '2', '-m', '64', '-numa', 'node,cpus=0-1,mem=32').cells, null)
  assert.is(parse('-smp', '1', '-m', '64', '-numa', 'node,mem=64', '-numa', 'cpu,node-id=0,socket-id=0').cells, null)
})

test('sockets of QMP, not those of other monitors', () => {
  assert.equal(parse('-qmp', 'unix:/tmp/a,,b.sock,server=on,wait=off').qmpSockets, ['/tmp/a,b.sock'])
  assert.equal(parse('-qmp', 'tcp:127.0.0.1:4444,server', '-monitor', 'unix:/tmp/m,server').qmpSockets, [])
  const chardev = ['-chardev', 'socket,id=c,path=run/q.sock,server=on', '-chardev', 'socket,id=d,path=/tmp/d']
  assert.equal(parse(...chardev, '-mon', 'chardev=c,mode=control', '-mon', 'd').qmpSockets, ['run/q.sock'])
  const byFd = ['-chardev', 'socket,id=charmonitor,fd=26,server=on', '-mon', 'chardev=charmonitor,mode=control']
  assert.equal(parse(...byFd).qmpSockets, [])
})

test("libvirt's mark, and its UUID", () => {
  const key =
    '{"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/lib/libvirt/qemu/domain-1-a/master-key.aes"}'
  const found = parse('-object', key, '-uuid', '3F0C2D6E-7a91-4b1e-9d35-2b1d6b6c1a01')
  assert.ok(found.isLibvirt)
  assert.is(found.uuid, '3f0c2d6e-7a91-4b1e-9d35-2b1d6b6c1a01')
})

test('any arguments are taken, and what is said of them is possible', () => {
  const word = fc.oneof(
    fc.constantFrom('-m', '-smp', '-numa', '-object', '-name', '-qmp', '-chardev', '-mon', '-machine', '-accel'),
    fc.constantFrom(
      'node',
      'memory-backend-ram',
      '{',
      '{"qom-type":"memory-backend-ram","id":1,"size":1e99}',
      '{"a":{}}',
    ),
    fc
      .array(
        fc.constantFrom(
          'cpus=',
          '0-3',
          '9-1',
          'nodeid=',
          '-1',
          ',',
          'size=',
          '1e9',
          '99999999999999999G',
          'id=x',
          'mem=',
          '4',
        ),
      )
      .map((parts) => parts.join('')),
    fc.string({ maxLength: 20 }),
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 20 }), (args) => {
      const { vcpus, memory, backends, cells } = parse(...args)
      assert.ok(Number.isInteger(vcpus) && vcpus >= 1 && vcpus <= 4096)
      for (const bytes of [memory, ...backends.map((one) => one.bytes)]) {
        assert.ok(Number.isSafeInteger(bytes) && bytes >= 0, `${bytes}`)
      }
      const numbers = (cells ?? []).flatMap((cell) => cell.vcpus)
      if (cells !== null && cells.length > 0)
        assert.equal(
          [...numbers].sort((a, b) => a - b),
          Array.from({ length: vcpus }, (_, at) => at),
        )
    }),
    { numRuns: 2000 },
  )
})

test.run()
