/**
 * The errors that homenode throws. Outcomes that are normal (a VM that does not fit) are data, not errors.
 * Each carries the exit code that the command line ends with (1: the system refused, 2: bad input, 3: a plan that
 * breaks a constraint).
 */

/** Bad input: where it is, what was expected there and what was found. */
export class InputError extends Error {
  override readonly name = 'InputError'
  /** What the command line ends with: bad input. */
  readonly exitCode = 2
  /** The file and the place in it, or the parameter; empty: all of it. */
  readonly where: string
  /** What belongs there. */
  readonly expected: string
  /** What was found, as text. */
  readonly got: string

  /**
   * @param where the file and the place in it, e.g. `request.json: vms[2].memory`; empty: all of it
   * @param expected what belongs there, e.g. `a size with a unit, such as "512MiB"`
   * @param got what was found, as text (`show(value)` makes one)
   */
  constructor(where: string, expected: string, got: string) {
    super(`${where === '' ? '' : `${where}: `}expected ${expected}, got ${got}`)
    this.where = where
    this.expected = expected
    this.got = got
  }

  /** The same error, with the name of the file (or of the stream) put before its place. */
  in(file: string): InputError {
    return new InputError(this.where === '' ? file : `${file}: ${this.where}`, this.expected, this.got)
  }
}

/** What `work` returns. Where it throws an InputError, `where` is put before its place. */
export function within<Value>(where: string, work: () => Value): Value {
  try {
    return work()
  } catch (error) {
    throw error instanceof InputError ? error.in(where) : error
  }
}

/** One way in which a plan or a run differs from what it has to be. */
export interface Finding {
  /** The constraint's id in the placement model, or `cost`, `format`, `affinity`, `residency`, ... */
  readonly constraint: string
  /** What is wrong, with the numbers. */
  readonly text: string
  /** The VM that it is about, where it is about one. */
  readonly vm?: string
  /** The cell of that VM. */
  readonly cell?: number
  /** The vCPU of that VM. */
  readonly vcpu?: number
}

/** A plan that does not hold: every violated constraint, as a finding. */
export class PlanError extends Error {
  override readonly name = 'PlanError'
  /** What the command line ends with: a plan that does not hold. */
  readonly exitCode = 3
  /** Every constraint that is violated. */
  readonly findings: readonly Finding[]

  constructor(findings: readonly Finding[]) {
    super(`the plan does not hold: ${findings.map((finding) => finding.text).join('; ')}`)
    this.findings = findings
  }
}

/** A system call that the kernel refused. */
export class SyscallError extends Error {
  override readonly name = 'SyscallError'
  /** What the command line ends with: the system refused. */
  readonly exitCode = 1
  /** The call, e.g. `ioctl(KVM_CREATE_VM)`. */
  readonly call: string
  /** errno, as a positive number. */
  readonly errno: number
  /** Its name, e.g. `EPERM`. */
  readonly code: string
  /** What to do about it; empty where nothing is known. */
  readonly hint: string

  constructor(call: string, errno: number, code: string, hint = '') {
    super(`${call}: ${code} (errno ${errno})${hint === '' ? '' : `: ${hint}`}`)
    this.call = call
    this.errno = errno
    this.code = code
    this.hint = hint
  }
}

/** Something that this system, or this version, cannot do. */
export class UnsupportedError extends Error {
  override readonly name = 'UnsupportedError'
  /** What the command line ends with: the system refused. */
  readonly exitCode = 1
  /** What is missing. */
  readonly capability: string

  constructor(capability: string, why: string) {
    super(`${capability}: ${why}`)
    this.capability = capability
  }
}

/** A value as an error message shows it: short, on one line, with its type where that is what is wrong. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value)
  if (typeof value === 'bigint') return `${value}n`
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : `an array of ${value.length}`
  if (typeof value === 'object') return 'an object'
  return `a ${typeof value}`
}

/** For the default branch of a switch over a union: a new member becomes a type error there. */
export function assertNever(value: never): never {
  throw new TypeError(`unexpected value ${show(value)}`)
}
