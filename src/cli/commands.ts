/**
 * The commands: how each is called, and which module does its work. That is loaded when the command is called, so that help
 * and mistakes are answered at once.
 */

import type { Command } from 'commander'
import { GUEST_COMMANDS } from './commands/guests.js'
import { PLAN_COMMANDS } from './commands/plans.js'
import { RUNNING_COMMANDS } from './commands/running.js'
import { requires } from './options.js'
import { toItsEnd } from './output.js'

const COMMANDS = [...PLAN_COMMANDS, ...RUNNING_COMMANDS, ...GUEST_COMMANDS]

export function addCommands(program: Command): void {
  for (const entry of COMMANDS) {
    const { name, alias, summary, description, options, needs, endures, examples, load } = entry
    const command = program.command(name).summary(summary).description(description)
    if (alias !== undefined) command.alias(alias)
    for (const argument of entry.arguments ?? []) command.argument(...argument)
    for (const option of options) command.addOption(option)
    const act = async () => (await load())(command.optsWithGlobals<never>(), ...command.args)
    command
      .addHelpText('after', `\nExamples:${examples}`)
      .hook('preAction', requires(needs))
      .action(endures ? () => toItsEnd(act) : act)
  }
}
