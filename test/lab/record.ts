/** `node --import tsx test/lab/record.ts [MACHINE...]`: records machines into test/fixtures/hosts, with what they were made from. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { detectHost } from '../../src/topology/index.js'
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

async function record(machine: LabMachine, files: BootFiles): Promise<void> {
  const chunks: Buffer[] = []
  const onOutput = (stream: 'stdout' | 'stderr', chunk: Buffer) => {
    if (stream === 'stdout') chunks.push(chunk)
    else process.stderr.write(chunk)
  }
  const { exitCode } = await runInMachine(machine, files, ['sh', '-c', COMMAND], { cwd: packageRoot, onOutput })
  if (exitCode !== 0) throw new Error(`${machine.name}: the recording ended with ${exitCode}`)
  const directory = join(root, 'test/fixtures/hosts', machine.name)
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  execFileSync('tar', ['-xC', directory, '--no-same-owner'], { input: Buffer.concat(chunks) })
  const host = await detectHost({ root: directory })
  checkHost(host, machine)
  const write = (name: string, value: object) =>
    writeFileSync(join(directory, name), `${JSON.stringify(value, null, 2)}\n`)
  write('machine.json', machine)
  write('host.json', host)
  console.log(`recorded ${machine.name}`)
}

const files = prepareBootFiles()
copyPackage(root, packageRoot)
const names = process.argv.slice(2)
for (const machine of machines) {
  if (names.length === 0 || names.includes(machine.name)) await record(machine, files)
}
