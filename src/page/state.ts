/** What the page is about: all that a link carries, and that undo and redo go through. */

/** Where the host comes from: a description in hwloc's syntax, or what `homenode topo --json` prints. */
export interface HostText {
  readonly kind: 'synthetic' | 'json'
  readonly text: string
}

export interface State {
  readonly host: HostText
  /** A request file. */
  readonly request: string
  /** cpulists of what is taken away from the host. */
  readonly away: { readonly cpus: string; readonly nodes: string }
  readonly steps: number
  readonly seed: number
}

/** States before and after the one that is shown. */
export interface History {
  readonly past: readonly State[]
  readonly present: State
  readonly future: readonly State[]
}

const MOST_PAST = 100

export type Step = { readonly to: State } | 'undo' | 'redo'

export function stepped(history: History, step: Step): History {
  const { past, present, future } = history
  if (step === 'undo') {
    const last = past.at(-1)
    return last === undefined ? history : { past: past.slice(0, -1), present: last, future: [present, ...future] }
  }
  if (step === 'redo') {
    const [next, ...rest] = future
    return next === undefined ? history : { past: [...past, present], present: next, future: rest }
  }
  if (JSON.stringify(step.to) === JSON.stringify(present)) return history
  return { past: [...past, present].slice(-MOST_PAST), present: step.to, future: [] }
}

/** For a link: deflated, in base64url. */
export async function encodeState(state: State): Promise<string> {
  const bytes = await through(new TextEncoder().encode(JSON.stringify(state)), new CompressionStream('deflate-raw'))
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

const MOST_BYTES = 16 * 2 ** 20

/** @throws {Error} where the text is not one that `encodeState` made */
export async function decodeState(text: string): Promise<State> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0))
  const json = new TextDecoder().decode(await through(bytes, new DecompressionStream('deflate-raw')))
  const state: unknown = JSON.parse(json)
  if (!isState(state)) throw new Error('the link is not one of this page')
  return state
}

/** What the fragment of the page's address carries; `state` is `null` where there is none, or it is none of this page. */
export async function linked(): Promise<{ readonly state: State | null; readonly problem: string }> {
  const fragment = location.hash.slice(1)
  if (fragment === '') return { state: null, problem: '' }
  try {
    return { state: await decodeState(fragment), problem: '' }
  } catch (error) {
    return { state: null, problem: `The link cannot be read: ${error instanceof Error ? error.message : error}` }
  }
}

async function through(
  bytes: Uint8Array<ArrayBuffer>,
  stream: CompressionStream | DecompressionStream,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader()
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    size += read.value.length
    if (size > MOST_BYTES) throw new Error('the link carries too much')
    parts.push(read.value)
  }
  const all = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

function isState(value: unknown): value is State {
  const state = value as Partial<Record<keyof State, never>> | null
  if (typeof state !== 'object' || state === null) return false
  const { host, request, away, steps, seed } = state as { [key in keyof State]?: Record<string, unknown> }
  return (
    (host?.kind === 'synthetic' || host?.kind === 'json') &&
    typeof host.text === 'string' &&
    typeof request === 'string' &&
    typeof away?.cpus === 'string' &&
    typeof away.nodes === 'string' &&
    Number.isInteger(steps) &&
    Number.isInteger(seed)
  )
}
