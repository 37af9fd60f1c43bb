"""Places VMs with OpenStack Nova's fitter (nova.virt.hardware), case by case, in the order of the request.

Standard input: {"limitSeconds": N, "cases": [{"cells": [{"id", "cpus", "siblings", "memoryMiB"}], "vms": [{"threadPolicy", "ways":
[[{"vcpus": [...], "memoryMiB"}]]}]}]}. `ways`: the divisions into cells to be tried until one fits.
Standard output: [{"seconds", "vms": [null or [{"node", "cpus": {vcpu: cpu}}]], "outOfTime"}].
"""

import json
import logging
import signal
import sys
import time

from nova import exception, objects
from nova.virt import hardware

logging.disable(logging.CRITICAL)
objects.register_all()


class OutOfTime(Exception):
    pass


def stop(_signal, _frame):
    raise OutOfTime()


def host_topology(cells):
    return objects.NUMATopology(cells=[
        objects.NUMACell(
            id=cell["id"], cpuset=set(cell["cpus"]), pcpuset=set(cell["cpus"]), memory=cell["memoryMiB"],
            cpu_usage=0, memory_usage=0, pinned_cpus=set(),
            mempages=[objects.NUMAPagesTopology(size_kb=4, total=cell["memoryMiB"] * 256, used=0, reserved=0)],
            siblings=[set(siblings) for siblings in cell["siblings"]], socket=None)
        for cell in cells])


def instance_topology(cells, thread_policy):
    return objects.InstanceNUMATopology(cells=[
        objects.InstanceNUMACell(
            id=index, cpuset=set(), pcpuset=set(cell["vcpus"]), memory=cell["memoryMiB"],
            cpu_policy="dedicated", cpu_thread_policy=thread_policy)
        for index, cell in enumerate(cells)])


def fit(host, vm):
    for cells in vm["ways"]:
        fitted = hardware.numa_fit_instance_to_host(host, instance_topology(cells, vm["threadPolicy"]))
        if fitted is not None:
            return fitted
    return None


def place(case, limit):
    placed = []
    late = False
    start = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        host = host_topology(case["cells"])
        for vm in case["vms"]:
            fitted = fit(host, vm)
            if fitted is None:
                placed.append(None)
                continue
            placed.append([{"node": cell.id, "cpus": cell.cpu_pinning} for cell in fitted.cells])
            try:
                host = hardware.numa_usage_from_instance_numa(host, fitted)
            except (exception.CPUPinningInvalid, exception.CPUPinningUnknown):
                pass  # The fitter gave a CPU twice: its answer stays what it is.
    except OutOfTime:
        late = True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    placed += [None] * (len(case["vms"]) - len(placed))
    return {"seconds": time.perf_counter() - start, "vms": placed, "outOfTime": late}


signal.signal(signal.SIGALRM, stop)
job = json.load(sys.stdin)
json.dump([place(case, job["limitSeconds"]) for case in job["cases"]], sys.stdout)
