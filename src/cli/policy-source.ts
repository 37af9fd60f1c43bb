/** The policy that a command is about. */

import { parsePolicy } from '../../executor/policy/policy.js'
import type { Policy } from '../../executor/policy/types.js'
import { InputError } from '../errors.js'
import { formatBytes } from '../units.js'
import { inFile, nameOf, readJson, readText } from './input.js'
import { parseYaml } from './yaml.js'

const MAX_LENGTH = 1024 ** 2

/**
 * A file whose name ends with `.json` is JSON, all others are YAML.
 * @throws {InputError} with the file's name and the place in it
 */
export async function readPolicy(file: string): Promise<Policy> {
  const content = file.endsWith('.json') ? await readJson(file) : await readYaml(file)
  return inFile(nameOf(file), () => parsePolicy(content))
}

async function readYaml(file: string): Promise<unknown> {
  const text = await readText(file)
  return inFile(nameOf(file), () => {
    if (text.length > MAX_LENGTH) throw new InputError('', `a policy of at most ${formatBytes(MAX_LENGTH)}`, 'more')
    return parseYaml(text)
  })
}
