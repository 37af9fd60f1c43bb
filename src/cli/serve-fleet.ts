/** `homenode serve --rank` and `--extender`: answers engines that pick hosts. */

import { accessSync, constants, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { InputError, show } from '../errors.js'
import { HostFiles } from '../fleet/http/host-files.js'
import { rankAnswerer } from '../fleet/http/rank.js'
import { type Answerer, JsonServer } from '../fleet/http/server.js'
import { extender } from '../fleet/kubernetes/serve.js'
import { type ApiOptions, apiAccess } from './api-access.js'
import { print } from './output.js'

export interface FleetOptions extends ApiOptions {
  readonly rank?: true
  readonly extender?: true
  readonly hosts?: string
  readonly socket?: string
  readonly port: number
  readonly host: string
}

/** Until it is interrupted. */
export async function serveFleet(options: FleetOptions): Promise<void> {
  const { socket, port, host } = options
  if (socket === '') throw new InputError('--socket', 'the path of a socket', 'an empty name')
  if (socket === undefined && isIP(host) === 0) throw new InputError('--host', 'an IP address', show(host))
  // Read before anything is begun: they may be wrong.
  const access = options.extender ? apiAccess(options) : undefined
  const routes: Record<string, Answerer> = {}
  if (options.rank) {
    const files = options.hosts === undefined ? undefined : new HostFiles(requireFolder(options.hosts))
    routes['/rank'] = rankAnswerer(files)
  }
  const kubernetes = access === undefined ? undefined : extender(access, (text) => console.error(text))
  try {
    const where = socket === undefined ? { host, port } : { socket }
    const server = await JsonServer.listen(where, { ...routes, ...kubernetes?.routes })
    print(server.address)
    await new Promise<void>((resolve) => {
      process.once('SIGINT', () => resolve()).once('SIGTERM', () => resolve())
    })
    await server.close()
  } finally {
    await kubernetes?.close()
  }
}

/** @throws {InputError} where files in it cannot be read; they may come later */
function requireFolder(path: string): string {
  const wrong = (got: string) =>
    new InputError('--hosts', 'a folder with a file for each host', `${show(path)}: ${got}`)
  try {
    accessSync(path, constants.X_OK)
    if (statSync(path).isDirectory()) return path
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw wrong(code === 'ENOENT' ? 'no such folder' : `${code}`)
  }
  throw wrong('no folder')
}
