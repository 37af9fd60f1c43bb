/** Commands about the service that keeps running VMs well placed. */

import { Option } from 'commander'
import { folderName } from '../options.js'
import type { CommandGroup } from './entry.js'

const ROOT = new Option('--root <dir>', 'a folder that stands for /; systemd is not told').argParser(
  folderName('--root'),
)
const DRY_RUN = new Option('--dry-run', 'show what would be done, and end')
const FORCE = new Option('--force', 'also where the file is another one, which is put aside, or was changed')
const JSON_OPTION = new Option('--json', 'print what was done as a JSON object')

export const SERVICE_COMMANDS: CommandGroup = {
  name: 'service',
  summary: 'run "balance" as a service of systemd, and look at it in Grafana',
  description:
    'Installs "homenode balance" as a service of systemd, and removes it; prints a dashboard for its metrics.',
  examples: `
  sudo homenode service install -- --act --metrics 127.0.0.1:9464
  sudo homenode service remove
  homenode service dashboard > homenode.json`,
  commands: [
    {
      name: 'install',
      summary: 'write the unit of systemd, and a policy to begin with',
      description:
        'Writes /etc/systemd/system/homenode-balance.service and, where there is none and no --policy is given, /etc/homenode/policy.yaml. Files that are not its own, or were changed since, stay as they are.',
      arguments: [['[balance...]', 'after --, options of "homenode balance"; files with their whole path']],
      options: [new Option('--now', 'enable and start it, too'), FORCE, DRY_RUN, ROOT, JSON_OPTION],
      needs: [],
      examples: `
  sudo homenode service install                  it says what it would move
  sudo homenode service install --now -- --act --metrics 127.0.0.1:9464
  homenode service install --dry-run -- --interval 30s

Changes of the unit belong into "systemctl edit homenode-balance".`,
      load: async () => (await import('../service.js')).install,
    },
    {
      name: 'remove',
      summary: 'stop the service, and remove what "install" has written',
      description:
        'Stops and disables the service, and removes what "install" has written. A policy that was changed since stays.',
      options: [FORCE, DRY_RUN, ROOT, JSON_OPTION],
      needs: [],
      examples: `
  sudo homenode service remove --dry-run
  sudo homenode service remove`,
      load: async () => (await import('../service.js')).remove,
    },
    {
      name: 'dashboard',
      summary: 'print a dashboard of Grafana for the metrics',
      description: 'Prints a dashboard, for Grafana to import, that shows the metrics of "homenode balance --metrics".',
      options: [],
      needs: [],
      examples: `
  homenode service dashboard > homenode.json`,
      load: async () => (await import('../service.js')).dashboard,
    },
  ],
}
