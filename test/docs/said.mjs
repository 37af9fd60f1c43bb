// What a program of the documents says that its lines do.
import assert from 'node:assert/strict'

/** `expression // => value` */
export async function gives(evaluate, value) {
  assert.deepEqual(await evaluate(), value)
}

/** `expression // throws Name: text`, where `...` stands for anything. */
export async function throws(evaluate, text) {
  let thrown
  try {
    await evaluate()
  } catch (error) {
    thrown = error
  }
  assert.ok(thrown !== undefined, `did not throw: ${text}`)
  const pattern = text.split('...').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  assert.match(`${thrown.name}: ${thrown.message}`, new RegExp(`^${pattern.join('[^]*')}$`))
}
