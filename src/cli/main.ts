#!/usr/bin/env node
/** The command `homenode`: what its commands have in common, and how it ends. */

import { Command, Option } from 'commander'
import { VERSION } from '../planner/generated/abi.js'
import { addCommands } from './commands.js'
import { CommandError, EXIT, endingOf } from './errors.js'
import { type ColorWhen, styleOf, watchStreams } from './output.js'

const EXAMPLES = `
Examples:
  homenode run                     try it: plan one VM, run it, verify it
  homenode topo                    what this machine has
  homenode plan -f request.json    where VMs should go on it
  homenode plan -f request.json --json | homenode check - -f request.json
  homenode ps                      the VMs that run here, and what they lose
  homenode apply --running         brings them to where they lose less
  homenode doctor                  what is missing here, and how to mend it

Exit codes: 0 done, 1 the system refused or failed, 2 bad usage or input,
3 some VM does not fit or the plan does not hold, 4 some of it was carried out,
5 what runs is not where the plan has it, 130 interrupted.`

const program = new Command('homenode')
  .description('Decides where the vCPUs and the memory of KVM guests go on a NUMA host, and makes it so.')
  .version(VERSION)
  .addOption(new Option('--color <when>', 'colours in the output').choices(['auto', 'always', 'never']).default('auto'))
  .addHelpText('after', EXAMPLES)
  .configureHelp({ showGlobalOptions: true })
  .configureOutput({ outputError: () => {} })
  .exitOverride()
addCommands(program)

/** Says how it ended, and leaves the exit code for when the process is through. */
function end(error: unknown): void {
  const { exitCode, message, hint } = endingOf(error)
  process.exitCode = exitCode
  if (process.env.HOMENODE_DEBUG === '1' && message !== undefined) console.error(error)
  if (message === undefined) return
  const { colors } = styleOf(process.stderr, program.opts<{ color: ColorWhen }>().color)
  console.error(`${colors.red('homenode:')} ${message}`)
  if (hint !== undefined) console.error(colors.dim(hint))
}

function endNow(error: unknown): never {
  end(error)
  process.exit()
}

let isThrough = false
/** What Node.js ends with when nothing is left that could go on, and something is still waited for. */
const UNSETTLED = 13
process.on('exit', () => {
  if (isThrough || (process.exitCode ?? UNSETTLED) !== UNSETTLED) return
  end(new CommandError('the command ended without an answer: what it waited for never came', EXIT.failed))
})
watchStreams(endNow)
process.on('uncaughtException', endNow)
const [node = '', script = '', ...rest] = process.argv
await program.parseAsync([node, script, ...(rest.length === 0 ? ['--help'] : rest)]).catch(end)
isThrough = true
