/**
 * libvirt's own library, as far as it is asked what runs. It is loaded at the first call, and need not be there. The calls wait
 * for the daemon, as virsh does; Ctrl-C ends that.
 * Source: libvirt/libvirt-host.h, libvirt-domain.h, virterror.h of libvirt 0.9.13 and later
 */

import koffi from 'koffi'
import { UnsupportedError } from '../../src/errors.js'
import { dlsym } from './libc.js'

type Pointer = number

interface Library {
  readonly open: (uri: string | null) => Pointer
  readonly close: (connection: Pointer) => number
  readonly list: (connection: Pointer, domains: Uint8Array, flags: number) => number
  readonly xml: (domain: Pointer, flags: number) => string | null
  readonly freeDomain: (domain: Pointer) => number
  readonly lastMessage: () => string | null
  readonly free: (pointer: Pointer) => void
}

const ACTIVE = 1
const NOT_INSTALLED = 'libvirt.so.0 cannot be loaded: install libvirt0 (Debian), libvirt-libs (Fedora)'

let loaded: Library | undefined

/** @throws {UnsupportedError} where the library is not installed */
function library(): Library {
  loaded ??= load()
  return loaded
}

function load(): Library {
  let lib: ReturnType<typeof koffi.load>
  try {
    lib = koffi.load('libvirt.so.0')
  } catch {
    throw new UnsupportedError('libvirt', NOT_INSTALLED)
  }
  const text = koffi.disposable('string')
  // Errors are printed unless somebody takes them: a function of the C library that does nothing.
  const setErrorFunction = lib.func('void virSetErrorFunc(void *, uintptr_t)')
  setErrorFunction(null, dlsym(0, 'getpid'))
  return {
    open: lib.func('uintptr_t virConnectOpenReadOnly(const char *)'),
    close: lib.func('int virConnectClose(uintptr_t)'),
    list: lib.func('int virConnectListAllDomains(uintptr_t, void *, unsigned int)'),
    xml: lib.func('virDomainGetXMLDesc', text, ['uintptr_t', 'unsigned int']),
    freeDomain: lib.func('int virDomainFree(uintptr_t)'),
    lastMessage: lib.func('const char *virGetLastErrorMessage()'),
    free: koffi.load(null).func('void free(uintptr_t)'),
  }
}

/**
 * The XML of each running domain.
 * @param uri such as `qemu:///system`; `null`: libvirt's default
 * @throws {UnsupportedError} where the library is not installed, or the daemon refuses
 */
export function runningDomains(uri: string | null): string[] {
  const { open, close, list, xml, freeDomain, lastMessage, free } = library()
  const refused = (): UnsupportedError => new UnsupportedError('libvirt', lastMessage() ?? 'it does not say why')
  const connection = open(uri)
  if (Number(connection) === 0) throw refused()
  try {
    const out = new BigUint64Array(1)
    const count = list(connection, new Uint8Array(out.buffer), ACTIVE)
    if (count < 0) throw refused()
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
