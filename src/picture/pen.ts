/** What every part of a picture is drawn with. */

import type { Occupancy } from './occupancy.js'
import type { Scene } from './scene.js'
import type { Theme } from './theme.js'

export interface Pen {
  readonly scene: Scene
  readonly theme: Theme
  readonly on: Occupancy
  /** There is too much for a box each: CPUs are in bands, vCPUs that float in one box a VM. */
  readonly isFolded: boolean
}
