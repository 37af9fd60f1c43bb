/** What a check of `doctor` says. */

export interface Check {
  readonly id: string
  /** `warning`: something works less well, or not at all; `problem`: `homenode run` cannot work. */
  readonly status: 'ok' | 'warning' | 'problem'
  readonly found: string
  readonly means: string
  readonly mend?: string
}

export function ok(id: string, found: string, means: string): Check {
  return { id, status: 'ok', found, means }
}

export function warning(id: string, found: string, means: string, mend?: string): Check {
  return { id, status: 'warning', found, means, ...(mend === undefined ? {} : { mend }) }
}

export function problem(id: string, found: string, means: string, mend?: string): Check {
  return { id, status: 'problem', found, means, ...(mend === undefined ? {} : { mend }) }
}
