/** What can be typed, from the table of the commands: the one source of help, man page and completion. */

import type { Argument, Command, Option } from 'commander'

/** What stands after an option, or as an argument. */
export type Value = 'file' | 'directory' | 'other' | readonly string[]

export interface OptionWords {
  /** `-f` and `--request`, or one of them. */
  readonly flags: readonly string[]
  readonly what: string
  /** `null`: nothing stands after it. */
  readonly value: Value | null
}

/** A command at the end of its path; an alias has a path of its own. */
export interface CommandWords {
  /** Of the names after `homenode`; none for `homenode` itself. */
  readonly path: readonly string[]
  /** What can follow, with what it does. */
  readonly commands: readonly { readonly name: string; readonly what: string }[]
  readonly options: readonly OptionWords[]
  /** In their order. */
  readonly arguments: readonly Value[]
  /** The last of the arguments can be repeated. */
  readonly repeats: boolean
}

/** All of them, those above before those below. */
export function wordsOf(program: Command): CommandWords[] {
  const collect = (command: Command, path: readonly string[]): CommandWords[] => {
    const help = command.createHelp()
    const { registeredArguments } = command
    const below = help
      .visibleCommands(command)
      .flatMap((one) => [one.name(), ...one.aliases()].map((name) => ({ name, one })))
    const words = {
      path,
      commands: below.map(({ name, one }) => ({ name, what: one.summary() || one.description() })),
      options: [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)].map(optionWords),
      arguments: registeredArguments.map(argumentValue),
      repeats: registeredArguments.at(-1)?.variadic ?? false,
    }
    return [words, ...below.flatMap(({ name, one }) => (name === 'help' ? [] : collect(one, [...path, name])))]
  }
  return collect(program, [])
}

function optionWords({ short, long, description, flags, argChoices }: Option): OptionWords {
  const [, placeholder] = /[<[]([\w.]+)[>\]]/.exec(flags) ?? []
  return {
    flags: [short, long].filter((flag) => flag !== undefined && flag !== null),
    what: description,
    value: placeholder === undefined ? null : (argChoices ?? valueNamed(placeholder)),
  }
}

function argumentValue(argument: Argument): Value {
  return argument.argChoices ?? valueNamed(argument.name())
}

function valueNamed(name: string): Value {
  if (name === 'file' || name === 'plan') return 'file'
  return name === 'dir' ? 'directory' : 'other'
}
