/** Commands about rules for VMs that run. */

import { Option } from 'commander'
import { CONNECT } from '../options.js'
import type { CommandGroup } from './entry.js'

const FILE = ['<file>', 'the policy, in YAML or (*.json) JSON; - is standard input'] as const

export const POLICY_COMMANDS: CommandGroup = {
  name: 'policy',
  summary: 'check the rules of a policy, or say which of them set what for a VM',
  description: 'Reads the rules that "plan --running --policy" keeps to. Changes nothing.',
  examples: `
  homenode policy check policy.yaml
  homenode policy explain policy.yaml db-1
  homenode plan --running --policy policy.yaml`,
  commands: [
    {
      name: 'check',
      summary: 'check a policy, and say which VMs here its rules are about',
      description: 'Checks a policy, and says which of the VMs that run here each rule is about.',
      arguments: [FILE],
      options: [CONNECT, new Option('--json', 'print a JSON object')],
      needs: [],
      examples: `
  homenode policy check policy.yaml

A policy; later rules win:
  rules:
    - set: {moveTimes: ["Mon-Fri 22:00-06:00", "Sat,Sun"], moveBytes: 64GiB}
    - name: databases
      match: {name: ["db-*", "pg-*"], memory: {min: 8GiB}}
      set: {cpuPolicy: dedicated, threadPolicy: isolate, memory: stay}

Exit code: 0 there is no error in it, 2 there is.`,
      load: async () => (await import('../policy.js')).check,
    },
    {
      name: 'explain',
      summary: 'say which rule set what for a VM',
      description: 'Says what the rules of a policy say of a VM, and which of them said so.',
      arguments: [FILE, ['<name>', 'name or pid of a VM that runs here, or a name that one might have']],
      options: [
        new Option('--at <time>', 'as of then, such as 2026-07-01T23:00; without it now'),
        CONNECT,
        new Option('--json', 'print a JSON object'),
      ],
      needs: [],
      examples: `
  homenode policy explain policy.yaml db-1
  homenode policy explain policy.yaml db-1 --at 2026-07-01T23:00
  homenode policy explain policy.yaml db-1 --json | jq '.vms[].said'`,
      load: async () => (await import('../policy.js')).explain,
    },
  ],
}
