/** What a command is made of. */

import type { Option } from 'commander'
import type { Need } from '../options.js'

/** Gets the command's options with those of the program, and its arguments. */
type Action = (options: never, ...args: string[]) => Promise<void>

export interface CommandEntry {
  readonly name: string
  readonly alias?: string
  /** For the list of commands. */
  readonly summary: string
  readonly description: string
  /** Names with brackets, what they are, and of some all that can be given. */
  readonly arguments?: readonly (readonly [name: string, what: string, choices?: readonly string[]])[]
  readonly options: readonly Option[]
  /** Goes on to its end where nobody reads what it says. */
  readonly endures?: true
  /** Options that have to be given. */
  readonly needs: readonly Need[]
  /** Lines of the help after "Examples:", with what else comes at its end. */
  readonly examples: string
  load(): Promise<Action>
}

/** Commands that are called by two names: `policy check`. */
export interface CommandGroup extends Pick<CommandEntry, 'name' | 'summary' | 'description' | 'examples'> {
  readonly commands: readonly CommandEntry[]
}
