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
  const style = styleOf(process.stdout, options.color)
  if (options.dryRun && options.json) printJson({ schemaVersion: 1, ...changes })
  else if (!options.json) {
    const what =
      changes.steps.length === 0 ? 'nothing to bring back: all is as it was' : `bringing back ${changes.undoes}`
    print([what, showChanges(changes, style)].filter((text) => text !== '').join('\n\n'))
  }
  if (options.dryRun) {
    process.exitCode = isLeft(changes) ? EXIT.partial : EXIT.done
    return
  }
  if (!options.json) print('')
  if (!options.yes && changes.steps.length > 0) await ask('Bring it back?')
  await carryOut(changes, options)
}
