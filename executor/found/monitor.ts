/** QEMU's monitor: which of its sockets may be asked, and what it answers. */

import { asRoot, type Files, valueOr } from './files.js'
import { numbersIn, type VmProcess } from './processes.js'
import { parseUnixSockets, type UnixSocket } from './procfs.js'
import type { QemuArguments } from './qemu-arguments.js'
import type { QmpFacts } from './qmp.js'

/** What QEMU said, or why nothing. */
export type Monitor = { readonly facts: QmpFacts } | { readonly why: string; readonly runAs: string | null }

/** Bytes of a socket's name, with the zero at its end. */
const LONGEST_PATH = 107

/** Asks at a socket that the process itself listens on, and that has no other client at the moment. */
export async function askMonitor(
  files: Files,
  process: VmProcess,
  { qmpSockets }: QemuArguments,
  deadlineMs: number,
): Promise<Monitor> {
  const [path] = qmpSockets
  if (path === undefined) return { why: 'it has no QMP socket with a path', runAs: null }
  if (process.descriptors === null) return { why: 'whether its QMP socket is its own may not be read', runAs: asRoot() }
  const own = socketsOf(files, process).filter((socket) => socket.path === path)
  if (!own.some(({ state }) => state === 'listening'))
    return { why: 'it does not listen on its QMP socket', runAs: null }
  if (own.some(({ state }) => state === 'connected'))
    return { why: 'its QMP socket serves another client', runAs: null }
  // The path as the process sees it: its root may be another one, and the path may be relative.
  const seen = `/proc/${process.pid}/${path.startsWith('/') ? 'root' : 'cwd'}/${path}`
  const here = files.at(seen)
  if (Buffer.byteLength(here) > LONGEST_PATH) return { why: 'the path of its QMP socket is too long', runAs: null }
  if (!files.isSocket(seen)) return { why: 'its QMP socket is not where its arguments say', runAs: null }
  try {
    // With zod, which only an answer needs.
    const { askQemu } = await import('./qmp.js')
    const facts = await askQemu(here, deadlineMs)
    // Another process may listen at that path by now.
    const tids = numbersIn(valueOr([], files.list(`/proc/${process.pid}/task`)))
    if (facts.vcpus?.every(({ tid }) => tids.includes(tid))) return { facts }
    return { why: 'what answers at its QMP socket has other threads', runAs: null }
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    const denied = code === 'EACCES' || code === 'EPERM'
    return { why: denied ? 'its QMP socket may not be used' : `QMP: ${message}`, runAs: denied ? asRoot() : null }
  }
}

/** Unix sockets that the process has open. */
function socketsOf(files: Files, { pid, descriptors }: VmProcess): UnixSocket[] {
  const inodes = new Set(
    [...(descriptors?.values() ?? [])].flatMap((link) => {
      const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1]
      return inode === undefined ? [] : [Number(inode)]
    }),
  )
  return parseUnixSockets(valueOr('', files.text(`/proc/${pid}/net/unix`))).filter(({ inode }) => inodes.has(inode))
}
