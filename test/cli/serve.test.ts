/** `homenode page` and `homenode serve`. */

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseHost } from '../../src/topology/index.js'
import { cli, homenode, root } from './command.js'

const folder = mkdtempSync(join(tmpdir(), 'homenode-serve-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

test('page writes the built page, to a file and to standard output', async () => {
  const built = readFileSync(join(root, 'dist/page.html'), 'utf8')
  const { code, stderr } = await homenode(['page', join(folder, 'page.html')])
  assert.is(code, 0, stderr)
  assert.is(readFileSync(join(folder, 'page.html'), 'utf8'), built)
  assert.is((await homenode(['page', '-'])).stdout, built)
  const refused = await homenode(['page', join(folder, 'none/page.html')])
  assert.equal(
    [refused.code, refused.stderr],
    [1, `homenode: ${join(folder, 'none/page.html')} cannot be written: ENOENT\n`],
  )
})

test('the page allows its own script and style by their hashes, a worker, WebAssembly and nothing else', () => {
  const page = readFileSync(join(root, 'dist/page.html'), 'utf8')
  const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page)![1]!
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  const script = page.split('<script id="script">').at(-1)!.split('</script>')[0]!
  const style = /<style>(.*?)<\/style>/s.exec(page)![1]!
  assert.equal(policy.split('; '), [
    "default-src 'none'",
    `script-src ${hash(script)} 'wasm-unsafe-eval'`,
    `style-src ${hash(style)}`,
    'worker-src blob:',
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ])
  assert.not.match(page.replaceAll('http://www.w3.org/', ''), /(?:src|href)="https?:/)
})

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
}

function ask(url: string, method = 'GET', headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    httpRequest(url, { method, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }))
    })
      .on('error', reject)
      .end()
  })
}

/** A server on a free port, as long as `use` takes; how it ended. */
async function serving(use: (url: string) => Promise<void>): Promise<number | null> {
  const child = spawn(process.execPath, [cli, 'serve', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  try {
    const lines = createInterface({ input: child.stdout })
    const url = await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve)
      lines.once('close', () => reject(new Error('serve ended')))
    })
    await use(url)
  } finally {
    child.kill('SIGINT')
  }
  return ended
}

test('serve gives the page with this machine in it, on 127.0.0.1, and ends in good order', async () => {
  const ended = await serving(async (url) => {
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/)
    const { status, headers, text } = await ask(url)
    assert.is(status, 200)
    assert.is(headers['content-type'], 'text/html; charset=utf-8')
    assert.is(headers['content-security-policy'], "frame-ancestors 'none'")
    assert.is(headers['x-content-type-options'], 'nosniff')
    const start = /<script type="application\/json" id="start">([^<]*)<\/script>/.exec(text)![1]!
    const { stdout } = await homenode(['topo', '--json'])
    assert.equal(parseHost(JSON.parse(start)).cpus, parseHost(JSON.parse(stdout)).cpus)
  })
  assert.is(ended, 0)
})

test('serve answers nothing but the page, and nobody who comes by another name', async () => {
  await serving(async (url) => {
    assert.is((await ask(`${url}other`)).status, 404)
    assert.is((await ask(url, 'POST')).status, 405)
    const head = await ask(url, 'HEAD')
    assert.equal([head.status, head.text], [200, ''])
    for (const host of ['evil.example', 'evil.example:8080', 'localhost.evil.example']) {
      assert.is((await ask(url, 'GET', { host })).status, 421, host)
    }
    for (const host of ['localhost', 'localhost:1', '127.0.0.1:8080', '[::1]:8080']) {
      assert.is((await ask(url, 'GET', { host })).status, 200, host)
    }
  })
})

test('a port that is taken and an address that is none are told', async () => {
  await serving(async (url) => {
    const { port } = new URL(url)
    const { code, stderr } = await homenode(['serve', '--port', port])
    assert.equal([code, stderr], [1, `homenode: 127.0.0.1 port ${port} cannot be listened on: EADDRINUSE\n`])
  })
  const { code, stderr } = await homenode(['serve', '--host', 'everywhere'])
  assert.equal([code, stderr], [2, 'homenode: --host: expected an IP address, got "everywhere"\n'])
})

test.run()
