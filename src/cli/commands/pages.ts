/** Commands about the page that plans in a browser. */

import { Option } from 'commander'
import { wholeNumber } from '../numbers.js'
import type { CommandEntry } from './entry.js'

const MAX_PORT = 65_535
const DEFAULT_PORT = 8080

export const PAGE_COMMANDS: readonly CommandEntry[] = [
  {
    name: 'page',
    summary: 'write the page that plans in a browser, as one file',
    description:
      'Writes a page that plans what-if in a browser: one file that needs no server and asks for nothing from anywhere.',
    arguments: [['<file>', 'where to; - is standard output']],
    options: [],
    needs: [],
    examples: `
  homenode page plan.html    open it in a browser

docs/page.md says what it does.`,
    load: async () => (await import('../page.js')).page,
  },
  {
    name: 'serve',
    summary: 'serve that page, with this machine as its host; or answer engines that pick hosts',
    description:
      'Serves the page that plans what-if in a browser, beginning with this machine; with --rank or --extender it answers engines that pick hosts. It listens on 127.0.0.1, unless told otherwise.',
    options: [
      new Option('--port <p>', '0: any that is free').argParser(wholeNumber('--port', MAX_PORT)).default(DEFAULT_PORT),
      new Option('--host <address>', 'listen on this address instead').default('127.0.0.1'),
      new Option('--rank', 'instead of the page: POST /rank says what a VM loses on which host'),
      new Option('--hosts <dir>', 'with --rank: a file NAME.json for each host, as "topo --json" prints it'),
      new Option('--extender', "instead of the page: filter, prioritize and bind for Kubernetes' scheduler"),
      new Option('--api-server <url>', 'with --extender: the API server; without it as a pod is told'),
      new Option('--api-token <file>', 'with --extender: what it says to the API server, read at each call'),
      new Option('--api-ca <file>', "with --extender: who signed the API server's certificate, in PEM"),
      new Option('--socket <path>', 'with these: listen on this socket, not on an address'),
    ],
    needs: [],
    examples: `
  homenode serve                     http://127.0.0.1:${DEFAULT_PORT}/
  homenode serve --port 0            on a free port
  homenode serve --host 192.0.2.7    whoever reaches that address sees it

It shows CPUs, caches, nodes and memory of this machine to whoever asks, and
takes nothing: no request changes anything. Ctrl-C ends it.

  homenode serve --rank --hosts ./hosts --port 8081
  homenode serve --rank --hosts ./hosts --socket /run/homenode/rank

  homenode serve --extender --port 8081          beside the scheduler, in its pod
  homenode serve --extender --api-server https://192.0.2.1:6443 \\
      --api-token token --api-ca ca.crt

docs/fleet.md says what is asked and answered there.`,
    load: async () => (await import('../serve.js')).serve,
  },
]
