/** Names of VMs as labels: as many at a time as there are places. */

/** A VM as it is known here. */
export interface LabelledVm {
  /** Who it is, for as long as it runs. */
  readonly key: string
  readonly name: string
  readonly pid: number
}

/** Gives each VM a label of its own for as long as it runs. */
export class VmLabels {
  readonly #places: number
  readonly #labels = new Map<string, string>()

  /** @param places so many VMs have one at a time */
  constructor(places: number) {
    this.#places = places
  }

  /**
   * Those that run now. Who has a label keeps it; who has ended gives up its place; who comes gets one while there are any. Of VMs of
   * the same name the one that had it first has it as it is, others have their pid behind it.
   * @returns labels by key; VMs without a place are not in it
   */
  update(vms: readonly LabelledVm[]): ReadonlyMap<string, string> {
    const here = new Set(vms.map(({ key }) => key))
    for (const key of this.#labels.keys()) if (!here.has(key)) this.#labels.delete(key)
    const taken = new Set(this.#labels.values())
    for (const { key, name, pid } of vms) {
      if (this.#labels.has(key) || this.#labels.size >= this.#places) continue
      const label = taken.has(name) ? `${name} (${pid})` : name
      if (taken.has(label)) continue
      taken.add(label)
      this.#labels.set(key, label)
    }
    return this.#labels
  }
}
