// Version, limits, status codes and the names of numbered things: the one source, from which build.mjs generates the
// TypeScript table and docs/planner-abi.md. Each constant's comment is its documentation there.

/** Changes when a caller has to change. */
export const ABI_VERSION: i32 = 2;
/** Counts what is new within a version; a caller need not change for it. */
export const ABI_MINOR: i32 = 1;

// Limits. Beyond them a call returns ERROR_LIMIT.
/** CPUs of the host. */
export const MAX_CPUS: i32 = 4096;
/** NUMA nodes of the host. */
export const MAX_NODES: i32 = 256;
/** VMs at a time. */
export const MAX_VMS: i32 = 4096;
/** vCPUs of all VMs at a time. */
export const MAX_VCPUS: i32 = 16384;
/** vCPUs of one VM. */
export const MAX_VM_VCPUS: i32 = 4096;
/** Cells of one VM. */
export const MAX_VM_CELLS: i32 = 256;
/** CPUs for the threads of one VM's VMM. */
export const MAX_VM_THREADS: i32 = 128;
/** Different page sizes. */
export const MAX_PAGE_SIZES: i32 = 8;
/** Devices of all VMs, and likewise relations between VMs. */
export const MAX_LINKS: i32 = 16384;
/** Nodes that the memory of all cells is on, each cell counting for itself. */
export const MAX_MEMORY_ENTRIES: i32 = 131072;
/** Values of all traffic matrices together: vCPUs x vCPUs for each VM that has one. */
export const MAX_TRAFFIC: i32 = 1048576;
/** Entries of memory that VMs have now, all together. */
export const MAX_CURRENT: i32 = 65536;
/** Sizes of VMs that are expected. */
export const MAX_EXPECTED: i32 = 16;
/** Search steps of one call of solve. */
export const MAX_STEPS: i32 = 1000000;

// Status codes. Every function that can fail returns one of them in place of a value.
/** There is none (no CPU of its own, not placed). */
export const NONE: i32 = -1;
/** An argument is not a number of the range that the function takes. */
export const ERROR_ARGUMENT: i32 = -2;
/** No such node, CPU, VM, cell or vCPU. */
export const ERROR_UNKNOWN: i32 = -3;
/** The call is not possible now: the host is already in use, ids do not ascend, nothing is solved. */
export const ERROR_ORDER: i32 = -4;
/** One of the limits above is reached. */
export const ERROR_LIMIT: i32 = -5;

// Outcomes of solve.
/** Every VM is placed and the cost is proven the least. */
export const SOLVED_OPTIMAL: i32 = 0;
/** Every VM is placed. */
export const SOLVED_FEASIBLE: i32 = 1;
/** Some VMs are refused. */
export const SOLVED_PARTIAL: i32 = 2;
/** None is placed, though there are some. */
export const SOLVED_INFEASIBLE: i32 = 3;

// What a CPU is there for.
/** Neither guests nor the host's own threads: it is outside of the cpuset. */
export const CPU_ELSEWHERE: i32 = 0;
/** Guests. */
export const CPU_GUESTS: i32 = 1;
/** Guests' dedicated threads only, and these first where that costs nothing: the kernel does not balance load there. */
export const CPU_ISOLATED: i32 = 2;
/** The host's own threads: it is reserved. No vCPU with THREADS_REQUIRE or THREADS_ISOLATE is on its core. */
export const CPU_HOST: i32 = 3;

// Thread policies.
/** Whole cores where they are free, else any CPU. */
export const THREADS_PREFER: i32 = 0;
/** Whole cores only; the last of a cell may be partly idle. */
export const THREADS_REQUIRE: i32 = 1;
/** One vCPU a core, its siblings idle. */
export const THREADS_ISOLATE: i32 = 2;
/** One vCPU a core where possible. */
export const THREADS_SPREAD: i32 = 3;

// Memory policies.
/** A cell's memory is on the memory nodes of its vCPUs, in proportion to them. */
export const MEMORY_STRICT: i32 = 0;
/** It may spill to other nodes, nearest first. */
export const MEMORY_PREFERRED: i32 = 1;
/** It is evenly on the memory nodes of the VM's vCPUs. */
export const MEMORY_INTERLEAVE: i32 = 2;

// Strategies.
/** Between plans of equal cost the fewest nodes, LLCs, cores. */
export const STRATEGY_PACK: i32 = 0;
/** Between plans of equal cost the most even load of the nodes. */
export const STRATEGY_SPREAD: i32 = 1;

// Coefficients of the cost, as a request has them (`MODEL_COPY_BYTES_PER_SECOND` is `copyBytesPerSecond`).
/** Share of accesses to memory of the own cell; default 0.9. */
export const MODEL_HOME: i32 = 0;
/** Default 0.1. */
export const MODEL_COMMUNICATION: i32 = 1;
/** Default 0.38. */
export const MODEL_SMT: i32 = 2;
/** Default 0.01. */
export const MODEL_CELLS: i32 = 3;
/** Default 0.05. */
export const MODEL_DEVICE: i32 = 4;
/** Bytes a second that a move of memory copies, at least 1; default 4294967296. */
export const MODEL_COPY_BYTES_PER_SECOND: i32 = 5;
/** Seconds over which a move has to pay, at least 1; default 600. */
export const MODEL_HORIZON_SECONDS: i32 = 6;

// Terms of the cost, as a plan has them.
/** Memory that is far. */
export const TERM_REMOTE_MEMORY: i32 = 0;
/** Traffic between vCPUs that share no LLC. */
export const TERM_COMMUNICATION: i32 = 1;
/** Busy siblings, and cores beyond the fewest. */
export const TERM_SMT: i32 = 2;
/** Slow cores. */
export const TERM_CAPACITY: i32 = 3;
/** Cells beyond the first. */
export const TERM_CELLS: i32 = 4;
/** Devices that are far. */
export const TERM_DEVICE: i32 = 5;
/** Shared demand beyond the shared CPUs of a node. */
export const TERM_OVERCOMMIT: i32 = 6;
/** Memory bandwidth beyond that of a node. */
export const TERM_BANDWIDTH: i32 = 7;
/** Moves from where VMs are now. */
export const TERM_MIGRATION: i32 = 8;

// Constraints, as bits of what refusal() returns, in the order in which they are told.
/** Constraint `cell-node`. */
export const BECAUSE_CELL_NODE: i32 = 1;
/** Constraint `cpu-exclusive`. */
export const BECAUSE_CPU_EXCLUSIVE: i32 = 2;
/** Constraint `thread-policy`. */
export const BECAUSE_THREAD_POLICY: i32 = 4;
/** Constraint `trust`. */
export const BECAUSE_TRUST: i32 = 8;
/** Constraint `overcommit`. */
export const BECAUSE_OVERCOMMIT: i32 = 16;
/** Constraint `emulator`. */
export const BECAUSE_EMULATOR: i32 = 32;
/** Constraint `memory-capacity`. */
export const BECAUSE_MEMORY_CAPACITY: i32 = 64;
/** Constraint `memory-limit`. */
export const BECAUSE_MEMORY_LIMIT: i32 = 128;
/** Constraint `memory-policy`. */
export const BECAUSE_MEMORY_POLICY: i32 = 256;
/** Constraint `memory-nodes`. */
export const BECAUSE_MEMORY_NODES: i32 = 512;
/** Constraint `page-size`. */
export const BECAUSE_PAGE_SIZE: i32 = 1024;
/** Constraint `device`. */
export const BECAUSE_DEVICE: i32 = 2048;
/** Constraint `device-nodes`. */
export const BECAUSE_DEVICE_NODES: i32 = 4096;
/** Constraint `separate`. */
export const BECAUSE_SEPARATE: i32 = 8192;
/** Constraint `near`. */
export const BECAUSE_NEAR: i32 = 16384;
