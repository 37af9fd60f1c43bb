/** Tests that need something which is not everywhere: a device, a program, recorded data. */

import { test } from 'uvu'

type Body = () => void | Promise<void>

/** `test`, or where the condition does not hold, a stand-in that says loudly what is left out, and why. */
export function skipUnless(condition: boolean, why: string): (name: string, body: Body) => void {
  if (condition) return (name, body) => test(name, body)
  return (name, body) => {
    console.error(`SKIPPED: ${name}: ${why}`)
    test.skip(name, body)
  }
}
