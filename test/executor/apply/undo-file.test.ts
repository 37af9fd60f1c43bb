import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { applyChanges } from '../../../executor/apply/apply.js'
import { bootId } from '../../../executor/apply/look.js'
import { openStateFolder, stateFolder } from '../../../executor/apply/state-folder.js'
import { snapshotOf } from '../../../executor/apply/threads.js'
import { listUndoFiles, prepareUndo, undo } from '../../../executor/apply/undo.js'
import { writeUndoFile } from '../../../executor/apply/undo-file.js'
import { InputError } from '../../../src/errors.js'
import { skipUnless } from '../../skip.js'

const folder = mkdtempSync(join(tmpdir(), 'hn-undo-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const isRoot = process.geteuid?.() === 0

/** A process that does nothing, for as long as the test runs. */
const idle = spawn('sleep', ['1000'], { stdio: 'ignore' })
idle.unref()
process.on('exit', () => idle.kill('SIGKILL'))

const [main] = snapshotOf(idle.pid!)
const pid = idle.pid!
const vm = {
  name: 'idle',
  pid,
  startTime: main!.startTime,
  threads: [{ ...main!, role: 'emulator' as const, number: null }],
  memory: [],
  cpusets: [],
  domain: null,
}
const file = { schemaVersion: 1, kind: 'Undo', boot: bootId(), made: '2026-01-01T00:00:00.000Z', vms: [vm] }

let count = 0
function written(content: unknown): string {
  const path = join(folder, `undo-2026-01-01T00-00-00.000Z-${++count}.json`)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 })
  return path
}

async function refusal(path: string | undefined, options = {}): Promise<string> {
  try {
    await prepareUndo(path, options)
  } catch (error) {
    assert.instance(error, InputError)
    return (error as Error).message
  }
  throw new Error('nothing was refused')
}

test('a file that is broken or hostile is refused, with the place', async () => {
  const cases: readonly (readonly [unknown, RegExp])[] = [
    ['', /JSON/],
    ['{"schemaVersion": 1', /JSON/],
    [[], /an object/],
    [{ ...file, kind: 'Plan' }, /kind: expected/],
    [{ ...file, more: 1 }, /more: expected/],
    [{ ...file, vms: [{ ...vm, pid: 0 }] }, /vms\[0\]\.pid/],
    [{ ...file, vms: [{ ...vm, pid: '1; reboot' }] }, /vms\[0\]\.pid/],
    [{ ...file, vms: [{ ...vm, name: 'a\u001b[2J' }] }, /vms\[0\]\.name/],
    [
      { ...file, vms: [{ ...vm, threads: [{ ...vm.threads[0], cpus: '' }] }] },
      /threads\[0\]\.cpus: expected a cpulist/,
    ],
    [{ ...file, vms: [{ ...vm, threads: [{ ...vm.threads[0], cpus: '0-99999999' }] }] }, /cpus/],
    [{ ...file, vms: [{ ...vm, cpusets: [{ path: '/../../etc', version: 2, cpus: '0', mems: '0' }] }] }, /path/],
    [{ ...file, vms: [{ ...vm, cpusets: [{ path: '/a', version: 2, cpus: '0\n1', mems: '0' }] }] }, /cpus/],
    [{ ...file, vms: [{ ...vm, memory: [{ start: -1 }] }] }, /memory\[0\]/],
    [{ ...file, vms: Array(5000).fill(vm) }, /at most 4096 elements/],
    [`[${'['.repeat(100_000)}`, /./],
  ]
  for (const [content, expected] of cases) {
    const path = written(content)
    const message = await refusal(path)
    assert.match(message, expected)
    assert.ok(message.startsWith(path), message)
  }
})

test('what is no file, or not there, is refused and not waited for', async () => {
  assert.match(await refusal(join(folder, 'nothing')), /ENOENT/)
  assert.match(await refusal(folder), /something else than a file/)
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  assert.match(await refusal(pipe), /something else than a file/)
  assert.match(await refusal(undefined, { state: join(folder, 'nowhere') }), /none that is still to be undone/)
  assert.match(await refusal(undefined, { state: pipe }), /a folder of undo files/)
})

const asRoot = skipUnless(isRoot, 'it takes root to give files away')

asRoot("another user's file is not believed, nor one that others may write", async () => {
  const path = written(file)
  chmodSync(path, 0o622)
  assert.match(await refusal(path), /may be written by others/)
  chmodSync(path, 0o600)
  chownSync(path, 1000, 1000)
  assert.match(await refusal(path), /belongs to user 1000/)
  const link = join(folder, 'link')
  symlinkSync(path, link)
  assert.match(await refusal(link), /belongs to user 1000/)
})

const UNDO = fileURLToPath(new URL('../../../executor/apply/undo.ts', import.meta.url))

asRoot('what could not be brought back for want of a right keeps its file', () => {
  const own = mkdtempSync(join(tmpdir(), 'hn-own-'))
  process.on('exit', () => rmSync(own, { recursive: true, force: true }))
  const path = join(own, 'undo-2026-01-01T00-00-00.000Z-1.json')
  writeFileSync(path, JSON.stringify({ ...file, vms: [{ ...vm, threads: [{ ...vm.threads[0], cpus: '0' }] }] }), {
    mode: 0o600,
  })
  for (const each of [own, path]) chownSync(each, 65534, 65534)
  const script = `
    import { undo } from ${JSON.stringify(UNDO)}
    console.log(JSON.stringify(await undo(undefined, { state: ${JSON.stringify(own)} })))`
  const user = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath]
  const args = [...user, '--import', 'tsx', '--input-type=module', '-e', script]
  const { steps, obstacles } = JSON.parse(execFileSync('setpriv', args, { encoding: 'utf8' }))
  assert.equal(steps, [])
  assert.match(obstacles[0].why, /user 0's/)
  assert.equal(listUndoFiles({ state: own }), [path])
  assert.is(snapshotOf(pid)[0]!.cpus, main!.cpus)
})

test('a file of another boot means other processes', async () => {
  assert.match(await refusal(written({ ...file, boot: 'another' })), /of this boot.*2026-01-01/)
})

test('a process with the number and another start is left alone, and so is a thread', async () => {
  const cpus = main!.cpus
  const other = await prepareUndo(written({ ...file, vms: [{ ...vm, startTime: vm.startTime + 1 }] }))
  assert.equal(other.steps, [])
  assert.match(other.obstacles[0]!.why, /has ended/)
  execFileSync('taskset', ['-cp', '0', `${pid}`])
  const before = snapshotOf(pid)
  const stranger = { ...vm, threads: [{ ...vm.threads[0]!, tid: pid + 1 }] }
  const changes = await prepareUndo(written({ ...file, vms: [stranger] }))
  assert.equal(changes.steps, [])
  assert.equal(snapshotOf(pid), before)
  execFileSync('taskset', ['-cp', cpus, `${pid}`])
})

test('a cgroup that is not that of the VM is not written', async () => {
  const cpuset = { path: '/homenode-no-such-group', version: 1, cpus: '0', mems: '0' }
  const { steps, obstacles } = await prepareUndo(written({ ...file, vms: [{ ...vm, cpusets: [cpuset] }] }))
  assert.equal(steps, [])
  assert.match(obstacles[0]!.why, /not in that cgroup/)
})

test('the newest is undone, is not taken twice, and the one before it comes next', async () => {
  const state = join(folder, 'state')
  mkdirSync(state, { mode: 0o700 })
  const all = main!.cpus
  const pinned = { ...vm, threads: [{ ...vm.threads[0]!, cpus: '0' }] }
  const older = writeUndoFile(state, [vm])
  await new Promise((resolve) => setTimeout(resolve, 5))
  const newer = writeUndoFile(state, [pinned])
  writeFileSync(join(state, 'new-1'), 'half')
  assert.equal(listUndoFiles({ state }), [newer, older])
  assert.is((await undo(undefined, { state })).undoFile, newer)
  assert.is(snapshotOf(pid)[0]!.cpus, '0')
  assert.equal(listUndoFiles({ state }), [older])
  assert.ok(existsSync(join(state, basename(newer).replace('undo-', 'undone-'))))
  assert.equal((await undo(undefined, { state })).differences, [])
  assert.is(snapshotOf(pid)[0]!.cpus, all)
  assert.equal(listUndoFiles({ state }), [])
  assert.equal(readdirSync(state).filter((name) => name.startsWith('undone-')).length, 2)
})

test('a file is written as a whole and for its owner alone', () => {
  const state = mkdtempSync(join(folder, 'own-'))
  const path = writeUndoFile(state, [vm])
  assert.equal(JSON.parse(readFileSync(path, 'utf8')).vms, [vm])
  assert.match(execFileSync('stat', ['-c', '%a', path], { encoding: 'utf8' }), /^600/)
  assert.equal(readdirSync(state), [basename(path)])
})

test('a state folder that others may write to, or that cannot be made, is refused before anything is touched', async () => {
  const open = join(folder, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  const path = written({ ...file, vms: [{ ...vm, threads: [{ ...vm.threads[0]!, cpus: '0' }] }] })
  const changes = await prepareUndo(path)
  for (const [state, expected] of [
    [open, /may be written by others/],
    ['/dev/null/x', /cannot be made/],
  ] as const) {
    const error = await applyChanges(changes, { state }).catch((reason) => reason as Error)
    assert.match((error as Error).message, expected)
  }
  assert.is(snapshotOf(pid)[0]!.cpus, main!.cpus)
})

test('a folder below one that cannot have any is refused at once', () => {
  assert.throws(() => openStateFolder('/proc/none/such'), /state folder: .*\/proc\/none\/such cannot be made: ENOENT/)
  openStateFolder(join(folder, 'a/b/c'))
  assert.is(statSync(join(folder, 'a/b')).mode & 0o777, 0o700)
})

test('the folder is /var/lib for root, and for others where their state is', () => {
  assert.is(stateFolder('/somewhere'), '/somewhere')
  const { XDG_STATE_HOME: before } = process.env
  process.env.XDG_STATE_HOME = '/home/me/state'
  assert.is(stateFolder(undefined), isRoot ? '/var/lib/homenode' : '/home/me/state/homenode')
  if (before === undefined) delete process.env.XDG_STATE_HOME
  else process.env.XDG_STATE_HOME = before
})

test.run()
