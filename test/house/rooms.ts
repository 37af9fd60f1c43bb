/**
 * The rooms of the house: the one source of who may import whom. imports.test.ts holds the code to it, CONTRIBUTING.md
 * shows it (`node --import tsx test/house/write.ts` puts it there).
 */

export interface Room {
  /** Its files: a folder, a file, or several that are alike. Paths from the root, without extension. */
  readonly files: readonly string[]
  readonly holds: string
  /** First files of other rooms, all of them further down in the list: an import never goes up. */
  readonly may: readonly string[]
  /** Packages, and modules of Node by their names. */
  readonly packages?: readonly string[]
}

/** What everybody of the room's part of the house may use, too. */
export const LEAVES = 'src/types'

const FACE = 'the exports of the package'

/** From the top down. */
export const ROOMS: readonly Room[] = [
  {
    files: ['src/cli/'],
    holds: 'the command line: a file a command, and the views of results',
    may: [
      'src/service/',
      'executor/index',
      'executor/loop/',
      'executor/balance/',
      'executor/apply/',
      'executor/meter/',
      'executor/found/',
      'executor/policy/',
      'src/picture/',
      'src/formats/',
      'src/fleet/kubernetes/',
      'src/fleet/ganeti/',
      'src/fleet/http/',
      'src/fleet/',
      'src/capacity',
      'src/plan',
      'src/verify',
      'src/verify/',
      'src/request',
      'src/planner/',
      'src/topology/',
    ],
    packages: [
      '@resvg/resvg-js',
      'commander',
      'cli-table3',
      'js-yaml',
      'picocolors',
      'node:child_process',
      'node:events',
      'node:fs',
      'node:fs/promises',
      'node:http',
      'node:net',
      'node:os',
      'node:path',
      'node:readline/promises',
      'node:readline',
      'node:timers/promises',
      'node:tty',
      'node:util',
    ],
  },
  {
    files: ['src/service/'],
    holds:
      'what a service is beside its work: its metrics and their dashboard, its server of HTTP, what it tells the service manager; the unit, installed and removed',
    may: ['executor/meter/', 'executor/balance/', 'executor/found/', 'executor/ffi/', 'src/planner/'],
    packages: ['prom-client', 'node:child_process', 'node:crypto', 'node:fs', 'node:http', 'node:net', 'node:path'],
  },
  {
    files: ['src/page/'],
    holds: 'the page that plans in a browser, one file with all that it needs (`page.mjs` makes it)',
    may: [
      'src/picture/',
      'src/formats/',
      'src/capacity',
      'src/plan',
      'src/verify',
      'src/request',
      'src/verify/',
      'src/topology/',
    ],
    packages: ['preact', 'preact/hooks'],
  },
  {
    files: ['executor/accel/'],
    holds: "the integration guide's classes: `guest/`, `affinity/`, `optimizer/`, `stats/`",
    may: [
      'executor/index',
      'executor/balance/',
      'executor/meter/',
      'executor/found/',
      'executor/vm/',
      'executor/ffi/',
      'executor/wire/',
      'src/plan',
      'src/verify',
      'src/request',
      'src/verify/',
      'src/topology/',
    ],
    packages: ['node:async_hooks', 'node:os'],
  },
  {
    files: ['executor/index'],
    holds: `${FACE} \`homenode/executor\``,
    may: [
      'executor/loop/',
      'executor/balance/',
      'executor/run/',
      'executor/calibrate/',
      'executor/apply/',
      'executor/cpusets/',
      'executor/meter/',
      'executor/policy/',
      'executor/found/',
      'executor/vm/',
      'executor/memory/',
      'executor/devices/',
      'executor/observe/',
      'executor/kvm/',
      'executor/ffi/',
      'executor/wire/',
    ],
  },
  {
    files: ['executor/loop/'],
    holds: 'the loop of `homenode balance`: what runs is looked at, decided on, acted on, and remembered',
    may: [
      'executor/balance/',
      'executor/apply/',
      'executor/meter/',
      'executor/policy/',
      'executor/found/',
      'src/plan',
      'src/request',
      'src/topology/',
    ],
    packages: ['zod', 'node:path', 'node:fs', 'node:timers/promises'],
  },
  {
    files: ['executor/balance/'],
    holds: 'when it pays to move VMs that run: demand, price, patience; no I/O and no clock',
    may: ['src/planner/', 'src/verify'],
    packages: ['zod'],
  },
  {
    files: ['executor/run/'],
    holds: 'a plan carried out from beginning to end, what is seen meanwhile, what this machine can do',
    may: [
      'executor/vm/',
      'executor/cpusets/',
      'executor/program/',
      'executor/devices/',
      'executor/observe/',
      'executor/kvm/',
      'executor/plan/',
      'executor/ffi/',
      'executor/guests/',
      'executor/acpi/',
      'executor/wire/',
      'executor/abi/',
      'src/verified',
    ],
    packages: ['node:timers/promises'],
  },
  {
    files: ['executor/calibrate/'],
    holds: "what this machine's memory and CPUs take, measured by pinned threads",
    may: [
      'executor/memory/',
      'executor/threads/',
      'executor/worker/',
      'executor/ffi/',
      'executor/wire/',
      'src/topology/',
    ],
  },
  {
    files: ['executor/apply/'],
    holds: 'changes to VMs that others run: what is planned, carried out, read back, undone',
    may: [
      'executor/cpusets/',
      'executor/found/',
      'executor/meter/',
      'executor/observe/',
      'executor/ffi/',
      'executor/abi/',
      'src/formats/',
      'src/verified',
    ],
    packages: ['zod', 'node:fs', 'node:os', 'node:path', 'node:timers/promises'],
  },
  {
    files: ['executor/cpusets/'],
    holds: 'partitions of CPUs for threads: made, read back, undone',
    may: ['executor/found/', 'executor/ffi/'],
    packages: ['zod', 'node:fs', 'node:path'],
  },
  {
    files: ['executor/meter/'],
    holds:
      'counters of found VMs, their threads and the host, read again and again; what happened between two readings',
    may: ['executor/found/', 'executor/observe/', 'executor/ffi/', 'src/topology/'],
    packages: ['node:fs', 'node:fs/promises', 'node:path'],
  },
  {
    files: ['executor/policy/'],
    holds: 'rules for VMs that run: what they say of each, and plans within them',
    may: ['executor/found/', 'src/request', 'src/request/'],
    packages: ['zod'],
  },
  {
    files: ['executor/found/'],
    holds: 'VMs that others run: their threads, memory, cgroups, guest nodes, and who says so',
    may: ['executor/ffi/', 'src/formats/', 'src/request'],
    packages: ['zod', 'node:fs', 'node:net', 'node:path'],
  },
  {
    files: ['executor/vm/'],
    holds: "a VM and its vCPUs: states, threads' places, I/O, samples",
    may: [
      'executor/program/',
      'executor/memory/',
      'executor/threads/',
      'executor/worker/',
      'executor/virtio/',
      'executor/devices/',
      'executor/observe/',
      'executor/kvm/',
      'executor/plan/',
      'executor/ffi/',
      'executor/acpi/',
      'executor/wire/',
      'executor/abi/',
      'src/verified',
    ],
    packages: ['node:fs', 'node:timers/promises', 'node:worker_threads'],
  },
  {
    files: ['executor/program/'],
    holds: 'what is put into a guest before it starts: ELF, page tables, registers; Linux and what it is told',
    may: [
      'executor/memory/',
      'executor/devices/',
      'executor/kvm/',
      'executor/plan/',
      'executor/guests/',
      'executor/acpi/',
    ],
    packages: ['node:timers/promises'],
  },
  {
    files: ['executor/memory/'],
    holds: 'guest memory: mapped, bound, faulted in, moved, read back',
    may: [
      'executor/threads/',
      'executor/observe/',
      'executor/kvm/',
      'executor/plan/',
      'executor/ffi/',
      'executor/wire/',
    ],
  },
  {
    files: ['executor/threads/'],
    holds: 'threads of the pool (the only import of Piscina), and those of one VM',
    may: ['executor/worker/', 'executor/ffi/', 'executor/wire/'],
    packages: ['piscina', 'node:fs', 'node:timers/promises', 'node:url', 'node:worker_threads'],
  },
  {
    files: ['executor/worker/'],
    holds: 'what runs in a thread of the pool: the loop of a vCPU, work on memory',
    may: [
      'executor/virtio/',
      'executor/devices/',
      'executor/observe/',
      'executor/kvm/',
      'executor/ffi/',
      'executor/guests/',
      'executor/wire/',
      'executor/abi/',
    ],
    packages: ['node:worker_threads'],
  },
  {
    files: ['executor/virtio/'],
    holds: 'the threads of virtio devices: queues, disks, consoles, random bytes',
    may: ['executor/ffi/', 'executor/wire/'],
    packages: ['node:worker_threads'],
  },
  {
    files: ['executor/devices/'],
    holds: "what answers a guest's accesses",
    may: ['executor/ffi/', 'executor/guests/', 'executor/wire/', 'executor/abi/'],
  },
  {
    files: ['executor/observe/'],
    holds: 'what the kernel says of threads, pages, counters and free memory',
    may: ['executor/plan/', 'executor/ffi/', 'executor/wire/', 'executor/abi/'],
    packages: ['node:fs'],
  },
  {
    files: ['executor/kvm/'],
    holds: 'KVM by its descriptors: system, VM, vCPU; CPUID, registers, exits',
    may: ['executor/plan/', 'executor/ffi/', 'executor/wire/', 'executor/abi/'],
  },
  {
    files: ['executor/plan/'],
    holds: 'what a plan means here: layout, addresses, guest topology, findings',
    may: ['executor/guests/', 'executor/wire/'],
  },
  {
    files: ['executor/ffi/'],
    holds: "calls of libc (the only imports of koffi), and who has memory that is not JavaScript's",
    may: ['executor/abi/'],
    packages: ['koffi', 'node:util', 'node:worker_threads'],
  },
  {
    files: ['executor/guests/'],
    holds: 'the guest of `homenode run`, its assembly beside its bytes',
    may: [],
  },
  { files: ['executor/acpi/'], holds: "firmware's tables: bytes of a description of the machine", may: [] },
  { files: ['executor/wire/'], holds: 'what crosses between threads', may: [] },
  { files: ['executor/abi/'], holds: 'numbers and layouts of the kernel', may: [] },
  {
    files: ['src/index'],
    holds: `${FACE} \`homenode\``,
    may: [
      'src/session',
      'src/fleet/',
      'src/capacity',
      'src/plan',
      'src/verify',
      'src/request',
      'src/verified',
      'src/planner/',
      'src/topology/',
    ],
  },
  {
    files: ['src/fleet/kubernetes/'],
    holds: "Kubernetes' scheduler extender: filter, prioritize, bind; its objects, and calls of its API server",
    may: ['src/fleet/http/', 'src/fleet/', 'src/verify', 'src/request'],
    packages: ['zod', 'node:fs/promises', 'node:http', 'node:https', 'node:readline', 'node:timers/promises'],
  },
  {
    files: ['src/session'],
    holds: 'a host on which VMs come and go',
    may: ['src/fleet/', 'src/verify', 'src/request', 'src/planner/'],
  },
  {
    files: ['src/fleet/ganeti/'],
    holds: "Ganeti's words: its allocators' protocol, its remote API, instances with their places in tags",
    may: ['src/fleet/http/', 'src/fleet/', 'src/formats/', 'src/verify'],
    packages: [
      'zod',
      'node:child_process',
      'node:crypto',
      'node:fs/promises',
      'node:https',
      'node:os',
      'node:path',
      'node:timers/promises',
      'node:util',
      'node:zlib',
    ],
  },
  {
    files: ['src/fleet/http/'],
    holds: 'what engines ask over HTTP: the server, hosts in files, `POST /rank`',
    may: ['src/fleet/', 'src/request', 'src/topology/'],
    packages: ['zod', 'node:fs', 'node:fs/promises', 'node:http', 'node:net', 'node:path'],
  },
  {
    files: ['src/fleet/'],
    holds: "many hosts: what a VM loses on each, what is placed there; no engine's words",
    may: ['src/verify/', 'src/request', 'src/planner/', 'src/topology/'],
    packages: ['zod'],
  },
  {
    files: ['src/picture/'],
    holds:
      'a host and what is on it as an SVG document: layout, colours, widths of text; and the words that pictures and views share',
    may: [],
  },
  {
    files: ['src/formats/'],
    holds: "a placed VM in others' formats (libvirt, QEMU, ...), a request from libvirt's",
    may: ['src/request'],
    packages: ['saxes'],
  },
  {
    files: ['src/capacity'],
    holds: 'how many more VMs fit',
    may: ['src/verify', 'src/request', 'src/planner/', 'src/request/'],
  },
  { files: ['src/plan'], holds: 'the door of `planner/`', may: ['src/request', 'src/planner/'] },
  {
    files: ['src/verify'],
    holds: 'the door of `verify/`: the only one that seals a plan',
    may: ['src/request', 'src/verify/', 'src/verified'],
  },
  { files: ['src/request'], holds: 'the door of `request/`', may: ['src/request/'], packages: ['zod'] },
  { files: ['src/verified'], holds: 'the mark of a verified plan', may: [] },
  {
    files: ['src/planner/'],
    holds: '`Host` + `Request` -> candidate `Plan`: the module with a face in objects, and the order of moves',
    may: [],
  },
  {
    files: ['src/verify/'],
    holds: 'candidate -> findings and price; shares no code with the planner',
    may: ['src/request/'],
    packages: ['zod'],
  },
  {
    files: ['src/request/'],
    holds: "a request's fields, defaults and rules",
    may: [],
    packages: ['zod'],
  },
  {
    files: ['src/topology/'],
    holds: 'sysfs, synthetic descriptions, host files -> `Host`',
    may: [],
    packages: ['zod', 'node:fs', 'node:path'],
  },
  {
    files: [LEAVES, 'src/errors', 'src/checks', 'src/cpulist', 'src/units', 'src/freeze', 'src/schema'],
    holds: 'what everybody in `src/` and `executor/` may use: formats, errors, checks of options, cpulists, sizes',
    may: [],
    packages: ['zod'],
  },
  {
    files: ['assembly/json/'],
    holds:
      'a host and a request as JSON text in, a plan as JSON text out: what `planner-json.wasm` has beyond `planner.wasm`, for other languages',
    may: ['assembly/index', 'assembly/abi'],
  },
  {
    files: ['assembly/index', 'assembly/counted', 'assembly/vms', 'assembly/results', 'assembly/refusals'],
    holds: 'the exports of `planner.wasm`, and what a bench counts beside: arguments are checked, no algorithm',
    may: [
      'assembly/search/',
      'assembly/proof/',
      'assembly/place/',
      'assembly/model/',
      'assembly/problem/',
      'assembly/abi',
    ],
  },
  {
    files: ['assembly/search/'],
    holds: 'which VMs are placed how: several together, branch and bound, steps',
    may: ['assembly/proof/', 'assembly/place/', 'assembly/model/', 'assembly/problem/', 'assembly/abi'],
  },
  {
    files: ['assembly/proof/'],
    holds: 'lower bounds, and why a VM is refused',
    may: ['assembly/place/', 'assembly/model/', 'assembly/problem/', 'assembly/abi'],
  },
  {
    files: ['assembly/place/'],
    holds: 'one VM onto the host as it stands: nodes, memory, CPUs',
    may: ['assembly/model/', 'assembly/problem/', 'assembly/abi'],
  },
  {
    files: ['assembly/model/'],
    holds: 'who is where, what is left, what it costs',
    may: ['assembly/problem/', 'assembly/abi'],
  },
  { files: ['assembly/problem/'], holds: 'host and request as flat arrays', may: ['assembly/abi'] },
  {
    files: ['assembly/abi', 'assembly/flat', 'assembly/sort', 'assembly/vm-set', 'assembly/work'],
    holds:
      'numbers of the interface (the source of `docs/planner-abi.md`); arrays at fixed addresses, sorting, sets of VMs; how much work was done',
    may: [],
  },
]

/** Where things go that are added most often. */
export const PLACES: readonly { readonly what: string; readonly where: string }[] = [
  {
    what: 'a cost term',
    where:
      'docs/model.md; src/types.ts (`COST_TERMS`, `CostModel`), src/request/schema.ts; assembly/abi.ts (`TERM_`, `MODEL_`), assembly/problem/coefficients.ts, assembly/model/cost.ts; src/verify/cost.ts. Views, formats and tables follow from these; assembly/proof/bound.ts where the term can be bounded',
  },
  {
    what: 'a constraint',
    where:
      'docs/model.md; its field in src/types.ts, src/request/schema.ts; assembly/abi.ts (`BECAUSE_`), the place in assembly/place/ or assembly/model/ that asks what is allowed, assembly/proof/explain.ts, src/planner/refusal.ts (its words); src/verify/constraints.ts and the file of its subject; src/planner/moves/rules.ts where it holds on the way, too',
  },
  { what: 'a quirk of sysfs', where: 'src/topology/, the file of its subject; a tree with it in test/topology/' },
  {
    what: 'a command',
    where:
      'src/cli/commands.ts (how it is called), a file of its name beside it (what it does), its output in a view beside that',
  },
  {
    what: 'a format',
    where: 'src/formats/, a file of its name; `convert` in src/cli/commands.ts and src/cli/convert.ts; docs/formats.md',
  },
  { what: 'a device', where: 'executor/devices/' },
  {
    what: 'a VMM that is found',
    where:
      'executor/found/vmms.ts (its names, threads and arguments); a process of it in test/executor/found/find.test.ts',
  },
  {
    what: 'a figure of running VMs',
    where:
      'executor/meter/: its counter in types.ts, how it is read beside that, what it comes to a second in rates.ts or host-rates.ts; a column in src/cli/top-columns.ts, a field in src/cli/top-records.ts; docs/top.md',
  },
  {
    what: 'something in pictures',
    where:
      'src/picture/: what there is of it in scene.ts, where it comes from in of-plan.ts, a block that draws it beside the others; test/picture/; docs/pictures.md',
  },
  {
    what: 'an engine',
    where:
      'src/fleet/, a room of its name below src/cli/; in another language: clients/, asking src/fleet/http/; docs/fleet.md',
  },
]

/** The room of a file, a path from the root without extension. */
export function roomOf(path: string): Room | undefined {
  return ROOMS.find(({ files }) => files.some((file) => (file.endsWith('/') ? path.startsWith(file) : path === file)))
}

/** `src/types` -> `src/*.ts`: how a room is named to people. */
function nameOf({ files }: Room): string {
  return files.map((file) => `\`${file.endsWith('/') ? file : `${file}.ts`}\``).join(', ')
}

/** The part of CONTRIBUTING.md between its two marks. */
export function roomsText(): string {
  const short = (first: string) => `\`${first}\``
  const rows = ROOMS.map((room) => `| ${nameOf(room)} | ${room.holds} | ${room.may.map(short).join(' ') || '-'} |`)
  const places = PLACES.map(({ what, where }) => `| ${what} | ${where} |`)
  return [
    '| room | holds | may use |',
    '|---|---|---|',
    ...rows,
    '',
    '| where do I put ... | |',
    '|---|---|',
    ...places,
  ].join('\n')
}
