/** What is asked: host, request, what is taken away, and how long to search. */

import { useId } from 'preact/hooks'
import { EXAMPLES } from './examples.js'
import { FIELDS, type Field, typedValue } from './fields.js'
import { type Fields, vmsOf, withField, withNewVm, withoutVm } from './request.js'
import type { HostText, State } from './state.js'

interface AskingProps {
  readonly state: State
  edit(change: Partial<State>): void
  replace(state: State): void
}

export function Asking({ state, edit, replace }: AskingProps) {
  const { host, request, away, steps, seed } = state
  const vms = vmsOf(request)
  const setHost = (change: Partial<HostText>) => edit({ host: { ...host, ...change } })
  return (
    <section class="asking" aria-label="Host and request">
      <label>
        Example
        <select
          value=""
          onChange={({ currentTarget }) => {
            const chosen = EXAMPLES[currentTarget.value]
            if (chosen !== undefined) replace(chosen)
          }}
        >
          <option value="">choose one</option>
          {Object.keys(EXAMPLES).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <fieldset>
        <legend>Host</legend>
        <label>
          As
          <select
            value={host.kind}
            onChange={({ currentTarget }) => setHost({ kind: currentTarget.value as HostText['kind'] })}
          >
            <option value="synthetic">a description in hwloc's syntax</option>
            <option value="json">JSON of "homenode topo --json"</option>
          </select>
        </label>
        <Text label="Host" value={host.text} rows={host.kind === 'json' ? 6 : 2} set={(text) => setHost({ text })} />
        <FileButton label="Load a host" load={(text) => edit({ host: { kind: 'json', text } })} />
        <Line
          label="Take CPUs away"
          hint="a cpulist such as 0-3,8"
          value={away.cpus}
          set={(cpus) => edit({ away: { ...away, cpus } })}
        />
        <Line
          label="Take nodes away"
          hint="their CPUs and memory"
          value={away.nodes}
          set={(nodes) => edit({ away: { ...away, nodes } })}
        />
      </fieldset>
      <fieldset>
        <legend>Request</legend>
        {vms?.map((vm, index) => (
          <VmForm
            key={index}
            vm={vm}
            set={(field, value) => edit({ request: withField(request, index, field, value) })}
            remove={() => edit({ request: withoutVm(request, vm.name) })}
          />
        ))}
        <div class="row">
          <button type="button" disabled={vms === null} onClick={() => edit({ request: withNewVm(request) })}>
            Add a VM
          </button>
          <FileButton label="Load a request" load={(text) => edit({ request: text })} />
        </div>
        <Text label="Request as JSON" value={request} rows={10} set={(text) => edit({ request: text })} />
      </fieldset>
      <fieldset>
        <legend>Search</legend>
        <Line label="Steps" hint="at most" value={String(steps)} set={(text) => edit({ steps: whole(text, steps) })} />
        <Line
          label="Seed"
          hint="the same seed gives the same plan"
          value={String(seed)}
          set={(text) => edit({ seed: whole(text, seed) })}
        />
      </fieldset>
    </section>
  )
}

function whole(text: string, otherwise: number): number {
  return /^\d{1,9}$/.test(text.trim()) ? Number(text) : otherwise
}

function VmForm({
  vm,
  set,
  remove,
}: {
  readonly vm: Fields
  set(field: string, value: unknown): void
  remove(): void
}) {
  const name = String(vm.name ?? '')
  return (
    <details class="vm">
      <summary>
        {name}: {vm.vcpus === 1 ? '1 vCPU' : `${vm.vcpus ?? '?'} vCPUs`}, {String(vm.memory ?? '?')}
      </summary>
      {FIELDS.map((field) => (
        <FieldInput key={field.name} field={field} value={vm[field.name]} set={(value) => set(field.name, value)} />
      ))}
      <button type="button" onClick={remove}>
        Remove {name}
      </button>
    </details>
  )
}

/** Fields with lists or objects are for the JSON. */
function FieldInput({
  field,
  value,
  set,
}: {
  readonly field: Field
  readonly value: unknown
  set(value: unknown): void
}) {
  const id = useId()
  const { name, kind, means, usual } = field
  const isSimple = value === undefined || typeof value !== 'object'
  const shown = value === undefined ? '' : isSimple ? String(value) : JSON.stringify(value)
  const choices = typeof kind === 'string' ? null : kind
  return (
    <div class="field">
      <label for={id}>{name}</label>
      {choices === null ? (
        <input
          id={id}
          aria-describedby={`${id}means`}
          value={shown}
          placeholder={usual}
          disabled={!isSimple}
          onChange={({ currentTarget }) => set(typedValue(field, currentTarget.value))}
        />
      ) : (
        <select
          id={id}
          aria-describedby={`${id}means`}
          value={shown}
          onChange={({ currentTarget }) => set(typedValue(field, currentTarget.value))}
        >
          <option value="">{usual} (default)</option>
          {choices.map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
          {shown !== '' && !choices.includes(shown) && <option>{shown}</option>}
        </select>
      )}
      <small id={`${id}means`}>{means}</small>
    </div>
  )
}

interface TextProps {
  readonly label: string
  readonly value: string
  set(text: string): void
}

function Text({ label, value, rows, set }: TextProps & { readonly rows: number }) {
  return (
    <label>
      {label}
      <textarea
        rows={rows}
        spellcheck={false}
        value={value}
        onChange={({ currentTarget }) => set(currentTarget.value)}
      />
    </label>
  )
}

function Line({ label, hint, value, set }: TextProps & { readonly hint: string }) {
  return (
    <label class="field">
      <span>{label}</span>
      <input value={value} onChange={({ currentTarget }) => set(currentTarget.value)} />
      <small>{hint}</small>
    </label>
  )
}

function FileButton({ label, load }: { readonly label: string; load(text: string): void }) {
  return (
    <label>
      {label}
      <input
        type="file"
        accept=".json,application/json"
        onChange={async ({ currentTarget }) => {
          const [file] = currentTarget.files ?? []
          if (file !== undefined) load(await file.text())
          currentTarget.value = ''
        }}
      />
    </label>
  )
}
