// What every JavaScript runtime does with the common set of problems: repeats each call and plans each host and request anew. Plain
// JavaScript without any import: it runs as it is in Node, Deno, Bun and browsers.

/** JSON has no -0, NaN and infinities: they travel as strings. */
const number = (value) => (typeof value === 'string' ? Number(value) : value)
const show = (value) => (Object.is(value, -0) ? '-0' : `${value}`)

/** The answers, line by line: what each call returned, and the plans as JSON. */
export async function replay({ Planner, instantiatePlanner }, problems) {
  const wasm = await instantiatePlanner()
  const planner = await Planner.load()
  const plan = ({ host, request, options }) => {
    try {
      return JSON.stringify(planner.plan(host, request, options))
    } catch (error) {
      return `${error.name}: ${error.message}`
    }
  }
  const answers = problems.flatMap(({ name, calls, planned }) => {
    const results = calls.map(([called, ...numbers]) => show(wasm[called](...numbers.map(number)))).join(' ')
    return [name, results, ...(planned === undefined ? [] : [plan(planned)])]
  })
  return [...answers, `memory ${wasm.memory.buffer.byteLength}`].join('\n')
}
