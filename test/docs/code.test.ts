/** All code of the documents and of the docstrings' examples does what it says. The marks are in fences.ts. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { skipUnless } from '../skip.js'
import { fencesByFile } from './documents.js'
import { missing, needsOf } from './needs.js'
import { Workplace } from './run.js'

const files = fencesByFile()
const fences = files.flat()

test('the documents have code, and each block says in which language', () => {
  assert.ok(fences.length > 10)
  for (const { where, language } of fences) assert.is.not(language, '', where)
})

test('these are all that is not run, each with its reason', () => {
  const commands = fences.filter(({ marks }) => marks.notRun !== null)
  for (const { where, marks } of commands) assert.ok(marks.notRun!.length > 10, where)
  assert.equal(
    commands.map(({ document, code }) => `${document}: ${/^.*?(?=\s*(?:#|$))/m.exec(code)?.[0]}`),
    [
      'README.md: $ npm start',
      'README.md: $ npm test',
      'docs/balance.md: $ sudo homenode balance',
      'docs/calibrate.md: $ homenode calibrate --out host.json',
      'docs/executor.md: mkdir /sys/fs/cgroup/vms && cd /sys/fs/cgroup/vms',
      'docs/fleet.md: homenode serve --rank --hosts /var/lib/homenode/hosts --socket /run/homenode/rank',
      'docs/fleet.md: [filter_scheduler]',
      'docs/fleet.md: extenders:',
      "docs/fleet.md: cat > /usr/lib/ganeti/iallocators/homenode <<'END'",
      `docs/fleet.md: echo '{"disk_template": "drbd", "disks": [{"size": 10240}], "nics": [{}], "os_type": "debootstrap+default"}' > db.json`,
      'docs/guide.md: npm run example -- --wait',
      'docs/lab.md: npm run lab -- --list',
      'docs/linux-guest.md: homenode run --kernel --initrd auto',
      'docs/running-vms.md: $ homenode ps',
      'docs/running-vms.md: $ homenode plan --running',
      'docs/running-vms.md: $ homenode plan --running --json > plan.json',
      'docs/running-vms.md: $ homenode undo --yes',
      'docs/running-vms.md: $ homenode pin db 0 3',
      'docs/running-vms.md: $ homenode ps db',
      'docs/running-vms.md: $ homenode ps',
      "docs/running-vms.md: import { detectHost, plan, verifyPlan } from 'homenode'",
      'docs/top.md: $ homenode top',
    ],
  )
})

const workplaces: Workplace[] = []
test.after(() => {
  for (const workplace of workplaces) workplace.close()
})

for (const blocks of files) {
  const workplace = new Workplace(blocks)
  workplaces.push(workplace)
  for (const fence of blocks) {
    if (fence.marks.notRun !== null) continue
    const why = missing(needsOf(fence))
    skipUnless(why === null, why ?? '')(`${fence.where} (${fence.language})`, () => workplace.run(fence))
  }
}

test.run()
