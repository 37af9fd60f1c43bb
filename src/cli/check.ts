/** `homenode check`: whether a plan holds. */

import type { Command } from 'commander'
import type { Finding } from '../errors.js'
import type { Plan } from '../types.js'
import { checkPlan } from '../verify.js'
import { CommandError, EXIT } from './errors.js'
import { showFindings } from './findings-view.js'
import { addHostOptions, type HostSource, readHost } from './host-source.js'
import { inFile, nameOf, readJson, requireOneStdin } from './input.js'
import { countLost, formatCost } from './numbers.js'
import { requires } from './options.js'
import { type ColorWhen, print, printJson, type Style, styleOf } from './output.js'
import { readRequest } from './plan.js'
import { count, paragraph } from './table.js'

interface CheckOptions extends HostSource {
  readonly request: string
  readonly json?: true
  readonly color: ColorWhen
}

const EXAMPLES = `
Examples:
  homenode check plan.json -f request.json
  homenode check plan.json -f request.json --host host.json --json
  homenode plan -f request.json --json | homenode check - -f request.json

Exit code: 0 the plan holds, 3 it does not.`

export function addCheck(program: Command): void {
  addHostOptions(program.command('check').summary('check a plan against a host and a request'))
    .description('Checks every constraint and recomputes the cost of a plan, without the code of the planner.')
    .argument('<plan>', 'the plan, as "plan --json" prints it; - is standard input')
    .option('-f, --request <file>', 'the request that it is for; - is standard input')
    .option('--json', 'print the findings as a JSON object')
    .addHelpText('after', EXAMPLES)
    .hook('preAction', requires('request'))
    .action(check)
}

async function check(file: string, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<CheckOptions>()
  requireOneStdin({ PLAN: file, '-f': options.request, '--host': options.host })
  const candidate = await readJson(file)
  const request = await readRequest(options.request)
  const host = await readHost(options)
  const findings = await inFile(nameOf(options.request), () => checkPlan(host, request, candidate))
  const malformed = findings.find(({ constraint }) => constraint === 'format')
  if (malformed !== undefined) throw new CommandError(`${nameOf(file)}: ${malformed.text}`, EXIT.usage)
  const holds = findings.length === 0
  if (options.json) printJson({ schemaVersion: 1, kind: 'CheckReport', holds, findings })
  else print(showCheck(candidate as Plan, findings, styleOf(process.stdout, options.color)))
  if (!holds) process.exitCode = EXIT.unfit
}

/** @param plan well-formed; where nothing was found its costs are those that the verifier computed */
function showCheck({ vms, refused, cost }: Plan, findings: readonly Finding[], style: Style): string {
  const { colors } = style
  if (findings.length > 0) {
    return `${colors.red('the plan does not hold')}: ${count(findings.length, 'finding')}\n\n${showFindings(findings, style)}`
  }
  const placed = `${vms.length} of ${count(vms.length + refused.length, 'VM')} placed`
  const lost = `${countLost(cost.lostVcpus)}, as recomputed`
  const bound = `the lower bound of ${formatCost(cost.lowerBound)} is the plan's own, not recomputed`
  return paragraph(style, `${colors.green('the plan holds')}: ${placed}, ${lost}; ${bound}`)
}
