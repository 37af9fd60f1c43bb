/** A plan: picture, price, refusals with what would let them in, what fits beside, a vCPU elsewhere, files. */

import { useState } from 'preact/hooks'
import { sceneOfPlan } from '../picture/of-plan.js'
import { planText, termsText } from '../picture/words.js'
import { countLost, formatCost } from '../units.js'
import type { Shown } from './app.js'
import { Files } from './files.js'
import type { Moved, Step } from './moved.js'
import { Picture } from './picture.js'
import { start } from './planning.js'
import { withChange } from './request.js'
import type { State } from './state.js'
import { Tables } from './tables.js'
import { VmSelect } from './vm-select.js'

interface ResultProps {
  readonly shown: Shown
  /** By now; the plan may still be for what was asked before. */
  readonly asked: State
  readonly moved: Moved | null
  readonly kept: Shown | null
  keep(shown: Shown | null): void
  move(step: Step): void
  back(): void
  edit(change: Partial<State>): void
}

export function Result({ shown, asked, moved, kept, keep, move, back, edit }: ResultProps) {
  const isMoved = moved !== null && moved.findings.length === 0
  const now = isMoved ? { ...shown, plan: moved.plan } : shown
  return (
    <>
      <p class={shown.state === asked ? '' : 'faint'} role="status">
        {planText(now.plan)}
        {isMoved ? `, ${difference(now.plan.cost.lostVcpus - shown.plan.cost.lostVcpus)} than planned` : ''}
      </p>
      {moved !== null && <MovedNote moved={moved} back={back} />}
      <div class={kept === null ? 'pictures' : 'pictures two'}>
        <figure>
          <figcaption>{kept === null ? 'The plan' : 'This plan'}</figcaption>
          <Picture
            scene={sceneOfPlan(now.host, now.request, now.plan)}
            name="Picture of the plan"
            id="now-"
            move={move}
          />
        </figure>
        {kept !== null && (
          <figure>
            <figcaption>
              Kept for comparison: {planText(kept.plan)}; this one has{' '}
              {difference(now.plan.cost.lostVcpus - kept.plan.cost.lostVcpus)}
            </figcaption>
            <Picture
              scene={sceneOfPlan(kept.host, kept.request, kept.plan)}
              name="Picture of the plan that is kept"
              id="kept-"
            />
          </figure>
        )}
      </div>
      <div class="row">
        <button type="button" onClick={() => keep(now)}>
          Keep for comparison
        </button>
        {kept !== null && (
          <button type="button" onClick={() => keep(null)}>
            Compare no more
          </button>
        )}
      </div>
      <Refusals shown={shown} edit={edit} />
      <MoveForm shown={now} move={move} />
      <CapacityForm shown={shown} />
      <Files shown={now} asked={asked} />
      <Price shown={now} />
      <Tables shown={now} />
    </>
  )
}

function difference(lost: number): string {
  const rounded = Math.round(lost * 1e6) / 1e6
  return countLost(Math.abs(rounded), rounded < 0 ? 'fewer lost vCPU' : 'more lost vCPU')
}

function MovedNote({ moved, back }: { readonly moved: Moved; back(): void }) {
  return (
    <div class={moved.findings.length === 0 ? 'note' : 'note error'} role="status">
      {moved.findings.length === 0 ? (
        <p>It holds with this vCPU there.</p>
      ) : (
        <>
          <p>That is refused:</p>
          <ul>
            {moved.findings.slice(0, 8).map(({ constraint, text }) => (
              <li key={text}>
                {constraint}: {text}
              </li>
            ))}
          </ul>
        </>
      )}
      <button type="button" onClick={back}>
        Back to the plan
      </button>
    </div>
  )
}

function Refusals({ shown, edit }: { readonly shown: Shown; edit(change: Partial<State>): void }) {
  const { plan, state } = shown
  if (plan.refused.length === 0) return null
  return (
    <section aria-label="Refused VMs">
      <h2>Refused</h2>
      {plan.refused.map(({ name, proven, because, nearest }) => (
        <div key={name} class="refused">
          <h3>
            {name}
            {proven ? '' : ' (as far as the search got)'}
          </h3>
          <ul>
            {because.map(({ constraint, text }) => (
              <li key={constraint}>
                {constraint}: {text}
              </li>
            ))}
          </ul>
          <div class="row">
            {nearest.map(({ change, lostVcpus }) => {
              const text = withChange(state.request, name, change)
              const cost = countLost(lostVcpus, 'more lost vCPU')
              return text === null ? (
                <span key={change}>
                  {change} ({cost}): more steps may find it
                </span>
              ) : (
                <button type="button" key={change} onClick={() => edit({ request: text })}>
                  {change} ({cost})
                </button>
              )
            })}
          </div>
        </div>
      ))}
    </section>
  )
}

/** The same as dragging a vCPU, by keys. */
function MoveForm({ shown, move }: { readonly shown: Shown; move(step: Step): void }) {
  const [vm, setVm] = useState('')
  const [vcpu, setVcpu] = useState('0')
  const [cpu, setCpu] = useState('0')
  const { vms } = shown.plan
  const chosen = vms.find(({ name }) => name === vm) ?? vms[0]
  if (chosen === undefined) return null
  return (
    <fieldset>
      <legend>A vCPU elsewhere (or drag it in the picture)</legend>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault()
          move({ vm: chosen.name, vcpu: Number(vcpu), cpu: Number(cpu) })
        }}
      >
        <VmSelect label="VM" names={vms.map(({ name }) => name)} chosen={chosen.name} choose={setVm} />
        <label>
          vCPU{' '}
          <input
            type="number"
            min={0}
            max={chosen.vcpus.length - 1}
            required
            value={vcpu}
            onInput={({ currentTarget }) => setVcpu(currentTarget.value)}
          />
        </label>
        <label>
          to CPU{' '}
          <input
            type="number"
            min={0}
            required
            value={cpu}
            onInput={({ currentTarget }) => setCpu(currentTarget.value)}
          />
        </label>
        <button type="submit">What would it cost?</button>
      </form>
    </fieldset>
  )
}

function CapacityForm({ shown }: { readonly shown: Shown }) {
  const [vm, setVm] = useState('')
  const [answer, setAnswer] = useState('')
  const names = shown.request.vms.map(({ name }) => name)
  const chosen = names.includes(vm) ? vm : names[0]!
  return (
    <fieldset>
      <legend>How many more fit</legend>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault()
          setAnswer('...')
          start({ kind: 'capacity', state: shown.state, vm: chosen }, (said) => {
            if (said.kind === 'capacity') {
              const { more, because } = said.capacity
              setAnswer(`${more} more like ${chosen}; then ${because.map(({ text }) => text).join('; ')}`)
            } else if (said.kind === 'error') setAnswer(said.text)
          })
        }}
      >
        <VmSelect label="Like" names={names} chosen={chosen} choose={setVm} />
        <button type="submit">How many more?</button>
      </form>
      <p role="status">{answer}</p>
    </fieldset>
  )
}

function Price({ shown }: { readonly shown: Shown }) {
  const { cost, vms } = shown.plan
  return (
    <section aria-label="Price">
      <h2>Lost vCPUs</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">VM</th>
            <th scope="col">lost</th>
            <th scope="col">to</th>
          </tr>
        </thead>
        <tbody>
          {vms.map(({ name, cost: own }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{formatCost(own.lostVcpus)}</td>
              <td>{termsText(own.terms) || '-'}</td>
            </tr>
          ))}
          <tr>
            <th scope="row">all</th>
            <td>{formatCost(cost.lostVcpus)}</td>
            <td>{termsText(cost.terms) || '-'}</td>
          </tr>
          <tr>
            <th scope="row">at least</th>
            <td>{formatCost(cost.lowerBound)}</td>
            <td>the lower bound</td>
          </tr>
        </tbody>
      </table>
    </section>
  )
}
