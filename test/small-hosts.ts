/** Hosts so small that each way to put VMs on nodes can be gone through. */

import * as fc from 'fast-check'
import { syntheticHost } from '../src/topology/index.js'

/** Two or three nodes of 4 GiB, each with one LLC and two to four cores. */
export const smallHosts = fc
  .record({
    nodes: fc.integer({ min: 2, max: 3 }),
    cores: fc.integer({ min: 2, max: 4 }),
    pus: fc.constantFrom(1, 2),
  })
  .map(({ nodes, cores, pus }) => syntheticHost(`numa:${nodes}(memory=4GiB) l3:1 core:${cores} pu:${pus}`))
