/** Completion for bash 4 and later. */

import type { CommandWords, Value } from './words.js'

export function bashScript(words: readonly CommandWords[]): string {
  const paths = words.slice(1).map(({ path }) => quote(`${path.slice(0, -1).join(' ')}/${path.at(-1)}`))
  return `# bash completion for homenode: made by "homenode completion bash"
_homenode() {
  local at word command= count=0 skip= value words=
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]}
  # bash makes three words of --option=value.
  if [[ $current == = ]]; then
    current=
  elif [[ $before == = ]]; then
    before=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    if [[ $skip || $word == = ]]; then
      skip=
      [[ $word == = ]] && skip=yes
      continue
    fi
    case "$command/$word" in
      ${paths.join(' | \\\n      ')})
        command="\${command:+$command }$word"
        count=0
        continue
        ;;
    esac
    if [[ $word == -* ]]; then
      _homenode_value "$command" "$word" && [[ \${COMP_WORDS[at + 1]} != = ]] && skip=yes
    else
      ((count++))
    fi
  done
  value= words=
  if [[ $before == -* ]] && _homenode_value "$command" "$before"; then
    :
  elif [[ $current == -* ]]; then
    _homenode_options "$command"
  else
    _homenode_argument "$command" "$count"
  fi
  COMPREPLY=()
  case $value in
    file | directory)
      compopt -o filenames 2> /dev/null
      local kind=-f
      [[ $value == directory ]] && kind=-d
      mapfile -t COMPREPLY < <(compgen $kind -- "$current")
      ;;
    *)
      mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
      ;;
  esac
}

# The options of a command, in words.
_homenode_options() {
  case $1 in
${words.map((one) => `    ${quote(one.path.join(' '))}) words=${quote(one.options.flatMap(({ flags }) => flags).join(' '))} ;;`).join('\n')}
  esac
}

# What stands after an option: in value or words. Fails where nothing does.
_homenode_value() {
  case "$1/$2" in
${words.flatMap(valueCases).join('\n')}
    *) return 1 ;;
  esac
}

# What stands at a place after a command: in value or words.
_homenode_argument() {
  case "$1/$2" in
${words.flatMap(argumentCases).join('\n')}
  esac
}

complete -F _homenode homenode
`
}

function valueCases({ path, options }: CommandWords): string[] {
  return options.flatMap(({ flags, value }) => {
    if (value === null) return []
    const patterns = flags.map((flag) => quote(`${path.join(' ')}/${flag}`)).join(' | ')
    return [`    ${patterns}) ${assignment(value)} ;;`]
  })
}

function argumentCases({ path, commands, arguments: taken, repeats }: CommandWords): string[] {
  const command = path.join(' ')
  const names = commands.map(({ name }) => name)
  if (names.length > 0) return [`    ${quote(`${command}/0`)}) ${assignment(names)} ;;`]
  return taken.map((value, at) => {
    const place = repeats && at === taken.length - 1 ? `${quote(`${command}/`)}*` : quote(`${command}/${at}`)
    return `    ${place}) ${assignment(value)} ;;`
  })
}

function assignment(value: Value): string {
  return typeof value === 'string' ? `value=${value}` : `words=${quote(value.join(' '))}`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
