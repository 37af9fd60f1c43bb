/** The unit, as systemd judges it. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UNIT_NAME, type UnitOptions, unitText } from '../../../src/service/unit/unit.js'
import { hasProgram } from '../../executor/programs.js'
import { skipUnless } from '../../skip.js'

const folder = mkdtempSync(join(tmpdir(), 'homenode-unit-'))
test.after(() => rmSync(folder, { recursive: true }))

const script = join(folder, 'cli.js')
writeFileSync(script, '')

const PLAIN: UnitOptions = { program: [process.execPath, script], args: [], interval: 10 }

/** Values of a setting, in their order. */
function valuesOf(text: string, setting: string): string[] {
  return [...text.matchAll(new RegExp(`^${setting}=(.*)$`, 'gm'))].map(([, value]) => value!)
}

test('words of the command line are as systemd reads them', () => {
  const args = ['--state', '/a b', '50%', '$HOME', 'say "x\\y"', ';', 'tab\there', '', '--rate=200MiB', 'ü']
  const [command = ''] = valuesOf(unitText({ ...PLAIN, args }), 'ExecStart')
  const quoted = '--state "/a b" 50%% $$HOME "say \\"x\\\\y\\"" ";" "tab\\x09here" "" --rate=200MiB "ü"'
  assert.is(command, `${process.execPath} ${script} balance ${quoted}`)
})

test('it may listen where its metrics are, and nowhere without them', () => {
  const network = (host?: string, port = 9464) => {
    const text = unitText(host === undefined ? PLAIN : { ...PLAIN, metrics: { host, port } })
    const settings = ['RestrictAddressFamilies', 'IPAddressDeny', 'IPAddressAllow', 'CapabilityBoundingSet']
    return settings.flatMap((setting) => valuesOf(text, setting))
  }
  const capabilities = 'CAP_SYS_NICE CAP_SYS_PTRACE CAP_DAC_OVERRIDE'
  assert.equal(network(), ['AF_UNIX', 'any', capabilities])
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) {
    assert.equal(network(host), ['AF_UNIX AF_INET AF_INET6', 'any', 'localhost', capabilities], host)
  }
  for (const host of ['0.0.0.0', '192.0.2.1', '::', 'host.example', '127.example']) {
    assert.equal(network(host), ['AF_UNIX AF_INET AF_INET6', capabilities], host)
  }
  assert.is(network('::1', 80).at(-1), `${capabilities} CAP_NET_BIND_SERVICE`)
})

test('the watchdog waits for longer than a round may take, in whole seconds', () => {
  const watchdog = (interval: number) => Number(valuesOf(unitText({ ...PLAIN, interval }), 'WatchdogSec')[0])
  assert.equal([0.1, 10, 60].map(watchdog), [61, 80, 360])
})

test('its state is in /var/lib/homenode, or where it is told', () => {
  assert.equal(valuesOf(unitText(PLAIN), 'StateDirectory'), ['homenode'])
  const elsewhere = unitText({ ...PLAIN, state: '/srv/home node' })
  assert.equal(valuesOf(elsewhere, 'StateDirectory'), [])
  assert.equal(valuesOf(elsewhere, 'ReadWritePaths'), ['"/srv/home node"'])
})

const testWithSystemd = skipUnless(hasProgram('systemd-analyze'), 'systemd-analyze is not installed (Debian: systemd)')

function analyze(args: readonly string[], text: string): { readonly status: number | null; readonly said: string } {
  const file = join(folder, UNIT_NAME)
  writeFileSync(file, text)
  const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, file], { encoding: 'utf8' })
  return { status, said: `${stdout}${stderr}` }
}

testWithSystemd('systemd-analyze verify finds nothing in it, and something in a broken one', () => {
  const metrics = { host: '127.0.0.1', port: 9464 }
  const args = ['--act', '--policy', '/etc/home node/50%.yaml', '--metrics', '127.0.0.1:9464']
  for (const options of [PLAIN, { ...PLAIN, args, metrics, state: '/srv/home node' }]) {
    // The manual page is found where the package is installed globally.
    assert.equal(analyze(['verify', '--man=no'], unitText(options)), { status: 0, said: '' })
  }
  const broken = unitText(PLAIN).replace('Type=notify', 'Type=notified')
  assert.match(analyze(['verify', '--man=no'], broken).said, /service type.*notified/)
  const gone = unitText({ ...PLAIN, program: ['/nowhere/node', script] })
  assert.match(analyze(['verify', '--man=no'], gone).said, /\/nowhere\/node/)
})

testWithSystemd('systemd-analyze security calls its exposure small', () => {
  const exposure = (text: string) => {
    const { said } = analyze(['security', '--offline=true', '--no-pager'], text)
    return Number(/exposure level for \S+: (\d+\.\d)/.exec(said)?.[1])
  }
  const bare = unitText(PLAIN).replace(
    /^(Protect|Private|Restrict(?!Prevent)|Capability|NoNew|Lock|SystemCall|IPAddress|UMask).*\n/gm,
    '',
  )
  assert.ok(exposure(bare) > 9, `${exposure(bare)} without any of it`)
  const found = exposure(unitText(PLAIN))
  assert.ok(found <= 3.5, `${found}`)
})

test.run()
