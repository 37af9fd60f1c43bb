/**
 * Page tables of 64-bit mode, of 2 MiB pages, which every x86-64 CPU has.
 * Source: AMD64 Architecture Programmer's Manual volume 2, section 5.3.
 */

const PAGE = 4096
const LARGE_PAGE = 2 * 1024 ** 2
const GIB = 1024 ** 3
/** Entries of a table; a PDPT maps as many GiB. */
const ENTRIES = 512

/** Present, writable, accessed. */
const TABLE = 0x23
/** PS: maps a page rather than a table. */
const PAGE_SIZE = 0x80

function tablesFor(limit: number): { readonly pdpts: number; readonly pds: number } {
  const pds = Math.ceil(limit / GIB)
  return { pdpts: Math.ceil(pds / ENTRIES), pds }
}

/** Bytes of the tables that map addresses below `limit`. */
export function pageTableBytes(limit: number): number {
  const { pdpts, pds } = tablesFor(limit)
  return (1 + pdpts + pds) * PAGE
}

/**
 * Tables that map the virtual addresses below `limit`, a PML4 first.
 * @param at the guest physical address that they will be at
 * @param gpaOf the physical address of the 2 MiB from a virtual one
 */
export function pageTables(at: number, limit: number, gpaOf: (gva: number) => number): Uint8Array {
  const { pdpts, pds } = tablesFor(limit)
  const words = new Uint32Array(pageTableBytes(limit) / 4)
  const write = (table: number, index: number, gpa: number, flags: number) => {
    const word = table / 4 + 2 * index
    words[word] = (gpa % 2 ** 32) + flags
    words[word + 1] = gpa / 2 ** 32
  }
  const firstPdpt = PAGE
  const firstPd = firstPdpt + pdpts * PAGE
  for (let i = 0; i < pdpts; i++) write(0, i, at + firstPdpt + i * PAGE, TABLE)
  for (let i = 0; i < pds; i++) write(firstPdpt, i, at + firstPd + i * PAGE, TABLE)
  for (let i = 0; i * LARGE_PAGE < limit; i++) write(firstPd, i, gpaOf(i * LARGE_PAGE), TABLE | PAGE_SIZE)
  return new Uint8Array(words.buffer)
}
