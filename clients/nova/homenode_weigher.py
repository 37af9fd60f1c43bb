"""A weigher for Nova's scheduler: hosts where the instance loses least weigh most.

It asks `homenode serve --rank` what the instance would lose on each host. Nova's own topology has no caches, so the hosts are those of
homenode's files (`topo --json`), one for each hypervisor, named by its hypervisor_hostname.

nova.conf of the scheduler (docs/fleet.md has all of it):

    [filter_scheduler]
    weight_classes = nova.scheduler.weights.all_weighers,homenode_weigher.HomenodeWeigher

    [homenode]
    endpoint = http://127.0.0.1:8081
"""

import http.client
import json
import socket
from urllib import parse

from oslo_config import cfg
from oslo_log import log as logging

import nova.conf
from nova.scheduler import weights

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF
CONF.register_opts([
    cfg.StrOpt('endpoint', default='http://127.0.0.1:8081',
               help='Where homenode serve --rank listens: http://HOST:PORT, or unix:PATH.'),
    cfg.FloatOpt('timeout', default=5.0, min=0.1,
                 help='Seconds until all hosts weigh alike.'),
    cfg.FloatOpt('weight_multiplier', default=1.0,
                 help='How much this weigher counts beside the others.'),
], group='homenode')

#: All instances of one cloud may share cores, as Nova places them.
TRUST = 'nova'
KIB = 1024
MIB = 1024 ** 2
BASE_PAGE = 4 * KIB
THREADS = {'prefer': 'prefer', 'isolate': 'isolate', 'require': 'require'}


class _SocketConnection(http.client.HTTPConnection):
    """HTTP on a socket of the file system."""

    def __init__(self, path, timeout):
        super().__init__('localhost', timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection():
    endpoint, timeout = CONF.homenode.endpoint, CONF.homenode.timeout
    if endpoint.startswith('unix:'):
        return _SocketConnection(endpoint[len('unix:'):], timeout)
    url = parse.urlsplit(endpoint)
    return http.client.HTTPConnection(url.hostname, url.port or 80, timeout=timeout)


def ask(question):
    """The answer to POST /rank. Raises OSError, HTTPException or ValueError where there is none."""
    connection = _connection()
    try:
        connection.request('POST', '/rank', json.dumps(question), {'Content-Type': 'application/json'})
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise ValueError('status %d: %s' % (response.status, text[:500].decode('utf-8', 'replace').strip()))
        return json.loads(text)
    finally:
        connection.close()


def vm_of(spec):
    """The instance of a RequestSpec as a VM of a request."""
    extra = (spec.flavor.extra_specs if 'flavor' in spec and spec.flavor.obj_attr_is_set('extra_specs') else None) or {}
    vm = {'name': 'instance', 'vcpus': spec.vcpus, 'memory': '%dMiB' % spec.memory_mb, 'trust': TRUST,
          'cpuPolicy': 'shared'}
    topology = spec.numa_topology if 'numa_topology' in spec else None
    if topology is not None and len(topology.cells) > 0:
        vm['cells'] = len(topology.cells)
    if extra.get('hw:cpu_policy') == 'dedicated':
        vm['cpuPolicy'] = 'dedicated'
        vm['threadPolicy'] = THREADS.get(extra.get('hw:cpu_thread_policy'), 'prefer')
    return vm


def state_of(host_state):
    """What is on a host: for each of its nodes one VM with all pinned CPUs of the node; the memory of nodes without such."""
    vms, used, dedicated = [], {}, set()
    topology = host_state.numa_topology
    for cell in topology.cells if topology is not None else []:
        dedicated |= set(cell.pcpuset or ())
        pinned = sorted(cell.pinned_cpus or ())
        taken = (cell.memory_usage or 0) * MIB
        if not pinned:
            if taken > 0:
                used[str(cell.id)] = taken
            continue
        memory = max(taken, BASE_PAGE)
        vcpus = [{'vcpu': at, 'cell': 0, 'node': cell.id, 'cpus': str(cpu), 'dedicated': True}
                 for at, cpu in enumerate(pinned)]
        place = [{'cell': 0, 'pageSize': BASE_PAGE, 'memory': [{'node': cell.id, 'bytes': memory}]}]
        vms.append({'name': 'node %d' % cell.id, 'vcpus': len(pinned), 'memory': '%dB' % memory, 'cells': 1,
                    'pageSize': '4KiB', 'trust': TRUST, 'current': {'cells': place, 'vcpus': vcpus}})
    # Where Nova keeps CPUs for dedicated vCPUs these are the only ones that they get.
    reserve = {'cpus': 'all' + ''.join(',^%d' % cpu for cpu in sorted(dedicated))} if dedicated else {}
    return {'placed': {'reserve': reserve, 'vms': vms}, 'usedMemory': used}


class HomenodeWeigher(weights.BaseHostWeigher):
    """minval and maxval stay None: with minval = 0 the handler would cut off every weight below 0, and all of these are."""

    def weight_multiplier(self, host_state):
        return CONF.homenode.weight_multiplier

    def _weigh_object(self, host_state, weight_properties):
        return 0.0

    def weigh_objects(self, weighed_obj_list, weight_properties):
        states = [weighed.obj for weighed in weighed_obj_list]
        try:
            lost = self._lost(states, vm_of(weight_properties))
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            LOG.warning('homenode at %s has no answer, so all hosts weigh alike: %s', CONF.homenode.endpoint, error)
            return [0.0] * len(states)
        known = [value for value in lost if value is not None]
        # Who is refused, or not known, comes after all others.
        last = -max(known, default=0.0) - 1.0
        return [last if value is None else -value for value in lost]

    def _lost(self, states, vm):
        """Lost vCPUs by host; None where the instance is refused, or the host is not known."""
        hosts = {state.nodename: state_of(state) for state in states}
        answer = ask({'vm': vm, 'hosts': hosts, 'moves': False})
        found = {host['host']: host for host in answer['hosts']}
        for name, host in found.items():
            if host['refused'] is not None:
                LOG.debug('homenode: %s is refused: %s', name, '; '.join(
                    because['text'] for because in host['refused']['because']))
        return [found[state.nodename]['lostMore'] for state in states]
