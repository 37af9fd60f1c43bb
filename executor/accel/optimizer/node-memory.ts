/** The memory that is given out, by address; the budget of each node is kept. */

import { InputError, show, UnsupportedError } from '../../../src/errors.js'
import type { NodeId } from '../../../src/types.js'
import { formatBytes } from '../../../src/units.js'
import { forEach } from '../for-each.js'
import type { Block, MakeBlock } from './block.js'
import type { NodeBudgets } from './budget.js'
import { type PlacedBlock, planMoves } from './rebalance.js'
import { type AllocationStrategy, type Choice, type NodeLoad, rankNodes, type Site } from './strategy.js'

/** What strategies want to know of a node, and budgets do not tell. */
export interface Survey extends Pick<Site, 'distance' | 'cost'> {
  of(node: NodeId): Pick<NodeLoad, 'vcpus' | 'capacity' | 'traffic'> & {
    /** Bytes that the kernel could give; `null`: unknown. */
    readonly free: number | null
  }
}

export interface HeldBlock extends PlacedBlock {
  readonly block: Block
  readonly choice: Choice
  /** Whose budget it is of. */
  node: NodeId
}

/** A block, and bytes by node as the kernel says; `null`: nobody says. */
export interface ResidentBlock {
  readonly held: HeldBlock
  readonly resident: Readonly<Record<string, number>> | null
}

/** A block that was moved, as it was found before and afterwards. */
export interface MovedBlock {
  /** Where it is in this process, before and after. */
  readonly address: number
  /** The node that it is bound to now. */
  readonly to: NodeId
  /** Bytes that have come to the node. */
  readonly bytes: number
  /** The figure that decided. */
  readonly why: string
}

/** An allocation that could not be moved as a whole. */
export interface FailedMove {
  /** Where it is in this process. */
  readonly address: number
  /** The node that it was to go to. */
  readonly to: NodeId
  /** What was in the way. */
  readonly reason: string
}

export interface Moved {
  readonly moves: readonly MovedBlock[]
  readonly failed: readonly FailedMove[]
}

type Reservation = Pick<HeldBlock, 'bytes' | 'near' | 'choice'>

/** Owns the blocks. Nothing is given out after `close()`. */
export class NodeMemory {
  readonly #budgets: NodeBudgets
  readonly #pageSize: number
  readonly #make: MakeBlock
  readonly #held = new Map<number, HeldBlock>()
  /** Bytes that are reserved on each node and not there yet: the kernel still counts them as free. */
  readonly #coming = new Map<NodeId, number>()
  readonly #work = new Set<Promise<unknown>>()
  #rebalancing: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | null = null

  constructor(budgets: NodeBudgets, pageSize: number, make: MakeBlock) {
    this.#budgets = budgets
    this.#pageSize = pageSize
    this.#make = make
  }

  /** In the order in which they were given out. */
  get blocks(): readonly HeldBlock[] {
    return [...this.#held.values()]
  }

  /** Bytes that may still be given out on a node. */
  left(node: NodeId): number {
    return this.#budgets.left(node)
  }

  site(survey: Survey): Site {
    const nodes = this.#budgets.nodes.map((node): NodeLoad => {
      const { free, ...known } = survey.of(node)
      const inKernel = free === null ? Number.POSITIVE_INFINITY : free - (this.#coming.get(node) ?? 0)
      const room = Math.max(0, Math.min(this.#budgets.left(node), inKernel))
      return { node, budget: this.#budgets.bytes(node), used: this.#budgets.used(node), room, ...known }
    })
    return { nodes, distance: survey.distance, cost: survey.cost }
  }

  /**
   * Takes memory of these sizes: all of them, or none.
   * @throws {InputError} for a size that is no whole number of bytes from 1
   * @throws {UnsupportedError} where no node has room, with what each has left
   */
  async take(
    sizes: readonly number[],
    near: NodeId | null,
    strategy: AllocationStrategy,
    survey: Survey,
  ): Promise<readonly HeldBlock[]> {
    this.requireOpen()
    const reserved: Reservation[] = []
    try {
      for (const [i, size] of sizes.entries()) {
        const bytes = wholePages(size, this.#pageSize, sizes.length === 1 ? 'size' : `sizes[${i}]`)
        reserved.push({ bytes, near, choice: this.#reserve(bytes, near, strategy, survey) })
      }
    } catch (error) {
      for (const each of reserved) this.#release(each)
      throw error
    }
    return this.#during(this.#fill(reserved))
  }

  #reserve(bytes: number, near: NodeId | null, strategy: AllocationStrategy, survey: Survey): Choice {
    const site = this.site(survey)
    const [choice] = rankNodes(strategy, bytes, near, site)
    if (choice === undefined) throw noRoom(bytes, site)
    this.#budgets.take(choice.node, bytes)
    this.#coming.set(choice.node, (this.#coming.get(choice.node) ?? 0) + bytes)
    return choice
  }

  /** What was reserved is there, or will not be. */
  #release({ bytes, choice: { node } }: Reservation, given = true): void {
    this.#coming.set(node, (this.#coming.get(node) ?? 0) - bytes)
    if (given) this.#budgets.giveBack(node, bytes)
  }

  async #fill(reserved: readonly Reservation[]): Promise<readonly HeldBlock[]> {
    const made: Block[] = []
    try {
      await forEach(reserved, async ({ bytes, choice }, i) => {
        made[i] = await this.#make(bytes, choice.node)
        this.requireOpen()
      })
    } catch (error) {
      await forEach(Object.values(made), (block) => block.close())
      for (const each of reserved) this.#release(each)
      throw error
    }
    return reserved.map((each, i) => {
      const block = made[i]!
      const held = { ...each, address: block.address, node: each.choice.node, block }
      this.#release(each, false)
      this.#held.set(held.address, held)
      return held
    })
  }

  /** @throws {InputError} where nothing is held at the address */
  at(address: number): HeldBlock {
    this.requireOpen()
    const held = this.#held.get(address)
    if (held === undefined) {
      const known = [...this.#held.keys()].map(hex).join(', ')
      const expected = `the address of memory that is held (${known === '' ? 'there is none' : known})`
      throw new InputError('address', expected, Number.isSafeInteger(address) ? hex(address) : show(address))
    }
    return held
  }

  /** @throws {InputError} where nothing is held at the address */
  async free(address: number): Promise<void> {
    await this.#during(this.#drop(this.at(address)))
  }

  async #drop(held: HeldBlock): Promise<void> {
    this.#held.delete(held.address)
    await held.block.close()
    this.#budgets.giveBack(held.node, held.bytes)
  }

  /**
   * Brings pages back that are elsewhere than their block is bound to, then moves the blocks that the strategy would put
   * elsewhere now.
   * @throws {SyscallError} where the kernel does not say where pages are
   */
  rebalance(strategy: AllocationStrategy, survey: Survey): Promise<Moved> {
    this.requireOpen()
    return this.#inTurn(() => this.#moveAll(strategy, survey))
  }

  /**
   * Moves a block, whatever the strategy is. One that was given back stays away.
   * @throws {RangeError} where the node's budget has no room for it
   * @throws {SyscallError} where the kernel refuses
   */
  async move(held: HeldBlock, to: NodeId): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#isHeld(held)) await this.#move(held, to, '')
    })
  }

  /** One at a time: each move finds what the one before it has left. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#rebalancing.then(work)
    this.#rebalancing = result.catch(() => {})
    return this.#during(result)
  }

  async #moveAll(strategy: AllocationStrategy, survey: Survey): Promise<Moved> {
    const moves: MovedBlock[] = []
    const failed: FailedMove[] = []
    const attempt = async (held: HeldBlock, to: NodeId, why: string) => {
      const outcome = await this.#move(held, to, why).catch(
        (error: unknown): FailedMove => ({ address: held.address, to, reason: messageOf(error) }),
      )
      if (!('reason' in outcome)) moves.push(outcome)
      else if (this.#isHeld(held)) failed.push(outcome)
    }
    for (const held of this.blocks) {
      if (!this.#isHeld(held)) continue
      const strays = strayBytes(held.node, await residentOf(held))
      if (strays > 0) await attempt(held, held.node, `${formatBytes(strays)} of it were on other nodes`)
    }
    for (const { address, to, why } of planMoves(strategy, this.blocks, this.site(survey))) {
      const held = this.#held.get(address)
      if (held !== undefined) await attempt(held, to, why)
    }
    return { moves, failed }
  }

  /**
   * Where all of it is; what is freed meanwhile may be missing.
   * @throws {SyscallError}
   */
  async residency(): Promise<readonly ResidentBlock[]> {
    this.requireOpen()
    const found: ResidentBlock[] = []
    await forEach(this.blocks, async (held) => {
      if (this.#isHeld(held)) found.push({ held, resident: await held.block.residentBytes() })
    })
    return found.sort((a, b) => a.held.address - b.held.address)
  }

  /** It may have been freed meanwhile. */
  #isHeld(held: HeldBlock): boolean {
    return this.#held.get(held.address) === held
  }

  async #move(held: HeldBlock, to: NodeId, why: string): Promise<MovedBlock> {
    const { block, address, bytes, node: from } = held
    const onTarget = async () => (await residentOf(held))[to] ?? 0
    const before = await onTarget()
    if (to !== from) this.#budgets.take(to, bytes)
    try {
      await block.moveTo(to)
      held.node = to
    } finally {
      if (to !== from) this.#budgets.giveBack(held.node === to ? from : to, bytes)
    }
    return { address, to, bytes: (await onTarget()) - before, why }
  }

  async #during<T>(work: Promise<T>): Promise<T> {
    this.#work.add(work)
    try {
      return await work
    } finally {
      this.#work.delete(work)
    }
  }

  /** @throws {TypeError} after `close()` */
  requireOpen(): void {
    if (this.#closing !== null) throw new TypeError('the NumaOptimizer is closed')
  }

  /**
   * Gives everything back, once what was begun is done; again: the same.
   * @param users settles when nobody moves blocks any more
   */
  close(users: Promise<unknown>): Promise<void> {
    this.#closing ??= this.#giveBackAll(users)
    return this.#closing
  }

  async #giveBackAll(users: Promise<unknown>): Promise<void> {
    await Promise.allSettled([users])
    await Promise.allSettled(this.#work)
    await forEach(this.blocks, (held) => this.#drop(held))
  }
}

/** Bytes by node; none where nobody says. */
async function residentOf({ block }: HeldBlock): Promise<Readonly<Record<string, number>>> {
  return (await block.residentBytes()) ?? {}
}

/** Bytes that are on other nodes than this one. */
export function strayBytes(node: NodeId, resident: Readonly<Record<string, number>>): number {
  return Object.entries(resident).reduce((sum, [at, bytes]) => (Number(at) === node ? sum : sum + bytes), 0)
}

function wholePages(size: number, pageSize: number, where: string): number {
  if (!Number.isSafeInteger(size) || size < 1) throw new InputError(where, 'a whole number of bytes from 1', show(size))
  return Math.ceil(size / pageSize) * pageSize
}

function noRoom(bytes: number, { nodes }: Site): UnsupportedError {
  const left = nodes.map(({ node, budget, used, room }) => {
    const ofBudget = `node ${node} has ${formatBytes(budget - used)} left of its budget of ${formatBytes(budget)}`
    return room < budget - used ? `${ofBudget}, of which the kernel has ${formatBytes(room)} free` : ofBudget
  })
  const why = left.length === 0 ? 'no node has a budget' : left.join('; ')
  return new UnsupportedError('memory-budget', `no node has room for ${formatBytes(bytes)}: ${why}`)
}

export function hex(address: number): string {
  return `0x${address.toString(16)}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
