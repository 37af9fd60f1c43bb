/** Commands that engines with many hosts call, or that call these. */

import { Option } from 'commander'
import { MAX } from '../../planner/generated/abi.js'
import { wholeNumber } from '../numbers.js'
import { folderName } from '../options.js'
import type { CommandEntry } from './entry.js'

const MAX_SEED = 2 ** 31 - 1

const HOSTS = new Option('--hosts <dir>', 'a file NODE.json for each node, as "topo --json" prints it').argParser(
  folderName('--hosts'),
)

export const FLEET_COMMANDS: readonly CommandEntry[] = [
  {
    name: 'ganeti-iallocator',
    summary: 'answer Ganeti which node an instance goes to',
    description:
      'An allocator of Ganeti 3.0: puts the nodes in the order of what an instance loses there, and lets hail say which of them may have it. What is no allocation, hail answers.',
    arguments: [
      ['<file>', 'what Ganeti asks, in JSON'],
      ['[hail-options...]', 'what else Ganeti gives its allocators, for hail'],
    ],
    options: [
      HOSTS,
      new Option('--hail <program>', "Ganeti's own allocator").default('/usr/lib/ganeti/iallocators/hail'),
    ],
    needs: [{ option: 'hosts' }],
    examples: `
  homenode ganeti-iallocator --hosts /var/lib/homenode/hosts -- question.json

Ganeti calls a program in /usr/lib/ganeti/iallocators, on the master node:
  #!/bin/sh
  exec homenode ganeti-iallocator --hosts /var/lib/homenode/hosts -- "$@"

Exit code: 0, with what is wrong in the answer's "info", which Ganeti shows.
docs/fleet.md says more.`,
    load: async () => (await import('../ganeti-iallocator.js')).ganetiIallocator,
  },
  {
    name: 'ganeti-create',
    summary: 'make an instance of Ganeti, pinned and bound where a plan has it',
    description:
      "Plans an instance for the node where it loses least, and makes it by Ganeti's remote API: Ganeti pins its vCPUs, QEMU binds its memory. Killed in the middle it leaves no instance.",
    options: [
      new Option('-f, --request <file>', 'the request, in JSON; - is standard input'),
      new Option('--vm <name>', 'the VM of it that is made; the others stand for those still to come'),
      new Option('--instance <file>', 'what else Ganeti is told of it: disks, nics, os_type and so on, in JSON'),
      HOSTS,
      new Option('--rapi <url>', "the cluster's remote API").default('https://127.0.0.1:5080'),
      new Option('--user <name>', 'a user of it with "write"'),
      new Option('--password-file <file>', 'the password, in its first line; - is standard input'),
      new Option('--certificate <file>', "a copy of the cluster's rapi.pem, its certificate alone, to trust"),
      new Option('--allocator <name>', "what the cluster calls homenode's allocator").default('homenode'),
      new Option('--steps <n>', 'the most steps of search for each node; without it 0').argParser(
        wholeNumber('--steps', MAX.STEPS),
      ),
      new Option('--seed <n>', 'the same seed gives the same plans').argParser(wholeNumber('--seed', MAX_SEED)),
      new Option('--json', 'print a JSON object, with the place and the parameters'),
    ],
    needs: [
      { option: 'request' },
      { option: 'vm' },
      { option: 'instance' },
      { option: 'hosts' },
      { option: 'user' },
      { option: 'passwordFile' },
    ],
    endures: true,
    examples: `
  homenode ganeti-create -f request.json --vm db --instance db.json \\
    --hosts /var/lib/homenode/hosts --rapi https://cluster.example.org:5080 \\
    --certificate rapi.pem --user homenode --password-file secret

What else Ganeti is told, as its remote API takes it:
  {"disk_template": "drbd", "disks": [{"size": 10240}], "nics": [{}],
   "os_type": "debootstrap+default"}

Exit code: 0 it is there, 1 Ganeti refused or is away, 2 bad input, 3 no node
takes it, 130 interrupted. But with 0 nothing of it is left. docs/fleet.md says
more.`,
    load: async () => (await import('../ganeti-create.js')).ganetiCreate,
  },
]
