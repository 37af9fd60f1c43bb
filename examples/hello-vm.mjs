// A guest that says hello on its serial console, placed by a verified plan: node examples/hello-vm.mjs
import { detectHost, plan, verifyPlan } from 'homenode'
import { Vm } from 'homenode/executor'

const request = { vms: [{ name: 'hello', vcpus: 1, memory: '16MiB' }] }
const host = await detectHost()
const vm = await Vm.create(verifyPlan(host, request, await plan(host, request)), 'hello')
const text = Buffer.from('hello from the guest\n')
// rep outsb: text to the console; then out %al, $0xf4: the exit port
await vm.load(Buffer.concat([Buffer.from('f36e30c0e6f4', 'hex'), text]), 0x1000)
vm.vcpus[0].startInLongMode(0x1000, { rsi: 0x1006n, rcx: BigInt(text.length), rdx: 0x3f8n })
vm.serial((bytes) => process.stdout.write(bytes))
vm.exitPort()
await vm.run()
console.log(await vm.wait()) // { name: 'stopped', by: 'guest', exitCode: 0 }
await vm.close()
