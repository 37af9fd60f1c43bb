/** `homenode undo`: brings VMs back to where they were before `apply`, `pin` or `mem`. */

import { ask, type Consent, requireConsent } from './ask.js'
import { type CarryOutOptions, carryOut, isLeft } from './carry-out.js'
import { showChanges } from './changes-view.js'
import { EXIT } from './errors.js'
import { print, printJson, styleOf } from './output.js'

interface UndoCommandOptions extends CarryOutOptions, Consent {
  readonly dryRun?: true
  readonly json?: true
}

export async function undo(options: UndoCommandOptions, file?: string): Promise<void> {
  if (!options.dryRun) requireConsent(options)
  const { prepareUndo } = await import('../../executor/apply/undo.js')
  const changes = await prepareUndo(file, options)
  const isNothing = changes.steps.length === 0 && changes.partitions.length === 0
  const style = styleOf(process.stdout, options.color)
  if (options.dryRun && options.json) printJson({ schemaVersion: 1, ...changes })
  else if (!options.json) {
    const what = isNothing ? 'nothing to bring back: all is as it was' : `bringing back ${changes.undoes}`
    const alone = changes.partitions.map(({ vm, partition }) => `${vm}: others may run on CPUs ${partition.cpus} again`)
    print([what, showChanges(changes, style), ...alone].filter((text) => text !== '').join('\n\n'))
  }
  if (options.dryRun) {
    process.exitCode = isLeft(changes) ? EXIT.partial : EXIT.done
    return
  }
  if (!options.json) print('')
  if (!options.yes && !isNothing) await ask('Bring it back?')
  await carryOut(changes, options)
}
