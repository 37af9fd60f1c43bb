/** `homenode service`: the balancer as a service of systemd. */

import { existsSync, realpathSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { Command } from 'commander'
import { InputError, show } from '../errors.js'
import type { ListenAddress } from '../service/address.js'
import { dashboard as madeDashboard } from '../service/dashboard.js'
import { install as installAt, type Place, remove as removeAt, type Steps } from '../service/unit/install.js'
import { POLICY_PATH } from '../service/unit/policy.js'
import { systemctlHere } from '../service/unit/systemctl.js'
import { unitText } from '../service/unit/unit.js'
import { BALANCE_COMMAND } from './commands/balance.js'
import { print, printJson } from './output.js'

interface ServiceOptions {
  readonly force?: true
  readonly dryRun?: true
  readonly root?: string
  readonly json?: true
}

/** Of `homenode balance`, what the unit is made for. */
interface BalanceOptions {
  readonly interval: number
  readonly metrics?: ListenAddress
  readonly policy?: string
  readonly measured?: string
  readonly state?: string
}

export async function install(options: ServiceOptions & { readonly now?: true }, ...words: string[]): Promise<void> {
  const { interval, metrics, policy, measured, state } = balanceOptions(words)
  requireWhole('--policy', policy)
  requireWhole('--measured', measured)
  requireWhole('--state', state)
  if (state !== undefined && !existsSync(join(options.root ?? '/', state))) {
    throw new InputError('--state', 'a folder that is there (the service cannot make it)', show(state))
  }
  const unit = unitText({
    program: [process.execPath, programHere()],
    args: policy === undefined ? [...words, '--policy', POLICY_PATH] : words,
    interval,
    ...(metrics === undefined ? {} : { metrics }),
    ...(state === undefined ? {} : { state }),
  })
  const { force = false, now = false, dryRun } = options
  const steps = installAt({ unit, hasPolicy: policy === undefined, force, now }, placeOf(options))
  report(options, steps, unit)
  if (dryRun && !options.json) print(`\n${unit}`)
}

export async function remove(options: ServiceOptions): Promise<void> {
  report(options, removeAt({ force: options.force === true }, placeOf(options)), null)
}

export async function dashboard(): Promise<void> {
  printJson(madeDashboard())
}

function placeOf({ root, dryRun }: ServiceOptions): Place {
  return { base: root ?? '/', dryRun: dryRun === true, manager: root === undefined ? systemctlHere() : 'other' }
}

function report({ dryRun, json }: ServiceOptions, steps: Steps, unit: string | null): void {
  if (json) printJson({ schemaVersion: 1, kind: 'Service', dryRun: dryRun === true, steps, unit })
  else for (const step of steps) print(`${dryRun ? 'dry run: ' : ''}${step}`)
}

/**
 * As `homenode balance` would read them.
 * @throws as that does
 */
function balanceOptions(words: readonly string[]): BalanceOptions {
  const command = new Command(BALANCE_COMMAND.name).exitOverride().configureOutput({ outputError: () => {} })
  for (const option of BALANCE_COMMAND.options) command.addOption(option)
  command.helpOption(false).parse(words, { from: 'user' })
  return command.opts<BalanceOptions>()
}

/** The service is not run in the folder that this is called in. */
function requireWhole(option: string, path: string | undefined): void {
  if (path === undefined || isAbsolute(path)) return
  throw new InputError(option, 'a whole path, from /', show(path))
}

/** The command itself, as it stays: npx deletes what it has installed. */
function programHere(): string {
  const program = realpathSync(process.argv[1] ?? '')
  if (!program.includes('/_npx/')) return program
  throw new InputError('homenode', 'an installation that stays (npm install --global homenode)', show(program))
}
