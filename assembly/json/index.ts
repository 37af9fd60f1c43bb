// The exports of planner-json.wasm: a host and a request as JSON text in, a plan as JSON text out. Their comments are the reference
// (docs/planner-abi.md). All that a call makes is at the beginning of the heap, and is gone with the next call of `input`.
import { ERROR_LIMIT, ERROR_ORDER, MAX_STEPS, SOLVED_FEASIBLE, SOLVED_OPTIMAL } from '../abi';
import * as planner from '../index';
import { resetDecimals } from './decimal';
import { fail, failed, resetFailure } from './failure';
import { readHost } from './host-format';
import { orderMoves } from './moves/moves';
import { Plan } from './plan';
import { buildProblem } from './problem';
import { readTotals, readVms } from './read';
import { readRefusals } from './refusals';
import { readRequest } from './request-format';
import { parseJson } from './syntax';
import { resetValues } from './value';
import { failureText, planText } from './write';

/** The most bytes of both texts together. */
const MAX_BYTES: i32 = 1 << 26;

/** Where the heap of calls begins; 0: not known yet. Before it is what the planner has allocated when the module was instantiated. */
let heap: usize = 0;
let inputAt: usize = 0;
let inputLength: i32 = -1;
let answer: ArrayBuffer = new ArrayBuffer(0);

/** Gives back all that calls have allocated: it becomes one block of asc's stub runtime, which is freed as the last one. */
function release(): void {
  const last = __alloc(0);
  if (heap == 0) heap = last;
  store<usize>(heap - sizeof<usize>(), last + load<usize>(last - sizeof<usize>()) - heap);
  __free(heap);
}

/** Version of the planner's interface, and of this one; see ABI_VERSION. */
export function abiVersion(): i32 {
  return planner.abiVersion();
}

/**
 * Makes room for `bytes` bytes of text, up to 64 MiB: the host's, and right behind it the request's. Returns the address to write them at, or
 * ERROR_LIMIT. The answer before is gone.
 */
export function input(bytes: i32): i32 {
  release();
  inputLength = -1;
  answer = new ArrayBuffer(0);
  if (bytes < 0 || bytes > MAX_BYTES) return ERROR_LIMIT;
  inputAt = __alloc(bytes);
  inputLength = bytes;
  return <i32>inputAt;
}

/**
 * Plans the request of `request` bytes on the host of the `host` bytes before it, in up to `maxSteps` steps (0 to MAX_STEPS), from `seed` (0 or more). Returns 1 where the answer is
 * a plan, 0 where it is `{"error":{"in","where","expected","got"}}`, ERROR_ORDER where there is no such input (each is planned once).
 */
export function plan(host: i32, request: i32, maxSteps: i32, seed: i32): i32 {
  if (inputLength < 0 || host < 0 || request < 0 || <i64>host + request != inputLength) return ERROR_ORDER;
  inputLength = -1;
  resetFailure();
  resetValues();
  resetDecimals();
  answer = answerTo(host, request, maxSteps, seed);
  return failed ? 0 : 1;
}

/** The address of the answer's text in UTF-8, without a zero at its end. */
export function output(): i32 {
  return <i32>changetype<usize>(answer);
}

/** How many bytes it has. */
export function outputLength(): i32 {
  return answer.byteLength;
}

function checkWhole(name: string, value: i32, most: i32): void {
  if (value < 0 || value > most) fail(name, 'a whole number from 0 to ' + most.toString(), value.toString());
}

function answerTo(hostBytes: i32, requestBytes: i32, maxSteps: i32, seed: i32): ArrayBuffer {
  const hostValue = parseJson(inputAt, hostBytes);
  if (hostValue == null) return failureText('host');
  const host = readHost(hostValue);
  if (failed) return failureText('host');
  const requestValue = parseJson(inputAt + hostBytes, requestBytes);
  if (requestValue == null) return failureText('request');
  const request = readRequest(requestValue);
  if (failed) return failureText('request');
  checkWhole('steps', maxSteps, MAX_STEPS);
  checkWhole('seed', seed, i32.MAX_VALUE);
  if (failed) return failureText('options');
  const problem = buildProblem(host, request);
  if (failed) return failureText('request');
  const made = new Plan();
  made.status = planner.solve(maxSteps, seed);
  made.vms = readVms(problem);
  readTotals(made);
  // Without steps the planner does not check whether its plan is the best.
  if (made.status == SOLVED_FEASIBLE && made.cost == made.bound) made.status = SOLVED_OPTIMAL;
  made.steps = planner.steps();
  made.refused = readRefusals(problem);
  for (let at = 0; at < request.vms.length; at++) {
    if (request.vms[at].current == null) continue;
    orderMoves(host, request, made);
    break;
  }
  if (failed) return failureText('request');
  return planText(made, seed);
}
