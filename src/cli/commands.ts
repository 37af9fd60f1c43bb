/**
 * The commands: how each is called, and which module does its work. That is loaded when the command is called, so that help
 * and mistakes are answered at once.
 */

import { Argument, type Command } from 'commander'
import { BALANCE_COMMAND } from './commands/balance.js'
import type { CommandEntry, CommandGroup } from './commands/entry.js'
import { FLEET_COMMANDS } from './commands/fleet.js'
import { GUEST_COMMANDS } from './commands/guests.js'
import { PAGE_COMMANDS } from './commands/pages.js'
import { PLAN_COMMANDS } from './commands/plans.js'
import { POLICY_COMMANDS } from './commands/policies.js'
import { RUNNING_COMMANDS } from './commands/running.js'
import { SERVICE_COMMANDS } from './commands/service.js'
import { requires } from './options.js'
import { toItsEnd } from './output.js'

const COMMANDS: readonly (CommandEntry | CommandGroup)[] = [
  ...PLAN_COMMANDS,
  ...RUNNING_COMMANDS,
  BALANCE_COMMAND,
  SERVICE_COMMANDS,
  POLICY_COMMANDS,
  ...FLEET_COMMANDS,
  ...PAGE_COMMANDS,
  ...GUEST_COMMANDS,
]

export function addCommands(program: Command): void {
  for (const entry of COMMANDS) addCommand(program, entry)
}

function addCommand(parent: Command, entry: CommandEntry | CommandGroup): void {
  const command = parent.command(entry.name).summary(entry.summary).description(entry.description)
  command.addHelpText('after', `\nExamples:${entry.examples}`)
  if ('commands' in entry) {
    for (const one of entry.commands) addCommand(command, one)
    return
  }
  const { alias, arguments: taken, options, needs, endures, load } = entry
  if (alias !== undefined) command.alias(alias)
  for (const [name, what, choices] of taken ?? []) {
    const argument = new Argument(name, what)
    command.addArgument(choices === undefined ? argument : argument.choices(choices))
  }
  for (const option of options) command.addOption(option)
  const act = async () => (await load())(command.optsWithGlobals<never>(), ...command.args)
  command.hook('preAction', requires(needs)).action(endures ? () => toItsEnd(act) : act)
}
