/**
 * The commands: how each is called, and which module does its work. That is loaded when the command is called, so that help
 * and mistakes are answered at once.
 */

import type { Command } from 'commander'
import { GUEST_COMMANDS } from './commands/guests.js'
import { PLAN_COMMANDS } from './commands/plans.js'
import { RUNNING_COMMANDS } from './commands/running.js'
import { requires } from './options.js'

const COMMANDS = [...PLAN_COMMANDS, ...RUNNING_COMMANDS, ...GUEST_COMMANDS]

export function addCommands(program: Command): void {
  for (const { name, alias, summary, description, arguments: taken, options, needs, examples, load } of COMMANDS) {
    const command = program.command(name).summary(summary).description(description)
    if (alias !== undefined) command.alias(alias)
    for (const argument of taken ?? []) command.argument(...argument)
    for (const option of options) command.addOption(option)
    command
      .addHelpText('after', `\nExamples:${examples}`)
      .hook('preAction', requires(needs))
      .action(async () => (await load())(command.optsWithGlobals<never>(), ...command.args))
  }
}
