/** What happened to a Linux guest, for people: the plan beside what the kernels say. */

import type { LinuxReport } from '../../executor/index.js'
import type { Plan } from '../types.js'
import { formatBytes } from '../units.js'
import { showFindings } from './findings-view.js'
import type { Style } from './output.js'
import { memoryTable, vcpuTable, watchText } from './run-view.js'
import { count, paragraph } from './table.js'

export function showLinux(report: LinuxReport, plan: Plan, style: Style): string {
  return [
    endText(report),
    vcpuTable({ backend: 'kvm', vcpus: report.vcpus }, style),
    memoryTable(report, style),
    guestText(report, plan),
    verdict(report, style),
  ].join('\n\n')
}

function endText({ by, exitCode, seconds, initSeconds, vcpus }: LinuxReport): string {
  const how = {
    guest: `ended with exit code ${exitCode}`,
    'power-off': 'switched itself off',
    reset: 'reset itself, as after a panic',
    halt: 'halted for good',
    caller: 'was stopped',
  }[by]
  const init = initSeconds === null ? '' : `; its first process ran after ${initSeconds.toFixed(1)} s`
  return `Linux ran on ${count(vcpus.length, 'vCPU')} for ${seconds.toFixed(1)} s and ${how}${init}`
}

function guestText({ guest, vm }: LinuxReport, { vms }: Plan): string {
  if (guest === null) return 'guest sees: - (its first process does not tell; that of --initrd auto does)'
  const cells = vms.find(({ name }) => name === vm)?.cells ?? []
  const lines = guest.nodes.map(({ node, cpus, memoryBytes, distances }, i) => {
    const planned = cells[i]?.memory.map((part) => `node ${part.node}`).join(', ') ?? '-'
    return `  node ${node}: CPUs ${cpus || 'none'}, ${formatBytes(memoryBytes)}, distances ${distances.join(' ')} (memory on host ${planned})`
  })
  return [`guest sees: ${count(guest.cpus, 'CPU')}, ${count(guest.nodes.length, 'node')}`, ...lines].join('\n')
}

function verdict(report: LinuxReport, style: Style): string {
  const { verified, findings, guest } = report
  const { colors } = style
  if (!verified) {
    const head = `${colors.red('not verified')}: ${count(findings.length, 'difference')} from the plan`
    return `${head}\n\n${showFindings(findings, style)}\n\n${paragraph(style, watchText(report))}`
  }
  const also = guest === null ? '' : ', and the guest sees its nodes, CPUs, memory and distances as planned'
  const text = `${colors.green('verified')}: the kernel has every vCPU on its CPUs and every page on its node, as planned${also}`
  return `${paragraph(style, text)}\n${paragraph(style, watchText(report))}`
}
