/** Where Kubernetes' API server is: as options say, or as a pod is told. */

import { existsSync } from 'node:fs'
import { InputError, show } from '../errors.js'
import type { ApiAccess } from '../fleet/kubernetes/api-server.js'

export interface ApiOptions {
  readonly apiServer?: string
  readonly apiToken?: string
  readonly apiCa?: string
}

/** Source: kubernetes.io/docs/tasks/run-application/access-api-from-pod */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/** @throws {InputError} for an option, or where neither an option nor the environment says it */
export function apiAccess({ apiServer, apiToken, apiCa }: ApiOptions, env = process.env): ApiAccess {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = env
  const isPod = apiServer === undefined && host !== ''
  const text = isPod ? `https://${host.includes(':') ? `[${host}]` : host}:${port}` : apiServer
  if (text === undefined) {
    throw new InputError('--api-server', "an address such as https://192.0.2.1:6443, or a pod's environment", 'neither')
  }
  const tokenFile = apiToken ?? (isPod ? `${ACCOUNT}/token` : undefined)
  const caFile = apiCa ?? (isPod ? `${ACCOUNT}/ca.crt` : undefined)
  for (const [option, file] of [
    ['--api-token', tokenFile],
    ['--api-ca', caFile],
  ] as const) {
    if (file !== undefined && !existsSync(file)) throw new InputError(option, 'a file', `${show(file)}: no such file`)
  }
  return {
    url: urlOf(text),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(caFile === undefined ? {} : { caFile }),
  }
}

function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain = url !== undefined && url.search === '' && url.hash === '' && url.username === ''
  if (isPlain && ['http:', 'https:'].includes(url.protocol)) return url
  // A password in it is nobody else's business.
  const got = text.includes('@') ? 'one with a user in it, or none' : show(text)
  throw new InputError('--api-server', 'an address such as https://192.0.2.1:6443', got)
}
