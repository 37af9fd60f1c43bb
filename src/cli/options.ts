/** What commands have in common in their options. */

import { type Command, Option } from 'commander'

/** Where the host comes from: `readHost` reads it. */
export const HOST_OPTIONS: readonly Option[] = [
  new Option('--root <dir>', 'read dir/sys and dir/proc instead of /sys and /proc').conflicts(['host', 'synthetic']),
  new Option('--host <file>', 'a host saved by "topo --json"; - is standard input').conflicts(['root', 'synthetic']),
  new Option('--synthetic <spec>', 'a host that does not exist, in hwloc\'s syntax: "pack:2 [numa] core:4 pu:2"'),
]

/**
 * A preAction hook that ends a command without these options. commander's own check comes before the one for options
 * that are not known, and hides the misspelling that is the reason.
 * @param names of the options, as their values are called
 */
export function requires(names: readonly string[]): (command: Command) => void {
  return (command) => {
    const missing = command.options.find((option) => {
      const name = option.attributeName()
      return names.includes(name) && command.getOptionValue(name) === undefined
    })
    if (missing !== undefined) command.error(`error: required option '${missing.flags}' not specified`)
  }
}
