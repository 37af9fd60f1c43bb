/** The cases of the comparison: every family on every kind of host. */

import type { Host, Request } from '../../src/types.js'
import { type HostSize, randomHost, recordedHosts } from './hosts.js'
import { randomFrom } from './random.js'
import { FAMILIES, type Family, randomRequest } from './requests.js'

export type CaseSize = HostSize | 'recorded'

export interface Case {
  /** `small/crowded/7`: the same name is the same case in every run. */
  readonly name: string
  readonly size: CaseSize
  readonly family: Family
  readonly host: Host
  readonly request: Request
}

export function randomCases(size: HostSize, perFamily: number): Case[] {
  return FAMILIES.flatMap((family, row) =>
    Array.from({ length: perFamily }, (_, at) => {
      const random = randomFrom((size === 'small' ? 1 : 2) * 1_000_000 + row * 10_000 + at)
      const host = randomHost(random, size)
      return {
        name: `${size}/${family}/${at}`,
        size,
        family,
        host,
        request: randomRequest(random, host, family, isTrusting(at)),
      }
    }),
  )
}

/** Every other case: peers do not know that VMs may not share a core, which is the default of a request. */
function isTrusting(at: number): boolean {
  return at % 2 === 1
}

/** Each family once on each recorded machine. */
export async function recordedCases(): Promise<Case[]> {
  const hosts = await recordedHosts()
  return FAMILIES.flatMap((family, row) =>
    hosts.map(({ name, host }, at) => {
      const random = randomFrom(3_000_000 + row * 10_000 + at)
      return {
        name: `recorded/${family}/${name}`,
        size: 'recorded',
        family,
        host,
        request: randomRequest(random, host, family, isTrusting(at)),
      }
    }),
  )
}
