//! A request: VMs that are to be placed together, built field by field. What is not set has the default of the model.

use crate::json::Value;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

fn put(members: &mut Vec<(String, Value)>, field: &str, value: Value) {
    match members.iter_mut().find(|(name, _)| name == field) {
        Some(member) => member.1 = value,
        None => members.push((field.to_string(), value)),
    }
}

/// One VM of a request. Sizes are text with a unit, sets are cpulists.
#[derive(Clone, Debug)]
pub struct Vm(Vec<(String, Value)>);

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident: $field:literal, $kind:ty;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name(self, value: $kind) -> Self { self.with($field, value) })*
    };
}

impl Vm {
    /// A VM with dedicated vCPUs: `Vm::new("web", 4, "2GiB")`.
    pub fn new(name: &str, vcpus: u32, memory: &str) -> Vm {
        Vm(Vec::new()).with("name", name).with("vcpus", vcpus).with("memory", memory)
    }

    /// Any field of the format (docs/requests.md), such as `current`.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Vm {
        put(&mut self.0, field, value.into());
        self
    }

    fields! {
        /// So many cells.
        cells: "cells", u32;
        /// Whether a cell may be on several nodes.
        span: "span", bool;
        /// `dedicated`, `shared` or `mixed`.
        cpu_policy: "cpuPolicy", &str;
        /// With `mixed`: the dedicated ones, as a cpulist.
        dedicated_vcpus: "dedicatedVcpus", &str;
        /// `prefer`, `require`, `isolate` or `spread`.
        thread_policy: "threadPolicy", &str;
        /// `strict`, `preferred` or `interleave`.
        memory_policy: "memoryPolicy", &str;
        /// `any`, `4KiB`, `2MiB`, ...
        page_size: "pageSize", &str;
        /// Mean load of a shared vCPU.
        demand: "demand", f64;
        /// Nodes that its memory is kept to.
        memory_nodes: "memoryNodes", &str;
        /// Whether it keeps off nodes of devices.
        avoid_device_nodes: "avoidDeviceNodes", bool;
        /// Trust domain.
        trust: "trust", &str;
        /// VMs that it shares no node with.
        separate_from: "separateFrom", Vec<&str>;
        /// VMs whose first node is its own.
        near: "near", Vec<&str>;
        /// `housekeeping` or `dedicated`.
        emulator: "emulator", &str;
        /// How many I/O threads it has.
        iothreads: "iothreads", u32;
        /// How much its loss counts.
        weight: "weight", f64;
        /// vCPU-to-vCPU traffic.
        traffic: "traffic", Vec<Vec<f64>>;
        /// Share of the time that a vCPU waits for memory.
        memory_bound: "memoryBound", f64;
        /// Bytes a second, such as `3GB/s`.
        bandwidth: "bandwidth", &str;
    }
}

/// VMs that are to be placed together on a host.
#[derive(Clone, Debug, Default)]
pub struct Request {
    members: Vec<(String, Value)>,
    expect: Vec<Value>,
    vms: Vec<Value>,
}

impl Request {
    /// A request without VMs.
    pub fn new() -> Request {
        Request::default()
    }

    /// Adds a VM.
    #[must_use]
    pub fn vm(mut self, vm: Vm) -> Request {
        self.vms.push(Value::Object(vm.0));
        self
    }

    /// Adds a size of VMs that may come later, `share` of them to those of other sizes: `expect(4, "8GiB", 1.0)`.
    #[must_use]
    pub fn expect(mut self, vcpus: u32, memory: &str, share: f64) -> Request {
        let mut size = Vec::new();
        put(&mut size, "vcpus", vcpus.into());
        put(&mut size, "memory", memory.into());
        put(&mut size, "share", share.into());
        self.expect.push(Value::Object(size));
        self
    }

    /// Any field of the format beside `vms`, such as `strategy`.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Request {
        put(&mut self.members, field, value.into());
        self
    }

    /// The request as JSON text.
    pub fn to_json(&self) -> String {
        let mut members = self.members.clone();
        if !self.expect.is_empty() {
            members.push(("expect".to_string(), Value::List(self.expect.clone())));
        }
        members.push(("vms".to_string(), Value::List(self.vms.clone())));
        let mut text = String::new();
        Value::Object(members).write(&mut text);
        text
    }
}
