/** Completion for fish 3 and later. */

import type { CommandWords, OptionWords, Value } from './words.js'

export function fishScript(words: readonly CommandWords[]): string {
  const paths = words.slice(1).map(({ path }) => quote(path.join(' ')))
  return `# fish completion for homenode: made by "homenode completion fish"
function __homenode_at
    set -l words (commandline -opc)
    set -e words[1]
    set -l command ''
    for word in $words
        set -l longer (string trim -- "$command $word")
        contains -- $longer ${paths.join(' ')}
        and set command $longer
    end
    test "$command" = "$argv[1]"
end

complete -c homenode -f
${words.flatMap(linesOf).join('\n')}
`
}

function linesOf({ path, commands, options, arguments: taken }: CommandWords): string[] {
  const condition = `complete -c homenode -n ${quote(`__homenode_at ${quote(path.join(' '))}`)}`
  return [
    ...commands.map(({ name, what }) => `${condition} -a ${quote(name)} -d ${quote(what)}`),
    ...options.map((option) => `${condition} ${optionText(option)}`),
    ...[...new Set(taken)].map((value) => `${condition} ${given(value)}`),
  ]
}

function optionText({ flags, what, value }: OptionWords): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
  return [...names, ...(value === null ? [] : ['-r', given(value)]), '-d', quote(what)].join(' ')
}

function given(value: Value): string {
  if (typeof value !== 'string') return `-f -a ${quote(value.join(' '))}`
  return { file: '-F', directory: `-f -a '(__fish_complete_directories)'`, other: '-f' }[value]
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
