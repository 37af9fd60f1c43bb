/** What the page and its worker say to each other. */

import type { Capacity, Plan } from '../types.js'
import type { Moved, Step } from './moved.js'
import type { State } from './state.js'

export type Job =
  | { readonly kind: 'plan'; readonly state: State }
  | { readonly kind: 'move'; readonly state: State; readonly plan: Plan; readonly step: Step }
  | { readonly kind: 'capacity'; readonly state: State; readonly vm: string }

export type Answer =
  /** After so many of the steps; the last is the command's plan, to the byte. */
  | { readonly kind: 'plan'; readonly plan: Plan; readonly steps: number; readonly isLast: boolean }
  | { readonly kind: 'moved'; readonly moved: Moved }
  | { readonly kind: 'capacity'; readonly capacity: Capacity }
  | { readonly kind: 'error'; readonly text: string }
