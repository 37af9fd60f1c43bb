import { test } from 'uvu'
import { checkErrorsChangeNothing, checkFuzzed } from './fuzz.js'

test('50,000 calls of all functions, in any order and with any numbers, neither trap nor loop nor grow the memory', async () => {
  await checkFuzzed(50_000)
})

test('a call that returns an error changes nothing', async () => {
  await checkErrorsChangeNothing(100)
})

test.run()
