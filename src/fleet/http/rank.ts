/** The question `POST /rank`: hosts by their names, what is placed there, a VM; the answer of `rank`. */

import * as z from 'zod'
import { InputError, within } from '../../errors.js'
import { parsePlaced } from '../../request.js'
import { parseWith } from '../../schema.js'
import { parseHost } from '../../topology/index.js'
import type { Host, Request } from '../../types.js'
import { withLessMemory } from '../host-state.js'
import { type RankedHost, rank } from '../rank.js'
import type { HostFiles } from './host-files.js'
import { type Answerer, MAX_BODY_BYTES } from './server.js'

const MAX_HOSTS = 10_000

const format = z.strictObject({
  vm: z.record(z.string(), z.unknown()),
  // By name, and a record of zod's has no "__proto__": each is read alone.
  hosts: z.custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'an object'),
  flavours: z.array(z.unknown()).max(64).default([]),
  moves: z.boolean().default(true),
  steps: z.int().min(0).optional(),
  seed: z.int().min(0).optional(),
  plans: z.boolean().default(false),
})

const hostFormat = z.strictObject({
  host: z.unknown().optional(),
  placed: z.unknown().optional(),
  usedMemory: z.record(z.string().regex(/^\d{1,5}$/, 'the number of a node'), z.int().min(0)).default({}),
})

/** Characters of texts that are remembered: those of two of the largest questions. */
const MAX_REMEMBERED = 2 * MAX_BODY_BYTES

/** Texts of what is placed that were read before: the same text is the same object, so that `rank` knows it again. */
export class Interned<Value> {
  readonly #known = new Map<string, Value>()
  readonly #most: number
  #characters = 0

  /** @param most characters of all texts together; the last one is remembered whatever it has */
  constructor(most: number) {
    this.#most = most
  }

  get(content: unknown, read: (content: unknown) => Value): Value {
    const text = JSON.stringify(content)
    const known = this.#known.get(text)
    const value = known ?? read(content)
    // The one that was asked for last is the last that goes.
    if (!this.#known.delete(text)) this.#characters += text.length
    this.#known.set(text, value)
    for (const oldest of this.#known.keys()) {
      if (this.#characters <= this.#most || oldest === text) break
      this.#known.delete(oldest)
      this.#characters -= oldest.length
    }
    return value
  }
}

/** Hosts with less free memory: the same objects for the same bytes as the last time. */
class LessMemory {
  readonly #known = new WeakMap<Host, { readonly text: string; readonly host: Host }>()

  get(host: Host, used: Readonly<Record<string, number>>): Host {
    const text = JSON.stringify(used)
    if (text === '{}') return host
    const known = this.#known.get(host)
    if (known?.text === text) return known.host
    const less = withLessMemory(host, used)
    this.#known.set(host, { text, host: less })
    return less
  }
}

/** @param files of hosts that a question names without saying what they are */
export function rankAnswerer(files: HostFiles | undefined): Answerer {
  const hostTexts = new Interned<Host>(MAX_REMEMBERED)
  const lessMemory = new LessMemory()
  const placedTexts = new Interned<Request>(MAX_REMEMBERED)
  return async (question) => {
    const { vm, hosts: asked, flavours, moves, steps, seed, plans } = parseWith(format, question)
    const entries = Object.entries(asked)
    if (entries.length > MAX_HOSTS) throw new InputError('hosts', `at most ${MAX_HOSTS} hosts`, `${entries.length}`)
    const read = entries.map(
      ([name, one]) => [name, within(`hosts: ${name}`, () => parseWith(hostFormat, one))] as const,
    )
    const hosts: { name: string; host: Host }[] = []
    const placed = Object.create(null) as Record<string, Request>
    const unknown: object[] = []
    for (const [name, given] of read) {
      try {
        const state = given.host === undefined ? await readFile(files, name) : undefined
        const host = state?.host ?? within('host', () => hostTexts.get(given.host, parseHost))
        const on =
          given.placed === undefined ? undefined : within('placed', () => placedTexts.get(given.placed, parsePlaced))
        const request = on ?? state?.placed
        if (request !== undefined) placed[name] = request
        hosts.push({ name, host: lessMemory.get(host, given.usedMemory) })
      } catch (error) {
        if (!(error instanceof InputError)) throw error
        unknown.push(notKnown(name, error.message))
      }
    }
    const search = { ...(steps === undefined ? {} : { steps }), ...(seed === undefined ? {} : { seed }) }
    const ranked = await rank(hosts, placed, vm, { moves, flavours, ...search })
    return {
      schemaVersion: 1,
      kind: 'Ranking',
      vm: vm.name,
      hosts: [...ranked.map((one) => shown(one, plans)), ...unknown],
    }
  }
}

function readFile(files: HostFiles | undefined, name: string) {
  if (files !== undefined) return files.read(name)
  throw new InputError('host', 'a host, since there is no folder with hosts', 'nothing')
}

/** Nothing is known of what the VM would lose there. */
function notKnown(host: string, text: string): object {
  const refused = { proven: false, because: [{ constraint: 'host', text }], nearest: [] }
  return { host, lostMore: null, capacityLost: null, refused }
}

function shown({ request: _, plan, ...rest }: RankedHost, plans: boolean): object {
  return plans ? { ...rest, plan } : rest
}
