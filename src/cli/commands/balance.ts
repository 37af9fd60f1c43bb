/** The command that keeps running VMs well placed. */

import { Option } from 'commander'
import { InputError, show } from '../../errors.js'
import { listenAddress } from '../../service/address.js'
import { byteCount, byteRate, duration, wholeNumber } from '../numbers.js'
import { CONNECT, folderName, MEASURED, POLICY } from '../options.js'
import type { CommandEntry } from './entry.js'

const DAY = 86_400
const YEAR = 365 * DAY
const MOST = 1_000_000

/** `name=value`, beside those given before. */
function setting(text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const [, name, value] = /^([a-zA-Z]+)=(\d{1,15}(?:\.\d*)?|\.\d+)$/.exec(text) ?? []
  if (name === undefined) throw new InputError('--set', 'a name and a number, such as patience=5', show(text))
  return { ...before, [name]: Number(value) }
}

export const BALANCE_COMMAND: CommandEntry = {
  name: 'balance',
  summary: 'keep the VMs that run here well placed, as their load changes',
  description:
    'Looks at the VMs that run here, round by round, and moves those for which it pays: the gain in lost vCPUs over the horizon has to exceed the price of moving, for several rounds. What makes guests suffer is taken back. Until --act was given once, it only says what it would do.',
  options: [
    new Option('--act', 'move VMs; later runs with this state folder do so, too').conflicts('dryRun'),
    new Option('--dry-run', 'change nothing, and say what would be done'),
    new Option('--once', 'end after one round'),
    new Option('--interval <time>', 'from one round to the next')
      .argParser(duration('--interval', DAY))
      .default(10, '10s'),
    new Option('--horizon <time>', 'for how long a gain counts (default: 1h)').argParser(duration('--horizon', YEAR)),
    new Option('--patience <rounds>', 'in how many rounds in a row it has to pay (default: 3)').argParser(
      wholeNumber('--patience', MOST),
    ),
    new Option('--max-moves <n>', 'VMs that are moved at a time (default: 8)').argParser(
      wholeNumber('--max-moves', MOST),
    ),
    new Option('--max-bytes <size>', 'what is copied at a time (default: 64GiB)').argParser(byteCount('--max-bytes')),
    new Option('--rate <bytes>', 'copy at most so much a second, such as 200MiB').argParser(byteRate('--rate')),
    new Option('--set <name=value>', 'any of the settings of docs/balance.md; can be repeated').argParser(setting),
    POLICY,
    MEASURED,
    CONNECT,
    new Option('--state <dir>', 'where its state and undo files are').argParser(folderName('--state')),
    new Option('--metrics <host:port>', 'answer GET /metrics (Prometheus) and /healthz there').argParser(
      listenAddress('--metrics'),
    ),
    new Option('--json', 'print a JSON object a line'),
  ],
  needs: [],
  endures: true,
  examples: `
  sudo homenode balance                     what it would do, round by round
  sudo homenode balance --act --policy policy.yaml
  sudo homenode balance --act --rate 200MiB --max-bytes 8GiB --json
  sudo homenode balance --once --dry-run    from one look at the load
  sudo homenode balance --act --metrics 127.0.0.1:9464

SIGTERM and Ctrl-C end it in order: what is being moved has 10 s to come to its
end, and is gone on with at the next start if that was not enough. SIGHUP makes
it read the policy again; one with an error leaves the old one in force. To run
it as a service of systemd: "homenode service install".

Exit code: 0 ended (--once, SIGTERM), 1 the system refused (another balance
runs), 2 bad input, 130 Ctrl-C.`,
  load: async () => (await import('../balance.js')).balance,
}
