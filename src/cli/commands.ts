/**
 * The commands: how each is called, and which module does its work. That is loaded when the command is called, so that help
 * and mistakes are answered at once.
 */

import { type Command, Option } from 'commander'
import { MAX } from '../planner/generated/abi.js'
import { positiveNumber, wholeNumber } from './numbers.js'
import { HOST_OPTIONS, type Need, requires } from './options.js'

/** Gets the command's options with those of the program, and its arguments. */
type Action = (options: never, ...args: string[]) => Promise<void>

interface CommandEntry {
  readonly name: string
  readonly alias?: string
  /** For the list of commands. */
  readonly summary: string
  readonly description: string
  /** Name with brackets, and what it is. */
  readonly argument?: readonly [string, string]
  readonly options: readonly Option[]
  /** Options that have to be given. */
  readonly needs: readonly Need[]
  /** Lines of the help after "Examples:", with what else comes at its end. */
  readonly examples: string
  load(): Promise<Action>
}

const MAX_SEED = 2 ** 31 - 1
const MAX_SECONDS = 86_400
const DEFAULT_SECONDS = 3

/** For commands that look for VMs. */
const CONNECT = new Option('--connect <uri>', "ask this libvirt; without it the system's, where a VM is its own")

const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'topo',
    summary: 'show the CPUs, caches, nodes and memory of a host',
    description: 'Shows a host: nodes with their CPUs and memory, distances, last-level caches, CPUs not to be used.',
    options: [
      ...HOST_OPTIONS,
      new Option('--record <dir>', 'copy the files that the host is read from, for --root').conflicts([
        'host',
        'synthetic',
      ]),
      new Option('--json', 'print the host as a JSON object'),
    ],
    needs: [],
    examples: `
  homenode topo                       this machine
  homenode topo --json > host.json    saved, for --host
  homenode topo --root ./copy         a copy of another machine's /sys and /proc
  homenode topo --record ./copy       makes such a copy, for a bug report
  homenode topo --synthetic "pack:2 [numa(memory=64GB)] l3:2 core:8 pu:2"`,
    load: async () => (await import('./topo.js')).topo,
  },
  {
    name: 'plan',
    summary: 'plan where the VMs of a request go',
    description:
      'Plans vCPUs and memory of the VMs of a request, or of those that run here, with the price, a lower bound, and reasons for refusals.',
    options: [
      ...HOST_OPTIONS,
      new Option('-f, --request <file>', 'the request, in JSON; - is standard input'),
      new Option(
        '--running',
        'plan the VMs that run here, from where they are; -f adds further VMs, and wishes by name',
      ).conflicts(['root', 'host', 'synthetic']),
      CONNECT,
      new Option('--steps <n>', `the most steps of search, up to ${MAX.STEPS}`).argParser(
        wholeNumber('--steps', MAX.STEPS),
      ),
      new Option('--seed <n>', 'the same seed gives the same plan').argParser(wholeNumber('--seed', MAX_SEED)),
      new Option('--json', 'print the plan as a JSON object'),
    ],
    needs: [{ option: 'request', unless: 'running' }],
    examples: `
  homenode plan -f request.json
  homenode plan -f request.json --host host.json --json > plan.json
  homenode plan -f request.json --synthetic "pack:2 [numa] core:8 pu:2"
  echo '{"vms": [{"name": "db", "vcpus": 1, "memory": "1GiB"}]}' |
    homenode plan -f -
  homenode plan --running             the VMs that run here, with their moves
  homenode plan --running -f wishes.json --json > plan.json    for "apply"

A request:
  {"reserve": {"cpus": "0", "memory": "1GiB"}, "strategy": "pack",
   "vms": [{"name": "db", "vcpus": 2, "memory": "8GiB"},
           {"name": "web", "vcpus": 4, "memory": "4GiB", "cpuPolicy": "shared"}
          ]}
Wishes name a VM that runs, without what it is (vcpus, memory, cells):
  {"vms": [{"name": "db", "trust": "acme", "threadPolicy": "isolate"}]}

Exit code: 0 every VM is placed, 3 some VM does not fit.`,
    load: async () => (await import('./plan.js')).plan,
  },
  {
    name: 'capacity',
    summary: 'how many more VMs like one of a request fit',
    description: 'Says how many more VMs like one of a request fit beside it, and what stops the next.',
    options: [
      ...HOST_OPTIONS,
      new Option('-f, --request <file>', 'the request, in JSON; - is standard input'),
      new Option('--vm <name>', 'the VM that the others are like'),
      new Option('--json', 'print a JSON object'),
    ],
    needs: [{ option: 'request' }, { option: 'vm' }],
    examples: `
  homenode capacity -f request.json --vm web
  homenode capacity -f request.json --vm web --host host.json --json`,
    load: async () => (await import('./capacity.js')).capacity,
  },
  {
    name: 'check',
    summary: 'check a plan against a host and a request',
    description: 'Checks every constraint and recomputes the cost of a plan, without the code of the planner.',
    argument: ['<plan>', 'the plan, as "plan --json" prints it; - is standard input'],
    options: [
      ...HOST_OPTIONS,
      new Option('-f, --request <file>', 'the request that it is for; - is standard input'),
      new Option('--json', 'print the findings as a JSON object'),
    ],
    needs: [{ option: 'request' }],
    examples: `
  homenode check plan.json -f request.json
  homenode check plan.json -f request.json --host host.json --json
  homenode plan -f request.json --json | homenode check - -f request.json

Exit code: 0 the plan holds, 3 it does not.`,
    load: async () => (await import('./check.js')).check,
  },
  {
    name: 'convert',
    summary: 'a plan for libvirt, QEMU and others, a request from libvirt',
    description:
      "Writes one VM of a plan, or of a request that is planned first, as others take it; or reads a request from libvirt's domains.",
    argument: ['<file...>', "a plan or a request; with --from domains' XML; - is standard input"],
    options: [
      new Option('--to <format>', 'what to write').choices([
        'libvirt',
        'qemu',
        'cloud-hypervisor',
        'firecracker',
        'numactl',
        'json',
      ]),
      new Option('--from <format>', 'what the files are; without --to a request is printed').choices(['libvirt']),
      new Option('--domain <file>', "a domain's XML, for --to libvirt: all else in it stays as it is"),
      new Option('-f, --request <file>', 'the request of a plan, for its memory policies'),
      new Option('--vm <name>', 'which VM, where there are several'),
      ...HOST_OPTIONS,
    ],
    needs: [],
    examples: `
  homenode convert request.json --to qemu > vm.sh
  homenode convert plan.json --to libvirt --domain db.xml > db.planned.xml
  homenode convert --from libvirt db.xml web.xml > request.json
  homenode convert plan.json --to numactl --vm web --host host.json

Distances and cores are taken from the host where it is given; a request is
planned on this machine where it is not. What a format cannot say is a note on
standard error.

Exit code: 0 it is written, 3 the VM does not fit.`,
    load: async () => (await import('./convert.js')).convert,
  },
  {
    name: 'ps',
    alias: 'list',
    summary: 'show the VMs that run here, what they lose, and what they would lose if placed well',
    description:
      'Finds the VMs that run on this machine, whoever started them, and prices where their vCPUs and memory are. Changes nothing.',
    argument: ['[name]', 'only this VM (name or pid), with its threads and memory'],
    options: [CONNECT, new Option('--json', 'print what was found as a JSON object')],
    needs: [],
    examples: `
  homenode ps                 all of them, a line each
  homenode ps db              threads, guest memory, cgroups, and who says so
  sudo homenode ps            also what an ordinary user may not read
  homenode ps --connect qemu:///session
  homenode ps --json | jq '.vms[] | {name: .name.value, pid, lost: .lost.now}'

Columns: CPUS, where its vCPUs may run; LAST, where they ran last; MEMORY, by node;
FAR, the share of their accesses that leave the node; LOST and BEST, lost vCPUs
now and if all were placed well; ? is not known, "homenode ps NAME" says why.`,
    load: async () => (await import('./ps.js')).ps,
  },
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
      new Option('--json', 'print the report as a JSON object'),
    ],
    needs: [],
    examples: `
  homenode run                      one VM with half of the CPUs, for ${DEFAULT_SECONDS} seconds
  homenode run -f request.json --seconds 10
  homenode run --backend threads    pinned threads instead of guests
  sudo homenode run --exclusive     nobody else runs on the vCPUs' CPUs
  homenode run --relaxed            where binding or pinning may be refused
  homenode run --json | jq .verified

Exit code: 0 all is where it was planned, 1 it is not or the system refused,
3 some VM does not fit (nothing runs), 4 some VM failed while others ran, or the
kernel refused what --relaxed allows it to.`,
    load: async () => (await import('./run.js')).run,
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
    load: async () => (await import('./doctor.js')).doctor,
  },
]

export function addCommands(program: Command): void {
  for (const { name, alias, summary, description, argument, options, needs, examples, load } of COMMANDS) {
    const command = program.command(name).summary(summary).description(description)
    if (alias !== undefined) command.alias(alias)
    if (argument !== undefined) command.argument(...argument)
    for (const option of options) command.addOption(option)
    command
      .addHelpText('after', `\nExamples:${examples}`)
      .hook('preAction', requires(needs))
      .action(async () => (await load())(command.optsWithGlobals<never>(), ...command.args))
  }
}
