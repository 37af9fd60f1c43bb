"""Decides where vCPUs and memory of KVM guests go on a NUMA host: homenode's planner, over its C library.

    from homenode import Planner, Request, Vm
    plan = Planner().plan(host, Request(vms=[Vm("web", vcpus=2, memory="2GiB")]))
"""

from .model import (
    Because,
    Cell,
    Cost,
    Current,
    Device,
    Expected,
    Host,
    HostCpu,
    HandOver,
    HostNode,
    Limit,
    Measures,
    Memory,
    Model,
    Move,
    Nearest,
    PagePool,
    Part,
    Plan,
    PlanCell,
    PlanCost,
    PlanVcpu,
    PlanVm,
    Refusal,
    Request,
    Reserve,
    Solver,
    Spare,
    Vm,
)
from .planner import Calls, InputError, LibraryError, Planner

__all__ = [
    "Because", "Calls", "Cell", "Cost", "Current", "Device", "Expected", "Host", "HostCpu", "HandOver", "HostNode", "InputError", "LibraryError", "Limit", "Measures", "Memory",
    "Model", "Move", "Nearest", "PagePool", "Part", "Plan", "PlanCell", "PlanCost", "PlanVcpu", "PlanVm", "Planner", "Refusal", "Request",
    "Reserve", "Solver", "Spare", "Vm",
]
