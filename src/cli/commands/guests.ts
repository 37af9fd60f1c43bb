/** Commands about guests of our own, and about this machine. */

import { Option } from 'commander'
import { positiveNumber } from '../numbers.js'
import { PICTURE_OPTIONS } from '../options.js'
import type { CommandEntry } from './entry.js'

const SHELLS = ['bash', 'zsh', 'fish']
const MAX_SECONDS = 86_400
const DEFAULT_SECONDS = 3

export const GUEST_COMMANDS: readonly CommandEntry[] = [
  {
    name: 'run',
    summary: 'plan, run the guests there, and verify it',
    description:
      'Plans, runs small guests under KVM as planned, and reads back from the kernel where they really were.',
    options: [
      new Option(
        '-f, --request <file>',
        'the request, in JSON; - is standard input; without it one VM that suits the host',
      ),
      new Option('--seconds <s>', 'how long the guests run')
        .argParser(positiveNumber('--seconds', MAX_SECONDS))
        .default(DEFAULT_SECONDS),
      new Option('--backend <name>', 'what runs; without it KVM where it is usable, else threads').choices([
        'kvm',
        'threads',
      ]),
      new Option(
        '--exclusive [kind]',
        'give dedicated vCPUs their CPUs alone meanwhile: a partition of cgroup v2; isolated: without load balancing',
      )
        .choices(['root', 'isolated'])
        .preset('root'),
      new Option(
        '--relaxed',
        'go on where the kernel refuses to bind memory, to pin and schedule threads or to give CPUs alone, and report it',
      ),
      ...PICTURE_OPTIONS,
      new Option('--json', 'print the report as a JSON object'),
    ],
    needs: [],
    examples: `
  homenode run                      one VM with half of the CPUs, for ${DEFAULT_SECONDS} seconds
  homenode run -f request.json --seconds 10
  homenode run --backend threads    pinned threads instead of guests
  sudo homenode run --exclusive     nobody else runs on the vCPUs' CPUs
  homenode run --relaxed            where binding or pinning may be refused
  homenode run --svg plan.svg       a picture of where they run
  homenode run --json | jq .verified

Exit code: 0 all is where it was planned, 1 it is not or the system refused,
3 some VM does not fit (nothing runs), 4 some VM failed while others ran, or the
kernel refused what --relaxed allows it to.`,
    load: async () => (await import('../run.js')).run,
  },
  {
    name: 'doctor',
    summary: 'say what is missing on this machine, and whether placing pays',
    description:
      'Looks at KVM, privileges, the cpuset, NUMA, huge pages, cgroups and versions on this machine, and says whether placing guests pays on it.',
    options: [new Option('--json', 'print the checks as a JSON object')],
    needs: [],
    examples: `
  homenode doctor
  homenode doctor --json | jq '.checks[] | select(.status != "ok")'

Exit code: 0 "homenode run" works here, if need be without guests; 1 it cannot.`,
    load: async () => (await import('../doctor.js')).doctor,
  },
  {
    name: 'completion',
    summary: 'print what makes a shell complete the words of homenode',
    description: 'Prints a script that makes a shell complete commands, options and their values when TAB is pressed.',
    arguments: [['<shell>', 'for which one', SHELLS]],
    options: [],
    needs: [],
    examples: `
  homenode completion bash > ~/.local/share/bash-completion/completions/homenode
  homenode completion zsh > "\${fpath[1]}/_homenode"
  homenode completion fish > ~/.config/fish/completions/homenode.fish
  source <(homenode completion bash)    for this shell alone; zsh likewise`,
    load: async () => (await import('../completion.js')).completion,
  },
]
