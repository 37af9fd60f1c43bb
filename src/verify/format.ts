/** The plan's format. A candidate is anything: the planner's answer, a file, what a user typed. */

import * as z from 'zod'
import { MAX_ID } from '../cpulist.js'
import { type Finding, InputError } from '../errors.js'
import { id, MAX_MEMORY, name, whole } from '../request/fields.js'
import { planCell, planCpus, planVcpu } from '../request/placement.js'
import { parseWith } from '../schema.js'
import { COST_TERMS, type CostTerm, type Plan } from '../types.js'

/** A few for each cell of the largest request. */
const MAX_MOVES = 100_000

const lost = z.number({ error: 'lost vCPUs, a number from 0' }).min(0, { error: 'lost vCPUs, a number from 0' })

function termsOf<Schema extends z.ZodType>(schema: Schema): Record<CostTerm, Schema> {
  return Object.fromEntries(COST_TERMS.map((term) => [term, schema])) as Record<CostTerm, Schema>
}

const planVm = z.strictObject({
  name,
  cost: z.strictObject({ lostVcpus: lost, terms: z.strictObject(termsOf(lost.optional())) }),
  cells: z.array(planCell).min(1),
  vcpus: z.array(planVcpu).min(1),
  emulator: planCpus,
  iothreads: z.array(planCpus),
})

const refusal = z.strictObject({
  name,
  /** A plan from elsewhere need not say. */
  proven: z.boolean().default(false),
  because: z.array(z.strictObject({ constraint: z.string(), text: z.string() })).min(1),
  nearest: z.array(z.strictObject({ change: z.string(), lostVcpus: lost })),
})

const move = z.strictObject({
  step: whole(1, MAX_MOVES),
  vm: name,
  cell: id,
  redivides: z.literal(true).optional(),
  vcpus: z.array(planVcpu.omit({ cell: true })),
  pageSize: planCell.shape.pageSize,
  memory: z.array(planCell.shape.memory.element),
  bytes: whole(0, MAX_MEMORY),
})

const spare = z.strictObject({
  node: id.nullable(),
  cpus: whole(0, MAX_ID),
  bytes: whole(0, Number.MAX_SAFE_INTEGER),
  text: z.string(),
})

const planFormat = z.strictObject({
  schemaVersion: z.literal(1),
  kind: z.literal('Plan'),
  status: z.enum(['optimal', 'feasible', 'partial', 'infeasible']),
  cost: z.strictObject({ lostVcpus: lost, lowerBound: lost, gap: lost, terms: z.strictObject(termsOf(lost)) }),
  vms: z.array(planVm),
  refused: z.array(refusal),
  moves: z.array(move).max(MAX_MOVES).optional(),
  spare: z.array(spare).min(1).optional(),
  solver: z.strictObject({ planner: z.string(), seed: z.int(), steps: z.int().min(0) }),
})

/**
 * A copy of `candidate` that has a plan's format.
 * @throws {InputError} that names the place
 */
export function parsePlan(candidate: unknown): Plan {
  return parseWith(planFormat, candidate) as Plan
}

/** The same, or the finding that it has not. */
export function readPlan(candidate: unknown): { readonly plan: Plan } | { readonly finding: Finding } {
  try {
    return { plan: parsePlan(candidate) }
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return { finding: { constraint: 'format', text: `the plan is malformed: ${error.message}` } }
  }
}
