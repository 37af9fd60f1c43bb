import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { memoryFindings, vcpuFindings } from '../../../executor/plan/findings.js'

const seen = { vm: 'db', vcpu: 1, planned: '2', affinities: ['2'], lastCpus: [2], migrations: 0, progress: 7 }

function constraints(findings: readonly { constraint: string }[]): string[] {
  return findings.map(({ constraint }) => constraint)
}

test('a vCPU that was seen only where it is planned has no finding', () => {
  assert.equal(vcpuFindings(seen), [])
  const floating = { ...seen, planned: '0-1,4', affinities: ['0-1,4'], lastCpus: [4, 0] }
  assert.equal(vcpuFindings(floating), [])
  assert.equal(vcpuFindings({ ...floating, planned: '4,1,0' }), [])
})

test('another affinity is found, though it was the right one later', () => {
  const [finding, ...more] = vcpuFindings({ ...seen, affinities: ['0-3', '2'] })
  assert.equal(more, [])
  assert.is(finding?.constraint, 'affinity')
  assert.is(finding?.vm, 'db')
  assert.is(finding?.vcpu, 1)
  assert.match(finding?.text ?? '', 'VM "db", vCPU 1 may run on CPU 0-3, the plan says CPU 2')
})

test('an affinity that the cpuset has narrowed is found', () => {
  assert.equal(constraints(vcpuFindings({ ...seen, planned: '0-3', affinities: ['0-1'], lastCpus: [1] })), ['affinity'])
})

test('another CPU is found', () => {
  assert.equal(constraints(vcpuFindings({ ...seen, lastCpus: [2, 5, 2] })), ['last-cpu'])
})

test('a vCPU that left its only CPU between two looks is found, one that has several may go from one to another', () => {
  const [finding, ...more] = vcpuFindings({ ...seen, migrations: 2 })
  assert.equal(more, [])
  assert.is(finding?.constraint, 'migrated')
  assert.match(finding?.text ?? '', 'VM "db", vCPU 1 went to another CPU than CPU 2, or came back from one, 2 times')
  assert.equal(vcpuFindings({ ...seen, migrations: null }), [])
  assert.equal(vcpuFindings({ ...seen, planned: '2-3', affinities: ['2-3'], migrations: 9 }), [])
})

test('a vCPU that did nothing is found', () => {
  assert.equal(constraints(vcpuFindings({ ...seen, progress: 0 })), ['no-progress'])
})

const row = { vm: 'db', cell: 0, node: 1, bytes: 8192 }

test('memory that is all on its node has no finding', () => {
  assert.equal(memoryFindings({ ...row, residentBytes: { 1: 8192 } }), [])
})

test('memory on another node is found', () => {
  const [finding] = memoryFindings({ ...row, residentBytes: { 0: 4096, 1: 4096 } })
  assert.is(finding?.constraint, 'residency')
  assert.is(finding?.cell, 0)
  assert.match(finding?.text ?? '', 'the plan puts 8 KiB on node 1, the kernel has 4 KiB on node 0, 4 KiB on node 1')
})

test('memory that is nowhere is found', () => {
  assert.match(memoryFindings({ ...row, residentBytes: { 1: 4096 } })[0]?.text ?? '', '4 KiB nowhere')
  assert.match(memoryFindings({ ...row, residentBytes: {} })[0]?.text ?? '', '8 KiB nowhere')
})

test.run()
