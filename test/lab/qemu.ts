/** QEMU's command line for a machine. Source: qemu-system-x86_64(1), docs/system/invocation (7.2). */

import { cpusOf, type LabMachine, type LabNode } from './machines.js'

export interface BootFiles {
  readonly kernel: string
  readonly initrd: string
}

/** Ports of a machine by what goes through them, each a file descriptor of QEMU that is a connected socket. */
export type Ports = Readonly<Record<string, number>>

/**
 * Kernel noise goes to the first serial port, whose file descriptor is `console`; everything else has a port of its own.
 * @param parallel whether its CPUs run at the same time
 * @param terminal whether QEMU's standard input and output are a terminal of the machine (`hvc0`)
 */
export function qemuArguments(
  machine: LabMachine,
  files: BootFiles,
  ports: Ports,
  terminal: boolean,
  parallel = false,
): string[] {
  const { nodes, packages, coresPerPackage, threadsPerCore } = machine
  const memoryMiB = nodes.reduce((sum, node) => sum + (node.memoryMiB ?? 0), 0)
  const cpus = packages * coresPerPackage * threadsPerCore
  const hasHmat = nodes.some((node) => node.hmat !== undefined)
  const { console: consoleFd, ...others } = ports
  return [
    ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    [
      '-machine',
      `q35${hasHmat ? ',hmat=on' : ''}`,
      '-accel',
      parallel ? PARALLEL : ACCELERATOR,
      '-cpu',
      CPU_MODELS[machine.model],
    ],
    ['-smp', `${cpus},sockets=${packages},cores=${coresPerPackage},threads=${threadsPerCore}`, '-m', `${memoryMiB}M`],
    nodes.flatMap(nodeArguments),
    machine.distances.flatMap((row, from) => row.flatMap((value, to) => distanceArguments(from, to, value))),
    hasHmat ? nodes.flatMap((_, initiator) => nodes.flatMap((_, node) => hmatArguments(machine, initiator, node))) : [],
    ['-kernel', files.kernel, '-initrd', files.initrd, '-append', KERNEL_OPTIONS.join(' ')],
    ['-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap'],
    ['-chardev', `socket,id=console,fd=${consoleFd}`, '-serial', 'chardev:console'],
    ['-device', 'virtio-serial-pci'],
    Object.entries(others).flatMap(([name, fd]) => [
      ...['-chardev', `socket,id=${name},fd=${fd}`],
      ...['-device', `virtserialport,chardev=${name},name=${name}`],
    ]),
    terminal ? ['-chardev', 'stdio,id=terminal,signal=off', '-device', 'virtconsole,chardev=terminal'] : [],
  ].flat()
}

/**
 * All CPUs in one thread, in turn. In parallel they are no faster, as most of their time goes into interrupting each
 * other, and about one in thirty runs of a guest under KVM hung the machine or ended with a fault that was none.
 */
const ACCELERATOR = 'tcg,thread=single'
/**
 * Each CPU in a thread of its own, for guests of several vCPUs: in turn, a guest's spinlocks were lost, whose holders had
 * long given them back, and its vCPUs waited for ever (Linux 6.1 in Linux 6.1 in QEMU 7.2, each of four boots).
 */
const PARALLEL = 'tcg,thread=multi'

/** The emulation has no 5-level paging with SVM. What else of a model it lacks, it says on standard error. */
const CPU_MODELS = { svm: 'max,+svm,-la57', skylake: 'Skylake-Server' } as const

/**
 * `tsc=reliable`: the emulated CPUs share a time stamp counter. An AMD model of several CPUs without an invariant one counts
 * as unsound otherwise, and KVM then gives each vCPU of a guest a time of its own.
 */
const KERNEL_OPTIONS = ['console=ttyS0', 'panic=-1', 'nokaslr', 'mitigations=off', 'audit=0', 'tsc=reliable']

function nodeArguments({ cpus, memoryMiB, hmat }: LabNode, id: number): string[] {
  const memory = memoryMiB === undefined ? [] : ['-object', `memory-backend-ram,id=m${id},size=${memoryMiB}M`]
  const parts = [
    `node,nodeid=${id}`,
    ...(memoryMiB === undefined ? [] : [`memdev=m${id}`]),
    ...cpuRanges(cpusOf({ ...(cpus === undefined ? {} : { cpus }) })).map((range) => `cpus=${range}`),
    ...(hmat === undefined ? [] : [`initiator=${hmat.initiator}`]),
  ]
  return [...memory, '-numa', parts.join(',')]
}

function cpuRanges(cpus: readonly number[]): string[] {
  return cpus.map((cpu) => `${cpu}`)
}

function distanceArguments(from: number, to: number, value: number): string[] {
  return from === to ? [] : ['-numa', `dist,src=${from},dst=${to},val=${value}`]
}

/** From a farther initiator the same memory is slower, in proportion to the distance. QEMU wants values that are multiples of a unit. */
function hmatArguments({ nodes, distances }: LabMachine, initiator: number, target: number): string[] {
  const hmat = nodes[target]?.hmat
  if (hmat === undefined || nodes[initiator]?.cpus === undefined) return []
  const farther = distances[initiator]![target]! / distances[hmat.initiator]![target]!
  const entry = `hmat-lb,initiator=${initiator},target=${target},hierarchy=memory`
  return [
    ...['-numa', `${entry},data-type=access-latency,latency=${Math.round(hmat.latencyNs * farther)}`],
    ...['-numa', `${entry},data-type=access-bandwidth,bandwidth=${Math.round(hmat.bandwidthGiBps / farther)}G`],
  ]
}
