/** What help and docs say of the settings of `balance` is what holds without them. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Settings, settingsOf } from '../../executor/balance/settings.js'
import { byteCount, duration } from '../../src/cli/numbers.js'
import { homenode, root } from './command.js'

const DEFAULTS = settingsOf({})
const docs = readFileSync(join(root, 'docs/balance.md'), 'utf8')

const SIZED: Readonly<Record<string, readonly [keyof Settings, (text: string) => number]>> = {
  horizon: ['horizon', duration('--horizon', Number.MAX_SAFE_INTEGER)],
  patience: ['patience', Number],
  'max-moves': ['movesPerRound', Number],
  'max-bytes': ['bytesPerRound', byteCount('--max-bytes')],
}

test('help has the defaults of the settings that are options', async () => {
  const { stdout } = await homenode(['balance', '--help'])
  for (const [option, [setting, read]] of Object.entries(SIZED)) {
    const [, said = ''] = new RegExp(`--${option} [^(]*\\(default: ([^)]+)\\)`).exec(stdout) ?? []
    assert.is(read(said), DEFAULTS[setting], option)
  }
})

test('docs/balance.md has all settings with their defaults', () => {
  const rows = [...docs.matchAll(/^\| (`[\w-]+`(?:, `\w+`)*) \| ([^|]+) \|/gm)]
  const told = new Map(
    rows.flatMap(([, names = '', values = '']) => {
      const list = values.split(', ')
      return names.split(', ').map((name, at) => [name.replaceAll('`', ''), list[at] ?? ''] as const)
    }),
  )
  for (const [option, [setting, read]] of Object.entries(SIZED)) {
    assert.is(read(told.get(`--${option}`)!), DEFAULTS[setting], option)
  }
  const options = Object.values(SIZED).map(([setting]) => setting)
  const others = Object.keys(DEFAULTS).filter(
    (name) => name !== 'copyBytesPerSecond' && !options.includes(name as keyof Settings),
  )
  for (const name of others) assert.is(Number(told.get(name)), DEFAULTS[name as keyof Settings], name)
})

test('a setting that there is not is said with the option', async () => {
  const { code, stderr } = await homenode(['balance', '--once', '--set', 'pateince=3'])
  assert.is(code, 2)
  assert.match(stderr, /^homenode: --set: pateince: expected one of the fields window, .*, got 3\n$/)
})

test.run()
