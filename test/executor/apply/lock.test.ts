import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BusyError, takeLock } from '../../../executor/apply/lock.js'

const folder = mkdtempSync(join(tmpdir(), 'hn-lock-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const LOCK = fileURLToPath(new URL('../../../executor/apply/lock.ts', import.meta.url))

/** Another process that has the lock. */
async function holder() {
  const script = `import { takeLock } from ${JSON.stringify(LOCK)}; takeLock(${JSON.stringify(folder)}); console.log('has it'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.once('close', () => reject(new Error('it ended early')))
  })
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  return { pid: child.pid!, kill }
}

function whoHasIt(): number | null {
  try {
    takeLock(folder).close()
  } catch (error) {
    assert.instance(error, BusyError)
    return (error as BusyError).holder
  }
  throw new Error('nobody has it')
}

test('while one has the lock, another is told who; again when that is done', () => {
  const lock = takeLock(folder)
  assert.is(whoHasIt(), process.pid)
  lock.close()
  takeLock(folder).close()
})

test("another process's lock is told by its number, and ends with that process, killed or not", async () => {
  const other = await holder()
  assert.is(whoHasIt(), other.pid)
  await other.kill()
  takeLock(folder).close()
})

test.run()
