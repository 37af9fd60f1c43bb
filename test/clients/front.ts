/** planner-json.wasm as its embedders use it: text in, text out. */

export interface FrontExports {
  readonly memory: WebAssembly.Memory
  abiVersion(): number
  input(bytes: number): number
  plan(host: number, request: number, maxSteps: number, seed: number): number
  output(): number
  outputLength(): number
}

export interface Answer {
  /** What `plan` returned: 1 for a plan, 0 for an error. */
  readonly status: number
  readonly text: string
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/** An instance of the module, which plans one request after the other. */
export class Front {
  readonly exports: FrontExports

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.exports = new WebAssembly.Instance(new WebAssembly.Module(bytes), {}).exports as unknown as FrontExports
  }

  plan(host: string | Uint8Array, request: string | Uint8Array, steps = 5000, seed = 1): Answer {
    const { memory, input, plan, output, outputLength } = this.exports
    const [first, second] = [host, request].map((text) => Buffer.from(text as Uint8Array)) as [Buffer, Buffer]
    const address = input(first.length + second.length)
    if (address < 0) return { status: address, text: '' }
    const bytes = new Uint8Array(memory.buffer, address, first.length + second.length)
    bytes.set(first)
    bytes.set(second, first.length)
    const status = plan(first.length, second.length, steps, seed)
    return { status, text: decoder.decode(new Uint8Array(memory.buffer, output(), outputLength())) }
  }
}
