/** Shell scripts (POSIX sh) that start a VMM and pin its threads. */

import type { Guest } from './guest.js'

/** `text` as one word. */
export function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/** Any number of words. */
export const MORE = '[ARGUMENT...]'

export interface Part {
  /** The word after the script's name that runs it. */
  readonly name: string
  /** What comes after that, and is `$@` of its commands: names for the usage, perhaps with MORE. */
  readonly takes: readonly string[]
  readonly does: string
  /** Its commands, line by line. */
  readonly lines: readonly string[]
}

/** A script of several parts, of which its first argument names one. */
export function scriptOf({ name }: Guest, title: string, parts: readonly Part[]): string {
  const calls = parts.map((part) => ['sh FILE', part.name, ...part.takes].join(' '))
  const width = Math.max(...calls.map(({ length }) => length))
  return [
    '#!/bin/sh',
    // As in JSON: a name never ends the comment.
    `# The VM ${JSON.stringify(name)}, ${title}`,
    ...parts.map(({ does }, at) => `#   ${calls[at]!.padEnd(width)}  ${does}`),
    'set -eu',
    ...parts.flatMap((part) => ['', `${part.name}() {`, ...part.lines.map((line) => `  ${line}`), '}']),
    '',
    `usage() { sed -n 's/^#   //p' "$0" >&2 && exit 2; }`,
    `case \${1-} in`,
    ...parts.map(({ name: part, takes }) => {
      const least = 1 + takes.filter((word) => !word.startsWith('[')).length
      const test = takes.includes(MORE) ? '-ge' : '-eq'
      return `  ${part}) [ $# ${test} ${least} ] || usage; shift; ${part} "$@" ;;`
    }),
    '  *) usage ;;',
    'esac',
    '',
  ].join('\n')
}

/** A command with its arguments, one a line, and then those of the script. */
export function startLines(command: string, args: readonly (readonly string[])[]): string[] {
  return [`exec ${command} \\`, ...args.map((words) => `  ${words.map(quote).join(' ')} \\`), '  "$@"']
}

/**
 * Pins the threads of a process that runs the VM. What vCPU threads are called: in QEMU `CPU 0/KVM` or `CPU 0/TCG`, with
 * `debug-threads=on`; in Cloud Hypervisor `vcpu0`; in Firecracker `fc_vcpu 0`; in crosvm `crosvm_vcpu0`; in kvmtool `kvm-vcpu-0`.
 * QEMU's I/O threads are `IO iothread1`. All others are the VMM's own.
 */
export function pinPart({ vcpus, emulator, iothreads }: Guest): Part {
  const cases = [
    ...vcpus.map(({ vcpu: n, cpus }) => {
      return `'CPU ${n}/'*|vcpu${n}|'fc_vcpu ${n}'|crosvm_vcpu${n}|kvm-vcpu-${n}) cpus=${cpus} vcpus=$((vcpus + 1)) ;;`
    }),
    ...iothreads.map((cpus, at) => `'IO iothread${at + 1}') cpus=${cpus} ;;`),
    `*) cpus=${emulator} ;;`,
  ]
  return {
    name: 'pin',
    takes: ['PID'],
    does: 'pins its threads, once it runs',
    lines: [
      'vcpus=0',
      'cd "/proc/$1/task"',
      'for task in *; do',
      // A thread may be gone by now.
      '  name=$(cat "$task/comm" 2>/dev/null) || continue',
      '  case $name in',
      ...cases.map((line) => `    ${line}`),
      '  esac',
      '  taskset -p -c "$cpus" "$task" >/dev/null || [ ! -e "$task" ]',
      'done',
      `[ "$vcpus" = ${vcpus.length} ] || { echo "pinned $vcpus of ${vcpus.length} vCPUs" >&2 && exit 1; }`,
    ],
  }
}
