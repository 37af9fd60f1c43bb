// Plans one VM for this machine, has the plan verified, and runs it there for two seconds: node examples/first-plan.mjs
import { detectHost, plan, verifyPlan } from 'homenode'
import { runPlan } from 'homenode/executor'

const request = { vms: [{ name: 'web', vcpus: 1, memory: '64MiB' }] }
const host = await detectHost()
const candidate = await plan(host, request, { steps: 20000, seed: 1 })
const verified = verifyPlan(host, request, candidate) // throws a PlanError with findings if it does not hold
const report = await runPlan(verified, { seconds: 2 })
console.log(`${candidate.cost.lostVcpus} lost vCPUs, verified: ${report.verified} (${report.backend})`)
console.table(report.vcpus, ['vm', 'vcpu', 'planned', 'affinity', 'lastCpu', 'exits'])
console.log(report.memory)
