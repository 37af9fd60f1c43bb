/** `homenode convert`: a plan in the formats of those who run VMs, and a request from theirs. */

import { InputError, show } from '../errors.js'
import { type Converted, type Guest, guestOf } from '../formats/guest.js'
import type { Host, Plan, Request } from '../types.js'
import { CommandError, EXIT } from './errors.js'
import { type HostSource, readHost } from './host-source.js'
import { inFile, nameOf, readJson, readText, requireOneStdin } from './input.js'
import { type ColorWhen, printJson, styleOf, write } from './output.js'

interface ConvertOptions extends HostSource {
  readonly to?: 'libvirt' | 'qemu' | 'cloud-hypervisor' | 'firecracker' | 'numactl' | 'json'
  readonly from?: 'libvirt'
  readonly domain?: string
  readonly request?: string
  readonly vm?: string
  readonly color: ColorWhen
}

/** A plan and what is known beside it. */
interface Source {
  readonly plan: Plan
  /** Of the file, for messages. */
  readonly name: string
  readonly request: Request | null
  readonly host: Host | null
}

export async function convert(options: ConvertOptions, ...files: string[]): Promise<void> {
  checkOptions(options, files)
  const { colors } = styleOf(process.stderr, options.color)
  const note = (text: string) => console.error(`${colors.yellow('note:')} ${text}`)
  const content = options.from === undefined ? await readJson(files[0]!) : await readDomains(files, note)
  if (options.to === undefined) return printJson(content as object)

  const source = await sourceOf(content, options, files.map(nameOf).join(', '))
  if (options.to === 'json') {
    printJson(source.plan)
    if (source.plan.refused.length > 0) process.exitCode = EXIT.unfit
    return
  }
  const { text, notes } = await formatted(options, source)
  notes.forEach(note)
  write(text)
}

function checkOptions(
  { to, from, domain, request, vm, host, measured }: ConvertOptions,
  files: readonly string[],
): void {
  if (to === undefined && from === undefined) throw new InputError('--to', 'a format, or one with --from', 'nothing')
  if (from === undefined && files.length > 1) throw new InputError('', 'one plan or request', `${files.length} files`)
  if (domain !== undefined && to !== 'libvirt')
    throw new InputError('--domain', 'it together with --to libvirt', show(to))
  if (from !== undefined && request !== undefined) throw new InputError('-f', 'no request beside --from', show(request))
  if (vm !== undefined && (to === undefined || to === 'json')) {
    throw new InputError('--vm', 'it for a format of one VM', to === undefined ? 'no --to' : show(to))
  }
  const several = Object.fromEntries(files.map((file, at) => [at === 0 ? 'FILE' : `FILE ${at + 1}`, file]))
  requireOneStdin({ ...several, '-f': request, '--domain': domain, '--host': host, '--measured': measured })
}

/** A request file's content, which is known to be a request's. */
async function readDomains(files: readonly string[], note: (text: string) => void): Promise<object> {
  const { fromLibvirt } = await import('../formats/libvirt/read.js')
  const { parseRequest } = await import('../request.js')
  const vms: object[] = []
  for (const file of files) {
    const text = await readText(file)
    const { vm, notes } = await inFile(nameOf(file), () => fromLibvirt(text))
    for (const line of notes) note(`${nameOf(file)}: ${line}`)
    vms.push(vm)
  }
  const request = { schemaVersion: 1, kind: 'Request', vms }
  await inFile(files.map(nameOf).join(', '), () => parseRequest(request))
  return request
}

/** The plan in a file; of a request, the plan for it. */
async function sourceOf(content: unknown, options: ConvertOptions, name: string): Promise<Source> {
  if (typeof content !== 'object' || content === null || !('kind' in content) || content.kind !== 'Plan') {
    if (options.request !== undefined) throw new InputError(name, 'a plan, where -f is given', 'something else')
    const { planVerified } = await import('./verified-plan.js')
    const { parseRequest } = await import('../request.js')
    const request = await inFile(name, () => parseRequest(content))
    const host = await readHost(options)
    return { plan: await planVerified(host, request, name), name, request, host }
  }
  const { parsePlan } = await import('../verify.js')
  const plan = await inFile(name, () => parsePlan(content))
  const request =
    options.request === undefined ? null : await (await import('./request-source.js')).readRequest(options.request)
  // A plan may be for another machine than this one. Its host is known only if it is named.
  const isNamed = [options.root, options.host, options.synthetic, options.measured].some((from) => from !== undefined)
  return { plan, name, request, host: isNamed ? await readHost(options) : null }
}

async function formatted({ to, vm, domain }: ConvertOptions, source: Source): Promise<Converted> {
  const { host, name } = source
  const convertBy = (format: (guest: Guest, host: Host | null) => Converted) =>
    inFile(name, () => format(guestNamed(vm, source), host))
  switch (to) {
    case 'qemu':
      return convertBy((await import('../formats/qemu.js')).toQemu)
    case 'cloud-hypervisor':
      return convertBy((await import('../formats/cloud-hypervisor.js')).toCloudHypervisor)
    case 'firecracker':
      return convertBy((await import('../formats/firecracker.js')).toFirecracker)
    case 'numactl':
      return convertBy((await import('../formats/numactl.js')).toNumactl)
    default: {
      const { intoDomain, nameOfDomain, toLibvirt } = await import('../formats/libvirt/write.js')
      if (domain === undefined) return convertBy(toLibvirt)
      const text = await readText(domain)
      const named = vm ?? (await inFile(nameOf(domain), () => nameOfDomain(text)))
      const guest = await inFile(name, () => guestNamed(named, source))
      return inFile(nameOf(domain), () => intoDomain(guest, host, text))
    }
  }
}

/**
 * The VM of this name; without one, the only VM.
 * @throws {InputError} where the plan does not have it
 * @throws {CommandError} where it is refused
 */
function guestNamed(name: string | undefined, { plan, request, host }: Source): Guest {
  const names = plan.vms.map((vm) => vm.name)
  const refusal = plan.refused.find((vm) => (name === undefined ? names.length === 0 : vm.name === name))
  if (refusal !== undefined) {
    const why = refusal.because.map(({ text }) => text).join('; ')
    throw new CommandError(`${show(refusal.name)} does not fit: ${why}`, EXIT.unfit)
  }
  const at = name === undefined && names.length === 1 ? 0 : names.indexOf(name ?? '')
  if (at < 0) {
    const shown = names.slice(0, 5).map(show).join(', ')
    const known = names.length > 5 ? `${shown} and ${names.length - 5} more` : shown
    throw new InputError('', `--vm with the name of one of its VMs (${known})`, show(name))
  }
  const vm = plan.vms[at]!
  const wanted = request?.vms.find((other) => other.name === vm.name)
  if (request !== null && wanted?.vcpus !== vm.vcpus.length) {
    const got = wanted === undefined ? 'one without it' : `one with ${wanted.vcpus}`
    throw new InputError('-f', `a request with ${show(vm.name)} of ${vm.vcpus.length} vCPUs`, got)
  }
  return guestOf(vm, wanted?.memoryPolicy, host, `vms[${at}]`)
}
