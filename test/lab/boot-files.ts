/**
 * What a machine boots from: a Debian kernel, fetched into the cache and not installed, and an initramfs with the
 * modules that `init` needs. All of it works as an ordinary user.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BootFiles } from './qemu.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
/** Ignored by git. */
export const cache = join(root, '.cache/lab')

/** Something is missing that the lab needs; the message says how to get it. */
export class MissingError extends Error {
  override readonly name = 'MissingError'
}

/** Debian's package of each program. */
const PACKAGES: Readonly<Record<string, string>> = {
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  cpio: 'cpio',
  modprobe: 'kmod',
  setpriv: 'util-linux',
  xz: 'xz-utils',
}

const KERNEL_PACKAGE = 'linux-image-amd64'
/** What the init loads, with all that they depend on. */
const MODULES = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay', 'kvm_amd']

/** The plain part of SVM: no nested paging, no virtual GIF, whose emulation is younger. */
const MODULE_OPTIONS: Readonly<Record<string, string>> = { 'kvm-amd.ko': 'npt=0 vgif=0' }

/** An ordinary user's PATH lacks the folders of depmod and modprobe. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }

function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

function has(program: string): boolean {
  return env.PATH.split(':').some((folder) => existsSync(join(folder, program)))
}

/**
 * The kernel and the initramfs; made where they are not in the cache yet.
 * @throws {MissingError} with the `apt-get` line
 */
export function prepareBootFiles(): BootFiles {
  const missing = Object.keys(PACKAGES).filter((program) => !has(program))
  // The dynamically linked busybox of the package "busybox" does not start where there is nothing else.
  if (!missing.includes('busybox') && !isStatic(which('busybox'))) missing.push('busybox')
  if (missing.length > 0) {
    const packages = missing.map((program) => PACKAGES[program])
    throw new MissingError(`the lab needs ${missing.join(', ')}: apt-get install ${packages.join(' ')}`)
  }
  const folder = join(cache, 'boot')
  const kernel = join(folder, 'kernel')
  if (!existsSync(kernel)) fetchKernel(folder)
  const initrd = join(folder, 'initrd')
  const init = readFileSync(new URL('boot/init', import.meta.url), 'utf8')
  // What the initramfs is made from, to see whether it has to be made anew.
  const recipe = JSON.stringify({ init, MODULES, MODULE_OPTIONS })
  const made = join(folder, 'recipe.json')
  if (!existsSync(initrd) || !existsSync(made) || readFileSync(made, 'utf8') !== recipe) {
    buildInitramfs(folder, init)
    writeFileSync(made, recipe)
  }
  return { kernel, initrd }
}

function which(program: string): string {
  return env.PATH.split(':')
    .map((folder) => join(folder, program))
    .find(existsSync)!
}

/** An ELF file that names no interpreter. */
function isStatic(path: string): boolean {
  return !readFileSync(path).subarray(0, 4096).includes('/ld-linux')
}

/** Takes the kernel and its modules out of the package that `linux-image-amd64` depends on. */
function fetchKernel(folder: string): void {
  mkdirSync(cache, { recursive: true })
  const scratch = mkdtempSync(join(cache, 'fetch-'))
  try {
    console.error('lab: fetching a kernel (70 MB, once)')
    const archive = join(scratch, download(scratch))
    const unpacked = join(scratch, 'unpacked')
    execFileSync('dpkg-deb', ['-x', archive, unpacked])
    const [version] = readdirSync(join(unpacked, 'lib/modules'))
    writeFileSync(join(unpacked, 'kernel'), decompressed(readFileSync(join(unpacked, 'boot', `vmlinuz-${version}`))))
    rmSync(join(unpacked, 'boot'), { recursive: true })
    run('depmod', '-b', unpacked, version!)
    rmSync(folder, { recursive: true, force: true })
    renameSync(unpacked, folder)
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/**
 * The ELF file inside of a compressed kernel, which QEMU boots too: the emulated CPU takes 4 s to unpack it.
 * Source: Documentation/x86/boot.rst, payload_offset and payload_length; a checksum of 4 bytes follows the payload.
 */
function decompressed(image: Buffer): Buffer {
  const start = (image.readUInt8(0x1f1) + 1) * 512 + image.readUInt32LE(0x248)
  const payload = image.subarray(start, start + image.readUInt32LE(0x24c) - 4)
  if (payload.readUIntBE(0, 6) !== XZ_MAGIC) return image
  return execFileSync('xz', ['-dc'], { input: payload, maxBuffer: 1 << 28 })
}

const XZ_MAGIC = 0xfd377a585a00

/** The archive's name. */
function download(folder: string): string {
  let name = KERNEL_PACKAGE
  try {
    name = /^\s*Depends: (linux-image-\S+)/m.exec(run('apt-cache', 'depends', KERNEL_PACKAGE))?.[1] ?? name
    execFileSync('apt-get', ['download', '-qq', name], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
    return readdirSync(folder).find((file) => file.endsWith('.deb'))!
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim().split('\n').at(-1) : error
    throw new MissingError(
      `the lab needs a kernel, and could not fetch it (${reason}): try "apt-get update" and "apt-get download ${name}"`,
    )
  }
}

function moduleLine(path: string): string {
  const name = basename(path)
  return `${name} ${MODULE_OPTIONS[name] ?? ''}`
}

/** Not compressed: unpacking takes the emulated CPU longer than reading. */
function buildInitramfs(folder: string, init: string): void {
  const [version] = readdirSync(join(folder, 'lib/modules'))
  const shown = run('modprobe', '-d', folder, '-S', version!, '--show-depends', '-a', ...MODULES)
  const modules = [...new Set([...shown.matchAll(/^insmod (\S+)/gm)].map((match) => match[1]!))]
  const tree = mkdtempSync(join(cache, 'initramfs-'))
  try {
    for (const name of ['bin', 'modules']) mkdirSync(join(tree, name))
    writeFileSync(join(tree, 'init'), init, { mode: 0o755 })
    cpSync(which('busybox'), join(tree, 'bin/busybox'), { dereference: true })
    for (const path of modules) cpSync(path, join(tree, 'modules', basename(path)))
    writeFileSync(join(tree, 'modules/list'), `${modules.map(moduleLine).join('\n')}\n`)
    const archive = spawnSync('cpio', ['-o', '-H', 'newc', '--quiet', '-R', '0:0'], {
      cwd: tree,
      env,
      input: `${['init', ...readdirSync(tree, { recursive: true }).filter((name) => name !== 'init')].join('\n')}\n`,
      maxBuffer: 1 << 28,
    })
    if (archive.status !== 0) throw new Error(`cpio: ${archive.stderr}`)
    writeFileSync(join(folder, 'initrd'), archive.stdout)
  } finally {
    rmSync(tree, { recursive: true })
  }
}
