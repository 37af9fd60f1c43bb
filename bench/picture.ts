/** How long pictures take and how large they are, by the size of the host. Nothing to compare with: they have a limit (docs/pictures.md). */

import { drawPicture } from '../src/picture/draw.js'
import { sceneOfPlan } from '../src/picture/of-plan.js'
import { plan } from '../src/plan.js'
import { parseRequest } from '../src/request.js'
import { syntheticHost } from '../src/topology/index.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, median, rounded } from './bench.js'

const HOSTS: readonly (readonly [spec: string, vms: number])[] = [
  ['core:2 pu:1', 1],
  ['pack:2 [numa(memory=64GiB)] l3:1 core:4 pu:2', 3],
  ['pack:2 group:4 [numa(memory=64GiB)] l3:2 core:8 pu:2', 30],
  ['pack:2 group:4 [numa(memory=64GiB)] l3:4 core:8 pu:2', 50],
  ['pack:2 group:4 [numa(memory=64GiB)] l3:4 core:8 pu:2', 250],
  ['pack:4 group:4 [numa(memory=64GiB)] l3:8 core:16 pu:2', 200],
]

async function run({ quick }: BenchOptions): Promise<Bench> {
  const rows = []
  for (const [spec, vms] of quick ? HOSTS.slice(0, 2) : HOSTS) {
    const host = syntheticHost(spec)
    const request = parseRequest({
      vms: Array.from({ length: vms }, (_, at) => ({
        name: `vm${at}`,
        vcpus: 1 + ((at * 7) % Math.ceil(host.cpus.length / vms / 2)),
        memory: '64MiB',
        ...(at % 3 === 2 ? { cpuPolicy: 'shared', demand: 0.25 } : {}),
      })),
    })
    const scene = sceneOfPlan(host, request, await plan(host, request, { steps: 0 }))
    const times = Array.from({ length: quick ? 1 : 9 }, () => {
      const begun = performance.now()
      drawPicture(scene)
      return performance.now() - begun
    })
    const bytes = Buffer.byteLength(drawPicture(scene))
    rows.push({
      cpus: host.cpus.length,
      vms,
      kB: rounded(bytes / 1000),
      msFirst: rounded(times[0]!),
      msMedian: rounded(median(times)),
    })
  }
  return { kind: 'Bench', name: 'picture', host: hostFacts(), rows }
}

const bench: BenchModule = { name: 'picture', run }
export default bench
