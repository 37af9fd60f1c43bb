import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { currentPlatform, unenforced } from '../../../executor/accel/platform.js'

function recording(name: string) {
  const warnings: string[] = []
  return { name, warn: (text: string) => void warnings.push(text), warnings }
}

test('on Linux a call goes on', () => {
  const linux = recording('linux')
  assert.is(unenforced(linux, 'AccelKvm.setVcpuAffinity'), null)
  assert.equal(linux.warnings, [])
})

test('macOS warns once for each call, and says each time that nothing was enforced', () => {
  const mac = recording('darwin')
  const [first, second] = [unenforced(mac, 'A.pin'), unenforced(mac, 'A.pin')]
  unenforced(mac, 'A.bind')
  assert.equal(mac.warnings.length, 2)
  assert.match(mac.warnings[0]!, /^A\.pin has no effect on darwin/)
  assert.match(mac.warnings[1]!, /^A\.bind/)
  assert.equal(first, second)
  assert.is(first?.enforced, false)
  assert.match(first?.reason ?? '', /only Linux/)
})

test('another macOS object warns anew', () => {
  const mac = recording('darwin')
  unenforced(mac, 'A.pin')
  assert.equal(mac.warnings.length, 1)
})

test('other systems are silent, and say that nothing was enforced', () => {
  const windows = recording('win32')
  const effect = unenforced(windows, 'A.pin')
  assert.equal(windows.warnings, [])
  assert.is(effect?.enforced, false)
  assert.match(effect?.reason ?? '', /win32/)
})

test('the current platform is this one, and warns through Node', async () => {
  assert.is(currentPlatform.name, process.platform)
  const warning = new Promise<Error>((resolve) => process.once('warning', resolve))
  currentPlatform.warn('seen by a listener')
  assert.is((await warning).message, 'seen by a listener')
})

test.run()
