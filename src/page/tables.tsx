/** All that the picture shows, as tables. */

import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { occupancyOf } from '../picture/occupancy.js'
import { sceneOfPlan } from '../picture/of-plan.js'
import { roundBytes } from '../picture/words.js'
import { formatBytes } from '../units.js'
import type { Shown } from './app.js'
import { Scrolling } from './scrolling.js'

type Row = readonly (string | number)[]

export function Tables({ shown }: { readonly shown: Shown }) {
  const { plan } = shown
  const vcpus = () =>
    plan.vms.flatMap(({ name, vcpus: all }) =>
      all.map(({ vcpu, cell, node, cpus }): Row => [name, vcpu, cell, node, cpus]),
    )
  const threads = () =>
    plan.vms.flatMap(({ name, emulator, iothreads }): Row[] => [
      [name, 'emulator', emulator],
      ...iothreads.map((cpus, at): Row => [name, `I/O thread ${at}`, cpus]),
    ])
  const moves = () =>
    (plan.moves ?? []).map(
      ({ step, vm, cell, vcpus: all, memory, bytes }): Row => [
        step,
        vm,
        cell,
        all.map(({ vcpu, cpus }) => `${vcpu} to ${cpus}`).join('; '),
        memory.map(({ node, bytes: part }) => `${formatBytes(part)} on node ${node}`).join('; '),
        bytes === 0 ? '' : formatBytes(bytes),
      ],
    )
  return (
    <section aria-label="Tables">
      <h2>As tables</h2>
      <Table name="vCPUs" heads={['VM', 'vCPU', 'cell', 'node', 'CPUs']} rows={vcpus} />
      <Table name="Threads of VMMs" heads={['VM', 'thread', 'CPUs']} rows={threads} />
      <Table name="Memory" heads={['node', 'who', 'bytes', 'page']} rows={() => memoryRows(shown)} />
      <Table
        name="CPUs"
        heads={['CPU', 'package', 'node', 'LLC', 'core', 'thread', 'state', 'who']}
        rows={() => cpuRows(shown)}
      />
      <Table
        name="Distances"
        heads={['from', ...shown.host.nodes.map(({ id }) => `to ${id}`)]}
        rows={() => shown.host.distances.map((row, at) => [shown.host.nodes[at]!.id, ...row])}
      />
      {plan.moves !== undefined && (
        <Table name="Moves" heads={['step', 'VM', 'cell', 'vCPUs', 'memory', 'copied']} rows={moves} />
      )}
    </section>
  )
}

function memoryRows({ host, plan }: Shown): Row[] {
  return host.nodes.flatMap(({ id, memory }): Row[] => [
    ...plan.vms.flatMap(({ name, cells }) =>
      cells.flatMap(({ pageSize, memory: parts }) =>
        parts
          .filter(({ node }) => node === id)
          .map(({ bytes }): Row => [id, name, formatBytes(bytes), formatBytes(pageSize)]),
      ),
    ),
    [id, 'in all', roundBytes(memory.total), ''],
    [id, 'free before', roundBytes(memory.free), ''],
  ])
}

function cpuRows({ host, request, plan }: Shown): Row[] {
  const scene = sceneOfPlan(host, request, plan)
  const { boxes, floats, threads } = occupancyOf(scene)
  return host.cpus.map(({ id, package: pack, node, llc, core, thread, online, allowed, isolated }) => {
    const states = [
      ...(online ? [] : ['offline']),
      ...(allowed ? [] : ['not allowed']),
      ...(isolated ? ['isolated'] : []),
      ...(scene.reserve.cpus.has(id) ? ['reserved'] : []),
    ]
    const who = [
      ...(boxes.get(id) ?? []).map(({ title }) => title),
      ...[...(floats.get(id) ?? [])].map((name) => `${name} floats`),
      ...(threads.get(id) ?? []),
    ]
    return [id, pack ?? '?', node ?? '?', llc ?? '?', core ?? '?', thread ?? '?', states.join(', '), who.join('; ')]
  })
}

/** Made when it is opened: that of a large host takes long. */
function Table({ name, heads, rows }: { readonly name: string; readonly heads: readonly string[]; rows(): Row[] }) {
  const [isOpen, setOpen] = useState(false)
  return (
    <details onToggle={({ currentTarget }) => setOpen((currentTarget as HTMLDetailsElement).open)}>
      <summary>{name}</summary>
      {isOpen && <Cells name={name} heads={heads} rows={rows()} />}
    </details>
  )
}

function Cells({
  name,
  heads,
  rows,
}: {
  readonly name: string
  readonly heads: readonly string[]
  readonly rows: Row[]
}): ComponentChildren {
  return (
    <Scrolling class="scroll" name={name}>
      <table>
        <thead>
          <tr>
            {heads.map((head) => (
              <th scope="col" key={head}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.join()}>
              {row.map((cell, column) => (
                <td key={heads[column]}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolling>
  )
}
