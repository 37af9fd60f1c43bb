/** `node --import tsx test/lab/record.ts [MACHINE...]`: records machines into test/fixtures/hosts, with what they were made from. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readHost } from '../../src/topology/sysfs.js'
import { type Tree, treeReader } from '../topology/tree.js'
import { cache, prepareBootFiles } from './boot-files.js'
import { checkHost } from './expected.js'
import { type LabMachine, machines } from './machines.js'
import type { BootFiles } from './qemu.js'
import { copyPackage } from './suites.js'
import { runInMachine } from './vm.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const packageRoot = join(cache, 'package')
/** Nothing that is written in a machine stays: the copy comes out through its standard output. */
const COMMAND = 'node dist/cli.js topo --record /tmp/copy >/dev/null && tar -cC /tmp/copy .'

async function record(machine: LabMachine, bootFiles: BootFiles): Promise<void> {
  const chunks: Buffer[] = []
  const onOutput = (stream: 'stdout' | 'stderr', chunk: Buffer) => {
    if (stream === 'stdout') chunks.push(chunk)
    else process.stderr.write(chunk)
  }
  const { exitCode } = await runInMachine(machine, bootFiles, ['sh', '-c', COMMAND], { cwd: packageRoot, onOutput })
  if (exitCode !== 0) throw new Error(`${machine.name}: the recording ended with ${exitCode}`)
  const files = unpack(Buffer.concat(chunks))
  const host = readHost(treeReader(files))
  checkHost(host, machine)
  const path = join(root, 'test/fixtures/hosts', `${machine.name}.json`)
  writeFileSync(path, `${JSON.stringify({ machine, host, files }, null, 1)}\n`)
  console.log(`recorded ${machine.name}`)
}

/** The files of an archive by their paths, one character for each byte; an empty directory has a slash at its end. */
function unpack(archive: Buffer): Tree {
  const scratch = mkdtempSync(join(cache, 'record-'))
  try {
    execFileSync('tar', ['-xC', scratch, '--no-same-owner'], { input: archive })
    const names = readdirSync(scratch, { recursive: true, encoding: 'utf8' }).sort()
    const entries = names.flatMap((name): [string, string][] => {
      const path = join(scratch, name)
      if (!statSync(path).isDirectory()) return [[name, readFileSync(path, 'latin1')]]
      return readdirSync(path).length === 0 ? [[`${name}/`, '']] : []
    })
    return Object.fromEntries(entries)
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

const bootFiles = prepareBootFiles()
copyPackage(root, packageRoot)
const names = process.argv.slice(2)
for (const machine of machines) {
  if (names.length === 0 || names.includes(machine.name)) await record(machine, bootFiles)
}
