/** The man page, from the table of the commands: what `--help` says of each. Source of the macros: groff_man(7). */

import type { Command } from 'commander'

/** @param version of the package */
export function manPage(program: Command, version: string): string {
  const help = program.createHelp()
  return [
    `.TH HOMENODE 1 "" "homenode ${version}" "User Commands"`,
    '.SH NAME',
    `homenode \\- ${escaped('places the vCPUs and the memory of KVM guests on NUMA hosts')}`,
    '.SH SYNOPSIS',
    synopsis(program),
    '.SH DESCRIPTION',
    escaped(program.description()),
    '.SH OPTIONS',
    'They can be given before a command or after it.',
    ...optionItems(program),
    '.SH COMMANDS',
    ...help.visibleCommands(program).flatMap((command) => (command.name() === 'help' ? [] : section(command))),
    '.SH EXAMPLES AND EXIT CODES',
    ...afterHelp(program),
    '.SH SEE ALSO',
    '.BR taskset (1),\n.BR numactl (8),\n.BR virsh (1),\n.BR lstopo (1)',
    '',
  ].join('\n')
}

function section(command: Command): string[] {
  const help = command.createHelp()
  const below = help.visibleCommands(command).filter((one) => one.name() !== 'help')
  return [
    `.SS ${quoted(pathOf(command))}`,
    synopsis(command),
    '.PP',
    escaped(command.description()),
    ...help.visibleArguments(command).map((argument) => item(argument.name(), help.argumentDescription(argument))),
    ...optionItems(command),
    ...afterHelp(command),
    ...below.flatMap(section),
  ]
}

/** Its names from `homenode` on, with its alias. */
function pathOf(command: Command): string {
  const names = [command.name(), ...command.aliases()].join(', ')
  return command.parent === null ? names : `${pathOf(command.parent)} ${names}`
}

function synopsis(command: Command): string {
  const usage = command.createHelp().commandUsage(command).replace(/\|\w+/, '')
  return `.B ${escaped(usage.slice(0, usage.indexOf(' [')))}\n${escaped(usage.slice(usage.indexOf(' [') + 1))}`
}

/** Each command has `--help`. */
function optionItems(command: Command): string[] {
  const help = command.createHelp()
  const options = help.visibleOptions(command).filter(({ long }) => long !== '--help' || command.parent === null)
  return options.map((option) => item(help.optionTerm(option), help.optionDescription(option)))
}

function item(term: string, text: string): string {
  return `.TP\n.B ${escaped(term)}\n${escaped(text)}`
}

/** What stands in a help below its options: headings, lines that are kept as they are, and sentences. */
function afterHelp(command: Command): string[] {
  let text = ''
  command.configureOutput({
    writeOut: (part) => {
      text += part
    },
  })
  command.outputHelp()
  text = text.slice(command.helpInformation().length)
  const groups = text.trim().split(/\n(?=\S)|\n\n/)
  const paragraphs: string[] = []
  for (const group of groups) {
    const [head = '', ...lines] = group.split('\n')
    if (lines.length > 0 || !/^\S/.test(group)) paragraphs.push(`.PP\n${escaped(head.trim())}`, kept(lines))
    else paragraphs.push(paragraphs.at(-1)?.startsWith('.PP') ? escaped(head) : `.PP\n${escaped(head)}`)
  }
  return paragraphs
}

function kept(lines: readonly string[]): string {
  return ['.RS 4', '.EX', ...lines.map((line) => escaped(line.replace(/^ {2}/, ''))), '.EE', '.RE'].join('\n')
}

/** Text as it is: hyphens that can be copied, no escapes, no requests. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('`', '\\`')
    .replaceAll("'", '\\(aq')
    .replace(/^\./gm, '\\&.')
}

function quoted(text: string): string {
  return `"${escaped(text).replaceAll('"', '\\(dq')}"`
}
