/** Files of procfs and sysfs that are read again and again: they stay open, which spares the kernel the search for them. */

import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'

/** Most files have a page at most. The whole of a longer one is read in pieces. */
const buffer = Buffer.allocUnsafeSlow(1 << 16)

/** More than any of them has. */
const MOST_BYTES = 1 << 24

/** Descriptors that are left for everything else. */
const SPARE = 256
const USUAL_LIMIT = 1024

function allowed(): number {
  const limits = new KeptFile('/proc/self/limits', () => false).text() ?? ''
  const soft = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? USUAL_LIMIT)
  return Math.max(0, soft - SPARE)
}

/** Opens files below a root, and keeps as many of them open as this process may. */
export class KeptFiles implements Disposable {
  readonly #root: string
  readonly #most: number
  readonly #open = new Set<KeptFile>()

  /**
   * @param root in front of `/proc` and `/sys`
   * @param most that stay open
   */
  constructor(root = '/', most = allowed()) {
    this.#root = root
    this.#most = most
  }

  /** A file that is opened when it is first read. */
  file(path: string): KeptFile {
    const file: KeptFile = new KeptFile(join(this.#root, path), (isOpen) => {
      if (!isOpen) return this.#open.delete(file)
      if (this.#open.size >= this.#most) return false
      this.#open.add(file)
      return true
    })
    return file
  }

  close(): void {
    for (const file of [...this.#open]) file.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** A file that is read again and again. */
export class KeptFile {
  readonly #path: string
  readonly #keep: (isOpen: boolean) => boolean
  #fd: number | null = null
  #error: string | null = null

  /** @param keep asked when it is opened whether it may stay open, and told when it is closed */
  constructor(path: string, keep: (isOpen: boolean) => boolean) {
    this.#path = path
    this.#keep = keep
  }

  /** It is there, and this process may not read it. */
  get refused(): boolean {
    return this.#error === 'EACCES' || this.#error === 'EPERM'
  }

  /**
   * What is in it now, a character for each byte. `null` where there is none or it may not be read, also if it was there
   * before, as of a thread that has ended; it is not tried again then.
   */
  text(): string | null {
    if (this.#error !== null) return null
    try {
      return this.#read()
    } catch (error) {
      this.close()
      this.#error = (error as NodeJS.ErrnoException).code ?? 'unknown'
      return null
    }
  }

  #read(): string {
    if (this.#fd !== null) return readAll(this.#fd)
    const fd = openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      if (this.#keep(true)) this.#fd = fd
      return readAll(fd)
    } finally {
      if (this.#fd === null) closeSync(fd)
    }
  }

  /** Again: nothing. */
  close(): void {
    if (this.#fd === null) return
    closeSync(this.#fd)
    this.#fd = null
    this.#keep(false)
  }
}

function readAll(fd: number): string {
  const bytes = readSync(fd, buffer, 0, buffer.length, 0)
  let text = buffer.toString('latin1', 0, bytes)
  // The kernel may give less than is wanted: only nothing is the end.
  for (let more = bytes; more > 0 && mayHaveMore(more) && text.length < MOST_BYTES; ) {
    more = readSync(fd, buffer, 0, buffer.length, text.length)
    text += buffer.toString('latin1', 0, more)
  }
  return text
}

/** A file comes in records, of which the kernel gives as many as fit into a page. Less than this is a single one. */
function mayHaveMore(bytes: number): boolean {
  return bytes > 512
}
