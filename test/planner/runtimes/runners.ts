/** The runtimes: each is given a folder with the planner and the common problems and returns what it answers. */

import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** A runtime that hangs is a failure, not a hung suite. */
const LIMIT_MS = 300_000
const MAX_OUTPUT_BYTES = 2 ** 28

const binaries = fileURLToPath(new URL('./node_modules/.bin', import.meta.url))
const environment = { ...process.env, PATH: `${binaries}${delimiter}${process.env.PATH}` }

/** Whether a program is here: from this folder's packages, or installed. */
export function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { env: environment, stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** What a program prints. It fails on an exit code and on a signal. */
export async function run(program: string, args: readonly string[]): Promise<string> {
  const options = { env: environment, timeout: LIMIT_MS, maxBuffer: MAX_OUTPUT_BYTES }
  const { stdout } = await promisify(execFile)(program, [...args], options)
  return stdout
}

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript' }

/** Serves a folder until `POST /answer` comes; resolves to what it says. `open` starts the browser, which ends with it. */
export async function runBrowser(folder: string, program: string): Promise<string> {
  const profile = mkdtempSync(join(folder, 'profile-'))
  let browser: ChildProcess | undefined
  let timer: NodeJS.Timeout | undefined
  const server = createServer()
  try {
    return await new Promise((resolve, reject) => {
      server.on('request', (request, response) => {
        if (request.method === 'POST') {
          const chunks: Buffer[] = []
          request.on('data', (chunk) => chunks.push(chunk))
          request.on('end', () => {
            response.end()
            resolve(Buffer.concat(chunks).toString())
          })
          return
        }
        const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname))
        try {
          const content = readFileSync(join(folder, path))
          response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream').end(content)
        } catch {
          response.writeHead(404).end()
        }
      })
      server.listen(0, '127.0.0.1', () => {
        const { port } = server.address() as AddressInfo
        const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run']
        const url = `http://127.0.0.1:${port}/page.html`
        browser = spawn(program, [...flags, '--remote-debugging-port=0', `--user-data-dir=${profile}`, url], {
          stdio: 'ignore',
          detached: true,
        })
        browser.on('error', reject)
        browser.on('exit', (code, signal) =>
          reject(new Error(`${program} ended (${signal ?? code}) without an answer`)),
        )
      })
      timer = setTimeout(() => reject(new Error(`${program}: no answer in ${LIMIT_MS} ms`)), LIMIT_MS)
    })
  } finally {
    clearTimeout(timer)
    server.close()
    server.closeAllConnections()
    await end(browser)
    rmSync(profile, { recursive: true, force: true, maxRetries: 10 })
  }
}

/** Ends a process and those that it started (its group), and waits for it. */
async function end(child: ChildProcess | undefined): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('close', resolve))
  process.kill(-child.pid, 'SIGKILL')
  await gone
}
