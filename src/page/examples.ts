/** Hosts and requests to begin with. */

import type { State } from './state.js'

const whole = { away: { cpus: '', nodes: '' }, steps: 5000, seed: 1 }

function example(synthetic: string, request: object): State {
  return { ...whole, host: { kind: 'synthetic', text: synthetic }, request: JSON.stringify(request, null, 2) }
}

export const EXAMPLES: Readonly<Record<string, State>> = {
  'two packages, four VMs': example('pack:2 [numa(memory=64GiB)] l3:2 core:4 pu:2', {
    vms: [
      { name: 'db', vcpus: 4, memory: '32GiB', threadPolicy: 'isolate' },
      { name: 'web', vcpus: 6, memory: '16GiB' },
      { name: 'batch', vcpus: 8, memory: '8GiB', cpuPolicy: 'shared', demand: 0.25 },
      { name: 'big', vcpus: 20, memory: '16GiB', cells: 1 },
    ],
  }),
  'a laptop': example('pack:1 [numa(memory=16GiB)] l3:1 core:4 pu:2', {
    reserve: { cpus: '0-1' },
    vms: [{ name: 'desktop', vcpus: 4, memory: '8GiB' }],
  }),
  'eight nodes, 24 VMs': example('pack:2 group:4 [numa(memory=64GiB)] l3:2 core:8 pu:2', {
    vms: Array.from({ length: 24 }, (_, at) => ({
      name: `vm${at}`,
      vcpus: 2 + ((at * 5) % 11),
      memory: `${4 + ((at * 3) % 13)}GiB`,
    })),
  }),
}

export const FIRST: State = EXAMPLES['two packages, four VMs']!
