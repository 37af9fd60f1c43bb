/** Addresses that a server listens at. */

import { isIP } from 'node:net'
import { InputError, show } from '../errors.js'

/** Where a server listens. */
export interface ListenAddress {
  /** An IP address, or a name that the system knows. */
  readonly host: string
  /** 0: one that is free. */
  readonly port: number
}

const NAME = /^(?=.{1,253}$)[a-z\d]([a-z\d-]{0,61}[a-z\d])?(\.[a-z\d]([a-z\d-]{0,61}[a-z\d])?)*$/i

/** For an option that takes `HOST:PORT`; IPv6 addresses are in brackets. */
export function listenAddress(option: string): (text: string) => ListenAddress {
  return (text) => {
    const [, bracketed, plain = '', digits = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? []
    const host = bracketed ?? plain
    // What looks like an IPv4 address and is none is no name either.
    const isName = NAME.test(plain) && !/^[\d.]+$/.test(plain)
    const isHost = bracketed === undefined ? isIP(plain) === 4 || isName : isIP(bracketed) === 6
    if (isHost && Number(digits) <= 65_535) return { host, port: Number(digits) }
    throw new InputError(option, '"HOST:PORT" such as "127.0.0.1:9464" or "[::1]:9464"', show(text))
  }
}

/** As `listenAddress` takes it. */
export function showAddress({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
