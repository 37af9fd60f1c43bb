/** Commands about guests of our own, and about this machine. */

import { Option } from 'commander'
import { positiveNumber } from '../numbers.js'
import { MEASURED, PICTURE_OPTIONS } from '../options.js'
import type { CommandEntry } from './entry.js'

const SHELLS = ['bash', 'zsh', 'fish']
const MAX_SECONDS = 86_400
const DEFAULT_SECONDS = 3
const DEFAULT_SILENCE = 300

/** An option that may be given several times. */
function several(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value]
}

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
      MEASURED,
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
      new Option('--json', 'print the report as a JSON object; with --kernel on standard error'),
      new Option(
        '--kernel [file]',
        'boot this Linux kernel (bzImage or vmlinux) in the VM of the request; without a name that of this machine, in /boot',
      )
        .preset(true)
        .conflicts(['seconds', 'backend', 'exclusive', 'svg', 'png']),
      new Option('--initrd <file>', 'its initramfs; auto: one is made of busybox and the files of --file'),
      new Option('--append <text>', 'words for its command line'),
      new Option(
        '--exec <command>',
        'run this in the guest (--initrd auto): its output and exit code become those of homenode',
      ),
      new Option(
        '--file <file>',
        'a file for --initrd auto, such as a static program: it is /bin/NAME in the guest; again for others',
      ).argParser(several),
      new Option(
        '--disk <file>',
        'a raw image as /dev/vda, again for /dev/vdb, ...: read-only, unless ,rw follows its name',
      ).argParser(several),
      new Option('--busybox <file>', 'a static busybox for --initrd auto; without it the one of this machine'),
      new Option(
        '--modules <folder>',
        "the kernel's modules, of which --initrd auto takes the drivers; without it those in /lib/modules",
      ),
      new Option('--silence <s>', 'how long the guest may say nothing on its console until its first word')
        .argParser(positiveNumber('--silence', MAX_SECONDS))
        .default(DEFAULT_SILENCE),
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
  homenode run --kernel --initrd auto   a shell in a Linux guest; Ctrl-] ends it
  homenode run --kernel --exec 'lscpu | grep NUMA' -f request.json
  homenode run --kernel --initrd auto --disk debian.img --append root=/dev/vda
  homenode run --kernel vmlinuz --initrd initrd.img --append root=LABEL=root

Exit code: 0 all is where it was planned, 1 it is not or the system refused,
3 some VM does not fit (nothing runs), 4 some VM failed while others ran, or the
kernel refused what --relaxed allows it to. With --kernel: what the guest's
command ends with (or writes to port 0xf4), 0 after a power-off, 1 after a
reset, as by a panic.`,
    load: async () => (await import('../run.js')).run,
  },
  {
    name: 'calibrate',
    summary: 'measure what memory and CPUs of this machine take, for plans',
    description:
      'Measures latency and bandwidth of memory for each pair of nodes, hand-over between CPUs, and what two busy SMT siblings yield. Plans on a host file with these figures use them instead of distances and rules of thumb.',
    options: [
      new Option('--out <file>', 'write the host with what was measured, for --measured and --host'),
      new Option('--json', 'print the host as a JSON object'),
    ],
    needs: [],
    examples: `
  homenode calibrate                       tables, and what they change
  homenode calibrate --out host.json       a file for --host and --host-file
  homenode plan -f request.json --measured host.json
  homenode apply --running --measured host.json
  homenode calibrate --json | jq .latencies

It takes seconds, on many nodes minutes, and the CPUs and some memory of each
node meanwhile. Ctrl-C ends it, and nothing is written.
Exit code: 0 measured, what could not be is null; 1 the system refused.`,
    load: async () => (await import('../calibrate.js')).calibrate,
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
