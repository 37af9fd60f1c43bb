/** Rounds of the balancer, as its engine would say them. */

import type { ChosenMove, Decision, Reason, Round, VmRecord } from '../../../executor/balance/types.js'
import type { Reading } from '../../../executor/meter/types.js'
import type { SeenRound } from '../../../src/service/metrics/metrics.js'

type Action = NonNullable<SeenRound['action']>

export function roundOf(decision: Decision, reason: Reason, more: Partial<Round> = {}): Round {
  return {
    schemaVersion: 1,
    kind: 'BalanceRound',
    round: 1,
    at: 100_000,
    decision,
    reason,
    why: 'as the test has it',
    now: null,
    planned: null,
    figures: {
      gain: null,
      price: null,
      horizon: 3600,
      margin: 2,
      held: 0,
      patience: 3,
      bytes: 0,
      pinned: 0,
      pressure: { cpu: null, memory: null },
      delay: null,
      until: null,
    },
    moves: [],
    vms: [],
    undoes: null,
    ...more,
  }
}

export function recordOf(key: string, figures: Partial<VmRecord> = {}): VmRecord {
  return { vm: key, key, demand: null, lostVcpus: null, decision: 'rest', why: 'as the test has it', ...figures }
}

export function moveOf(vm: string, key: string): ChosenMove {
  return { vm, key, from: '0', to: '1', bytes: 4096, pinned: 2 }
}

export function seenOf(
  decided: Round | null,
  reading: Reading | null,
  action: Pick<Action, 'kind' | 'result' | 'bytes' | 'vms'> | null = null,
): SeenRound {
  return {
    decided,
    action: action && { seconds: 1.5, ...action },
    error: null,
    reading,
    found: null,
    seconds: 0.2,
  }
}
