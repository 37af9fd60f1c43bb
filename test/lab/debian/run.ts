/** `node --import tsx test/lab/debian/run.ts`: Debian as a guest, in a machine of the lab. See docs/lab.md. */

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { cache, prepareBootFiles } from '../boot-files.js'
import { machineNamed } from '../machines.js'
import { copyPackage } from '../suites.js'
import { runInMachine } from '../vm.js'
import { debianFiles } from './files.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const packageRoot = join(cache, 'package-debian')
const program = join(packageRoot, 'guest.mjs')

const files = prepareBootFiles()
const { kernel, root: image, modules, version } = debianFiles()
copyPackage(root, packageRoot)
await build({
  entryPoints: [fileURLToPath(new URL('guest.ts', import.meta.url))],
  outfile: program,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: ['homenode', 'koffi'],
  logLevel: 'warning',
})
// As the suites are called: see test/lab/suites.ts.
const command = ['node', '--no-write-protect-code-memory', '--single-threaded', program]
const { exitCode, commandSeconds } = await runInMachine(machineNamed('one-cpu')!, files, command, {
  cwd: packageRoot,
  environment: {
    NO_COLOR: '1',
    PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
    LAB_PACKAGE: packageRoot,
    LAB_DEBIAN_KERNEL: kernel,
    LAB_DEBIAN_ROOT: image,
    LAB_DEBIAN_MODULES: modules,
    LAB_DEBIAN_VERSION: version,
  },
  onOutput: (stream, chunk) => void process[stream].write(chunk),
})
console.log(`in ${commandSeconds.toFixed(0)} s`)
process.exitCode = exitCode
