"""Weighs hosts with Nova's own handler. Reads {"endpoint", "hosts": {name: {"pinned", "used"}}, "vcpus", "policy"}; prints what came of it."""

import json
import logging
import sys

from nova import objects
from nova.scheduler import host_manager, weights
from nova.scheduler.weights import ram
import nova.conf

sys.path.insert(0, sys.argv[1])
import homenode_weigher  # noqa: E402

asked = json.load(sys.stdin)
said = []


class Kept(logging.Handler):
    def emit(self, record):
        said.append([record.levelname, record.getMessage()])


logging.getLogger('homenode_weigher').addHandler(Kept())
objects.register_all()
CONF = nova.conf.CONF
CONF([], project='nova', default_config_files=[])
CONF.set_override('endpoint', asked['endpoint'], group='homenode')
CONF.set_override('timeout', asked.get('timeout', 60), group='homenode')
CONF.set_override('ram_weight_multiplier', 0.1, group='filter_scheduler')


def state(name, given):
    made = host_manager.HostState(name, name, None)
    made.free_ram_mb = given.get('ram', 65536)
    cpus = set(range(16))
    made.numa_topology = objects.NUMATopology(cells=[objects.NUMACell(
        id=0, cpuset=set(), pcpuset=cpus, memory=65536, cpu_usage=0, memory_usage=given.get('used', 0),
        pinned_cpus=set(given.get('pinned', [])), siblings=[{cpu} for cpu in cpus], mempages=[], socket=0)])
    return made


spec = objects.RequestSpec(
    flavor=objects.Flavor(vcpus=asked['vcpus'], memory_mb=16384, root_gb=1, ephemeral_gb=0,
                          extra_specs={'hw:cpu_policy': asked['policy']}),
    numa_topology=None)
handler = weights.HostWeightHandler()
weighers = [ram.RAMWeigher(), homenode_weigher.HomenodeWeigher()]
found = handler.get_weighed_objects(weighers, [state(*host) for host in asked['hosts'].items()], spec)
is_known = homenode_weigher.HomenodeWeigher in handler.get_matching_classes(['homenode_weigher.HomenodeWeigher'])
print(json.dumps({'order': [host.obj.host for host in found], 'weights': [host.weight for host in found],
                  'said': said, 'isKnown': is_known}))
