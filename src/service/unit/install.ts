/** Puts the service into the system, and takes it out again. */

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { InputError } from '../../errors.js'
import { removeEmptyFolder, removeFile, rename, stateOf, writeOwn } from './own-file.js'
import { POLICY_PATH, POLICY_TEXT } from './policy.js'
import { UNIT_NAME } from './unit.js'

const UNIT_PATH = `/etc/systemd/system/${UNIT_NAME}`
/** What `--force` has put aside. */
const ASIDE = '.before-homenode'

/** What was done, or would be, as a sentence a step. */
export type Steps = readonly string[]

/** Where and how it is done. */
export interface Place {
  /** What stands for `/`. */
  readonly base: string
  readonly dryRun: boolean
  /** Calls systemctl. `none`: systemd does not run here; `other`: what runs here is not about `base`. */
  readonly manager: ((args: readonly string[]) => void) | 'none' | 'other'
}

/** What is put there. */
export interface Installation {
  readonly unit: string
  /** Whether the service reads the policy in /etc/homenode. */
  readonly hasPolicy: boolean
  /** Also where another file is, which is put aside, or where it was changed. */
  readonly force: boolean
  /** Enables and starts it. */
  readonly now: boolean
}

/**
 * Writes the unit, and a policy where there is none; has systemd read it.
 * @throws {InputError} where the unit's file is somebody else's, or was changed, unless `force`
 * @throws {SyscallError} EACCES, EROFS, ...
 */
export function install({ unit, hasPolicy, force, now }: Installation, place: Place): Steps {
  const steps = new StepList(place)
  const path = steps.at(UNIT_PATH)
  const state = stateOf(path)
  if ((state === 'foreign' || state === 'changed') && !force) {
    const [hint, got] =
      state === 'foreign'
        ? ['--force puts another aside', 'another one']
        : ['--force overwrites the changes', 'one that was changed since']
    throw new InputError(path, `no file, or one that homenode has written (${hint})`, got)
  }
  if (state === 'foreign') steps.take(`put aside: ${path + ASIDE}`, () => rename(path, path + ASIDE))
  steps.take(`written: ${path}`, () => writeOwn(path, unit))
  const policy = steps.at(POLICY_PATH)
  if (hasPolicy) {
    if (stateOf(policy) === 'absent') steps.take(`written: ${policy}`, () => writeOwn(policy, POLICY_TEXT))
    else steps.say(`kept as it is: ${policy}`)
  }
  steps.tell('daemon-reload')
  if (now) {
    steps.tell('enable', UNIT_NAME)
    steps.tell('restart', UNIT_NAME)
  } else steps.say(`to start it, now and at boot: systemctl enable --now ${UNIT_NAME}`)
  return steps.list
}

/**
 * Stops the service, and removes what `install` has written: a policy that was changed since stays.
 * @throws {InputError} where the unit's file is somebody else's, or was changed, unless `force`
 * @throws {SyscallError} EACCES, EROFS, ...
 */
export function remove({ force }: { readonly force: boolean }, place: Place): Steps {
  const steps = new StepList(place)
  const path = steps.at(UNIT_PATH)
  const state = stateOf(path)
  if (state === 'foreign' || (state === 'changed' && !force)) {
    const got = state === 'foreign' ? 'another one' : 'one that was changed since (--force removes it)'
    throw new InputError(path, 'a file that homenode has written', got)
  }
  if (state === 'absent') steps.say(`not there: ${path}`)
  else {
    steps.tell('disable', '--now', UNIT_NAME)
    steps.take(`removed: ${path}`, () => removeFile(path))
    if (existsSync(path + ASIDE)) steps.take(`put back: ${path}`, () => rename(path + ASIDE, path))
    steps.tell('daemon-reload')
  }
  const policy = steps.at(POLICY_PATH)
  const found = stateOf(policy)
  if (found === 'own') {
    steps.take(`removed: ${policy}`, () => {
      removeFile(policy)
      removeEmptyFolder(dirname(policy))
    })
  } else if (found !== 'absent') steps.say(`kept, it was changed: ${policy}`)
  return steps.list
}

/** Does each step, unless nothing is to be done, and notes it. */
class StepList {
  readonly list: string[] = []
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
  }

  at(path: string): string {
    return join(this.#place.base, path)
  }

  say(text: string): void {
    this.list.push(text)
  }

  take(text: string, work: () => void): void {
    if (!this.#place.dryRun) work()
    this.say(text)
  }

  tell(...args: readonly string[]): void {
    const { manager } = this.#place
    const command = `systemctl ${args.join(' ')}`
    if (manager === 'none') this.say(`not done, since systemd does not run here: ${command}`)
    else if (manager !== 'other') this.take(`done: ${command}`, () => manager(args))
  }
}
