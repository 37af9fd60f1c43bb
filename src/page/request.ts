/** Changes to the text of a request. */

export type Fields = Readonly<Record<string, unknown>>

interface RequestFile {
  readonly vms: readonly Fields[]
}

/** The VMs as the text has them; `null`: it is no request that can be edited in a form. */
export function vmsOf(text: string): readonly Fields[] | null {
  try {
    const { vms } = JSON.parse(text) as Partial<RequestFile>
    const isList = Array.isArray(vms) && vms.every((vm) => typeof vm === 'object' && vm !== null)
    return isList ? vms : null
  } catch {
    return null
  }
}

function withVms(text: string, change: (vms: readonly Fields[]) => readonly Fields[]): string {
  const file = JSON.parse(text) as RequestFile
  return JSON.stringify({ ...file, vms: change(file.vms) }, null, 2)
}

/** @param value `undefined`: the field is left out, so its default holds */
export function withField(text: string, index: number, field: string, value: unknown): string {
  return withVms(text, (vms) =>
    vms.map((vm, at) => {
      if (at !== index) return vm
      const { [field]: _, ...rest } = vm
      return value === undefined ? rest : { ...vm, [field]: value }
    }),
  )
}

export function withoutVm(text: string, name: unknown): string {
  return withVms(text, (vms) => vms.filter((vm) => vm.name !== name))
}

export function withNewVm(text: string): string {
  return withVms(text, (vms) => {
    const taken = new Set(vms.map(({ name }) => name))
    let number = vms.length + 1
    while (taken.has(`vm${number}`)) number++
    return [...vms, { name: `vm${number}`, vcpus: 2, memory: '1GiB' }]
  })
}

/**
 * The request with a change that a refusal names (`cells: 4`, `move: "x" to another host`); `null` where it is none that an
 * edit can make: another VM moved on this host is up to the search.
 */
export function withChange(text: string, vm: string, change: string): string | null {
  const vms = vmsOf(text)
  const index = vms?.findIndex(({ name }) => name === vm) ?? -1
  if (vms === null || index < 0) return null
  const gone = /^move: (".*") to another host$/s.exec(change)
  if (gone !== null) return withoutVm(text, JSON.parse(gone[1]!))
  const device = /^devices\[(\d+)\]\.strict: false$/.exec(change)
  if (device !== null) {
    const devices = vms[index]!.devices
    if (!Array.isArray(devices)) return null
    return withField(
      text,
      index,
      'devices',
      devices.map((one: Fields, at: number) => (at === Number(device[1]) ? { ...one, strict: false } : one)),
    )
  }
  if (change === 'memoryNodes: any') return withField(text, index, 'memoryNodes', undefined)
  const field = /^(cells|span|memoryPolicy|avoidDeviceNodes|pageSize|emulator|threadPolicy|cpuPolicy): (.+)$/.exec(
    change,
  )
  return field === null ? null : withField(text, index, field[1]!, JSON.parse(field[2]!))
}
