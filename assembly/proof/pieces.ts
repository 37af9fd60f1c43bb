// What pieces of a VM cost: on one LLC, by what its vCPUs are together there, by siblings on cores, and by the prices of a programme.
import { Flat } from '../flat';
import { MODEL_COMMUNICATION, MODEL_SMT, THREADS_ISOLATE, THREADS_PREFER, THREADS_REQUIRE, THREADS_SPREAD } from '../abi';
import { widestCore } from '../problem/host';
import { model } from '../problem/coefficients';
import { MICRO, vmDedicated, vmThreads, vmTrust, vmWeight } from '../problem/request';
import { spend } from '../work';
import { isPlain } from './bound';
import { levelHops, levels, MOST_LEVELS } from './levels';

/** vCPUs of a VM whose divisions are priced; larger ones have no such bound. */
export const LARGEST: i32 = 512;
/** Units of the largest piece. */
export const MOST_UNITS: i32 = 512;
export const NEVER: f64 = 1e15;

/** CPUs in a unit. */
export let grain: i32 = 1;
export function setGrain(cpus: i32): void {
  grain = cpus;
}

/** Price of a piece by level and units. They are whole multiples of 1/1024, so that sums of them are exact. */
export const piecePrice = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_LEVELS * (MOST_UNITS + 1), 8));
/** Units of the largest group of each level. */
export const levelUnits = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LEVELS, 8));

/** Whether pieces are of whole cores, as far as other VMs go. */
export function keepsCores(vm: i32): bool {
  return vmTrust[vm] < 0 || vmThreads[vm] == THREADS_REQUIRE || vmThreads[vm] == THREADS_ISOLATE;
}

export function coresOf(vcpus: i32): i32 {
  return (vcpus + widestCore - 1) / widestCore;
}

/** Fewest units that a piece of so many vCPUs takes. */
export function unitsOf(vm: i32, vcpus: i32): i32 {
  if (vmThreads[vm] == THREADS_ISOLATE) return (vcpus * widestCore) / grain;
  return keepsCores(vm) ? (coresOf(vcpus) * widestCore) / grain : vcpus / grain;
}

/** The most that it may take: a core for each vCPU, or whole cores. */
export function mostUnits(vm: i32, vcpus: i32): i32 {
  return ((vmThreads[vm] == THREADS_SPREAD || vmThreads[vm] == THREADS_ISOLATE ? vcpus : coresOf(vcpus)) * widestCore) / grain;
}

// The VM that is being priced.
export let vm: i32 = 0;
export let vcpus: i32 = 0;
export let plain: bool = false;
/** By level, for each ordered pair of vCPUs in one group: what it does not lose by communication. */
export const together = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_LEVELS, 8));
export let smtPrice: f64 = 0;

export const CONTENTS: i32 = LARGEST + 1;
/** Pieces of LLCs: what one costs, and the least for so many vCPUs; with what siblings cost, and without. */
export const pieceCost = changetype<Flat<f64>>(memory.data(sizeof<f64>() * 2 * CONTENTS, 8));
export const leastPieces = changetype<Flat<f64>>(memory.data(sizeof<f64>() * 2 * CONTENTS, 8));
/** Units of the piece at that price. */
export const pieceTakes = changetype<Flat<i32>>(memory.data(sizeof<i32>() * 2 * CONTENTS, 8));

export function takeVm(next: i32): void {
  vm = next;
  vcpus = vmDedicated[vm];
  plain = isPlain(vm);
  const each = plain ? (vmWeight[vm] * model[MODEL_COMMUNICATION] * <f64>MICRO) / 20 / <f64>(vcpus - 1) : 0;
  for (let level = 0; level < levels; level++) together[level] = each * <f64>levelHops[level];
  smtPrice = vmWeight[vm] * model[MODEL_SMT] * <f64>MICRO;
}

/** What a piece of one LLC costs, and the units that it takes then. */
function pricePiece(size: i32, siblings: i32): void {
  const at = siblings * CONTENTS + size;
  const fewest = unitsOf(vm, size);
  pieceTakes[at] = fewest;
  let cost = fewest <= levelUnits[0] ? piecePrice[fewest] : NEVER;
  if (siblings == 1 && vmThreads[vm] == THREADS_SPREAD && keepsCores(vm) && widestCore == 2) {
    for (let cores = coresOf(size); cores <= size; cores++) {
      const units = (cores * widestCore) / grain;
      if (units > levelUnits[0]) break;
      const spread = piecePrice[units] + 2 * smtPrice * <f64>(size - cores);
      if (cores > coresOf(size) && spread >= cost) continue;
      cost = spread;
      pieceTakes[at] = units;
    }
  } else if (siblings == 1 && vmThreads[vm] == THREADS_PREFER) {
    if (!keepsCores(vm) && widestCore == 2 && (size & 1) == 1 && cost < NEVER) {
      // The last vCPU is beside another VM's, or its core is taken whole.
      cost += smtPrice;
      const whole = (size + 1) / grain;
      if (whole <= levelUnits[0] && piecePrice[whole] < cost) {
        cost = piecePrice[whole];
        pieceTakes[at] = whole;
      }
    }
    cost += smtPrice * <f64>coresOf(size);
  } else if (siblings == 1 && vmThreads[vm] == THREADS_REQUIRE) {
    cost += smtPrice * <f64>coresOf(size);
  }
  pieceCost[at] = cost - together[0] * <f64>size * <f64>size;
}

/** Fills the tables of LLCs. */
export function pricePieces(): void {
  const most = min(vcpus, levelUnits[0] * grain);
  for (let siblings = 0; siblings < 2; siblings++) {
    const first = siblings * CONTENTS;
    leastPieces[first] = 0;
    for (let size = 1; size <= most; size++) pricePiece(size, siblings);
    for (let size = 1; size <= vcpus; size++) {
      let least = NEVER;
      const end = min(size, most);
      for (let piece = 1; piece <= end; piece++) least = Math.min(least, pieceCost[first + piece] + leastPieces[first + size - piece]);
      leastPieces[first + size] = least;
    }
    spend(vcpus * most);
  }
}
