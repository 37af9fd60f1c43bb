/** The page: what is asked at the left, the plan at the right. */

import { useCallback, useEffect, useReducer, useRef, useState } from 'preact/hooks'
import type { Plan } from '../types.js'
import { Asking } from './asking.js'
import type { Answer } from './messages.js'
import type { Moved, Step } from './moved.js'
import { start } from './planning.js'
import { type Problem, problemOf } from './problem.js'
import { Result } from './result.js'
import { linked, type State, stepped } from './state.js'

/** A plan with what it is for. */
export interface Shown extends Problem {
  readonly state: State
  readonly plan: Plan
}

/** How far the search is; `null`: it is over. */
export interface Progress {
  readonly steps: number
  readonly of: number
}

export function App({ first, problem }: { readonly first: State; readonly problem: string }) {
  const [{ past, present, future }, step] = useReducer(stepped, { past: [], present: first, future: [] })
  const [shown, setShown] = useState<Shown | null>(null)
  const [progress, setProgress] = useState<Progress | null>(null)
  const [error, setError] = useState('')
  // Said until something else is asked for.
  const [ofLink, setOfLink] = useState({ problem, asked: first })
  const told = [ofLink.asked === present ? ofLink.problem : '', error].filter((text) => text !== '').join('. ')
  const [moved, setMoved] = useState<Moved | null>(null)
  const [kept, setKept] = useState<Shown | null>(null)
  const stop = useRef<() => void>(() => {})
  const edit = useCallback((change: Partial<State>) => step({ to: { ...present, ...change } }), [present])

  useEffect(() => {
    let read: Problem
    stop.current()
    setMoved(null)
    try {
      read = problemOf(present)
    } catch (wrong) {
      setError(wrong instanceof Error ? wrong.message : String(wrong))
      setProgress(null)
      setShown(null)
      return
    }
    setProgress({ steps: 0, of: present.steps })
    stop.current = start({ kind: 'plan', state: present }, (answer: Answer) => {
      if (answer.kind === 'error') {
        setError(answer.text)
        setProgress(null)
        setShown(null)
      } else if (answer.kind === 'plan') {
        setError('')
        setShown({ ...read, state: present, plan: answer.plan })
        setProgress(answer.isLast ? null : { steps: answer.steps, of: present.steps })
      }
    })
    return () => stop.current()
  }, [present])

  const move = useCallback(
    (wanted: Step) => {
      if (shown === null) return
      const plan = moved !== null && moved.findings.length === 0 ? moved.plan : shown.plan
      start({ kind: 'move', state: shown.state, plan, step: wanted }, (answer) => {
        if (answer.kind === 'moved') setMoved(answer.moved)
        else if (answer.kind === 'error') setError(answer.text)
      })
    },
    [shown, moved],
  )
  useKeys(step)
  // Another link in the same tab is no other page. What was there before is still there by undo.
  useEffect(() => {
    const followed = async () => {
      const { state, problem: wrong } = await linked()
      setOfLink({ problem: wrong, asked: present })
      if (state !== null) step({ to: state })
    }
    window.addEventListener('hashchange', followed)
    return () => window.removeEventListener('hashchange', followed)
  }, [present])

  return (
    <>
      <header>
        <h1>homenode</h1>
        <div class="row">
          <button type="button" disabled={past.length === 0} onClick={() => step('undo')} aria-keyshortcuts="Control+Z">
            Undo
          </button>
          <button
            type="button"
            disabled={future.length === 0}
            onClick={() => step('redo')}
            aria-keyshortcuts="Control+Y"
          >
            Redo
          </button>
        </div>
      </header>
      <main>
        <Asking state={present} edit={edit} replace={(to) => step({ to })} />
        <section class="result" aria-label="The plan">
          <div class="row">
            <Search
              progress={progress}
              stop={() => {
                stop.current()
                setProgress(null)
              }}
            />
          </div>
          <p role="alert" class={told === '' ? 'hidden' : 'error'}>
            {told}
          </p>
          {shown !== null && (
            <Result
              shown={shown}
              asked={present}
              moved={moved}
              kept={kept}
              keep={setKept}
              move={move}
              back={() => setMoved(null)}
              edit={edit}
            />
          )}
        </section>
      </main>
    </>
  )
}

function Search({ progress, stop }: { readonly progress: Progress | null; stop(): void }) {
  if (progress === null) return <span class="faint">The search has ended.</span>
  return (
    <>
      <progress aria-label="Search" max={progress.of} value={progress.steps} />
      <span>
        {progress.steps} of {progress.of} steps
      </span>
      <button type="button" onClick={stop}>
        Stop
      </button>
    </>
  )
}

/** Undo and redo where no text is being edited: there, the keys are the browser's. */
function useKeys(step: (step: 'undo' | 'redo') => void): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const isText = event.target instanceof HTMLTextAreaElement || event.target instanceof HTMLInputElement
      if (isText || !(event.ctrlKey || event.metaKey)) return
      const key = event.key.toLowerCase()
      if (key !== 'z' && key !== 'y') return
      event.preventDefault()
      step(key === 'y' || event.shiftKey ? 'redo' : 'undo')
    }
    document.addEventListener('keydown', pressed)
    return () => document.removeEventListener('keydown', pressed)
  }, [step])
}
