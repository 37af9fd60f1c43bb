/** `homenode serve --extender`: the command, and what it is told. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ApiError, ApiServer } from '../../../src/fleet/kubernetes/api-server.js'
import { syntheticHost } from '../../../src/topology/synthetic.js'
import { cli, homenode } from '../../cli/command.js'
import { FakeApiServer } from './api-server.js'
import { nodeOf, podOf } from './objects.js'

const folder = mkdtempSync(join(tmpdir(), 'homenode-extender-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

test('it answers over HTTP, binds, says what it has not reached, and ends in good order', async () => {
  const api = new FakeApiServer()
  const port = await api.listen()
  api.set('nodes', nodeOf('node', syntheticHost('pack:1 [numa(memory=64GiB)] l3:1 core:16 pu:1')))
  const pod = podOf('vm', { cpu: '4', memory: '4Gi' })
  api.set('pods', pod)
  const args = ['serve', '--extender', '--port', '0', '--api-server', `http://127.0.0.1:${port}`]
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close')
  const said = once(createInterface(child.stderr), 'line')
  try {
    const [address] = (await once(createInterface(child.stdout), 'line')) as [string]
    const ask = async (path: string, body: unknown) => {
      const response = await fetch(`${address}${path}`, { method: 'POST', body: JSON.stringify(body) })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    }
    const question = { Pod: pod, Nodes: null, NodeNames: ['node'] }
    let found = await ask('/filter', question)
    while (found.body.Error !== '') found = await ask('/filter', question)
    assert.equal([found.status, found.body.NodeNames], [200, ['node']])
    assert.equal((await ask('/prioritize', question)).body, [{ Host: 'node', Score: 10 }])
    const binding = { PodName: 'vm', PodNamespace: 'vms', PodUID: pod.metadata.uid, Node: 'node' }
    assert.equal((await ask('/bind', binding)).body, { Error: '' })
    assert.is(pod.spec.nodeName, 'node')
    const wrong = await ask('/bind', {})
    assert.equal([wrong.status, /^podname: expected/.test(`${wrong.body.error}`)], [400, true])
    assert.equal((await ask('/rank', {})).status, 404)
    await api.close()
    assert.match(`${await said}`, /^(nodes|pods) of the API server are not followed: /)
  } finally {
    child.kill('SIGTERM')
  }
  assert.equal(await ended, [0, null])
})

test('a token that cannot be sent is an error of the call, and is not shown', async () => {
  const tokenFile = join(folder, 'token')
  writeFileSync(tokenFile, 's3\ncret')
  const api = new ApiServer({ url: new URL('http://127.0.0.1:1'), tokenFile })
  const error = await api.get('/api/v1/nodes').then(
    () => assert.unreachable(),
    (reason: unknown) => reason,
  )
  assert.instance(error, ApiError)
  assert.not.match((error as ApiError).message, /cret/)
})

test('what it is told has to be there, and of the right kind', async () => {
  const none = { KUBERNETES_SERVICE_HOST: '' }
  const cases: readonly (readonly [readonly string[], RegExp, Record<string, string>?])[] = [
    [
      ['--extender'],
      /--api-server: expected an address such as https:\/\/192\.0\.2\.1:6443, or a pod's environment, got neither/,
    ],
    [['--extender', '--api-server', 'kubernetes'], /--api-server: expected an address .*got "kubernetes"/],
    [['--extender', '--api-server', 'ftp://a'], /--api-server: expected an address/],
    [['--extender', '--api-server', 'https://a?b=1'], /--api-server: expected an address/],
    [
      ['--extender', '--api-server', 'https://u:s3cret@a'],
      /--api-server: expected an address [^@]*got one with a user in it/,
    ],
    [
      ['--extender', '--api-server', 'https://a', '--api-token', '/nowhere'],
      /--api-token: expected a file, got "\/nowhere": no such file/,
    ],
    [['--extender', '--api-server', 'https://a', '--api-ca', '/nowhere'], /--api-ca: expected a file/],
    [
      ['--extender'],
      /--api-token: expected a file, got "\/var\/run\/secrets\/.*\/token"/,
      { KUBERNETES_SERVICE_HOST: '192.0.2.1' },
    ],
    [['--rank', '--api-server', 'https://a'], /--api-server: expected --extender, too, got --api-server alone/],
    [
      ['--extender', '--hosts', folder, '--api-server', 'https://a'],
      /--hosts: expected --rank, too, got --hosts alone/,
    ],
    [['--socket', 'x'], /--socket: expected --rank or --extender, too, got --socket alone/],
    [['--extender', '--api-server', 'https://a', '--host', 'b'], /--host: expected an IP address, got "b"/],
  ]
  await Promise.all(
    cases.map(async ([args, says, env = none]) => {
      const { code, stdout, stderr } = await homenode(['serve', ...args], { env })
      assert.equal([code, stdout], [2, ''], `${args.join(' ')}: ${stderr}`)
      assert.match(stderr, says)
    }),
  )
})

test.run()
