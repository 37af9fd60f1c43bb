// The integration guide's complete example, call by call, on the CPUs and nodes that this machine has: `npm run example`.
// With --wait it stays until Enter is pressed, before it cleans up: time to look with taskset, numastat and /proc.
import { setTimeout as delay } from 'node:timers/promises'
import { AccelKvm, CpuTopology, NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'

const MiB = 1024 ** 2
const PER_NODE = 16 * MiB
/** movq $0, (%rdi); again: incq (%rdi); jmp again: counts at the address in rdi until it is stopped. */
const COUNTER = Buffer.from('48c7070000000048ff07ebfb', 'hex')

const hex = (address: number) => `0x${address.toString(16)}`
const bytes = (byNode: Readonly<Record<string, number>>) =>
  Object.entries(byNode)
    .map(([node, found]) => `${found / MiB} MiB on node ${node}`)
    .join(', ')

console.log('== The topology of this machine')
const topology = await CpuTopology.detect()
console.log(`${topology.totalCpus} CPUs, ${topology.numaNodes} NUMA nodes`)
for (const [node, cpus] of topology.cpusPerNode) console.log(`node ${node}: CPUs ${cpus.join(' ') || 'none'}`)
for (const { level, sizeKiB, sharedCpus } of topology.cacheTopology.filter(({ level }) => level > 1))
  console.log(`L${level}: ${sizeKiB} KiB, shared by CPUs ${sharedCpus.join(' ')}`)

const { nodes, cpus } = topology.host
const usable = cpus.filter(({ online, allowed }) => online && allowed)
/** Nodes that can have a vCPU and its memory. */
const homes = nodes
  .filter(
    ({ id, memory, allowed }) => memory.total !== 0 && allowed !== false && usable.some(({ node }) => node === id),
  )
  .map(({ id }) => id)
const vcpuIds = usable.slice(0, 4).map((_, id) => id)

console.log('\n== A guest: vCPUs, each with a thread')
const accel = new AccelKvm({ name: 'demo', topology })
await accel.init()
for (const id of vcpuIds) {
  await accel.createVcpu(id)
  console.log(`vCPU ${id}: thread ${accel.getVcpuThread(id)}, CPUs ${accel.getVcpuAffinity(id).join(' ')}`)
}

console.log('\n== Feature 1: affinity of vCPUs')
const manager = VcpuAffinityManager.withTopology(topology)
await manager.configureVcpuAffinity(vcpuIds.length)
for (const id of vcpuIds) {
  accel.setVcpuAffinity(id, manager.getVcpuConfig(id)!.affinity.cpus())
  console.log(`vCPU ${id}: CPUs ${accel.getVcpuAffinity(id).join(' ')}`)
}

console.log('\n== Feature 2: memory on NUMA nodes')
accel.enableNuma(homes)
console.log(accel.numaConfig())
for (const [i, node] of homes.entries()) await accel.setupNumaMemory({ node, size: PER_NODE, gpa: i * PER_NODE })
for (const { node, gpa, hva, resident } of await accel.residentMemory())
  console.log(`guest memory at ${hex(gpa)}: bound to node ${node}, at ${hex(hva)} in this process, ${bytes(resident)}`)

console.log('\n== Feature 3: vCPUs bound to nodes')
for (const id of vcpuIds) {
  const node = homes[id % homes.length]!
  accel.bindVcpuToNumaNode(id, node)
  console.log(`vCPU ${id}: node ${accel.getVcpuNumaNode(id)}, CPUs ${accel.getVcpuAffinity(id).join(' ')}`)
}

console.log('\n== The guest runs: each vCPU counts in the memory of its node')
const { entry } = await accel.load(COUNTER, 0x1000)
const counterOf = (id: number) => homes.indexOf(accel.getVcpuNumaNode(id)!) * PER_NODE + 0x2000 + 64 * id
for (const id of vcpuIds) accel.vcpu(id).startInLongMode(entry, { rdi: BigInt(counterOf(id)) })
const countOf = (id: number) => Buffer.from(accel.read(counterOf(id), 8)).readBigUInt64LE()
await accel.run()
// Where CPUs are short, one may wait for its turn.
do await delay(500)
while (vcpuIds.some((id) => countOf(id) === 0n))
await accel.pause()
for (const id of vcpuIds) console.log(`vCPU ${id}: counted to ${countOf(id)} at ${hex(counterOf(id))}`)

console.log('\n== The affinity manager: a plan for all vCPUs')
console.log(manager.topologyStats())
console.log(manager.diagnosticReport())
const { moved } = await manager.rebalanceVcpus()
console.log(`moved by a new plan: ${moved}`)

console.log('\n== The optimizer: memory by strategy, statistics, suggestions')
const optimizer = new NumaOptimizer(topology, manager, 4 * PER_NODE)
optimizer.setAllocationStrategy('LocalFirst')
await optimizer.updateStats()
const allocations = []
for (const node of homes) allocations.push(await optimizer.allocateMemory(PER_NODE, node))
allocations.push(await optimizer.allocateMemoryNumaAware(PER_NODE))
for (const { address, node, residentBytes, why } of allocations) {
  console.log(`${hex(address)}: node ${node} (${why}), ${residentBytes === null ? 'unknown' : bytes(residentBytes)}`)
  optimizer.memoryOf(address).fill(1)
}
console.log(`this thread is on node ${optimizer.currentNode()}`)
for (const [node, { cpuUsage, memory, numa }] of await optimizer.updateStats())
  console.log(`node ${node}:`, { cpuUsage, memory, numa })
const placement = await optimizer.optimizeVcpuPlacement(vcpuIds.length)
console.log('vCPUs by node:', Object.fromEntries(placement.nodes))
const { movedPages } = await optimizer.rebalanceMemory()
console.log(`pages moved: ${movedPages}`)
for (const { what, how, figure } of await optimizer.optimizationSuggestions())
  console.log(`- ${what} (${figure.name}: ${figure.value}, limit ${figure.limit}): ${how}`)
console.log(await optimizer.diagnosticReport())

if (process.argv.includes('--wait')) {
  console.log(`\nprocess ${process.pid} waits for Enter`)
  await new Promise((resolve) => process.stdin.once('data', resolve))
  process.stdin.destroy()
}

console.log('\n== Everything is given back')
for (const { address } of allocations) await optimizer.freeMemory(address)
await optimizer.close()
await accel.stop()
accel.disableNuma()
await accel.close()
console.log(accel.numaConfig())
