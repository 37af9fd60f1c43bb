/** Where a Host comes from: this machine or a copy of its files, a saved file, a description. */

export { parseHost } from './hostfile.js'
export { withMeasures } from './measured.js'
export { type DetectOptions, detectHost } from './node-fs.js'
export { recordHost } from './record-node.js'
export { syntheticHost } from './synthetic.js'
