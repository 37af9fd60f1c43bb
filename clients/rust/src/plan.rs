//! A plan: where the VMs of a request go, what that costs, and what does not fit. Fields are those of homenode's JSON files.

use crate::json::Value;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Bytes of a cell on a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The node.
    pub node: u32,
    /// How many bytes.
    pub bytes: u64,
}

/// A guest's NUMA node, placed.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its number in its VM.
    pub cell: u32,
    /// Bytes of a page.
    pub page_size: u64,
    /// Where its bytes are.
    pub memory: Vec<Part>,
}

/// A vCPU, placed.
#[derive(Clone, Debug, PartialEq)]
pub struct Vcpu {
    /// Its number in its VM.
    pub vcpu: u32,
    /// The cell that it belongs to; that of the move, in a move.
    pub cell: u32,
    /// The node of its CPUs.
    pub node: u32,
    /// A cpulist: one CPU where it is dedicated, else all that it may float over.
    pub cpus: String,
    /// Whether it has its CPU to itself.
    pub dedicated: bool,
}

/// Lost vCPUs, and by cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// The sum.
    pub lost_vcpus: f64,
    /// By cause; of a VM only those that are not 0.
    pub terms: Vec<(String, f64)>,
}

/// A VM, placed.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedVm {
    /// As in the request.
    pub name: String,
    /// What it loses.
    pub cost: Cost,
    /// Its cells.
    pub cells: Vec<Cell>,
    /// Its vCPUs.
    pub vcpus: Vec<Vcpu>,
    /// A cpulist of the VMM's own threads.
    pub emulator: String,
    /// The same of each I/O thread.
    pub iothreads: Vec<String>,
}

/// A constraint that keeps a VM out.
#[derive(Clone, Debug, PartialEq)]
pub struct Because {
    /// Its name in docs/model.md.
    pub constraint: String,
    /// The numbers per node.
    pub text: String,
}

/// A single change that would let a VM in.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// The change.
    pub change: String,
    /// What the plan would lose more.
    pub lost_vcpus: f64,
}

/// A VM that does not fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// As in the request.
    pub name: String,
    /// Whether it is known that no plan places more.
    pub proven: bool,
    /// Why.
    pub because: Vec<Because>,
    /// What would help, cheapest first.
    pub nearest: Vec<Nearest>,
}

/// A cell goes to its next place.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// Moves of one step are made together.
    pub step: u32,
    /// The VM.
    pub vm: String,
    /// Where the cell is afterwards; no memory: it stays as it is.
    pub cell: Cell,
    /// vCPUs that get another place.
    pub vcpus: Vec<Vcpu>,
    /// Whether the VM is divided into other cells.
    pub redivides: bool,
    /// Bytes that are copied.
    pub bytes: u64,
}

/// What would have to be free for the rest of the moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Spare {
    /// `None`: any node.
    pub node: Option<u32>,
    /// How many CPUs.
    pub cpus: u32,
    /// How much memory.
    pub bytes: u64,
    /// The same as a sentence.
    pub text: String,
}

/// Where the VMs of a request go.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// `optimal`, `feasible`, `partial` or `infeasible`.
    pub status: String,
    /// What it loses.
    pub cost: Cost,
    /// No plan of these VMs loses less.
    pub lower_bound: f64,
    /// VMs that are placed.
    pub vms: Vec<PlacedVm>,
    /// VMs that are not.
    pub refused: Vec<Refusal>,
    /// Of a re-plan.
    pub moves: Vec<Move>,
    /// Where the moves do not go all the way.
    pub spare: Vec<Spare>,
    /// Steps of search that were made.
    pub steps: u32,
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).map_or_else(String::new, |value| value.text().to_string())
}

fn number(value: &Value, name: &str) -> f64 {
    value.get(name).map_or(0.0, Value::number)
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name) == Some(&Value::Bool(true))
}

fn list<T>(value: &Value, name: &str, read: impl Fn(&Value) -> T) -> Vec<T> {
    value.get(name).map_or_else(Vec::new, |value| value.items().iter().map(read).collect())
}

fn cost(value: &Value) -> Cost {
    let cost = value.get("cost").unwrap_or(&Value::Null);
    let terms = match cost.get("terms") {
        Some(Value::Object(members)) => members.iter().map(|(name, value)| (name.clone(), value.number())).collect(),
        _ => Vec::new(),
    };
    Cost { lost_vcpus: number(cost, "lostVcpus"), terms }
}

fn cell(value: &Value) -> Cell {
    Cell {
        cell: number(value, "cell") as u32,
        page_size: number(value, "pageSize") as u64,
        memory: list(value, "memory", |part| Part { node: number(part, "node") as u32, bytes: number(part, "bytes") as u64 }),
    }
}

fn vcpu(value: &Value, cell: u32) -> Vcpu {
    Vcpu {
        vcpu: number(value, "vcpu") as u32,
        cell,
        node: number(value, "node") as u32,
        cpus: text(value, "cpus"),
        dedicated: flag(value, "dedicated"),
    }
}

fn vm(value: &Value) -> PlacedVm {
    PlacedVm {
        name: text(value, "name"),
        cost: cost(value),
        cells: list(value, "cells", cell),
        vcpus: list(value, "vcpus", |one| vcpu(one, number(one, "cell") as u32)),
        emulator: text(value, "emulator"),
        iothreads: list(value, "iothreads", |cpus| cpus.text().to_string()),
    }
}

fn refusal(value: &Value) -> Refusal {
    Refusal {
        name: text(value, "name"),
        proven: flag(value, "proven"),
        because: list(value, "because", |one| Because { constraint: text(one, "constraint"), text: text(one, "text") }),
        nearest: list(value, "nearest", |one| Nearest { change: text(one, "change"), lost_vcpus: number(one, "lostVcpus") }),
    }
}

fn step(value: &Value) -> Move {
    let cell = cell(value);
    Move {
        step: number(value, "step") as u32,
        vm: text(value, "vm"),
        vcpus: list(value, "vcpus", |one| vcpu(one, cell.cell)),
        cell,
        redivides: flag(value, "redivides"),
        bytes: number(value, "bytes") as u64,
    }
}

fn spare(value: &Value) -> Spare {
    let node = match value.get("node") {
        Some(Value::Number(node)) => Some(*node as u32),
        _ => None,
    };
    Spare { node, cpus: number(value, "cpus") as u32, bytes: number(value, "bytes") as u64, text: text(value, "text") }
}

impl From<&Value> for Plan {
    fn from(value: &Value) -> Plan {
        Plan {
            status: text(value, "status"),
            cost: cost(value),
            lower_bound: value.get("cost").map_or(0.0, |cost| number(cost, "lowerBound")),
            vms: list(value, "vms", vm),
            refused: list(value, "refused", refusal),
            moves: list(value, "moves", step),
            spare: list(value, "spare", spare),
            steps: value.get("solver").map_or(0, |solver| number(solver, "steps") as u32),
        }
    }
}
