/** Writes the man page to a file: `node --import tsx src/cli/man-file.ts FILE`. The build calls it. */

import { writeFileSync } from 'node:fs'
import { VERSION } from '../planner/generated/abi.js'
import { manPage } from './man.js'
import { makeProgram } from './program.js'

const [, , file = 'homenode.1'] = process.argv
writeFileSync(file, manPage(makeProgram(), VERSION))
