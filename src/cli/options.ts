/** What commands have in common in their options. */

import { type Command, Option } from 'commander'
import { InputError, show } from '../errors.js'
import { THEME_NAMES } from '../picture/theme.js'

/** Where the host comes from: `readHost` reads it. */
export const HOST_OPTIONS: readonly Option[] = [
  new Option('--root <dir>', 'read dir/sys and dir/proc instead of /sys and /proc').conflicts(['host', 'synthetic']),
  new Option('--host <file>', 'a host saved by "topo --json"; - is standard input').conflicts(['root', 'synthetic']),
  new Option('--synthetic <spec>', 'a host that does not exist, in hwloc\'s syntax: "pack:2 [numa] core:4 pu:2"'),
]

/** For commands that look for VMs. */
export const CONNECT = new Option('--connect <uri>', "ask this libvirt; without it the system's, where a VM is its own")

/** For commands that plan on this machine. */
export const MEASURED = new Option(
  '--measured <file>',
  'what "calibrate --out" wrote for this machine: plans go by what was measured',
).conflicts(['root', 'host', 'synthetic'])

/** For an option that takes the name of a folder. */
export function folderName(option: string): (text: string) => string {
  return (text) => {
    if (text !== '' && !text.includes('\0')) return text
    throw new InputError(option, 'the name of a folder', show(text))
  }
}

/** Of commands that plan what runs. */
export const POLICY = new Option(
  '--policy <file>',
  'rules for VMs that run, in YAML or (*.json) JSON: "homenode policy --help"',
)

/** Of commands that can draw: `pictures` looks at them. */
export const PICTURE_OPTIONS: readonly Option[] = [
  new Option('--svg <file>', 'write a picture of it; - is standard output'),
  new Option('--png <file>', 'the same as PNG, by the optional package @resvg/resvg-js'),
  new Option('--theme <name>', 'of the picture; without it light').choices(THEME_NAMES),
]

/** An option that has to be given, by what its value is called; unless another one is. */
export interface Need {
  readonly option: string
  readonly unless?: string
}

/**
 * A preAction hook that ends a command without these options. commander's own check comes before the one for options
 * that are not known, and hides the misspelling that is the reason.
 */
export function requires(needs: readonly Need[]): (command: Command) => void {
  return (command) => {
    const isGiven = (name: string | undefined) => name !== undefined && command.getOptionValue(name) !== undefined
    const flagsOf = (name: string) => command.options.find((option) => option.attributeName() === name)!.flags
    const missing = needs.find(({ option, unless }) => !isGiven(option) && !isGiven(unless))
    if (missing === undefined) return
    const otherwise = missing.unless === undefined ? '' : ` (or '${flagsOf(missing.unless)}')`
    command.error(`error: required option '${flagsOf(missing.option)}'${otherwise} not specified`)
  }
}
