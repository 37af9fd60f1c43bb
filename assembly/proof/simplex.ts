// A linear programme whose columns come one by one: the least cost of columns that make up the right-hand sides. Revised simplex method with
// the inverse of the basis. Nothing depends on its being exact: what comes of it are prices, and any prices give a valid bound.
import { Flat } from '../flat';
import { spend } from '../work';

export const MOST_ROWS: i32 = 320;

let rows: i32 = 0;
const inverse = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_ROWS * MOST_ROWS, 8));
/** By row: how much there is of the basic column, and what it costs. */
const amount = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_ROWS, 8));
const basicCost = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_ROWS, 8));
/** What one more of each right-hand side would cost. */
export const rowPrice = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_ROWS, 8));
/** The column that is to come in. */
export const column = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_ROWS, 8));
const direction = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_ROWS, 8));

/** Less is rounding. */
const LEAST: f64 = 1e-9;

/** Begins with no rows. */
export function clearRows(): void {
  rows = 0;
}

/** Adds a row with its right-hand side, which a column of its own makes up for now, at this cost each. */
export function addRow(right: f64, cost: f64): void {
  amount[rows] = right;
  basicCost[rows] = cost;
  rowPrice[rows] = cost;
  rows++;
}

/** All rows are there. */
export function beginColumns(): void {
  for (let at = 0; at < rows * MOST_ROWS; at++) inverse[at] = 0;
  for (let row = 0; row < rows; row++) inverse[row * MOST_ROWS + row] = 1;
  clearColumn();
}

export function clearColumn(): void {
  for (let row = 0; row < rows; row++) column[row] = 0;
}

/** Takes the column in, at its cost, if that lowers the cost of all; whether it does. Clears the column. */
export function enterColumn(cost: f64): bool {
  let saved = -cost;
  for (let row = 0; row < rows; row++) {
    saved += column[row] * rowPrice[row];
    direction[row] = 0;
  }
  if (saved > LEAST * (1 + Math.abs(cost))) {
    for (let from = 0; from < rows; from++) {
      const part = column[from];
      for (let row = 0; row < rows && part != 0; row++) direction[row] += inverse[row * MOST_ROWS + from] * part;
    }
    const leaving = leavingRow();
    if (leaving >= 0) {
      pivot(leaving, cost, saved);
      clearColumn();
      return true;
    }
  }
  clearColumn();
  return false;
}

/** The row whose basic column runs out first; -1: none does. */
function leavingRow(): i32 {
  let leaving = -1;
  let least: f64 = 0;
  for (let row = 0; row < rows; row++) {
    if (direction[row] <= LEAST) continue;
    const most = amount[row] / direction[row];
    if (leaving >= 0 && (most > least || (most == least && direction[row] <= direction[leaving]))) continue;
    leaving = row;
    least = most;
  }
  return leaving;
}

/** The column comes in for the basic one of the row, and saves so much for each of it. */
function pivot(leaving: i32, cost: f64, saved: f64): void {
  spend(2 * rows);
  const own = leaving * MOST_ROWS;
  const by = direction[leaving];
  for (let at = 0; at < rows; at++) {
    inverse[own + at] /= by;
    rowPrice[at] -= saved * inverse[own + at];
  }
  amount[leaving] /= by;
  basicCost[leaving] = cost;
  for (let row = 0; row < rows; row++) {
    const times = direction[row];
    if (row == leaving || times == 0) continue;
    spend(rows);
    for (let at = 0; at < rows; at++) inverse[row * MOST_ROWS + at] -= times * inverse[own + at];
    amount[row] = Math.max(0, amount[row] - times * amount[leaving]);
  }
}

function priceRows(): void {
  spend(rows * rows);
  for (let at = 0; at < rows; at++) rowPrice[at] = 0;
  for (let row = 0; row < rows; row++) {
    const each = basicCost[row];
    for (let at = 0; at < rows && each != 0; at++) rowPrice[at] += each * inverse[row * MOST_ROWS + at];
  }
}

/** Makes the rows' own columns that are still in use, at a cost of `from` each, cost `to`; whether there were such. */
export function makeDearer(from: f64, to: f64): bool {
  let found = false;
  for (let row = 0; row < rows; row++) {
    if (basicCost[row] != from) continue;
    basicCost[row] = to;
    found = found || amount[row] > LEAST;
  }
  priceRows();
  return found;
}
