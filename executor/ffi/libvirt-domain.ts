/**
 * Domains of libvirt, to be changed: where their threads may run, and their NUMA nodes, now (`live`) and from their next start
 * on (`config`). Whatever libvirt allocates is freed before a call returns.
 * Source: libvirt/libvirt-domain.h and libvirt-common.h of libvirt 1.2.14 and later
 */

import koffi from 'koffi'
import { bitmap, fromBitmap } from './bitmap.js'
import { library, type Pointer, refusedByLibvirt } from './libvirt.js'

/** What is read or changed: the domain as it runs, or what it starts with. */
export type Scope = 'live' | 'config'

/** VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG */
const AFFECT: Readonly<Record<Scope, number>> = { live: 1, config: 2 }
/** VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE: with passwords, which a definition would lose else. */
const XML_CONFIG = 2 | 1
/** struct virTypedParameter: a name of 80 bytes, a type, a union of 8 bytes. */
const PARAMETER_BYTES = 96
/** struct virDomainIOThreadInfo: unsigned int, unsigned char *, int. */
const IO_THREAD = { bytes: 24, id: 0, map: 8, length: 16 }

/** A thread of a domain, by libvirt's number for it. */
export type DomainThread =
  | { readonly role: 'vcpu'; readonly number: number }
  | { readonly role: 'emulator' }
  | { readonly role: 'iothread'; readonly number: number }

let loaded: ReturnType<typeof load> | undefined

/** @throws {UnsupportedError} where the library is not installed */
function functions(): ReturnType<typeof load> {
  loaded ??= load()
  return loaded
}

function load() {
  const { shared } = library()
  const func = (signature: string): ((...values: unknown[]) => number) => shared.func(signature)
  return {
    lookup: func('uintptr_t virDomainLookupByUUIDString(uintptr_t, const char *)'),
    id: func('unsigned int virDomainGetID(uintptr_t)'),
    isActive: func('int virDomainIsActive(uintptr_t)'),
    isPersistent: func('int virDomainIsPersistent(uintptr_t)'),
    hostCpus: func('int virNodeGetCPUMap(uintptr_t, void *, void *, unsigned int)'),
    pinVcpu: func('int virDomainPinVcpuFlags(uintptr_t, unsigned int, void *, int, unsigned int)'),
    pinEmulator: func('int virDomainPinEmulator(uintptr_t, void *, int, unsigned int)'),
    pinIoThread: func('int virDomainPinIOThread(uintptr_t, unsigned int, void *, int, unsigned int)'),
    vcpuPins: func('int virDomainGetVcpuPinInfo(uintptr_t, int, void *, int, unsigned int)'),
    emulatorPin: func('int virDomainGetEmulatorPinInfo(uintptr_t, void *, int, unsigned int)'),
    ioThreads: func('int virDomainGetIOThreadInfo(uintptr_t, void *, unsigned int)'),
    freeIoThread: func('void virDomainIOThreadInfoFree(uintptr_t)'),
    getNuma: func('int virDomainGetNumaParameters(uintptr_t, void *, void *, unsigned int)'),
    setNuma: func('int virDomainSetNumaParameters(uintptr_t, uintptr_t, int, unsigned int)'),
    addText: func('int virTypedParamsAddString(void *, void *, void *, const char *, const char *)'),
    addInt: func('int virTypedParamsAddInt(void *, void *, void *, const char *, int)'),
    getText: func('int virTypedParamsGetString(void *, int, const char *, void *)'),
    clear: func('void virTypedParamsClear(void *, int)'),
    freeParameters: func('void virTypedParamsFree(uintptr_t, int)'),
    define: func('uintptr_t virDomainDefineXML(uintptr_t, const char *)'),
  }
}

/** @throws {UnsupportedError} with libvirt's words, where `rc` says that the call before has failed */
function checked(rc: number): number {
  if (rc < 0) throw refusedByLibvirt()
  return rc
}

function copyOf(pointer: number | bigint, bytes: number): Uint8Array {
  return Uint8Array.from(koffi.decode(BigInt(pointer), 'uint8_t', bytes))
}

/** A domain and the connection that it came through. Every call throws `UnsupportedError` with libvirt's words where it fails. */
export class LibvirtDomain implements Disposable {
  readonly #connection: Pointer
  readonly #domain: Pointer
  #open = true

  /**
   * @param uri such as `qemu:///system`; `null`: libvirt's default
   * @throws {UnsupportedError} where the library is not installed, the daemon is not there or lets nothing be changed, or has no
   * such domain
   */
  constructor(uri: string | null, uuid: string) {
    const { open, close } = library()
    this.#connection = open(uri)
    if (this.#connection === 0) throw refusedByLibvirt()
    this.#domain = functions().lookup(this.#connection, uuid)
    if (this.#domain !== 0) return
    const error = refusedByLibvirt()
    close(this.#connection)
    throw error
  }

  /** Its number, another one after each start. */
  get id(): number {
    return functions().id(this.#handle)
  }

  get isActive(): boolean {
    return checked(functions().isActive(this.#handle)) === 1
  }

  /** Whether it has a config: one that has not is gone when it ends. */
  get isPersistent(): boolean {
    return checked(functions().isPersistent(this.#handle)) === 1
  }

  xml(scope: Scope): string {
    const text = library().xml(this.#handle, scope === 'live' ? 0 : XML_CONFIG)
    if (text === null) throw refusedByLibvirt()
    return text
  }

  /** Replaces the config. */
  define(xml: string): void {
    void this.#handle
    const domain = functions().define(this.#connection, xml)
    if (domain === 0) throw refusedByLibvirt()
    library().freeDomain(domain)
  }

  /** libvirt takes CPUs that the host does not have away without a word, unless none is left. */
  pin(thread: DomainThread, cpus: readonly number[], scope: Scope): void {
    const { pinVcpu, pinEmulator, pinIoThread } = functions()
    const map = bitmap(cpus)
    const rest = [map, map.length, AFFECT[scope]]
    if (thread.role === 'emulator') checked(pinEmulator(this.#handle, ...rest))
    else checked((thread.role === 'vcpu' ? pinVcpu : pinIoThread)(this.#handle, thread.number, ...rest))
  }

  /** Where each of the first `count` vCPUs may run now. */
  vcpuPins(count: number): number[][] {
    const length = this.#mapLength()
    const maps = new Uint8Array(count * length)
    const known = checked(functions().vcpuPins(this.#handle, count, maps, length, AFFECT.live))
    return Array.from({ length: known }, (_, at) => fromBitmap(maps.subarray(at * length, (at + 1) * length)))
  }

  /** Where the rest of its threads may run now. */
  emulatorPin(): number[] {
    const map = new Uint8Array(this.#mapLength())
    checked(functions().emulatorPin(this.#handle, map, map.length, AFFECT.live))
    return fromBitmap(map)
  }

  /** Where its I/O threads may run now, ascending by number. */
  ioThreads(): { readonly number: number; readonly cpus: readonly number[] }[] {
    const { ioThreads, freeIoThread } = functions()
    const out = new BigUint64Array(1)
    const count = checked(ioThreads(this.#handle, out, AFFECT.live))
    if (count === 0) return []
    const threads = koffi.decode(out[0]!, 'uint64_t', count) as ArrayLike<bigint | number>
    const found = Array.from(threads, (pointer) => {
      const info = new DataView(copyOf(pointer, IO_THREAD.bytes).buffer)
      const map = copyOf(info.getBigUint64(IO_THREAD.map, true), info.getInt32(IO_THREAD.length, true))
      freeIoThread(pointer)
      return { number: info.getUint32(IO_THREAD.id, true), cpus: fromBitmap(map) }
    })
    library().free(Number(out[0]))
    return found.sort((a, b) => a.number - b.number)
  }

  /** The nodes that its memory may be on now, as a list; empty: libvirt has set none. */
  numaNodes(): string {
    const { getNuma, getText, clear } = functions()
    const count = new Int32Array(1)
    checked(getNuma(this.#handle, null, count, AFFECT.live))
    const parameters = new Uint8Array(count[0]! * PARAMETER_BYTES)
    checked(getNuma(this.#handle, parameters, count, AFFECT.live))
    const text = new BigUint64Array(1)
    const rc = getText(parameters, count[0], 'numa_nodeset', text)
    const nodes = rc === 1 ? koffi.decode.string(text[0]) : ''
    clear(parameters, count[0])
    checked(rc)
    return nodes
  }

  /**
   * The nodes that its memory has to be on.
   * @param mode of `virDomainNumatuneMemMode`, to be given where it is another than now
   */
  setNumaNodes(nodes: string, scope: Scope, mode: number | null = null): void {
    const { setNuma, addText, addInt, freeParameters } = functions()
    const parameters = new BigUint64Array(1)
    const [count, room] = [new Int32Array(1), new Int32Array(1)]
    try {
      checked(addText(parameters, count, room, 'numa_nodeset', nodes))
      if (mode !== null) checked(addInt(parameters, count, room, 'numa_mode', mode))
      checked(setNuma(this.#handle, parameters[0], count[0], AFFECT[scope]))
    } finally {
      freeParameters(parameters[0], count[0])
    }
  }

  /** Gives the domain and the connection back; again: nothing. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    library().freeDomain(this.#domain)
    library().close(this.#connection)
  }

  /** `close()`. */
  [Symbol.dispose](): void {
    this.close()
  }

  get #handle(): Pointer {
    if (!this.#open) throw new TypeError('the domain is closed')
    return this.#domain
  }

  /** Bytes of a map of the host's CPUs. */
  #mapLength(): number {
    void this.#handle
    return Math.ceil(checked(functions().hostCpus(this.#connection, null, null, 0)) / 8)
  }
}
