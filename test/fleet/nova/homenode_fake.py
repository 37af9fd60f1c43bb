"""For nova-compute: a fake virt driver whose host has 16 CPUs for pinned vCPUs on one node, and as much memory as its configuration says."""

from oslo_config import cfg

from nova import objects
import nova.conf
from nova.virt import fake

CPUS = 16
KIB_OF_PAGE = 4
CONF = nova.conf.CONF
CONF.register_opts([cfg.IntOpt('memory_mb')], group='homenode_fake')


class Driver(fake.FakeDriver):
    vcpus = CPUS
    local_gb = 100

    def __init__(self, virtapi, read_only=False):
        self.memory_mb = CONF.homenode_fake.memory_mb
        super().__init__(virtapi, read_only)

    def get_available_resource(self, nodename):
        cpus = set(range(CPUS))
        pages = objects.NUMAPagesTopology(size_kb=KIB_OF_PAGE, total=self.memory_mb * 1024 // KIB_OF_PAGE, used=0)
        cell = objects.NUMACell(id=0, cpuset=set(), pcpuset=cpus, memory=self.memory_mb, cpu_usage=0, memory_usage=0,
                                pinned_cpus=set(), siblings=[{cpu} for cpu in cpus], mempages=[pages], socket=0)
        found = super().get_available_resource(nodename)
        return {**found, 'numa_topology': objects.NUMATopology(cells=[cell])._to_json()}

    def update_provider_tree(self, provider_tree, nodename, allocations=None):
        super().update_provider_tree(provider_tree, nodename, allocations)
        inventory = dict(provider_tree.data(nodename).inventory)
        inventory['PCPU'] = {**inventory.pop('VCPU'), 'allocation_ratio': 1.0, 'reserved': 0}
        provider_tree.update_inventory(nodename, inventory)
