/** Completion, by the shells themselves. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { skipUnless } from '../skip.js'
import { cli, homenode } from './command.js'

const folder = mkdtempSync(join(tmpdir(), 'homenode-completion-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
writeFileSync(join(folder, 'plan one.json'), '')
mkdirSync(join(folder, 'planned'))

const SHELLS = ['bash', 'zsh', 'fish'] as const
const scripts = Object.fromEntries(
  SHELLS.map((shell) => {
    const script = join(folder, `.completion.${shell}`)
    writeFileSync(script, spawnSync(process.execPath, [cli, 'completion', shell]).stdout)
    return [shell, script]
  }),
)

function run(command: string, args: readonly string[], input = ''): string {
  const { stdout, stderr, status } = spawnSync(command, args, {
    cwd: folder,
    input,
    encoding: 'utf8',
    timeout: 60_000,
    env: { PATH: process.env.PATH, HOME: folder, TERM: 'dumb', LC_ALL: 'C.UTF-8' },
  })
  assert.is(status, 0, stderr)
  return stdout
}

/** What each shell would have in the place of the last word of a line. */
const COMPLETE: Readonly<Record<(typeof SHELLS)[number], (line: string) => string[]>> = {
  /** Words are taken apart as readline does it. */
  bash: (line) => {
    const words = line.split(/\s+|(=)/).filter((word) => word !== undefined)
    const array = words.map((word) => `'${word}'`).join(' ')
    const text = `source ${scripts.bash}; COMP_WORDS=(${array}); COMP_CWORD=${words.length - 1}; _homenode; printf '%s\\n' "\${COMPREPLY[@]}"`
    return run('bash', ['-c', text]).split('\n')
  },
  fish: (line) => {
    const text = `source ${scripts.fish}; complete -C '${line}'`
    return run('fish', ['-c', text])
      .split('\n')
      .map((found) =>
        found
          .split('\t')[0]!
          .replace(/^--\w+=/, '')
          .replaceAll('\\ ', ' '),
      )
  },
  /** In a terminal of its own: zsh completes nowhere else. The widget prints what was found. */
  zsh: (line) => {
    const inner = `
unset zle_bracketed_paste; PROMPT=''; fpath=(${folder} $fpath); autoload -Uz compinit; compinit -u -d ${folder}/.zcompdump
source ${scripts.zsh}
zstyle ':completion:*' insert-tab false
compadd() {
  local -a found
  builtin compadd -O found "$@" 2> /dev/null
  print -rl -- "<"$^found">" >> ${folder}/.found
  builtin compadd "$@"
}
complete-and-say() { zle complete-word; print FOUND }
zle -N complete-and-say
bindkey '^I' complete-and-say
: > ${folder}/.found
PROMPT=READY`
    writeFileSync(join(folder, '.inner.zsh'), inner)
    const outer = `
zmodload zsh/zpty
zpty shell zsh -fi
zpty -w shell 'source ${folder}/.inner.zsh'
zpty -r -m shell seen '*READY*'
zpty -w -n shell $'${line}\\t'
zpty -r -m shell seen '*FOUND*'
zpty -d shell
cat ${folder}/.found`
    const found = run('zsh', ['-fc', outer])
    return [...found.matchAll(/<(.*?)>/g)].map(([, word = '']) => word.split(':')[0]!.replaceAll('\\ ', ' '))
  },
}

const CASES: readonly { readonly line: string; readonly has: readonly string[]; readonly hasNot: readonly string[] }[] =
  [
    { line: 'homenode ', has: ['topo', 'plan', 'ps', 'list', 'policy', 'completion'], hasNot: ['explain', '--json'] },
    { line: 'homenode p', has: ['plan', 'ps', 'policy'], hasNot: ['topo'] },
    { line: 'homenode plan --re', has: ['--request'], hasNot: ['--json', '--record'] },
    { line: 'homenode topo --re', has: ['--record'], hasNot: ['--request'] },
    { line: 'homenode plan -f ', has: ['plan one.json'], hasNot: ['--json', 'topo'] },
    { line: 'homenode topo --root ', has: ['planned'], hasNot: ['plan one.json'] },
    { line: 'homenode run --backend ', has: ['kvm', 'threads'], hasNot: ['plan one.json'] },
    { line: 'homenode run --backend k', has: ['kvm'], hasNot: ['threads'] },
    { line: 'homenode --color ', has: ['auto', 'always', 'never'], hasNot: ['plan'] },
    { line: 'homenode --color never pl', has: ['plan'], hasNot: ['topo'] },
    { line: 'homenode policy ', has: ['check', 'explain'], hasNot: ['plan'] },
    { line: 'homenode policy explain --', has: ['--at', '--connect'], hasNot: ['--record'] },
    { line: 'homenode policy check plan', has: ['plan one.json'], hasNot: ['explain'] },
    { line: 'homenode completion ', has: ['bash', 'zsh', 'fish'], hasNot: ['plan one.json'] },
  ]

for (const shell of SHELLS) {
  const isHere = spawnSync(shell, ['--version']).status === 0
  const withShell = skipUnless(isHere, `${shell} is not installed`)
  for (const { line, has, hasNot } of CASES) {
    withShell(`${shell} completes "${line}"`, () => {
      const found = COMPLETE[shell](line).map((word) => word.replace(/\/$/, ''))
      for (const word of has) assert.ok(found.includes(word), `${word} is not in ${found}`)
      for (const word of hasNot) assert.not.ok(found.includes(word), `${word} is in ${found}`)
    })
  }
}

test('bash completes after --option= as after --option', () => {
  assert.equal(COMPLETE.bash('homenode --color=a').filter(Boolean), ['auto', 'always'])
  assert.equal(COMPLETE.bash('homenode --color=always topo').filter(Boolean), ['topo'])
})

test('another shell is bad input', async () => {
  const { code, stderr } = await homenode(['completion', 'ksh'])
  assert.is(code, 2)
  assert.match(stderr, /Allowed choices are bash, zsh, fish/)
})

test.run()
