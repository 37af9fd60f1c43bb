/** The shell script that a machine runs: it becomes what its description says, and then the command. */

import { parseCpulist } from '../../src/cpulist.js'
import type { LabMachine } from './machines.js'

const NODES = '/sys/devices/system/node'
const CPUS = '/sys/devices/system/cpu'

/** @param command its words; `null`: a shell */
export function scriptFor(
  machine: LabMachine,
  command: readonly string[] | null,
  { cwd, environment = {} }: { readonly cwd: string; readonly environment?: Readonly<Record<string, string>> },
): string {
  const variables = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/root', LAB_MACHINE: machine.name }
  const lines = [
    'set -e',
    ...Object.entries({ ...variables, ...environment }).map(([name, value]) => `export ${name}=${quoted(value)}`),
    ...machine.nodes.flatMap(({ hugePages = 0 }, node) =>
      hugePages === 0 ? [] : [`echo ${hugePages} >${NODES}/node${node}/hugepages/hugepages-2048kB/nr_hugepages`],
    ),
    ...parseCpulist(machine.offline ?? '', { allowEmpty: true }).map((cpu) => `echo 0 >${CPUS}/cpu${cpu}/online`),
    `cd ${quoted(cwd)}`,
    'set +e',
    ...(command === null ? shellLines(machine) : [`exec ${command.map(quoted).join(' ')}`]),
  ]
  return lines.join('\n')
}

function shellLines({ name, about }: LabMachine): string[] {
  const { rows = 24, columns = 80 } = process.stdout
  return [
    `stty rows ${rows} columns ${columns}`,
    `export TERM=${quoted(process.env.TERM ?? 'linux')} PS1=${quoted(`${name}:\\w\\$ `)}`,
    `echo ${quoted(`${name}: ${about}. Nothing that is written here stays. "exit" ends it.`)}`,
    'if command -v bash >/dev/null; then exec bash --norc -i; else exec sh -i; fi',
  ]
}

/** A word for the shell. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
