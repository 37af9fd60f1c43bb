/** `homenode completion`: scripts for shells. */

import { bashScript } from './completion/bash.js'
import { fishScript } from './completion/fish.js'
import { type CommandWords, wordsOf } from './completion/words.js'
import { zshScript } from './completion/zsh.js'
import { write } from './output.js'
import { makeProgram } from './program.js'

const SCRIPTS: Readonly<Record<string, (words: readonly CommandWords[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
}

/** @param shell one of those that the command takes */
export async function completion(_options: object, shell: string): Promise<void> {
  write(SCRIPTS[shell]!(wordsOf(makeProgram())))
}
