/** The service manager of this system, where it is systemd. */

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { UnsupportedError } from '../../errors.js'

/**
 * What calls systemctl; `none` where systemd does not run. Source: sd_booted(3)
 * @throws (the function) {UnsupportedError} with what systemctl says where it refuses
 */
export function systemctlHere(): ((args: readonly string[]) => void) | 'none' {
  return existsSync('/run/systemd/system') ? call : 'none'
}

function call(args: readonly string[]): void {
  try {
    execFileSync('systemctl', [...args], { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (error) {
    const { stderr = '', message } = error as { readonly stderr?: string; readonly message: string }
    throw new UnsupportedError(`systemctl ${args.join(' ')}`, stderr.trim() || message)
  }
}
