// Where floating threads run, once all VMs are placed (src/planner/housekeeping.ts).
import { CPU_GUESTS, CPU_HOST, THREADS_ISOLATE, THREADS_REQUIRE } from '../abi';
import { formatCpulist } from './cpulist';
import { OnlineCpu } from './host';
import { RequestVm } from './request';

/** A placed VM, as far as its threads go. */
export class Tenant {
  /** By vCPU; -1 where shared. */
  cpus: i32[] = [];
  nodes: i32[] = [];
  /** CPUs of the emulator and the I/O threads, where they have their own. */
  threads: i32[] = [];

  constructor(public vm: RequestVm) {}
}

/** The shared CPUs of a node, and the trust domain of the threads that float there, if any do. */
class Pool {
  cpus: i32[] = [];
  isUsed: bool = false;
  domain: string | null = null;
}

/** VMs with dedicated threads on a core, those of them whose vCPUs keep others off, and what else floats there. */
class Residents {
  dedicated: Set<RequestVm> = new Set<RequestVm>();
  keepers: Set<RequestVm> = new Set<RequestVm>();
  pools: Set<Pool> = new Set<Pool>();
}

function isSame(a: string | null, b: string | null): bool {
  if (a == null || b == null) return a == null && b == null;
  return a == b;
}

export class Household {
  private coreOf: Map<i32, Residents> = new Map<i32, Residents>();
  private pools: Map<i32, Pool> = new Map<i32, Pool>();
  private lists: Map<i32, string> = new Map<i32, string>();
  private reserved: OnlineCpu[] = [];

  constructor(cpus: OnlineCpu[], tenants: Tenant[]) {
    const cores = new Map<i32, Residents>();
    for (let at = 0; at < cpus.length; at++) {
      const cpu = cpus[at];
      if (!cores.has(cpu.core)) cores.set(cpu.core, new Residents());
      this.coreOf.set(cpu.id, cores.get(cpu.core));
      if (cpu.use == CPU_HOST && cpu.keepsHouse) this.reserved.push(cpu);
    }
    for (let at = 0; at < tenants.length; at++) this.settle(tenants[at]);
    this.openPools(cpus, tenants);
    const nodes = this.pools.keys();
    for (let at = 0; at < nodes.length; at++) this.lists.set(nodes[at], formatCpulist(this.pools.get(nodes[at]).cpus));
  }

  private settle(tenant: Tenant): void {
    const vm = tenant.vm;
    for (let at = 0; at < tenant.cpus.length; at++) {
      if (tenant.cpus[at] < 0) continue;
      const core = this.coreOf.get(tenant.cpus[at]);
      core.dedicated.add(vm);
      if (vm.threadPolicy == THREADS_ISOLATE || vm.threadPolicy == THREADS_REQUIRE) core.keepers.add(vm);
    }
    for (let at = 0; at < tenant.threads.length; at++) this.coreOf.get(tenant.threads[at]).dedicated.add(vm);
  }

  private openPools(cpus: OnlineCpu[], tenants: Tenant[]): void {
    for (let at = 0; at < cpus.length; at++) {
      const cpu = cpus[at];
      const core = this.coreOf.get(cpu.id);
      if (cpu.use != CPU_GUESTS || core.dedicated.size > 0) continue;
      if (!this.pools.has(cpu.node)) this.pools.set(cpu.node, new Pool());
      const pool = this.pools.get(cpu.node);
      pool.cpus.push(cpu.id);
      core.pools.add(pool);
    }
    for (let at = 0; at < tenants.length; at++) {
      const tenant = tenants[at];
      for (let vcpu = 0; vcpu < tenant.cpus.length; vcpu++) {
        if (tenant.cpus[vcpu] >= 0 || !this.pools.has(tenant.nodes[vcpu])) continue;
        const pool = this.pools.get(tenant.nodes[vcpu]);
        pool.isUsed = true;
        pool.domain = tenant.vm.trust;
      }
    }
  }

  /** The CPUs that shared vCPUs of a node float over, as a cpulist. */
  shared(node: i32): string {
    return this.lists.has(node) ? this.lists.get(node) : '';
  }

  /** The same for the VMM's threads of a VM that keeps house (docs/model.md, `emulator`). */
  housekeeping(tenant: Tenant): string {
    const nodes: i32[] = [];
    for (let at = 0; at < tenant.nodes.length; at++) if (!nodes.includes(tenant.nodes[at])) nodes.push(tenant.nodes[at]);
    const open: i32[] = [];
    const near: i32[] = [];
    for (let at = 0; at < this.reserved.length; at++) {
      const cpu = this.reserved[at];
      if (!this.mayKeepHouse(tenant.vm, this.coreOf.get(cpu.id))) continue;
      open.push(cpu.id);
      if (nodes.includes(cpu.node)) near.push(cpu.id);
    }
    if (open.length > 0) return formatCpulist(near.length > 0 ? near : open);
    const floats: i32[] = [];
    let pools = 0;
    for (let at = 0; at < nodes.length; at++) {
      if (!this.pools.has(nodes[at])) continue;
      const pool = this.pools.get(nodes[at]);
      if (!this.mayFloat(tenant.vm, pool)) continue;
      pools++;
      for (let cpu = 0; cpu < pool.cpus.length; cpu++) floats.push(pool.cpus[cpu]);
    }
    if (pools > 0) return formatCpulist(floats);
    const own: i32[] = [];
    for (let at = 0; at < tenant.cpus.length; at++) if (tenant.cpus[at] >= 0) own.push(tenant.cpus[at]);
    return formatCpulist(own);
  }

  /** Whether threads of the VM may float beside those of the pool: without names, or in one domain. */
  private mayFloat(vm: RequestVm, pool: Pool): bool {
    return !pool.isUsed || isSame(pool.domain, vm.trust);
  }

  /** Whether housekeeping threads of the VM may be on a core beside these. */
  private mayKeepHouse(vm: RequestVm, core: Residents): bool {
    const dedicated = core.dedicated.values();
    for (let at = 0; at < dedicated.length; at++) {
      if (dedicated[at] != vm && (vm.trust == null || !isSame(dedicated[at].trust, vm.trust))) return false;
    }
    const keepers = core.keepers.values();
    for (let at = 0; at < keepers.length; at++) if (keepers[at].threadPolicy == THREADS_ISOLATE || keepers[at] != vm) return false;
    const pools = core.pools.values();
    for (let at = 0; at < pools.length; at++) if (!this.mayFloat(vm, pools[at])) return false;
    return true;
  }
}
