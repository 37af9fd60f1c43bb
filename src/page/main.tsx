/**
 * Where the page begins: with the state of its link, the machine that serves it, or an example. The worker is the same script, where there is no
 * document: so the planner and the verifier are in the page once.
 */

import { render } from 'preact'
import { App } from './app.js'
import { FIRST } from './examples.js'
import { linked, type State } from './state.js'
import { serveJobs } from './worker.js'

/** What `homenode serve` puts there: the host as JSON; `null` in the page as a file. */
function served(): State | null {
  const host: unknown = JSON.parse(document.getElementById('start')?.textContent ?? 'null')
  if (host === null) return null
  const request = { vms: [{ name: 'demo', vcpus: 1, memory: '64MiB' }] }
  return {
    ...FIRST,
    host: { kind: 'json', text: JSON.stringify(host, null, 1) },
    request: JSON.stringify(request, null, 2),
  }
}

async function begin(): Promise<void> {
  const { state, problem } = await linked()
  const root = document.getElementById('page')!
  render(<App first={state ?? served() ?? FIRST} problem={problem} />, root)
}

if (typeof document === 'undefined') serveJobs()
else void begin()
