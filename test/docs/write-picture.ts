/** Makes the picture of README.md anew: `node --import tsx test/docs/write-picture.ts`. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PICTURE, readmePicture } from './readme-picture.js'
import { root } from './run.js'

writeFileSync(join(root, PICTURE), await readmePicture())
