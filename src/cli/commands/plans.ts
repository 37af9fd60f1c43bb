/** Commands about hosts, requests and plans. */

import { Option } from 'commander'
import { MAX } from '../../planner/generated/abi.js'
import { wholeNumber } from '../numbers.js'
import { CONNECT, HOST_OPTIONS, MEASURED, PICTURE_OPTIONS, POLICY } from '../options.js'
import type { CommandEntry } from './entry.js'

const MAX_SEED = 2 ** 31 - 1

export const PLAN_COMMANDS: readonly CommandEntry[] = [
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
      ...PICTURE_OPTIONS,
      new Option('--json', 'print the host as a JSON object'),
    ],
    needs: [],
    examples: `
  homenode topo                       this machine
  homenode topo --json > host.json    saved, for --host
  homenode topo --root ./copy         a copy of another machine's /sys and /proc
  homenode topo --record ./copy       makes such a copy, for a bug report
  homenode topo --svg host.svg        a picture, too
  homenode topo --synthetic "pack:2 [numa(memory=64GB)] l3:2 core:8 pu:2"`,
    load: async () => (await import('../topo.js')).topo,
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
      MEASURED,
      POLICY,
      CONNECT,
      new Option('--steps <n>', `the most steps of search, up to ${MAX.STEPS}`).argParser(
        wholeNumber('--steps', MAX.STEPS),
      ),
      new Option('--seed <n>', 'the same seed gives the same plan').argParser(wholeNumber('--seed', MAX_SEED)),
      new Option('--map', 'show a map: a line for each last-level cache, a letter for each CPU').conflicts(['json']),
      ...PICTURE_OPTIONS,
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
  homenode plan --running --policy policy.yaml
  homenode plan -f request.json --map
  homenode plan -f request.json --svg plan.svg --png plan.png --theme dark
  homenode plan -f request.json --svg - > plan.svg    instead of the text

A request:
  {"reserve": {"cpus": "0", "memory": "1GiB"}, "strategy": "pack",
   "vms": [{"name": "db", "vcpus": 2, "memory": "8GiB"},
           {"name": "web", "vcpus": 4, "memory": "4GiB", "cpuPolicy": "shared"}
          ]}
Wishes name a VM that runs, without what it is (vcpus, memory, cells):
  {"vms": [{"name": "db", "trust": "acme", "threadPolicy": "isolate"}]}

Exit code: 0 every VM is placed, 3 some VM does not fit.`,
    load: async () => (await import('../plan.js')).plan,
  },
  {
    name: 'capacity',
    summary: 'how many more VMs fit',
    description:
      'Says how many more VMs like one of a request fit beside it, and what stops the next; or how many of the sizes that the request expects.',
    options: [
      ...HOST_OPTIONS,
      MEASURED,
      new Option('-f, --request <file>', 'the request, in JSON; - is standard input'),
      new Option('--vm <name>', 'the VM that the others are like; without it the sizes that the request expects'),
      new Option('--json', 'print a JSON object'),
    ],
    needs: [{ option: 'request' }],
    examples: `
  homenode capacity -f request.json --vm web
  homenode capacity -f request.json --vm web --host host.json --json
  homenode capacity -f request.json   the sizes that it expects:
  {"expect": [{"vcpus": 4, "memory": "8GiB"},
              {"vcpus": 16, "memory": "64GiB", "share": 0.2}],
   "vms": [{"name": "db", "vcpus": 2, "memory": "8GiB"}]}

With --vm all VMs are planned together, so that those of the request may go
elsewhere. Sizes that are expected are placed beside the plan: ROOM is counted
from the free CPUs and pages of each node, FIT is how many were placed.`,
    load: async () => (await import('../capacity.js')).capacity,
  },
  {
    name: 'rank',
    summary: 'which of several hosts a VM had best go to',
    description:
      'Says for each host what a VM would lose there, what it takes from those still to come, and why it is refused: the best host first.',
    options: [
      new Option('-f, --request <file>', 'the request, in JSON; - is standard input'),
      new Option('--vm <name>', 'the VM that is to be placed; the others stand for those still to come'),
      new Option('--host-file <file>', 'a host, named by the file; once for each').argParser(
        (file: string, before: readonly string[] = []) => [...before, file],
      ),
      new Option('--no-moves', 'VMs that are there stay where they are'),
      new Option('--steps <n>', 'the most steps of search for each host; without it 0').argParser(
        wholeNumber('--steps', MAX.STEPS),
      ),
      new Option('--seed <n>', 'the same seed gives the same plans').argParser(wholeNumber('--seed', MAX_SEED)),
      new Option('--json', 'print a JSON object, with the plan for each host'),
    ],
    needs: [{ option: 'request' }, { option: 'vm' }, { option: 'hostFile' }],
    examples: `
  homenode topo --json > a.json       on each host
  homenode rank -f request.json --vm web --host-file a.json --host-file b.json
  homenode rank -f request.json --vm web --host-file a.json --json

A host's file is what "topo --json" prints, with the settings of the request,
or what is there, too, each VM with its place as a plan has it:
  {"host": {...}, "placed": {"reserve": {"cpus": "0"},
   "vms": [{"name": "db", "vcpus": 2, "memory": "8GiB", "current": {...}}]}}

Exit code: 0 it fits on some host, 3 on none. docs/fleet.md says more.`,
    load: async () => (await import('../rank.js')).rank,
  },
  {
    name: 'check',
    summary: 'check a plan against a host and a request, or against what runs here',
    description: 'Checks every constraint and recomputes the cost of a plan, without the code of the planner.',
    arguments: [['<plan>', 'the plan, as "plan --json" prints it; - is standard input']],
    options: [
      ...HOST_OPTIONS,
      MEASURED,
      new Option('-f, --request <file>', 'the request that it is for; - is standard input'),
      new Option('--drift', 'whether the VMs that run here are where the plan has them').conflicts([
        'request',
        'root',
        'host',
        'synthetic',
        'measured',
        'svg',
        'png',
      ]),
      CONNECT,
      ...PICTURE_OPTIONS,
      new Option('--json', 'print the findings as a JSON object'),
    ],
    needs: [{ option: 'request', unless: 'drift' }],
    examples: `
  homenode check plan.json -f request.json
  homenode check plan.json -f request.json --host host.json --json
  homenode check plan.json -f request.json --measured host.json   as it was made
  homenode plan -f request.json --json | homenode check - -f request.json
  homenode check plan.json -f request.json --svg plan.svg

  homenode check plan.json --drift    for cron: says what "diff" says

Exit code: 0 the plan holds, 3 it does not; with --drift 0 all is where the
plan has it, 5 something is not, or is not known.`,
    load: async () => (await import('../check.js')).check,
  },
  {
    name: 'convert',
    summary: 'a plan for libvirt, QEMU and others, a request from libvirt',
    description:
      "Writes one VM of a plan, or of a request that is planned first, as others take it; or reads a request from libvirt's domains.",
    arguments: [['<file...>', "a plan or a request; with --from domains' XML; - is standard input"]],
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
      MEASURED,
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
    load: async () => (await import('../convert.js')).convert,
  },
]
