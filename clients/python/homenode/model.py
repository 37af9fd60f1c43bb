"""Host, Request and Plan as in homenode's JSON files (docs/requests.md, docs/api). Sizes in a request are text with a unit, elsewhere bytes.

None in a request: left out, so the default of the model holds. None in a host: the kernel does not say.
"""

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Union

from .codec import NULLABLE


@dataclass
class PagePool:
    """Pages of one size on one node."""

    size: int
    total: Optional[int] = field(default=None, metadata=NULLABLE)
    free: Optional[int] = field(default=None, metadata=NULLABLE)


@dataclass
class Memory:
    """Bytes of a node."""

    total: Optional[int] = field(default=None, metadata=NULLABLE)
    free: Optional[int] = field(default=None, metadata=NULLABLE)
    reclaimable: Optional[int] = None


@dataclass
class HostNode:
    """A NUMA node."""

    id: int
    memory: Memory
    pages: List[PagePool]
    allowed: Optional[bool] = None
    bandwidth: Optional[float] = None


@dataclass
class HostCpu:
    """A logical processor. Of one that is online, llc, core, thread and capacity are known."""

    id: int
    node: Optional[int] = field(metadata=NULLABLE)
    llc: Optional[int] = field(metadata=NULLABLE)
    core: Optional[int] = field(metadata=NULLABLE)
    thread: Optional[int] = field(default=0, metadata=NULLABLE)
    package: Optional[int] = field(default=0, metadata=NULLABLE)
    online: bool = True
    allowed: bool = True
    isolated: bool = False
    capacity: Optional[int] = field(default=1024, metadata=NULLABLE)


@dataclass
class Limit:
    """The most pages of one size on all nodes together."""

    size: int
    pages: int
    cause: str


@dataclass
class HandOver:
    """ns that a value takes from the CPU that writes it to one that waits for it. None: not known."""

    core: Optional[float] = field(default=None, metadata=NULLABLE)
    llc: Optional[float] = field(default=None, metadata=NULLABLE)
    node: Optional[float] = field(default=None, metadata=NULLABLE)
    nodes: List[List[Optional[float]]] = field(default_factory=list)


@dataclass
class Measures:
    """What `homenode calibrate` measured: ns, bytes a second, ns, and what two busy siblings yield, one alone being 1."""

    latencies: Optional[List[List[Optional[float]]]] = None
    bandwidths: Optional[List[List[Optional[float]]]] = None
    hops: Optional[HandOver] = None
    smt: Optional[float] = None


@dataclass
class Host:
    """A machine, as `homenode topo --json` prints it, or `homenode calibrate`: see Measures."""

    nodes: List[HostNode]
    cpus: List[HostCpu]
    distances: Optional[List[List[int]]] = None
    latencies: Optional[List[List[Optional[float]]]] = None
    bandwidths: Optional[List[List[Optional[float]]]] = None
    hops: Optional[HandOver] = None
    smt: Optional[float] = None
    spread: Optional[Measures] = None
    limits: Optional[List[Limit]] = None
    schema_version: int = 1
    kind: str = "Host"


@dataclass
class Reserve:
    """What is kept for the host."""

    cpus: Optional[str] = None
    memory: Optional[str] = None
    nodes: Optional[str] = None


@dataclass
class Model:
    """Coefficients of the cost."""

    home: Optional[float] = None
    communication: Optional[float] = None
    smt: Optional[float] = None
    cells: Optional[float] = None
    device: Optional[float] = None
    copy_bytes_per_second: Optional[float] = None
    horizon_seconds: Optional[float] = None


@dataclass
class Cell:
    """A guest's NUMA node, as a request gives it."""

    vcpus: str
    memory: str


@dataclass
class Device:
    """A device that a VM uses."""

    node: int
    strict: Optional[bool] = None


@dataclass
class Part:
    """Memory of a cell on a node."""

    node: int
    bytes: int


@dataclass
class PlanCell:
    """A guest's NUMA node, placed."""

    cell: int
    page_size: int
    memory: List[Part]


@dataclass
class PlanVcpu:
    """A vCPU, placed: on one CPU where it is dedicated, else on all that it may float over."""

    vcpu: int
    node: int
    cpus: str
    dedicated: bool
    #: None in a move, which has it itself.
    cell: Optional[int] = None


@dataclass
class Current:
    """Where a VM is now."""

    cells: List[PlanCell]
    vcpus: List[PlanVcpu]


@dataclass
class Vm:
    """One VM of a request."""

    name: str
    vcpus: int
    memory: str
    cells: Union[str, int, List[Cell], None] = None
    span: Optional[bool] = None
    cpu_policy: Optional[str] = None
    dedicated_vcpus: Optional[str] = None
    thread_policy: Optional[str] = None
    memory_policy: Optional[str] = None
    page_size: Optional[str] = None
    demand: Optional[float] = None
    memory_nodes: Optional[str] = None
    avoid_device_nodes: Optional[bool] = None
    devices: Optional[List[Device]] = None
    trust: Optional[str] = None
    separate_from: Optional[List[str]] = None
    near: Optional[List[str]] = None
    emulator: Optional[str] = None
    iothreads: Optional[int] = None
    weight: Optional[float] = None
    traffic: Union[str, List[List[float]], None] = None
    memory_bound: Optional[float] = None
    bandwidth: Union[str, float, None] = None
    current: Optional[Current] = None


@dataclass
class Expected:
    """VMs of a size that may come later."""

    vcpus: int
    memory: str
    share: Optional[float] = None


@dataclass
class Request:
    """VMs that are to be placed together on a host."""

    vms: List[Vm]
    reserve: Optional[Reserve] = None
    free_memory_only: Optional[bool] = None
    device_nodes: Optional[str] = None
    overcommit: Optional[float] = None
    strategy: Optional[str] = None
    model: Optional[Model] = None
    expect: Optional[List[Expected]] = None


@dataclass
class Cost:
    """Lost vCPUs of a VM, and those of its terms that are not zero."""

    lost_vcpus: float
    terms: Dict[str, float]


@dataclass
class PlanCost:
    """Lost vCPUs of a plan: no plan of these VMs is below the bound."""

    lost_vcpus: float
    lower_bound: float
    gap: float
    terms: Dict[str, float]


@dataclass
class PlanVm:
    """A VM, placed."""

    name: str
    cost: Cost
    cells: List[PlanCell]
    vcpus: List[PlanVcpu]
    emulator: str
    iothreads: List[str]


@dataclass
class Because:
    """A constraint that keeps a VM out, with the numbers."""

    constraint: str
    text: str


@dataclass
class Nearest:
    """A single change that would let a VM in."""

    change: str
    lost_vcpus: float


@dataclass
class Refusal:
    """A VM that does not fit."""

    name: str
    proven: bool
    because: List[Because]
    nearest: List[Nearest]


@dataclass
class Move:
    """A cell goes to its next place. Moves of one step are made together."""

    step: int
    vm: str
    cell: int
    vcpus: List[PlanVcpu]
    page_size: int
    memory: List[Part]
    bytes: int
    redivides: bool = False


@dataclass
class Spare:
    """What would have to be free for the rest of the moves."""

    cpus: int
    bytes: int
    text: str
    node: Optional[int] = None


@dataclass
class Solver:
    """Which planner made the plan, and with what."""

    planner: str
    seed: int
    steps: int


@dataclass
class Plan:
    """Where the VMs of a request go, what that costs, and what does not fit."""

    status: str
    cost: PlanCost
    vms: List[PlanVm]
    refused: List[Refusal]
    solver: Solver
    #: Of a re-plan.
    moves: Optional[List[Move]] = None
    spare: Optional[List[Spare]] = None
    schema_version: int = 1
    kind: str = "Plan"
