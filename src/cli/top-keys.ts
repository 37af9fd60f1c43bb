/** What the keys of `homenode top` do. Pure. */

import { EXIT_COLUMNS, VCPU_COLUMNS, VM_COLUMNS } from './top-columns.js'

export const VIEWS = ['vms', 'vcpus', 'exits'] as const
export type View = (typeof VIEWS)[number]

/** What is shown of what was measured. */
export interface TopState {
  readonly view: View
  /** The head of the column by which rows are sorted. */
  readonly sort: string
  readonly reverse: boolean
  /** Part of the names that are shown, whatever the case. */
  readonly filter: string
  /** What is typed for a filter; `null`: nothing is. */
  readonly typed: string | null
  /** Rows that are scrolled away. */
  readonly first: number
  readonly help: boolean
}

export const START: TopState = {
  view: 'vms',
  sort: 'USE',
  reverse: false,
  filter: '',
  typed: null,
  first: 0,
  help: false,
}

/** Heads of the columns that rows of a view can be sorted by. */
export function sortsOf(view: View): readonly string[] {
  const columns: readonly { readonly head: string }[] = { vms: VM_COLUMNS, vcpus: VCPU_COLUMNS, exits: EXIT_COLUMNS }[
    view
  ]
  return columns.map(({ head }) => head)
}

export const HELP: readonly (readonly [string, string])[] = [
  ['v', 'VMs, vCPUs, exits: the next view'],
  ['< >', 'sort by the column before, by the next'],
  ['u w m f e n', 'sort by USE, WAIT, MIGR, FAR, EXITS, NAME'],
  ['r', 'turn the order around'],
  ['/', 'only VMs whose names have this in them; Enter ends it, Esc shows all'],
  ['up down PgUp PgDn', 'scroll'],
  ['h ?', 'this help'],
  ['q Ctrl-C', 'quit'],
]

const SORT_KEYS: Readonly<Record<string, string>> = {
  u: 'USE',
  w: 'WAIT',
  m: 'MIGR',
  f: 'FAR',
  e: 'EXITS',
  n: 'NAME',
}

const PAGE = 10
const SCROLLS: Readonly<Record<string, number>> = { up: -1, down: 1, pageup: -PAGE, pagedown: PAGE }

/** A key, as `node:readline` tells of it. */
export interface Key {
  /** What it stands for: `a`, `up`, `return`. */
  readonly name?: string | undefined
  readonly sequence?: string | undefined
  readonly ctrl?: boolean | undefined
  readonly meta?: boolean | undefined
}

/** The state after a key; what ends it, or stops it for a while. */
export function press(state: TopState, key: Key): TopState | 'quit' | 'interrupt' | 'suspend' {
  if (key.ctrl === true) {
    if (key.name === 'c') return 'interrupt'
    return key.name === 'z' ? 'suspend' : state
  }
  if (state.typed !== null) return typing(state, state.typed, key)
  if (key.name === 'escape') return { ...state, help: false, filter: '', first: 0 }
  const scroll = SCROLLS[key.name ?? '']
  if (scroll !== undefined) return { ...state, first: Math.max(0, state.first + scroll) }
  switch (key.sequence) {
    case 'q':
      return 'quit'
    case 'h':
    case '?':
      return { ...state, help: !state.help }
    case 'v':
    case '\t':
      return viewed(state, VIEWS[(VIEWS.indexOf(state.view) + 1) % VIEWS.length]!)
    case 'r':
      return { ...state, reverse: !state.reverse }
    case '/':
      return { ...state, typed: '' }
    case '<':
      return sorted(state, -1)
    case '>':
      return sorted(state, 1)
  }
  const sort = SORT_KEYS[key.sequence ?? '']
  if (sort === undefined || !sortsOf(state.view).includes(sort)) return state
  return { ...state, sort, reverse: false, first: 0 }
}

/** A column that the other view does not have is no order for it. */
export function viewed(state: TopState, view: View): TopState {
  const sort = sortsOf(view).includes(state.sort) ? state.sort : START.sort
  return { ...state, view, sort, first: 0 }
}

function sorted(state: TopState, step: number): TopState {
  const sorts = sortsOf(state.view)
  const next = (sorts.indexOf(state.sort) + step + sorts.length) % sorts.length
  return { ...state, sort: sorts[next]!, reverse: false, first: 0 }
}

const LONGEST = 60

function typing(state: TopState, typed: string, { name, sequence = '', meta }: Key): TopState {
  if (name === 'return' || name === 'enter') return { ...state, filter: typed, typed: null, first: 0 }
  if (name === 'escape') return { ...state, typed: null }
  if (name === 'backspace') return { ...state, typed: [...typed].slice(0, -1).join('') }
  const isText = meta !== true && /^[^\p{Cc}\p{Cf}\p{Cs}]+$/u.test(sequence) && typed.length < LONGEST
  return isText ? { ...state, typed: typed + sequence } : state
}
