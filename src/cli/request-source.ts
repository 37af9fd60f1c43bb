/** The request that a command is about. */

import { parseRequest } from '../request.js'
import type { Request } from '../types.js'
import { inFile, nameOf, readJson } from './input.js'

/** @throws {InputError} with the file's name and the place in it */
export async function readRequest(file: string): Promise<Request> {
  const content = await readJson(file)
  return inFile(nameOf(file), () => parseRequest(content))
}
