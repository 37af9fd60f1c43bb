/** A planned VM where no guest can run. Pinned threads walk over memory that is bound as the plan says. */

import type { PlanVm } from '../../src/types.js'
import { type PlacedMemory, placeMemory } from '../memory/placed-memory.js'
import { shareMemory } from '../plan/layout.js'
import { vmError } from '../wire/failure.js'
import { type Assignment, Placement, type PlacementOptions } from './placement.js'

export class Walkers extends Placement {
  static async create(plan: PlanVm, options: PlacementOptions): Promise<Walkers> {
    const placed = await placeMemory(plan, options)
    try {
      return new Walkers(plan, placed, options)
    } catch (error) {
      await placed.close()
      throw vmError(plan.name, error)
    }
  }

  private constructor(plan: PlanVm, placed: PlacedMemory, options: PlacementOptions) {
    super(plan, placed, options)
  }

  protected override assignments(): Assignment[] {
    return shareMemory(this.layout, 0).map(({ start, end }) => ({
      work: { kind: 'walk', address: this.memory.addressOf(start), bytes: end - start },
      interrupt: () => {},
    }))
  }

  protected override received(): void {}

  protected override atEnd(): void {}

  protected override nameOfDevice(): string {
    return 'the walk'
  }

  protected override async release(): Promise<void> {}

  protected override disposeHeld(): void {}
}
