/** `npm run lab -- MACHINE [-- COMMAND...]`: a machine of the lab, with this checkout in it. See docs/lab.md. */

import { MissingError, prepareBootFiles } from './boot-files.js'
import { machineNamed, machines } from './machines.js'
import { runInMachine, VmError } from './vm.js'

const USAGE = `Usage: npm run lab -- MACHINE [--parallel] [-- COMMAND...]   run a command in a machine; without one, a shell
       npm run lab -- --list                    the machines`

const USAGE_ERROR = 2
const NOT_BOOTED = 125

async function main(args: readonly string[]): Promise<number> {
  const parallel = args[1] === '--parallel'
  const [name, separator, ...words] = parallel ? args.filter((_, i) => i !== 1) : args
  if (name === '--list' && args.length === 1) {
    const width = Math.max(...machines.map((machine) => machine.name.length))
    for (const machine of machines) console.log(`${machine.name.padEnd(width)}  ${describe(machine)}`)
    return 0
  }
  if (name === '--help') {
    console.log(USAGE)
    return 0
  }
  const machine = machineNamed(name ?? '')
  if (machine === undefined) {
    console.error(name === undefined ? USAGE : `lab: no machine "${name}"; npm run lab -- --list names them`)
    return USAGE_ERROR
  }
  if (separator !== undefined && (separator !== '--' || words.length === 0)) {
    console.error(USAGE)
    return USAGE_ERROR
  }
  const command = separator === undefined ? null : words
  if (command === null && !(process.stdin.isTTY && process.stdout.isTTY)) {
    console.error('lab: a shell needs a terminal; give a command: npm run lab -- MACHINE -- COMMAND...')
    return USAGE_ERROR
  }
  const files = prepareBootFiles()
  const { exitCode } = await runInMachine(machine, files, command, {
    cwd: process.cwd(),
    parallel,
    onOutput: (stream, chunk) => void process[stream].write(chunk),
  })
  return exitCode
}

function describe({ about, model }: (typeof machines)[number]): string {
  return `${about}${model === 'svm' ? '; KVM' : '; no KVM'}`
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof MissingError || error instanceof VmError)) throw error
  console.error(`lab: ${error.message}`)
  process.exitCode = NOT_BOOTED
}
