/** `homenode serve --rank`: answers engines that pick hosts. */

import { isIP } from 'node:net'
import { InputError, show } from '../errors.js'
import { HostFiles } from '../fleet/http/host-files.js'
import { rankAnswerer } from '../fleet/http/rank.js'
import { type Answerer, JsonServer } from '../fleet/http/server.js'
import { print } from './output.js'

export interface FleetOptions {
  readonly rank?: true
  readonly hosts?: string
  readonly socket?: string
  readonly port: number
  readonly host: string
}

/** Until it is interrupted. */
export async function serveFleet({ hosts, socket, port, host }: FleetOptions): Promise<void> {
  if (socket === '') throw new InputError('--socket', 'the path of a socket', 'an empty name')
  if (socket === undefined && isIP(host) === 0) throw new InputError('--host', 'an IP address', show(host))
  const files = hosts === undefined ? undefined : new HostFiles(hosts)
  const routes: Record<string, Answerer> = { '/rank': rankAnswerer(files) }
  const server = await JsonServer.listen(socket === undefined ? { host, port } : { socket }, routes)
  print(server.address)
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve()).once('SIGTERM', () => resolve())
  })
  await server.close()
}
