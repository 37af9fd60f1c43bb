/** `node --import tsx test/house/write.ts`: puts the table of rooms into CONTRIBUTING.md. */

import { writeContributing } from './contributing.js'

writeContributing()
