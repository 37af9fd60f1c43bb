/** `homenode plan`: where the VMs of a request go on a host. */

import type { Command } from 'commander'
import { PlanError } from '../errors.js'
import { plan as makePlan } from '../plan.js'
import { MAX } from '../planner/generated/abi.js'
import type { PlanOptions } from '../planner/planner.js'
import { parseRequest } from '../request.js'
import type { Host, Request, VerifiedPlan } from '../types.js'
import { verifyPlan } from '../verify.js'
import { CommandError, EXIT } from './errors.js'
import { addHostOptions, type HostSource, readHost } from './host-source.js'
import { inFile, nameOf, readJson, requireOneStdin } from './input.js'
import { wholeNumber } from './numbers.js'
import { requires } from './options.js'
import { type ColorWhen, print, printJson, styleOf } from './output.js'
import { showPlan } from './plan-view.js'

interface PlanCommandOptions extends HostSource, PlanOptions {
  readonly request: string
  readonly json?: true
  readonly color: ColorWhen
}

const MAX_SEED = 2 ** 31 - 1

const EXAMPLES = `
Examples:
  homenode plan -f request.json
  homenode plan -f request.json --host host.json --json > plan.json
  homenode plan -f request.json --synthetic "pack:2 [numa] core:8 pu:2"
  echo '{"vms": [{"name": "db", "vcpus": 1, "memory": "1GiB"}]}' |
    homenode plan -f -

A request:
  {"reserve": {"cpus": "0", "memory": "1GiB"}, "strategy": "pack",
   "vms": [{"name": "db", "vcpus": 2, "memory": "8GiB"},
           {"name": "web", "vcpus": 4, "memory": "4GiB", "cpuPolicy": "shared"}
          ]}

Exit code: 0 every VM is placed, 3 some VM does not fit.`

export function addPlan(program: Command): void {
  addHostOptions(program.command('plan').summary('plan where the VMs of a request go'))
    .description(
      'Plans vCPUs and memory of the VMs of a request, with the price, a lower bound, and reasons for refusals.',
    )
    .option('-f, --request <file>', 'the request, in JSON; - is standard input')
    .option('--steps <n>', `the most steps of search, up to ${MAX.STEPS}`, wholeNumber('--steps', MAX.STEPS))
    .option('--seed <n>', 'the same seed gives the same plan', wholeNumber('--seed', MAX_SEED))
    .option('--json', 'print the plan as a JSON object')
    .addHelpText('after', EXAMPLES)
    .hook('preAction', requires('request'))
    .action(plan)
}

async function plan(_: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<PlanCommandOptions>()
  requireOneStdin({ '-f': options.request, '--host': options.host })
  const request = await readRequest(options.request)
  const host = await readHost(options)
  const planned = await planVerified(host, request, nameOf(options.request), options)
  if (options.json) printJson(planned)
  else print(showPlan(planned, styleOf(process.stdout, options.color)))
  if (planned.refused.length > 0) process.exitCode = EXIT.unfit
}

/** @throws {InputError} with the file's name and the place in it */
export async function readRequest(file: string): Promise<Request> {
  const content = await readJson(file)
  return inFile(nameOf(file), () => parseRequest(content))
}

/**
 * The planner's answer once the verifier has agreed to it.
 * @param name of the request's file, for messages
 * @throws {CommandError} where the verifier does not agree: a defect of the planner
 */
export async function planVerified(
  host: Host,
  request: Request,
  name: string,
  { steps, seed }: PlanOptions = {},
): Promise<VerifiedPlan> {
  const options = { ...(steps === undefined ? {} : { steps }), ...(seed === undefined ? {} : { seed }) }
  const candidate = await inFile(name, () => makePlan(host, request, options))
  try {
    return verifyPlan(host, request, candidate)
  } catch (error) {
    if (!(error instanceof PlanError)) throw error
    throw new CommandError(`the planner made a plan that does not pass the verifier: ${error.message}`, EXIT.failed)
  }
}
