import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { column, cpu } from './tree.js'

test('cpu_capacity is scaled so that the fastest has 1024', () => {
  const tree = {
    ...cpu(0, { cpu_capacity: '400' }),
    ...cpu(1, { cpu_capacity: '800\n' }),
    ...cpu(2, { cpu_capacity: '3' }),
  }
  assert.equal(column(tree, 'capacity'), [512, 1024, 4])
})

const hybrid = (id: number, perf: string, frequency: string, base = '1') =>
  cpu(id, {
    'acpi_cppc/highest_perf': perf,
    'cpufreq/cpuinfo_max_freq': frequency,
    'cpufreq/base_frequency': base,
  })

test('hybrid cores without cpu_capacity have the speed of their kind', () => {
  const kinds = { 'sys/devices/cpu_core/cpus': '0-2\n', 'sys/devices/cpu_atom/cpus': '3\n' }
  const tree = {
    ...hybrid(0, '64', '5000'),
    ...hybrid(1, '67', '5200'),
    ...hybrid(2, '64', '5000'),
    ...hybrid(3, '32', '3900'),
  }
  assert.equal(column({ ...tree, ...kinds }, 'capacity'), [1024, 1024, 1024, 512])
})

test('where the performance is not known, the frequency of the kind is taken', () => {
  const files = (frequency: string) => ({ 'cpufreq/cpuinfo_max_freq': frequency })
  const kinds = { 'sys/devices/cpu_core/cpus': '0', 'sys/devices/cpu_atom/cpus': '1' }
  assert.equal(column({ ...cpu(0, files('4000')), ...cpu(1, files('3000')), ...kinds }, 'capacity'), [1024, 768])
})

test('kinds show in the base frequency where nothing names them', () => {
  const tree = {
    ...hybrid(0, '64', '5000', '1900'),
    ...hybrid(1, '67', '5200', '1900'),
    ...hybrid(2, '32', '3900', '1400'),
  }
  assert.equal(column(tree, 'capacity'), [1024, 1024, 512])
})

test('favoured cores alone do not make a host hybrid', () => {
  const tree = { ...hybrid(0, '200', '5000'), ...hybrid(1, '236', '5500') }
  assert.equal(column(tree, 'capacity'), [1024, 1024])
})

test.run()
