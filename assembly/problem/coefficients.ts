// The coefficients of the cost, and how a price becomes a whole number.
import { Flat } from '../flat';
import { MODEL_CELLS, MODEL_COMMUNICATION, MODEL_COPY_BYTES_PER_SECOND, MODEL_DEVICE, MODEL_HOME, MODEL_HORIZON_SECONDS, MODEL_SMT } from '../abi';

/** Coefficients, by MODEL_ number. */
export const model = changetype<Flat<f64>>(memory.data(sizeof<f64>() * (MODEL_HORIZON_SECONDS + 1), 8));

export function resetModel(): void {
  model[MODEL_HOME] = 0.9;
  model[MODEL_COMMUNICATION] = 0.1;
  model[MODEL_SMT] = 0.38;
  model[MODEL_CELLS] = 0.01;
  model[MODEL_DEVICE] = 0.05;
  model[MODEL_COPY_BYTES_PER_SECOND] = 4294967296;
  model[MODEL_HORIZON_SECONDS] = 600;
}

/** Far above every cost, and small enough to be added up. */
const MOST: f64 = 1e15;

/** The nearest whole number, at most MOST either way: what is beyond, and NaN, has no integer. */
export function rounded(value: f64): i64 {
  const whole = Math.floor(value + 0.5);
  return whole <= MOST ? <i64>Math.max(whole, -MOST) : <i64>MOST;
}
