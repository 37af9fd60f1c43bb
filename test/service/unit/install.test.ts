/** The service in a system: what is written, what stays, what goes. */

import {
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
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parsePolicy } from '../../../executor/policy/policy.js'
import { parseYaml } from '../../../src/cli/yaml.js'
import {
  type Installation,
  install as installIn,
  type Place,
  remove as removeFrom,
  type Steps,
} from '../../../src/service/unit/install.js'
import { sealed } from '../../../src/service/unit/own-file.js'
import { skipUnless } from '../../skip.js'

const UNIT = 'etc/systemd/system/homenode-balance.service'
const POLICY = 'etc/homenode/policy.yaml'

/** A folder that stands for /. */
class Root {
  readonly root = mkdtempSync(join(tmpdir(), 'homenode-root-'))
  readonly place: Place = { base: this.root, dryRun: false, manager: 'other' }

  /** All files below it. */
  files(): string[] {
    const all = readdirSync(this.root, { recursive: true, encoding: 'utf8', withFileTypes: true })
    return all
      .filter((entry) => !entry.isDirectory())
      .map(({ parentPath, name }) => join(parentPath, name).slice(this.root.length + 1))
      .sort()
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8')
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true })
    writeFileSync(join(this.root, path), text)
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true })
  }
}

const unit = '[Service]\nExecStart=/bin/true\n'

function install(more: Partial<Installation>, place: Place): Steps {
  return installIn({ unit, hasPolicy: true, force: false, now: false, ...more }, place)
}

function remove(more: { readonly force?: true }, place: Place): Steps {
  return removeFrom({ force: false, ...more }, place)
}

test('what was installed is removed, and nothing is left', () => {
  using system = new Root()
  system.write('etc/hosts', '')
  const steps = install({}, system.place)
  assert.equal(system.files(), [POLICY, 'etc/hosts', UNIT].sort())
  assert.equal(steps.slice(0, 2), [`written: ${join(system.root, UNIT)}`, `written: ${join(system.root, POLICY)}`])
  assert.ok(system.read(UNIT).endsWith(`\n${unit}`))
  assert.is(statSync(join(system.root, UNIT)).mode & 0o777, 0o644 & ~process.umask())
  remove({}, system.place)
  assert.equal(system.files(), ['etc/hosts'])
  assert.not.ok(existsSync(join(system.root, 'etc/homenode')))
  assert.equal(remove({}, system.place), [`not there: ${join(system.root, UNIT)}`])
})

test('the policy that it begins with is one', async () => {
  using system = new Root()
  install({}, system.place)
  const text = system.read(POLICY)
  assert.is(parsePolicy(await parseYaml(text)).rules.length, 1)
  const example = text.slice(text.indexOf('# rules:'), text.indexOf('\n\n'))
  const { rules } = parsePolicy(await parseYaml(example.replace(/^# /gm, '')))
  assert.equal(
    rules.map(({ name }) => name),
    ['rules[0]', 'databases'],
  )
})

test('installed again it is as the new one; a policy stays as it is, edited or not', () => {
  using system = new Root()
  install({}, system.place)
  system.write(POLICY, 'rules: [{set: {moves: never}}]\n')
  const steps = install({ unit: `${unit}Nice=5\n` }, system.place)
  assert.ok(system.read(UNIT).endsWith('Nice=5\n'))
  assert.ok(steps.includes(`kept as it is: ${join(system.root, POLICY)}`))
  assert.ok(remove({}, system.place).includes(`kept, it was changed: ${join(system.root, POLICY)}`))
  assert.equal(system.files(), [POLICY])
  assert.is(system.read(POLICY), 'rules: [{set: {moves: never}}]\n')
})

test('another unit is not overwritten; by force it is put aside, and comes back', () => {
  using system = new Root()
  system.write(UNIT, 'of somebody else')
  assert.throws(
    () => install({}, system.place),
    /homenode-balance.service: expected no file, or one that homenode has written \(--force puts another aside\), got another one/,
  )
  assert.throws(
    () => remove({ force: true }, system.place),
    /expected a file that homenode has written, got another one/,
  )
  assert.equal(system.files(), [UNIT])
  install({ hasPolicy: false, force: true }, system.place)
  assert.equal(system.files(), [UNIT, `${UNIT}.before-homenode`])
  const steps = remove({}, system.place)
  assert.ok(steps.includes(`put back: ${join(system.root, UNIT)}`))
  assert.equal(system.files(), [UNIT])
  assert.is(system.read(UNIT), 'of somebody else')
})

test('what was put aside first is never lost', () => {
  using system = new Root()
  system.write(UNIT, 'first')
  install({ hasPolicy: false, force: true }, system.place)
  system.write(UNIT, 'second')
  assert.throws(() => install({ hasPolicy: false, force: true }, system.place), /EEXIST/)
  assert.is(system.read(UNIT), 'second')
  assert.is(system.read(`${UNIT}.before-homenode`), 'first')
})

test('a unit that was edited is neither overwritten nor removed without force', () => {
  using system = new Root()
  install({ hasPolicy: false }, system.place)
  const edited = `${system.read(UNIT)}Nice=5\n`
  system.write(UNIT, edited)
  assert.throws(
    () => install({ hasPolicy: false }, system.place),
    /\(--force overwrites the changes\), got one that was changed/,
  )
  assert.throws(() => remove({}, system.place), /got one that was changed since \(--force removes it\)/)
  assert.is(system.read(UNIT), edited)
  remove({ force: true }, system.place)
  assert.equal(system.files(), [])
})

test('a link is another file, wherever it leads', () => {
  using system = new Root()
  system.write('elsewhere', sealed(unit))
  mkdirSync(dirname(join(system.root, UNIT)), { recursive: true })
  symlinkSync(join(system.root, 'elsewhere'), join(system.root, UNIT))
  assert.throws(() => install({ hasPolicy: false }, system.place), /got another one/)
  assert.is(system.read('elsewhere'), sealed(unit))
})

test('a dry run says the same and changes nothing', () => {
  using system = new Root()
  const dry = { ...system.place, dryRun: true }
  const would = install({}, dry)
  assert.equal(system.files(), [])
  assert.equal(install({}, system.place), would)
  const before = system.files()
  const wouldRemove = remove({}, dry)
  assert.equal(system.files(), before)
  assert.equal(remove({}, system.place), wouldRemove)
})

test('systemd is told in this order', () => {
  using system = new Root()
  const calls: string[] = []
  const manager = (args: readonly string[]) => void calls.push(`${args.join(' ')} (${system.files().length} files)`)
  const place = { ...system.place, manager }
  install({ now: true }, { ...place, dryRun: true })
  assert.equal(calls, [])
  install({ now: true }, place)
  remove({}, place)
  assert.equal(calls, [
    'daemon-reload (2 files)',
    'enable homenode-balance.service (2 files)',
    'restart homenode-balance.service (2 files)',
    'disable --now homenode-balance.service (2 files)',
    'daemon-reload (1 files)',
  ])
})

test('where systemd does not run, it is said what was not done; in a folder nobody is told', () => {
  using system = new Root()
  const place: Place = { ...system.place, manager: 'none' }
  assert.equal(
    [...install({ now: true }, place), ...remove({}, place)].filter((step) => /systemctl/.test(step)),
    ['daemon-reload', 'enable homenode-balance.service', 'restart homenode-balance.service']
      .concat('disable --now homenode-balance.service', 'daemon-reload')
      .map((args) => `not done, since systemd does not run here: systemctl ${args}`),
  )
  assert.not.match(install({}, system.place).slice(0, -1).join(), /systemctl/)
})

test('what the system refuses is a clear error', () => {
  using system = new Root()
  system.write('file', '')
  const place = { ...system.place, base: join(system.root, 'file') }
  assert.throws(() => install({}, place), /^SyscallError|lstat\(.*ENOTDIR/)
})

test('a folder below one that cannot have any is refused at once', () => {
  using system = new Root()
  assert.throws(() => install({}, { ...system.place, base: '/proc/none/such' }), /ENOENT/)
})

skipUnless(process.getuid?.() !== 0, 'root may write everywhere')(
  'who may not write there is told what it takes',
  () => {
    assert.throws(() => install({}, { base: '/', dryRun: false, manager: 'none' }), /EACCES.*that takes root/)
  },
)

test.run()
