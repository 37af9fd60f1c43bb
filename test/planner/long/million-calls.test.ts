import { test } from 'uvu'
import { checkFuzzed } from '../fuzz.js'

test('a million calls of all functions, in any order and with any numbers, neither trap nor loop nor grow the memory', async () => {
  await checkFuzzed(1_000_000)
})

test.run()
