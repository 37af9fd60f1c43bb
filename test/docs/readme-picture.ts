/** The picture that README.md opens with: of the plan that it shows further down. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { drawPicture } from '../../src/picture/draw.js'
import { sceneOfPlan } from '../../src/picture/of-plan.js'
import { plan } from '../../src/plan.js'
import { parseRequest } from '../../src/request.js'
import { syntheticHost } from '../../src/topology/index.js'
import { fencesOf } from './fences.js'
import { root } from './run.js'

export const PICTURE = 'docs/plan.svg'

/** SVG, of the request and the host in README.md. */
export async function readmePicture(): Promise<string> {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const [request] = fencesOf('README.md', readme).filter(({ marks }) => marks.file === 'request.json')
  const spec = /^\$ homenode plan -f request\.json --synthetic "([^"]+)"$/m.exec(readme)?.[1]
  if (request === undefined || spec === undefined) throw new Error('README.md has no plan of a request for a host')
  const host = syntheticHost(spec)
  const parsed = parseRequest(JSON.parse(request.code))
  return drawPicture(sceneOfPlan(host, parsed, await plan(host, parsed)))
}
