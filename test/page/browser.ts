/** The page in a real browser: Debian's Chromium without a window, driven by playwright-core. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'
import type { State } from '../../src/page/state.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const CHROMIUM = '/usr/bin/chromium'

export const hasChromium = existsSync(CHROMIUM)
export const NO_CHROMIUM = `${CHROMIUM} is not there (apt-get install chromium)`
/** The page as a file. */
export const FILE = `file://${join(root, 'dist/page.html')}`

/** A machine under load takes long; waits are for events, this is when they are given up. */
const PATIENCE = 240_000

export const folder = mkdtempSync(join(tmpdir(), 'homenode-page-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

export async function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'], timeout: PATIENCE })
}

export interface Opened {
  readonly page: Page
  /** What the console had as errors, and what was asked of other hosts. */
  readonly complaints: readonly string[]
}

export async function open(browser: Browser, url: string, colorScheme: 'light' | 'dark' = 'light'): Promise<Opened> {
  const context = await browser.newContext({
    colorScheme,
    viewport: { width: 1400, height: 1000 },
    acceptDownloads: true,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(PATIENCE)
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    const other = request.url()
    if (other !== url.replace(/#.*/, '') && !/^(data|blob):/.test(other)) complaints.push(`asked for ${other}`)
  })
  await page.goto(url, { timeout: PATIENCE })
  return { page, complaints }
}

/** Until the plan of what is asked now is there. */
export async function settled(page: Page): Promise<void> {
  await page.getByText('The search has ended.').waitFor()
}

/** A text of the form; it is taken as when a person leaves the field. */
export async function fill(page: Page, label: string, text: string): Promise<void> {
  const field = page.getByLabel(label, { exact: true })
  await field.fill(text)
  await field.dispatchEvent('change')
}

/** What a button gives to save. */
export async function saved(page: Page, name: string): Promise<string> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name, exact: true }).click(),
  ])
  const chunks: Buffer[] = []
  for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

export function stateOf(synthetic: string, request: object, more: Partial<State> = {}): State {
  return {
    host: { kind: 'synthetic', text: synthetic },
    request: JSON.stringify(request),
    away: { cpus: '', nodes: '' },
    steps: 1000,
    seed: 1,
    ...more,
  }
}
