/**
 * Nova as a whole, on demand: scheduler, conductor, API and Placement of Debian with MariaDB and RabbitMQ, three computes with a fake virt driver,
 * and `homenode serve --rank`. An instance of 16 vCPUs goes where it loses 0, though Nova's own weighers prefer where it loses 0.853 (more
 * memory is free there); without the endpoint one is placed all the same, there.
 *
 *   apt-get install --no-install-recommends python3-nova python3-placement mariadb-server-core mariadb-client-core rabbitmq-server
 *   node build.mjs && node --import tsx test/fleet/nova/whole.ts
 *
 * As root. All is below a temporary folder, on free ports of 127.0.0.1, and is ended by its ids. It takes minutes; 2.5 GiB.
 */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { syntheticHost } from '../../../src/topology/synthetic.js'
import { cli, root } from '../../cli/command.js'

const PYTHON = '/usr/bin/python3'
const PROGRAMS = [
  PYTHON,
  '/usr/sbin/mariadbd',
  '/usr/bin/mariadb-install-db',
  '/usr/bin/mariadb',
  '/usr/bin/epmd',
  '/usr/lib/rabbitmq/bin/rabbitmq-server',
  '/usr/bin/placement-manage',
]
/** Caches of the 16 cores, and memory that Nova knows of. */
const COMPUTES = {
  halves: { l3: 2, memoryMb: 98_304 },
  quarters: { l3: 4, memoryMb: 65_536 },
  whole: { l3: 1, memoryMb: 65_536 },
}

const here = dirname(fileURLToPath(import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'homenode-nova-whole-'))
const path = (...names: string[]) => join(folder, ...names)
const children: {
  readonly name: string
  readonly child: ReturnType<typeof spawn>
  readonly ended: Promise<unknown>
}[] = []

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

function start(name: string, file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const log = openSync(path(`${name}.log`), 'w')
  const child = spawn(file, args, { stdio: ['ignore', log, log], env: { ...process.env, HOME: folder, ...env } })
  closeSync(log)
  const one = { name, child, ended: once(child, 'close') }
  children.push(one)
  return one
}

async function end({ child, ended }: (typeof children)[number]): Promise<void> {
  child.kill('SIGTERM')
  const isOver = await Promise.race([ended.then(() => true), pause(30_000, false, { ref: false })])
  if (!isOver) child.kill('SIGKILL')
  await ended
}

/** RabbitMQ's script ends before what it has started. */
async function rabbitIsGone(): Promise<void> {
  if (!existsSync(path('rabbit.pid'))) return
  const pid = readFileSync(path('rabbit.pid'), 'utf8').trim()
  while (existsSync(`/proc/${pid}`)) await pause(100)
}

const logOf = (name: string) => readFileSync(path(`${name}.log`), 'utf8')

/** Until it is so; not for ever, since a service that fails may just log that. */
async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    const dead = children.find(({ child }) => child.exitCode !== null && child.exitCode !== 0)
    if (dead !== undefined) throw new Error(`${dead.name} ended:\n${logOf(dead.name).slice(-3000)}`)
    if (tries > 1200) throw new Error(`it never came: ${what}`)
    await pause(500)
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

function run(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): void {
  const { status, stdout, stderr } = spawnSync(file, args, {
    encoding: 'utf8',
    env: { ...process.env, HOME: folder, ...env },
  })
  if (status !== 0) throw new Error(`${file} ${args.join(' ')}: ${status}\n${stdout}${stderr}`)
}

/** One image, as Glance's client asks for it: its schema, and the image itself. */
async function glance() {
  const image = {
    id: 'none',
    name: 'image',
    status: 'active',
    container_format: 'bare',
    disk_format: 'raw',
    size: 1,
    min_ram: 0,
    min_disk: 0,
    owner: 'admin',
    visibility: 'public',
    protected: false,
    tags: [],
    created_at: '2026-01-01T00:00:00Z',
    updated_at: '2026-01-01T00:00:00Z',
  }
  const properties = Object.fromEntries(Object.keys(image).map((name) => [name, {}]))
  const server = createServer(({ url = '' }, response) => {
    const id = url.split('/').at(-1)!
    const body = url.includes('/schemas/') ? { name: 'image', properties } : { ...image, id }
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

type Sections = Readonly<Record<string, Readonly<Record<string, string | number>>>>

function writeConfig(name: string, sections: Sections): string {
  const lines = Object.entries(sections).flatMap(([section, options]) => [
    `[${section}]`,
    ...Object.entries(options).map(([option, value]) => `${option} = ${value}`),
  ])
  writeFileSync(path(name), `${lines.join('\n')}\n`)
  return path(name)
}

async function main(): Promise<void> {
  const missing = PROGRAMS.filter((file) => !existsSync(file))
  if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}`)
  for (const name of ['db', 'rabbit', 'hosts', 'state']) mkdirSync(path(name))
  const [dbPort, amqpPort, distPort, epmdPort, apiPort, placementPort, rankPort] = await Promise.all(
    Array.from({ length: 7 }, freePort),
  )

  run('/usr/bin/mariadb-install-db', [
    '--no-defaults',
    '--user=root',
    `--datadir=${path('db')}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
  ])
  start('mariadb', '/usr/sbin/mariadbd', [
    '--no-defaults',
    '--user=root',
    `--datadir=${path('db')}`,
    `--socket=${path('db.sock')}`,
    '--bind-address=127.0.0.1',
    `--port=${dbPort}`,
    '--max-connections=500',
    '--innodb-flush-log-at-trx-commit=0',
  ])
  const epmd = { ERL_EPMD_PORT: `${epmdPort}`, ERL_EPMD_ADDRESS: '127.0.0.1' }
  start('epmd', '/usr/bin/epmd', ['-port', `${epmdPort}`, '-address', '127.0.0.1'])
  await until('epmd', () => isListening(epmdPort!))
  const nodeName = `homenode${process.pid}@localhost`
  start('rabbit', '/usr/lib/rabbitmq/bin/rabbitmq-server', [], {
    ...epmd,
    RABBITMQ_NODENAME: nodeName,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: `${amqpPort}`,
    RABBITMQ_DIST_PORT: `${distPort}`,
    RABBITMQ_MNESIA_BASE: path('rabbit'),
    RABBITMQ_LOG_BASE: path('rabbit'),
    RABBITMQ_ENABLED_PLUGINS_FILE: path('rabbit/plugins'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_PID_FILE: path('rabbit.pid'),
  })
  await until('MariaDB', () => isListening(dbPort!))
  const databases = ['nova_api', 'nova_cell0', 'nova', 'placement'].map((name) => `create database ${name};`).join(' ')
  const users = ["nova@'127.0.0.1'", 'nova@localhost']
    .map((user) => `create user ${user} identified by 'nova'; grant all on *.* to ${user};`)
    .join(' ')
  run('/usr/bin/mariadb', ['--no-defaults', `--socket=${path('db.sock')}`, '-u', 'root', '-e', `${databases} ${users}`])

  const databaseOf = (name: string) => `mysql+pymysql://nova:nova@127.0.0.1:${dbPort}/${name}`
  const placement = writeConfig('placement.conf', {
    api: { auth_strategy: 'noauth2' },
    placement_database: { connection: databaseOf('placement') },
  })
  run('/usr/bin/placement-manage', ['--config-file', placement, 'db', 'sync'])
  const images = await glance()
  const endpoint = `http://127.0.0.1:${placementPort}`
  const nova = writeConfig('nova.conf', {
    DEFAULT: {
      state_path: path('state'),
      transport_url: `rabbit://guest:guest@127.0.0.1:${amqpPort}/`,
      my_ip: '127.0.0.1',
      compute_driver: 'homenode_fake.Driver',
      osapi_compute_listen: '127.0.0.1',
      osapi_compute_listen_port: apiPort!,
      osapi_compute_workers: 1,
    },
    api: { auth_strategy: 'noauth2' },
    wsgi: { api_paste_config: path('api-paste.ini') },
    database: { connection: databaseOf('nova') },
    api_database: { connection: databaseOf('nova_api') },
    placement: { auth_type: 'admin_token', token: 'admin', endpoint, endpoint_override: endpoint },
    glance: { api_servers: `http://127.0.0.1:${(images.address() as AddressInfo).port}` },
    scheduler: { workers: 1, discover_hosts_in_cells_interval: 2 },
    conductor: { workers: 1 },
    filter_scheduler: {
      weight_classes: 'nova.scheduler.weights.all_weighers,homenode_weigher.HomenodeWeigher',
      enabled_filters: 'ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,NUMATopologyFilter',
    },
    homenode: { endpoint: `http://127.0.0.1:${rankPort}`, timeout: 60, weight_multiplier: 10 },
    quota: { driver: 'nova.quota.NoopQuotaDriver' },
    compute: { cpu_dedicated_set: '0-15' },
    oslo_concurrency: { lock_path: path('state') },
  })
  writeConfig('api-paste.ini', {
    'composite:osapi_compute': { use: 'call:nova.api.openstack.urlmap:urlmap_factory', '/v2.1': 'v21' },
    'composite:v21': { use: 'call:nova.api.auth:pipeline_factory_v21', noauth2: 'id auth app' },
    'filter:id': { 'paste.filter_factory': 'oslo_middleware:RequestId.factory' },
    'filter:auth': { 'paste.filter_factory': 'homenode_noauth:Auth.factory' },
    'app:app': { 'paste.app_factory': 'nova.api.openstack.compute:APIRouterV21.factory' },
  })
  const modules = [here, join(root, 'clients/nova')].join(':')
  const service = (name: string, ...args: string[]) => [join(here, 'service.py'), modules, name, ...args]
  const manage = (...args: string[]) => run(PYTHON, service('manage', '--config-file', nova, ...args))
  manage('api_db', 'sync')
  manage('cell_v2', 'map_cell0', '--database_connection', databaseOf('nova_cell0'))
  manage('cell_v2', 'create_cell', '--name', 'cell1')
  manage('db', 'sync')

  for (const [name, { l3 }] of Object.entries(COMPUTES)) {
    writeFileSync(
      path('hosts', `${name}.json`),
      JSON.stringify(syntheticHost(`pack:1 [numa(memory=64GiB)] l3:${l3} core:${16 / l3} pu:1`)),
    )
  }
  const homenode = start('homenode', process.execPath, [
    cli,
    'serve',
    '--rank',
    '--hosts',
    path('hosts'),
    '--port',
    `${rankPort}`,
  ])
  start('placement', PYTHON, service('placement', `${placementPort}`), { OS_PLACEMENT_CONFIG_DIR: folder })
  await until('RabbitMQ, Placement and homenode', async () =>
    (await Promise.all([amqpPort, placementPort, rankPort].map((port) => isListening(port!)))).every(Boolean),
  )
  for (const name of ['conductor', 'scheduler', 'api_os_compute'])
    start(name, PYTHON, service(name, '--config-file', nova))
  for (const [name, { memoryMb }] of Object.entries(COMPUTES)) {
    mkdirSync(path(`state-${name}`))
    const own = writeConfig(`${name}.conf`, {
      DEFAULT: { host: name, state_path: path(`state-${name}`) },
      homenode_fake: { memory_mb: memoryMb },
    })
    start(`compute-${name}`, PYTHON, service('compute', '--config-file', nova, '--config-file', own))
  }

  const api = async (method: string, at: string, body?: object) => {
    const headers = {
      'X-Auth-Token': 'admin:admin',
      'Content-Type': 'application/json',
      'OpenStack-API-Version': 'compute 2.74',
    }
    const response = await fetch(`http://127.0.0.1:${apiPort}/v2.1${at}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${at}: ${response.status} ${text}`)
    return JSON.parse(text)
  }
  await until('the API', () => isListening(apiPort!))
  await until('three computes that the scheduler knows', async () => {
    const { hypervisors } = await api('GET', '/os-hypervisors')
    return hypervisors.length === 3 && (logOf('scheduler').match(/cell1:\w+/g) ?? []).length >= 3
  })
  await api('POST', '/flavors', { flavor: { id: 'big', name: 'big', vcpus: 16, ram: 16_384, disk: 1 } })
  await api('POST', '/flavors/big/os-extra_specs', { extra_specs: { 'hw:cpu_policy': 'dedicated' } })
  /** Where it runs. */
  const place = async (name: string): Promise<string> => {
    const imageRef = '11111111-1111-1111-1111-111111111111'
    const { server } = await api('POST', '/servers', { server: { name, imageRef, flavorRef: 'big', networks: 'none' } })
    let found: string | undefined
    await until(`a host for ${name}`, async () => {
      const { hypervisors } = await api('GET', '/os-hypervisors?with_servers=true')
      found = hypervisors.find(({ servers = [] }: { servers?: { uuid: string }[] }) =>
        servers.some(({ uuid }) => uuid === server.id),
      )?.hypervisor_hostname
      return found !== undefined
    })
    return found!
  }

  const ranked = await place('ranked')
  console.log(`with the endpoint: ${ranked}`)
  assert.is(ranked, 'whole')
  assert.not.match(logOf('scheduler'), /homenode at .* has no answer/)
  await end(homenode)
  children.splice(children.indexOf(homenode), 1)
  const alone = await place('alone')
  console.log(`without it: ${alone}`)
  assert.is(alone, 'halves', "by Nova's own weighers: most memory is free there")
  assert.match(
    logOf('scheduler'),
    /WARNING homenode_weigher .*homenode at http:\/\/127\.0\.0\.1:\d+ has no answer, so all hosts weigh alike: .*ECONNREFUSED/,
  )
  images.close()
  images.closeAllConnections()
}

try {
  await main()
  console.log('2 passed, 0 failed, 0 skipped')
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  for (const child of children.reverse()) await end(child)
  await rabbitIsGone()
  if (process.exitCode === 1) console.error(`logs: ${folder}`)
  else rmSync(folder, { recursive: true, force: true })
}
// The image server, where it did not come to its end.
process.exit()
