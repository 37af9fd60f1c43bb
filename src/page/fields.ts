/** The fields of a VM that the form has, and what they mean. */

export interface Field {
  readonly name: string
  readonly kind: 'text' | 'number' | readonly string[]
  readonly means: string
  /** What holds where it is left out. */
  readonly usual: string
}

export const FIELDS: readonly Field[] = [
  { name: 'name', kind: 'text', usual: '', means: 'Unique in the request.' },
  { name: 'vcpus', kind: 'number', usual: '', means: 'How many it has.' },
  { name: 'memory', kind: 'text', usual: '', means: 'With a unit, such as 16GiB.' },
  { name: 'cells', kind: 'text', usual: 'auto', means: 'Guest NUMA nodes: a number, or auto.' },
  {
    name: 'cpuPolicy',
    kind: ['dedicated', 'shared'],
    usual: 'dedicated',
    means: 'A CPU for each vCPU, or all float over the shared CPUs of their node.',
  },
  { name: 'demand', kind: 'number', usual: '1', means: 'Mean load of a shared vCPU, above 0 up to 1.' },
  {
    name: 'threadPolicy',
    kind: ['prefer', 'require', 'isolate', 'spread'],
    usual: 'prefer',
    means: 'SMT siblings: whole cores preferred or required, nobody beside a vCPU, or one vCPU a core where possible.',
  },
  {
    name: 'memoryPolicy',
    kind: ['strict', 'preferred', 'interleave'],
    usual: 'strict',
    means: 'On the nodes of its vCPUs; it may spill to others; evenly over its nodes.',
  },
  { name: 'pageSize', kind: 'text', usual: 'any', means: 'Of its memory: a size such as 2MiB, or any.' },
  {
    name: 'memoryBound',
    kind: 'number',
    usual: '0.3',
    means: 'Share of the time that a vCPU waits for memory when all of it is near, 0 to 1.',
  },
  { name: 'weight', kind: 'number', usual: '1', means: 'How much its loss counts.' },
  { name: 'trust', kind: 'text', usual: 'its own', means: 'VMs of different trust domains share no core.' },
  {
    name: 'emulator',
    kind: ['housekeeping', 'dedicated'],
    usual: 'housekeeping',
    means: "CPUs for the VMM's own threads: those of the host, or its own.",
  },
  { name: 'iothreads', kind: 'number', usual: '0', means: 'How many I/O threads it has.' },
]

/** What a request has in the field, from what was typed; `undefined`: nothing. */
export function typedValue({ kind, name }: Field, typed: string): unknown {
  const text = typed.trim()
  if (text === '') return undefined
  const isNumber = kind === 'number' || (name === 'cells' && /^\d+$/.test(text))
  return isNumber && Number.isFinite(Number(text)) ? Number(text) : text
}
