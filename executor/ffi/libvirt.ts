/**
 * libvirt's own library: connections, and what runs. It is loaded at the first call, and need not be there. The calls wait
 * for the daemon, as virsh does; Ctrl-C ends that.
 * Source: libvirt/libvirt-host.h, libvirt-domain.h, virterror.h of libvirt 0.9.13 and later
 */

import koffi from 'koffi'
import { UnsupportedError } from '../../src/errors.js'
import { dlsym } from './libc.js'

export type Pointer = number

const ACTIVE = 1
const NOT_INSTALLED = 'libvirt.so.0 cannot be loaded: install libvirt0 (Debian), libvirt-libs (Fedora)'

let loaded: ReturnType<typeof load> | undefined

/** @throws {UnsupportedError} where the library is not installed */
export function library(): ReturnType<typeof load> {
  loaded ??= load()
  return loaded
}

function loadShared(): ReturnType<typeof koffi.load> {
  try {
    return koffi.load('libvirt.so.0')
  } catch {
    throw new UnsupportedError('libvirt', NOT_INSTALLED)
  }
}

function load() {
  const shared = loadShared()
  // Errors are printed unless somebody takes them: a function of the C library that does nothing.
  const setErrorFunction = shared.func('void virSetErrorFunc(void *, uintptr_t)')
  setErrorFunction(null, dlsym(0, 'getpid'))
  // Text that libvirt allocated, and that is freed once it is read.
  const ownedText = koffi.disposable('string')
  return {
    shared,
    open: shared.func('uintptr_t virConnectOpen(const char *)') as (uri: string | null) => Pointer,
    openReadOnly: shared.func('uintptr_t virConnectOpenReadOnly(const char *)') as (uri: string | null) => Pointer,
    close: shared.func('int virConnectClose(uintptr_t)') as (connection: Pointer) => number,
    list: shared.func('int virConnectListAllDomains(uintptr_t, void *, unsigned int)') as (
      connection: Pointer,
      domains: Uint8Array,
      flags: number,
    ) => number,
    xml: shared.func('virDomainGetXMLDesc', ownedText, ['uintptr_t', 'unsigned int']) as (
      domain: Pointer,
      flags: number,
    ) => string | null,
    freeDomain: shared.func('int virDomainFree(uintptr_t)') as (domain: Pointer) => number,
    lastMessage: shared.func('const char *virGetLastErrorMessage()') as () => string | null,
    free: koffi.load(null).func('void free(uintptr_t)') as (pointer: Pointer) => void,
  }
}

/** The error for the call that has just failed in this thread: what libvirt says of it, in front of `what`. */
export function refusedByLibvirt(what = ''): UnsupportedError {
  const why = library().lastMessage() ?? 'it does not say why'
  return new UnsupportedError('libvirt', what === '' ? why : `${what}: ${why}`)
}

/**
 * The XML of each running domain.
 * @param uri such as `qemu:///system`; `null`: libvirt's default
 * @throws {UnsupportedError} where the library is not installed, or the daemon refuses
 */
export function runningDomains(uri: string | null): string[] {
  const { openReadOnly, close, list, xml, freeDomain, free } = library()
  const connection = openReadOnly(uri)
  if (Number(connection) === 0) throw refusedByLibvirt()
  try {
    const out = new BigUint64Array(1)
    const count = list(connection, new Uint8Array(out.buffer), ACTIVE)
    if (count < 0) throw refusedByLibvirt()
    const array = Number(out[0])
    const domains: Pointer[] = Array.from(koffi.decode(out[0]!, 'uint64_t', count), Number)
    free(array)
    return domains.flatMap((domain) => {
      // `null`: it has ended since.
      const text = xml(domain, 0)
      freeDomain(domain)
      return text === null ? [] : [text]
    })
  } finally {
    close(connection)
  }
}
