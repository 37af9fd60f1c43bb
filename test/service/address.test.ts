/** Addresses that a server listens at. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { listenAddress, showAddress } from '../../src/service/address.js'

const parse = listenAddress('--metrics')

test('addresses and names, each with a port', () => {
  assert.equal(parse('127.0.0.1:9464'), { host: '127.0.0.1', port: 9464 })
  assert.equal(parse('[::1]:80'), { host: '::1', port: 80 })
  assert.equal(parse('localhost:0'), { host: 'localhost', port: 0 })
  assert.equal(parse('host-1.example.org:65535'), { host: 'host-1.example.org', port: 65_535 })
})

test('what is none says what belongs there', () => {
  const wrong = ['', '9464', ':9464', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '127.0.0.1:-1', '127.0.0.1:1.5']
  const hosts = [
    '::1:9464',
    '[127.0.0.1]:1',
    '[::1]',
    '[]:1',
    '256.0.0.1:1',
    '1.2.3:1',
    'a_b:1',
    '-a:1',
    'a b:1',
    'http://a:1',
  ]
  for (const text of [...wrong, ...hosts, `${'a'.repeat(64)}:1`, 'a:123456', 'a:1\n', '\0:1']) {
    assert.throws(() => parse(text), /^InputError|--metrics: expected "HOST:PORT" such as/, JSON.stringify(text))
  }
})

test('what is shown is taken again', () => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain())
  fc.assert(
    fc.property(host, fc.nat(65_535), (name, port) => {
      const address = { host: name, port }
      assert.equal(parse(showAddress(address)), address)
    }),
  )
})

test.run()
