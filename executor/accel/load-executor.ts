/** The executor, loaded when it is needed: this room works where koffi does not. */

import { UnsupportedError } from '../../src/errors.js'

/** @throws {UnsupportedError} where koffi or Piscina cannot be loaded */
export async function loadExecutor(): Promise<typeof import('../index.js')> {
  try {
    return await import('../index.js')
  } catch (error) {
    throw new UnsupportedError('executor', `cannot be loaded: ${error instanceof Error ? error.message : error}`)
  }
}
