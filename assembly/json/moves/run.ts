// The steps that are made and those that are still to be made, in one order of them (src/planner/moves/order.ts).
import { Effort, spend } from './effort';
import { Change } from './layout';
import { Drift, Obstacle, Relations, driftOf, obstacleTo } from './rules';
import { Site } from './site';
import { Step } from './steps';

export class Run {
  drift: Drift;
  /** In the order in which they are tried. */
  pending: Set<Step> = new Set<Step>();
  /** The CPU that kept a step from being made when it was last tried. */
  keptBy: Map<Step, i32> = new Map<Step, i32>();
  /** The steps of each guest, and the one that ends on each CPU. */
  ofGuest: Map<i32, Step[]> = new Map<i32, Step[]>();
  ofCpu: Map<i32, Step> = new Map<i32, Step>();
  /** The steps that were made, parking among them. */
  made: Change[][] = [];
  /** Bytes that parking copied, and how many moves it took. */
  detourBytes: f64 = 0;
  detourMoves: i32 = 0;

  /** `site`: with every guest at its start. */
  constructor(
    public site: Site,
    public relations: Relations,
    steps: Step[],
    public effort: Effort,
  ) {
    this.drift = driftOf(site, relations);
    for (let at = 0; at < steps.length; at++) {
      const step = steps[at];
      this.pending.add(step);
      for (let index = 0; index < step.parts.length; index++) {
        const part = step.parts[index];
        if (!this.ofGuest.has(part.guest)) this.ofGuest.set(part.guest, []);
        this.ofGuest.get(part.guest).push(step);
        const seats = site.guests[part.guest].final.seats;
        for (let seat = 0; seat < seats.length; seat++) {
          if (!part.cells.includes(seats[seat].cell)) continue;
          for (let cpu = 0; cpu < seats[seat].cpus.length; cpu++) this.ofCpu.set(seats[seat].cpus[cpu], step);
        }
      }
    }
  }

  /** Whether this step ends on the CPU. */
  endsOn(cpu: i32, step: Step): bool {
    return this.ofCpu.has(cpu) && this.ofCpu.get(cpu) == step;
  }

  /** Whether a step that is still to be made ends on the CPU. */
  isWanted(cpu: i32): bool {
    return this.ofCpu.has(cpu) && this.pending.has(this.ofCpu.get(cpu));
  }
}

/** Makes the changes, or says what is in their way. */
export function attempt(run: Run, changes: Change[]): Obstacle | null {
  spend(run.effort, changes);
  for (let at = 0; at < changes.length; at++) run.site.place(changes[at].guest, changes[at].to);
  const obstacle = obstacleTo(run.site, run.drift, run.relations, changes);
  if (obstacle == null) run.made.push(changes);
  else for (let at = 0; at < changes.length; at++) run.site.place(changes[at].guest, changes[at].from);
  return obstacle;
}

export function undoTo(run: Run, length: i32): void {
  while (run.made.length > length) {
    const changes = run.made.pop();
    for (let at = 0; at < changes.length; at++) run.site.place(changes[at].guest, changes[at].from);
  }
}
