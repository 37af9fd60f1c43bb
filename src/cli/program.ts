/** The command `homenode` with all that can be called. */

import { Command, Option } from 'commander'
import { VERSION } from '../planner/generated/abi.js'
import { addCommands } from './commands.js'

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

export function makeProgram(): Command {
  const program = new Command('homenode')
    .description('Decides where the vCPUs and the memory of KVM guests go on a NUMA host, and makes it so.')
    .version(VERSION)
    .addOption(
      new Option('--color <when>', 'colours in the output').choices(['auto', 'always', 'never']).default('auto'),
    )
    .addHelpText('after', EXAMPLES)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {} })
    .exitOverride()
  addCommands(program)
  return program
}
