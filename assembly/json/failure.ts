// What is wrong with the input. There are no exceptions in the module: the first failure is kept, and who calls something that may fail
// looks at `failed` before going on.

export let failed: bool = false;
export let failedWhere: string = '';
export let failedExpected: string = '';
export let failedGot: string = '';

/** Keeps what is wrong, if nothing was before. */
export function fail(where: string, expected: string, got: string): void {
  if (failed) return;
  failed = true;
  failedWhere = where;
  failedExpected = expected;
  failedGot = got;
}

export function resetFailure(): void {
  failed = false;
  failedWhere = '';
  failedExpected = '';
  failedGot = '';
}
