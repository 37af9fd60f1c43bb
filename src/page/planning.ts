/** The worker's jobs, from the page's side: one at a time. */

import type { Answer, Job } from './messages.js'

/** It is the page's own script: a file could not be loaded from `file://`. */
function startWorker(): Worker {
  const code = document.getElementById('script')!.textContent ?? ''
  const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }))
  const worker = new Worker(url)
  worker.addEventListener('message', () => URL.revokeObjectURL(url), { once: true })
  return worker
}

/**
 * Gives a job to a worker of its own.
 * @returns ends it, whatever it is doing
 */
export function start(job: Job, answered: (answer: Answer) => void): () => void {
  const worker = startWorker()
  worker.onmessage = ({ data }: MessageEvent<Answer>) => {
    if (data.kind !== 'plan' || data.isLast) worker.terminate()
    answered(data)
  }
  worker.onerror = ({ message }) => {
    worker.terminate()
    answered({ kind: 'error', text: `the worker failed: ${message}` })
  }
  worker.postMessage(job)
  return () => worker.terminate()
}
