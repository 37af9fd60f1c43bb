/** What can be taken along: the plan, the host and the request as JSON, the picture, a VM for libvirt, a link. */

import { useState } from 'preact/hooks'
import { guestOf } from '../formats/guest.js'
import { toLibvirt } from '../formats/libvirt/write.js'
import { drawPicture } from '../picture/draw.js'
import { sceneOfPlan } from '../picture/of-plan.js'
import type { Shown } from './app.js'
import { useTheme } from './picture.js'
import { encodeState, type State } from './state.js'
import { VmSelect } from './vm-select.js'

export function Files({ shown, asked }: { readonly shown: Shown; readonly asked: State }) {
  const { host, request, plan, state } = shown
  const [link, setLink] = useState('')
  const [vm, setVm] = useState('')
  const names = plan.vms.map(({ name }) => name)
  const chosen = names.includes(vm) ? vm : names[0]
  const theme = useTheme()
  const libvirt = (name: string): string => {
    const placed = plan.vms.find((one) => one.name === name)!
    const policy = request.vms.find((one) => one.name === name)?.memoryPolicy
    return toLibvirt(guestOf(placed, policy, host), host).text
  }
  return (
    <fieldset>
      <legend>Take it along</legend>
      <div class="row">
        <Save name="plan.json" text={() => json(plan)} />
        <Save name="host.json" text={() => json(host)} />
        <Save name="request.json" text={() => `${state.request.trimEnd()}\n`} />
        <Save name="plan.svg" text={() => drawPicture(sceneOfPlan(host, request, plan), { theme })} />
        <button
          type="button"
          onClick={async () => {
            const text = `${location.href.replace(/#.*/s, '')}#${await encodeState(asked)}`
            history.replaceState(null, '', text)
            setLink(text)
          }}
        >
          Link
        </button>
      </div>
      {chosen !== undefined && (
        <div class="row">
          <VmSelect label="For libvirt" names={names} chosen={chosen} choose={setVm} />
          <Save name={`${chosen}.xml`} text={() => libvirt(chosen)} />
        </div>
      )}
      {link !== '' && (
        <label>
          Link to what is asked
          <input readOnly value={link} />
        </label>
      )}
    </fieldset>
  )
}

/** As the command prints it. */
function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

function Save({ name, text }: { readonly name: string; text(): string }) {
  return (
    <button
      type="button"
      onClick={() => {
        const url = URL.createObjectURL(new Blob([text()], { type: 'application/octet-stream' }))
        const anchor = document.createElement('a')
        anchor.href = url
        anchor.download = name
        anchor.click()
        URL.revokeObjectURL(url)
      }}
    >
      {name}
    </button>
  )
}
