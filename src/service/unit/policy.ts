/** The policy that the service begins with: rules are to be written into it. */

export const POLICY_PATH = '/etc/homenode/policy.yaml'

export const POLICY_TEXT = `# Rules for the VMs that "homenode balance" keeps well placed: "man homenode", POLICY.
#   homenode policy check ${POLICY_PATH}     whether they are right, and which VMs they are about
#   systemctl reload homenode-balance                  has them read again
#
# rules:
#   - set: {moveTimes: ["Mon-Fri 22:00-06:00", "Sat,Sun"], moveBytes: 64GiB}
#   - name: databases
#     match: {name: ["db-*", "pg-*"], memory: {min: 8GiB}}
#     set: {cpuPolicy: dedicated, threadPolicy: isolate, memory: stay}

# Nothing is asked for beyond what the planner does by itself.
rules:
  - set: {}
`
