use homenode::{Cpu, Host, Node, Planner, Request, Vm};

fn main() -> Result<(), String> {
    let nodes = [0, 1].map(|id| Node { id, total: 8 << 30, free: 8 << 30 });
    let cpus: Vec<Cpu> = (0..8).map(|id| Cpu { id, node: id / 4, llc: id / 4, core: id / 2, thread: id % 2 }).collect();
    let request = Request::new().vm(Vm::new("web", 4, "2GiB").thread_policy("require"));
    let mut planner = Planner::new().map_err(|error| error.to_string())?;
    let plan = planner.plan(&Host::new(&nodes, &cpus), &request).map_err(|error| error.to_string())?;
    for vm in &plan.vms {
        println!("{}: CPUs {:?} of node {}", vm.name, vm.vcpus.iter().map(|vcpu| &vcpu.cpus).collect::<Vec<_>>(), vm.vcpus[0].node);
    }
    println!("{}, {} lost vCPUs", plan.status, plan.cost.lost_vcpus);
    Ok(())
}
