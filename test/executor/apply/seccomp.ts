/** A filter that has the kernel refuse move_pages to this process, as containers do. Source: seccomp(2); x86-64 */

import koffi from 'koffi'
import { syscallNumbers } from '../../../executor/abi/linux.js'

const [LOAD, JUMP_IF_EQUAL, RETURN] = [0x20, 0x15, 0x06]
const [ALLOW, EPERM] = [0x7fff0000, 0x00050001]
const PR_SET_NO_NEW_PRIVS = 38
const SECCOMP = 317
const [MODE_FILTER, TSYNC] = [1, 1]

export function denyMovePages(): void {
  const libc = koffi.load('libc.so.6')
  const prctl = libc.func('int prctl(int, ulong, ulong, ulong, ulong)')
  const syscall = libc.func('long syscall(long, long, long, void *)')
  const program = [
    [LOAD, 0, 0],
    [JUMP_IF_EQUAL, 1, syscallNumbers.x64!.move_pages],
    [RETURN, 0, ALLOW],
    [RETURN, 0, EPERM],
  ] as const
  const bytes = Buffer.alloc(8 * program.length)
  for (const [i, [code, jump, value]] of program.entries()) {
    bytes.writeUInt16LE(code, 8 * i)
    bytes.writeUInt8(jump, 8 * i + 2)
    bytes.writeUInt32LE(value, 8 * i + 4)
  }
  const header = Buffer.alloc(16)
  header.writeUInt16LE(program.length)
  header.writeBigUInt64LE(BigInt(koffi.address(bytes)), 8)
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) throw new Error('prctl')
  if (Number(syscall(SECCOMP, MODE_FILTER, TSYNC, header)) !== 0) throw new Error('seccomp')
}
