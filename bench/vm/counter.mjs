/** A device in the vCPUs' threads that counts what is written to it. */

/**
 * @param {SharedArrayBuffer} shared a double for each vCPU: its writes
 * @param {{ readonly vcpu: number }} context
 */
export function createDevice(shared, { vcpu }) {
  const writes = new Float64Array(shared, 8 * vcpu, 1)
  return {
    write() {
      writes[0] += 1
    },
  }
}
