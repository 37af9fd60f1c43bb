/** Options that have to be given. */

import type { Command } from 'commander'

/**
 * A preAction hook that ends a command without these options. commander's own check comes before the one for options
 * that are not known, and hides the misspelling that is the reason.
 * @param names of the options, as their values are called
 */
export function requires(...names: readonly string[]): (command: Command) => void {
  return (command) => {
    const missing = command.options.find((option) => {
      const name = option.attributeName()
      return names.includes(name) && command.getOptionValue(name) === undefined
    })
    if (missing !== undefined) command.error(`error: required option '${missing.flags}' not specified`)
  }
}
