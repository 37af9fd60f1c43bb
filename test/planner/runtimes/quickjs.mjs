// Replays the first calls of a file of vectors in QuickJS, which has no WebAssembly: on what wasm2js made of the module.
//   node quickjs.mjs planner.js calls.txt COUNT
import { readFileSync } from 'node:fs'
import { getQuickJS } from 'quickjs-emscripten'

const [module, vectors, count] = process.argv.slice(2)
const lines = readFileSync(vectors, 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .slice(0, Number(count))
const source = readFileSync(module, 'utf8').replace(/^export var (\w+) = (.*);$/gm, 'planner.$1 = $2')

const script = `const planner = {}
${source}
let said = ''
for (const line of ${JSON.stringify(lines)}) {
  const [call, result] = line.split(' = ')
  const [name, ...numbers] = call.split(' ')
  const got = planner[name](...numbers.map(Number))
  if (!Object.is(got, Number(result))) said ||= 'differs: ' + line + ': got ' + got
}
said || '${lines.length} calls are equal'`

const context = (await getQuickJS()).newContext()
const { error, value } = context.evalCode(script)
console.log(error === undefined ? context.dump(value) : `differs: ${JSON.stringify(context.dump(error))}`)
