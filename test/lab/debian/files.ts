/** What Debian has for a guest, fetched into the lab's cache once: its kernel as it is packed, and a root file system. */

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { cache } from '../boot-files.js'

/** The smallest system with a shell and the tools of POSIX, which are programs with libraries. */
const PACKAGES = [
  ...['base-files', 'base-passwd', 'dash', 'coreutils', 'libc6'],
  ...['libselinux1', 'libpcre2-8-0', 'libacl1', 'libattr1', 'libgmp10'],
]
const IMAGE_BYTES = '48M'
/** An ordinary user's PATH lacks the folder of mke2fs. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }

export interface DebianFiles {
  /** A bzImage. */
  readonly kernel: string
  /** An ext4 file system, without a partition table. */
  readonly root: string
  /** The folder of the kernel's modules. */
  readonly modules: string
  readonly version: string
}

/** Needs dpkg-deb and mke2fs (Debian: e2fsprogs), and once apt-get with a network. */
export function debianFiles(): DebianFiles {
  const [version] = readdirSync(join(cache, 'boot/lib/modules'))
  const folder = join(cache, 'debian')
  const files = {
    kernel: join(folder, `boot/vmlinuz-${version}`),
    root: join(folder, 'root.ext4'),
    modules: join(cache, 'boot/lib/modules', version!),
    version: version!,
  }
  if (existsSync(files.kernel) && existsSync(files.root)) return files
  const scratch = mkdtempSync(join(cache, 'fetch-'))
  try {
    console.error('lab: fetching a kernel and a small system (80 MB, once)')
    const boot = unpacked(scratch, 'kernel', [`linux-image-${version}`])
    const tree = unpacked(scratch, 'root', PACKAGES)
    // A package has its programs where they were before /bin became a link to /usr/bin.
    for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
      if (existsSync(join(tree, name))) cpSync(join(tree, name), join(tree, 'usr', name), COPY)
      rmSync(join(tree, name), { recursive: true, force: true })
      symlinkSync(`usr/${name}`, join(tree, name))
    }
    mkdirSync(join(scratch, 'made/boot'), { recursive: true })
    const quiet = ['-q', '-F', '-t', 'ext4']
    execFileSync('mke2fs', [...quiet, '-d', tree, join(scratch, 'made/root.ext4'), IMAGE_BYTES], { env })
    cpSync(join(boot, `boot/vmlinuz-${version}`), join(scratch, `made/boot/vmlinuz-${version}`))
    rmSync(folder, { recursive: true, force: true })
    renameSync(join(scratch, 'made'), folder)
  } finally {
    rmSync(scratch, { recursive: true })
  }
  return files
}

const COPY = { recursive: true, verbatimSymlinks: true } as const

/** The folder into which packages have been unpacked. */
function unpacked(scratch: string, name: string, packages: readonly string[]): string {
  const [archives, tree] = [join(scratch, `${name}-packages`), join(scratch, name)]
  mkdirSync(archives)
  execFileSync('apt-get', ['download', '-qq', ...packages], { cwd: archives, stdio: ['ignore', 'ignore', 'pipe'] })
  for (const file of readdirSync(archives)) execFileSync('dpkg-deb', ['-x', join(archives, file), tree])
  return tree
}
