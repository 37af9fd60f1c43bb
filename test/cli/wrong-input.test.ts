/** Wrong input of every kind: exit code 2, one message that names the place, no stack trace, nothing on stdout. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { homenode, requestOf, SMALL, scratch, TWO_NODES } from './command.js'

const file = scratch()
const small = file('small.json', SMALL)
const on = ['--synthetic', TWO_NODES]
const vm = (fields: object) => requestOf({ name: 'a', vcpus: 1, memory: '1GiB', ...fields })
/** A request file for `plan` with this text. */
let files = 0
const withRequest = (text: string | Buffer) => ['plan', ...on, '-f', file(`request-${files++}.json`, text)]

interface Case {
  readonly name: string
  readonly args: readonly string[]
  readonly says: RegExp
  readonly input?: string
}

const cases: Case[] = [
  { name: 'a file that does not exist', args: ['plan', '-f', 'nowhere.json'], says: /nowhere\.json: .*no such file/ },
  { name: 'a directory as a file', args: ['plan', '-f', '/'], says: /^homenode: \/: .*a directory/ },
  { name: 'an empty file name', args: ['plan', '-f', ''], says: /empty name/ },
  { name: 'an empty file', args: withRequest(''), says: /request-\d+\.json: .*an empty file/ },
  { name: 'a file of white space', args: withRequest(' \n\n'), says: /white space only/ },
  { name: 'empty standard input', args: ['plan', ...on, '-f', '-'], says: /standard input: .*empty/ },
  { name: 'a file without end', args: ['plan', '-f', '/dev/zero'], says: /\/dev\/zero: expected at most 128 MiB/ },
  { name: 'bytes that are no text', args: withRequest(Buffer.from([0xff, 0xfe, 0x7b, 0])), says: /UTF-8/ },
  {
    name: 'text that is no JSON',
    args: withRequest('hello'),
    says: /line 1, column 1: expected a value in JSON, got "hello"/,
  },
  {
    name: 'a comma too many, on its line',
    args: withRequest('{\n  "vms": [],\n}'),
    says: /line 3, column 1: expected a name in double quotes, got "\}"/,
  },
  {
    name: 'a name given twice, at the second',
    args: withRequest('{"vms": [\n  {"name": "a", "vcpus": 2, "vcpus": 3}]}'),
    says: /line 2, column 29: expected a name that is new in its object, got "vcpus"/,
  },
  { name: 'JSON that stops', args: withRequest('{"vms": ['), says: /line 1, column 10: .*the end of the text/ },
  { name: 'NaN', args: withRequest('{"vms": [{"name": "a", "vcpus": NaN}]}'), says: /line 1, column 33: .*"NaN"/ },
  { name: 'a request that is an array', args: withRequest('[]'), says: /request-\d+\.json: expected an object/ },
  { name: 'a request without VMs', args: withRequest('{"vms": []}'), says: /vms: expected at least 1/ },
  { name: 'a number as text', args: withRequest(vm({ vcpus: '2' })), says: /vms\[0\]\.vcpus: expected a whole number/ },
  { name: 'no vCPU', args: withRequest(vm({ vcpus: 0 })), says: /vms\[0\]\.vcpus: .*got 0/ },
  { name: 'less than no vCPU', args: withRequest(vm({ vcpus: -1 })), says: /vms\[0\]\.vcpus: .*got -1/ },
  { name: 'half a vCPU', args: withRequest(vm({ vcpus: 1.5 })), says: /vms\[0\]\.vcpus: .*got 1\.5/ },
  { name: 'huge vCPUs', args: withRequest(vm({ vcpus: 1e300 })), says: /vms\[0\]\.vcpus: / },
  { name: 'no memory', args: withRequest(vm({ memory: '0MiB' })), says: /vms\[0\]\.memory: expected more than 0/ },
  { name: 'negative memory', args: withRequest(vm({ memory: '-1GiB' })), says: /vms\[0\]\.memory: .*"-1GiB"/ },
  {
    name: 'a bare number as memory',
    args: withRequest(vm({ memory: 512 })),
    says: /vms\[0\]\.memory: .*virsh would read KiB, QEMU MiB/,
  },
  {
    name: 'a bare number as text',
    args: withRequest(vm({ memory: '512' })),
    says: /vms\[0\]\.memory: .*without a unit/,
  },
  { name: 'huge memory', args: withRequest(vm({ memory: '99999999999TiB' })), says: /vms\[0\]\.memory: / },
  { name: 'NaN as text', args: withRequest(vm({ memory: 'NaN' })), says: /vms\[0\]\.memory: .*"NaN"/ },
  {
    name: 'two VMs of one name',
    args: withRequest(requestOf({ name: 'a', vcpus: 1, memory: '1GiB' }, { name: 'a', vcpus: 1, memory: '1GiB' })),
    says: /vms\[1\]\.name: .*"a"/,
  },
  {
    name: 'a field that is not known',
    args: withRequest(vm({ vcpu: 2 })),
    says: /vms\[0\]\.vcpu: expected one of the fields/,
  },
  {
    name: 'a cpulist that descends',
    args: withRequest('{"reserve": {"cpus": "5-2"}, "vms": [{"name": "a", "vcpus": 1, "memory": "1GiB"}]}'),
    says: /reserve\.cpus: .*"5-2"/,
  },
  {
    name: 'a cpulist of CPUs that the host does not have',
    args: withRequest('{"reserve": {"cpus": "900"}, "vms": [{"name": "a", "vcpus": 1, "memory": "1GiB"}]}'),
    says: /request-\d+\.json: reserve\.cpus: .*900/,
  },
  {
    name: 'a node that the host does not have',
    args: withRequest(vm({ devices: [{ node: 7 }] })),
    says: /vms\[0\]\.devices\[0\]\.node: .*7/,
  },
  {
    name: 'memory on nodes that are reserved',
    args: withRequest(
      '{"reserve": {"nodes": "1"}, "vms": [{"name": "a", "vcpus": 1, "memory": "1GiB", "memoryNodes": "1"}]}',
    ),
    says: /request-\d+\.json: vms\[0\]\.memoryNodes: expected a node that is not in reserve\.nodes, got "1"/,
  },
  {
    name: 'nodes as numbers',
    args: withRequest(vm({ memoryNodes: [0, 1] })),
    says: /vms\[0\]\.memoryNodes: expected a list of nodes such as "0-3,8", got an array of 2/,
  },
  {
    name: 'nodes of devices as a number',
    args: withRequest('{"deviceNodes": 1, "vms": [{"name": "a", "vcpus": 1, "memory": "1GiB"}]}'),
    says: /deviceNodes: expected a list of nodes such as "0-3,8", got 1/,
  },
  { name: 'a root that does not exist', args: ['topo', '--root', '/nowhere'], says: /\/nowhere: .*no such directory/ },
  { name: 'a root that is a file', args: ['topo', '--root', small], says: /small\.json: .*a file/ },
  {
    name: 'a root that is no sysfs',
    args: ['topo', '--root', '/proc/self'],
    says: /\/proc\/self: sys\/devices\/system\/cpu: /,
  },
  { name: 'an empty root', args: ['topo', '--root', ''], says: /--root: / },
  { name: 'an empty description', args: ['topo', '--synthetic', ''], says: /--synthetic: character 1: / },
  { name: 'a description that is none', args: ['topo', '--synthetic', 'core:0'], says: /--synthetic: character \d+: / },
  {
    name: 'a request as a host',
    args: ['topo', '--host', small],
    says: /small\.json: vms: expected one of the fields/,
  },
  {
    name: 'two hosts',
    args: ['topo', '--host', small, ...on],
    says: /'--host <file>' cannot be used with option '--synthetic/,
  },
  {
    name: 'another two hosts',
    args: ['topo', '--root', '/', ...on],
    says: /'--root <dir>' cannot be used with option '--synthetic/,
  },
  {
    name: 'a last two hosts',
    args: ['topo', '--root', '/', '--host', small],
    says: /'--root <dir>' cannot be used with option '--host/,
  },
  {
    name: 'two files on standard input',
    args: ['plan', '-f', '-', '--host', '-'],
    says: /standard input: .*-f and --host/,
  },
  {
    name: 'plan and request on standard input',
    args: ['check', '-', '-f', '-'],
    says: /standard input: .*PLAN and -f/,
  },
  {
    name: 'a request as a plan',
    args: ['check', small, '-f', small, ...on],
    says: /small\.json: the plan is malformed: vms\[0\]/,
  },
  {
    name: 'steps that are no number',
    args: ['plan', '-f', small, '--steps', 'many'],
    says: /--steps: expected a whole number from 0 to 1000000, got "many"/,
  },
  { name: 'negative steps', args: ['plan', '-f', small, '--steps', '-5'], says: /--steps: .*"-5"/ },
  { name: 'too many steps', args: ['plan', '-f', small, '--steps', '1e9'], says: /--steps: .*"1e9"/ },
  { name: 'a seed with a fraction', args: ['plan', '-f', small, '--seed', '1.5'], says: /--seed: .*"1\.5"/ },
  {
    name: 'no time to run',
    args: ['run', '--seconds', '0'],
    says: /--seconds: expected a number above 0, up to 86400, got "0"/,
  },
  { name: 'NaN seconds', args: ['run', '--seconds', 'NaN'], says: /--seconds: .*"NaN"/ },
  { name: 'endless seconds', args: ['run', '--seconds', 'Infinity'], says: /--seconds: .*"Infinity"/ },
  {
    name: 'a backend that is none',
    args: ['run', '--backend', 'qemu'],
    says: /'qemu' is invalid\. Allowed choices are kvm, threads/,
  },
  {
    name: 'a colour setting that is none',
    args: ['topo', '--color', 'pink'],
    says: /Allowed choices are auto, always, never/,
  },
  {
    name: 'no request',
    args: ['plan'],
    says: /required option '-f, --request <file>' \(or '--running'\) not specified/,
  },
  {
    name: 'no VM for capacity',
    args: ['capacity', '-f', small],
    says: /--vm: expected the name of a VM, for a request/,
  },
  { name: 'an option that is none and no request', args: ['plan', '--bogus'], says: /unknown option '--bogus'/ },
  {
    name: 'a misspelt required option',
    args: ['check', small, '--reqest', small],
    says: /unknown option '--reqest'\n.*Did you mean --request/,
  },
  { name: 'no plan', args: ['check', '-f', small], says: /missing required argument 'plan'/ },
  { name: 'an option that is none', args: ['topo', '--jsn'], says: /unknown option '--jsn'\n.*Did you mean --json/ },
  { name: 'a command that is none', args: ['capcity'], says: /unknown command 'capcity'\n.*Did you mean capacity/ },
  { name: 'an argument too many', args: ['topo', 'extra'], says: /too many arguments/ },
]

for (const { name, args, says, input } of cases) {
  test(`${name} is refused, with its place`, async () => {
    const { code, stdout, stderr } = await homenode(args, input === undefined ? {} : { input })
    assert.is(code, 2, stderr)
    assert.match(stderr, says)
    assert.match(stderr, /^homenode: [^\n]+\n([^\n]+\n)?$/, 'one line, and perhaps a hint')
    assert.not.match(stderr, /\n {4}at |node:internal/)
    assert.is(stdout, '')
  })
}

test.run()
