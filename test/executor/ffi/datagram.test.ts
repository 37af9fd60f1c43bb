/** Datagrams to Unix sockets. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sendDatagram } from '../../../executor/ffi/datagram.js'
import { notifySocket } from '../../service/notify-socket.js'

const bytes = (text: string) => Buffer.from(text)

test('a datagram comes to a file and to an abstract name as it was sent', () => {
  for (const abstract of [undefined, `homenode-${process.pid}`]) {
    using socket = notifySocket(abstract)
    sendDatagram(socket.path, bytes('READY=1\nSTATUS=ü'))
    sendDatagram(socket.path, bytes('STOPPING=1'))
    assert.equal(socket.received(), ['READY=1\nSTATUS=ü', 'STOPPING=1'])
  }
})

test('where nobody reads, and where the queue is full, nothing waits', () => {
  let path = ''
  {
    using socket = notifySocket()
    path = socket.path
    const fill = () => {
      for (let i = 0; i < 100_000; i++) sendDatagram(path, bytes('x'))
    }
    assert.throws(fill, /sendto\(.*EAGAIN.*does not keep up/)
    assert.ok(socket.received().length > 0)
  }
  assert.throws(() => sendDatagram(path, bytes('x')), /sendto\(.*ENOENT.*there is no such socket/)
  assert.throws(() => sendDatagram('@homenode-nobody', bytes('x')), /ECONNREFUSED.*nobody reads there/)
})

test('a path that no socket can have is bad input', () => {
  for (const path of ['', '/', '@', 'relative', `/${'x'.repeat(107)}`, '/a\0b', 'vsock:2:1']) {
    assert.throws(() => sendDatagram(path, bytes('x')), /path: expected "\/\.\.\." or "@\.\.\."/, path)
  }
  // The longest one: 107 bytes and NUL.
  assert.throws(() => sendDatagram(`/${'x'.repeat(106)}`, bytes('x')), /ENOENT/)
})

test.run()
