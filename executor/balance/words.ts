/** Figures in sentences. */

import { formatBytes } from '../../src/units.js'

/** `2 VMs` */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

/** `0.25 lost vCPUs` */
export function lost(vcpus: number): string {
  return `${Math.round(vcpus * 1000) / 1000} lost vCPUs`
}

/** `12.5 vCPU seconds` */
export function vcpuSeconds(value: number): string {
  return `${Math.round(value * 10) / 10} vCPU seconds`
}

/** `35 %` */
export function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`
}

/** `90 s` */
export function duration(milliseconds: number): string {
  return `${Math.round(milliseconds / 100) / 10} s`
}

export { formatBytes as bytes }
