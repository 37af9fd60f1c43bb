/** Commands about VMs that run here, whoever started them. */

import { Option } from 'commander'
import { byteRate, positiveNumber, wholeNumber } from '../numbers.js'
import { CONNECT, folderName, MEASURED, PICTURE_OPTIONS, POLICY } from '../options.js'
import type { CommandEntry } from './entry.js'

const RATE = new Option('--rate <bytes>', 'copy at most so much a second, such as 200MiB').argParser(byteRate('--rate'))
const CONFIG = new Option('--config', "change a libvirt domain's configuration for its next start, too")
const STATE = new Option('--state <dir>', 'where undo files are').argParser(folderName('--state'))

const MAX_SECONDS = 86_400
const MAX_ROUNDS = 1e9

export const RUNNING_COMMANDS: readonly CommandEntry[] = [
  {
    name: 'ps',
    alias: 'list',
    summary: 'show the VMs that run here, what they lose, and what they would lose if placed well',
    description:
      'Finds the VMs that run on this machine, whoever started them, and prices where their vCPUs and memory are. Changes nothing.',
    arguments: [['[name]', 'only this VM (name or pid), with its threads and memory']],
    options: [CONNECT, MEASURED, ...PICTURE_OPTIONS, new Option('--json', 'print what was found as a JSON object')],
    needs: [],
    examples: `
  homenode ps                 all of them, a line each
  homenode ps db              threads, guest memory, cgroups, and who says so
  sudo homenode ps            also what an ordinary user may not read
  homenode ps --connect qemu:///session
  homenode ps --svg now.svg   where they are, as a picture
  homenode ps --json | jq '.vms[] | {name: .name.value, pid, lost: .lost.now}'

Columns: CPUS, where its vCPUs may run; LAST, where they ran last; MEMORY, by node;
FAR, the share of their accesses that leave the node; LOST and BEST, lost vCPUs
now and if all were placed well; ? is not known, "homenode ps NAME" says why.`,
    load: async () => (await import('../ps.js')).ps,
  },
  {
    name: 'top',
    summary: 'watch what running VMs and the nodes of this machine do',
    description:
      'Shows, again and again, what the VMs that run here use and wait for, how far their memory is, and what the nodes do. In a pipe it prints plain lines. Changes nothing.',
    options: [
      new Option('--interval <s>', 'seconds from one reading to the next')
        .argParser(positiveNumber('--interval', MAX_SECONDS))
        .default(1),
      new Option('-b, --batch', 'print plain lines, also on a terminal'),
      new Option('-n, --rounds <n>', 'end after so many readings').argParser(wholeNumber('--rounds', MAX_ROUNDS)),
      new Option('--csv', 'print a line of CSV for each node, VM and vCPU').conflicts(['json', 'batch']),
      new Option('--json', 'print a JSON object a line').conflicts(['batch']),
      new Option('--view <what>', 'what has rows').choices(['vms', 'vcpus', 'exits']).default('vms'),
      new Option('--sort <column>', 'the column that rows are sorted by').default('USE'),
      new Option('--filter <text>', 'only VMs whose names have this in them').default('', 'all'),
      CONNECT,
    ],
    needs: [],
    examples: `
  homenode top                        keys: h for help, q to quit
  sudo homenode top                   also what an ordinary user may not read
  homenode top --view vcpus --sort wait
  homenode top --batch -n 1 | less
  homenode top --csv --interval 10 >> load.csv
  homenode top --json | jq -c '.vms[] | {name, use, delay, remoteMemory}'

Columns: USE, WAIT, OTHER, POLL, of a CPU's time: running, waiting for a CPU,
the rest of the process, polling while halted; MIGR, moves to other CPUs a
second; LAST, CPUs they ran on last; FAR, memory on other nodes; FAULT, sampled
accesses to other nodes; EXITS a second; - is what nothing measures.`,
    load: async () => (await import('../top.js')).top,
  },
  {
    name: 'diff',
    summary: 'what of the VMs that run here is not where a plan has it',
    description: 'Compares the threads and the memory of the VMs that run here with a plan. Changes nothing.',
    arguments: [['<plan>', 'what "plan --running --json" has printed; - is standard input']],
    options: [CONNECT, new Option('--json', 'print the differences as a JSON object')],
    needs: [],
    examples: `
  homenode diff plan.json
  homenode diff plan.json --json | jq '.differences[] | .vm'

"homenode check --drift" says the same with its exit code.`,
    load: async () => (await import('../drift.js')).diff,
  },
  {
    name: 'apply',
    summary: 'bring the VMs that run here to where a plan has them',
    description:
      'Pins the threads and moves the memory of VMs that run here, whoever started them: shows what it will do, asks, writes an undo file, does it in the order of the moves, and reads everything back.',
    arguments: [['[plan]', 'what "plan --running --json" has printed; - is standard input']],
    options: [
      new Option('--running', 'make a plan now, instead of one from a file'),
      new Option('-f, --request <file>', 'further VMs and wishes: the file that the plan was made with'),
      POLICY,
      MEASURED,
      new Option('--yes', 'do not ask'),
      new Option('--dry-run', 'show what would be done, and end'),
      RATE,
      CONFIG,
      new Option('--exclusive', 'keep everybody else off the CPUs of dedicated vCPUs (a partition of cgroup v2)'),
      CONNECT,
      STATE,
      new Option('--json', 'print what was done as a JSON object'),
    ],
    needs: [],
    endures: true,
    examples: `
  homenode apply --running --dry-run      what would be done
  sudo homenode apply --running
  homenode plan --running --json > plan.json
  sudo homenode apply plan.json --yes --rate 200MiB
  sudo homenode apply --running -f wishes.json --yes --json

Where the VMs are by now need not be where they were when the plan was made: the
moves are ordered anew from there, so an apply that was stopped can be repeated.
Ctrl-C stops after the batch that is being moved. "homenode undo" takes it back.

Exit code: 0 all is as planned, 1 the system refused or the answer was no, 3 a
VM has no place or the plan does not hold (nothing was changed), 4 some of it
was not done, 130 interrupted.`,
    load: async () => (await import('../apply.js')).apply,
  },
  {
    name: 'undo',
    summary: 'bring VMs back to where they were before "apply", "pin" or "mem"',
    description:
      'Brings threads and memory of running VMs back to where an undo file has them, and says what cannot be brought back.',
    arguments: [['[file]', 'the undo file; without it the newest that was not undone yet']],
    options: [
      new Option('--yes', 'do not ask'),
      new Option('--dry-run', 'show what would be done, and end'),
      RATE,
      CONNECT,
      STATE,
      new Option('--json', 'print what was done as a JSON object'),
    ],
    needs: [],
    endures: true,
    examples: `
  sudo homenode undo --dry-run
  sudo homenode undo --yes
  sudo homenode undo /var/lib/homenode/undo-2026-01-31T08-00-00.000Z-4711.json

Undo files are in /var/lib/homenode for root, else in $XDG_STATE_HOME/homenode
or ~/.local/state/homenode.

Exit code: 0 all is as it was, 1 the system refused or the answer was no, 4 some
of it could not be brought back, 130 interrupted.`,
    load: async () => (await import('../undo.js')).undo,
  },
  {
    name: 'pin',
    summary: 'show or change where the threads of a running VM may run',
    description: 'Shows where the threads of a running VM may run, or pins one of them, as "virsh vcpupin" does.',
    arguments: [
      ['<vm>', 'its name or pid'],
      ['[thread]', 'the number of a vCPU, emulator, iothread or iothread:ID; without it all are shown'],
      ['[cpus]', 'a cpulist such as 2-3,8; without it the thread is shown'],
    ],
    options: [CONFIG, CONNECT, STATE, new Option('--json', 'print a JSON object')],
    needs: [],
    endures: true,
    examples: `
  homenode pin db                      all of its threads
  sudo homenode pin db 0 4             vCPU 0 on CPU 4
  sudo homenode pin db emulator 6-7    the threads of the VMM itself
  sudo homenode pin db iothread:io1 5

"homenode undo" takes it back.

Exit code: 0 it is so now, 1 the system refused, 4 some of it was not done.`,
    load: async () => (await import('../pin.js')).pin,
  },
  {
    name: 'mem',
    summary: 'show where the memory of a running VM is, or move it',
    description: 'Shows on which nodes the memory of a running VM is, or moves it, as "migratepages" does.',
    arguments: [['<vm>', 'its name or pid']],
    options: [
      new Option('--from <nodes>', 'only what is on these nodes'),
      new Option('--to <node>', 'where it goes; without it nothing moves'),
      RATE,
      CONFIG,
      CONNECT,
      STATE,
      new Option('--json', 'print a JSON object'),
    ],
    needs: [],
    endures: true,
    examples: `
  homenode mem db
  sudo homenode mem db --to 1
  sudo homenode mem db --from 0,2-3 --to 1 --rate 200MiB

What the guest touches for the first time later comes by its memory policy.
"homenode undo" takes it back.

Exit code: 0 it is there now, 1 the system refused, 4 some of it was not moved,
130 interrupted.`,
    load: async () => (await import('../mem.js')).mem,
  },
]
