/** Completion for zsh. */

import type { CommandWords, OptionWords, Value } from './words.js'

export function zshScript(words: readonly CommandWords[]): string {
  return `#compdef homenode
# zsh completion for homenode: made by "homenode completion zsh"
${words.map((one) => functionOf(one)).join('\n')}
# As a file in fpath it is the function itself; sourced, it has to be made known.
if [[ $funcstack[1] == _homenode ]]; then
  _homenode "$@"
else
  compdef _homenode homenode
fi
`
}

function functionOf({ path, commands, options, arguments: taken, repeats }: CommandWords): string {
  const specs = options.map(optionSpec)
  if (commands.length > 0) {
    const names = commands.map(({ name, what }) => quote(`${name.replaceAll(':', '\\:')}:${what}`))
    const below = commands.filter(({ name }) => name !== 'help').map(({ name }) => name)
    return `${nameOf(path)}() {
  local curcontext="$curcontext" state line
  _arguments -C ${[...specs, quote('1: :->command'), quote('*:: :->rest')].join(' \\\n    ')}
  case $state in
    command)
      local -a commands=(
        ${names.join('\n        ')}
      )
      _describe command commands
      ;;
    rest)
      case $line[1] in
${below.map((name) => `        ${name}) ${nameOf([...path, name])} ;;`).join('\n')}
      esac
      ;;
  esac
}
`
  }
  const places = taken.map((value, at) => {
    const place = repeats && at === taken.length - 1 ? '*' : `${at + 1}`
    return quote(`${place}: :${action(value)}`)
  })
  return `${nameOf(path)}() {
  _arguments ${[...specs, ...places].join(' \\\n    ')}
}
`
}

function nameOf(path: readonly string[]): string {
  return ['_homenode', ...path].join('_')
}

/** `(-f --request)'{-f,--request}'[what]:value:_files`. */
function optionSpec({ flags, what, value }: OptionWords): string {
  const [first = ''] = flags
  const description = `[${what.replace(/[[\]\\:]/g, '\\$&')}]`
  const after = value === null ? '' : `: :${action(value)}`
  if (flags.length === 1) return quote(`${first}${description}${after}`)
  return `${quote(`(${flags.join(' ')})`)}{${flags.join(',')}}${quote(`${description}${after}`)}`
}

function action(value: Value): string {
  if (typeof value !== 'string') return `(${value.join(' ')})`
  return { file: '_files', directory: '_files -/', other: ' ' }[value]
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
