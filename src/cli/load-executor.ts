/** The executor, for commands that run guests. */

import { CommandError, EXIT } from './errors.js'

/** Loaded here and not before: the other commands work where koffi does not. */
export async function loadExecutor(): Promise<typeof import('../../executor/index.js')> {
  try {
    return await import('../../executor/index.js')
  } catch (error) {
    throw new CommandError(
      `the executor cannot be loaded: ${error instanceof Error ? error.message : error}`,
      EXIT.failed,
    )
  }
}
