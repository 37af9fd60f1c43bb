/**
 * Archives that Linux unpacks as its initramfs.
 * Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst ("newc")
 */

/** What is in an archive, in the order in which it is made. Folders come before what is in them. */
export type CpioEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly content: Uint8Array; readonly executable: boolean }
  | { readonly kind: 'device'; readonly path: string; readonly major: number; readonly minor: number }

const MAGIC = '070701'
/** The name of what ends an archive. */
export const CPIO_TRAILER = 'TRAILER!!!'
const MODES = { folder: 0o040755, executable: 0o100755, file: 0o100644, device: 0o020600 } as const

export function cpioArchive(entries: readonly CpioEntry[]): Uint8Array {
  const parts = entries.flatMap((entry, i) => record(i + 1, entry))
  return new Uint8Array(Buffer.concat([...parts, ...fields(0, 0, 0, CPIO_TRAILER, new Uint8Array(0), 0, 0)]))
}

function record(inode: number, entry: CpioEntry): Uint8Array[] {
  const none = new Uint8Array(0)
  switch (entry.kind) {
    case 'folder':
      return fields(inode, MODES.folder, 2, entry.path, none, 0, 0)
    case 'device':
      return fields(inode, MODES.device, 1, entry.path, none, entry.major, entry.minor)
    case 'file':
      return fields(inode, entry.executable ? MODES.executable : MODES.file, 1, entry.path, entry.content, 0, 0)
  }
}

/** Owned by root, and of no time. */
function fields(
  inode: number,
  mode: number,
  links: number,
  path: string,
  content: Uint8Array,
  major: number,
  minor: number,
): Uint8Array[] {
  const name = Buffer.from(`${path}\0`, 'utf8')
  const numbers = [inode, mode, 0, 0, links, 0, content.length, 0, 0, major, minor, name.length, 0]
  const header = Buffer.from(MAGIC + numbers.map((number) => number.toString(16).padStart(8, '0')).join(''), 'latin1')
  return [header, name, padding(header.length + name.length), content, padding(content.length)]
}

function padding(bytes: number): Uint8Array {
  return new Uint8Array((4 - (bytes % 4)) % 4)
}
