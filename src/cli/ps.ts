/** `homenode ps`: the VMs that run here. */

import { requestOf } from '../../executor/found/as-request.js'
import { findVms } from '../../executor/found/find.js'
import { InputError, show } from '../errors.js'
import { readThisHost } from './host-source.js'
import { type ColorWhen, print, printJson, styleOf } from './output.js'
import { type PictureOptions, pictures } from './picture.js'
import { showVm, showVms } from './ps-view.js'
import { judge, type RunningVms } from './running.js'
import { sceneOfRunning } from './running-scene.js'

interface PsOptions extends PictureOptions {
  readonly connect?: string
  readonly measured?: string
  readonly json?: true
  readonly color: ColorWhen
}

export async function ps(options: PsOptions, name?: string): Promise<void> {
  const { connect, json, color } = options
  const drawing = await pictures(options)
  const host = await readThisHost(options)
  const found = await findVms(connect === undefined ? {} : { connect })
  const running = await judge(found, host)
  const shown = name === undefined ? running : { ...running, vms: namedIn(running, name) }
  await drawing.draw(() => sceneOfRunning(requestOf(found.vms, host), running))
  if (json) printJson(reportOf(shown))
  if (json || drawing.isOutput) return
  const style = styleOf(process.stdout, color)
  print(name === undefined ? showVms(shown, style) : shown.vms.map((one) => showVm(one, style)).join('\n\n'))
}

/** @throws {InputError} where there is none */
function namedIn({ vms }: RunningVms, name: string): RunningVms['vms'] {
  const named = vms.filter(({ vm }) => vm.name.value === name || String(vm.pid) === name)
  if (named.length > 0) return named
  const names = vms.map(({ vm }) => vm.name.value).join(', ')
  throw new InputError('NAME', `the name or the pid of a VM that runs here (${names || 'there is none'})`, show(name))
}

function reportOf({ vms, lost, missing }: RunningVms): object {
  return {
    schemaVersion: 1,
    kind: 'Running',
    lost,
    vms: vms.map(({ vm, judgement, why }) =>
      judgement === null
        ? { ...vm, lost: null, remote: null, advice: null, notPriced: why }
        : {
            ...vm,
            lost: { now: judgement.now, terms: judgement.terms, placed: judgement.placed },
            remote: judgement.remote,
            advice: judgement.advice,
          },
    ),
    missing,
  }
}
