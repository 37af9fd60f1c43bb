// Replays the vectors in any engine that has WebAssembly: what is around it defines VECTORS ({ planner, front } in base64 or compiled, { calls, plans }
// as text) before, and gets what `replay` returns: `N calls and M plans are equal`, or the first thing that differs.

function bytesOf(base64) {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const text = base64.replace(/=+$/, '')
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let bits = 0
  let held = 0
  let at = 0
  for (const char of text) {
    bits = ((bits << 6) | digits.indexOf(char)) & 0xffffff
    held += 6
    if (held < 8) continue
    held -= 8
    bytes[at++] = (bits >> held) & 0xff
  }
  return bytes
}

/** gjs has no promises for it, browsers want them, and workerd has compiled it before. */
async function instantiate(module) {
  if (module instanceof WebAssembly.Module) return new WebAssembly.Instance(module, {}).exports
  const bytes = bytesOf(module)
  try {
    return (await WebAssembly.instantiate(bytes, {})).instance.exports
  } catch {
    return new WebAssembly.Instance(new WebAssembly.Module(bytes), {}).exports
  }
}

function replayCalls(planner, text) {
  let count = 0
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [call, result] = line.split(' = ')
    const [name, ...numbers] = call.split(' ')
    const got = planner[name](...numbers.map(Number))
    if (!Object.is(got, Number(result))) throw new Error(`${line}: got ${got}`)
    count++
  }
  return count
}

function planText(front, host, request, steps, seed) {
  const encoder = new TextEncoder()
  const [first, second] = [encoder.encode(host), encoder.encode(request)]
  const address = front.input(first.length + second.length)
  const bytes = new Uint8Array(front.memory.buffer, address, first.length + second.length)
  bytes.set(first)
  bytes.set(second, first.length)
  const status = front.plan(first.length, second.length, steps, seed)
  const answer = new Uint8Array(front.memory.buffer, front.output(), front.outputLength()).slice()
  return { status, answer: new TextDecoder().decode(answer) }
}

function replayPlans(front, text) {
  const lines = text.split('\n')
  let count = 0
  for (let at = 0; at + 3 < lines.length; at += 4) {
    const [steps, seed, expected] = lines[at].split(' ').map(Number)
    const { status, answer } = planText(front, lines[at + 1], lines[at + 2], steps, seed)
    if (status !== expected || answer !== lines[at + 3]) throw new Error(`plan ${count}: got ${answer.slice(0, 200)}`)
    count++
  }
  return count
}

async function replay({ planner, front, calls, plans }) {
  try {
    const made = replayCalls(await instantiate(planner), calls)
    const planned = replayPlans(await instantiate(front), plans)
    return `${made} calls and ${planned} plans are equal`
  } catch (error) {
    return `differs: ${error.message}`
  }
}

globalThis.replay = replay
