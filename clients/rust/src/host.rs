//! A host: as text that `homenode topo --json` prints, or built.

use crate::json::Value;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// A NUMA node of a host that is built.
#[derive(Clone, Debug)]
pub struct Node {
    /// The operating system's number.
    pub id: u32,
    /// Bytes that it has, and that nobody has now.
    pub total: u64,
    /// Of these, bytes that are free.
    pub free: u64,
}

/// A CPU of a host that is built: online, allowed, of the fastest kind.
#[derive(Clone, Debug)]
pub struct Cpu {
    /// The operating system's number.
    pub id: u32,
    /// The node that it belongs to.
    pub node: u32,
    /// Last-level cache domain, a host-wide number.
    pub llc: u32,
    /// Core, a host-wide number.
    pub core: u32,
    /// Which of its core's CPUs it is, from 0.
    pub thread: u32,
}

/// A host, as JSON text.
#[derive(Clone, Debug)]
pub struct Host(String);

const BASE_PAGE: u64 = 4096;

impl Host {
    /// A host file's content. It is checked when something is planned on it.
    pub fn from_json(text: impl Into<String>) -> Host {
        Host(text.into())
    }

    /// A host with pages of 4 KiB and distances of 10 and 20; nodes and CPUs ascend by id.
    pub fn new(nodes: &[Node], cpus: &[Cpu]) -> Host {
        let bytes = |value: u64| Value::Number(value as f64);
        let object = |members: Vec<(&str, Value)>| Value::Object(members.into_iter().map(|(name, value)| (name.to_string(), value)).collect());
        let node = |node: &Node| {
            let memory = object(vec![("total", bytes(node.total)), ("free", bytes(node.free))]);
            let pool = object(vec![("size", bytes(BASE_PAGE)), ("total", bytes(node.total / BASE_PAGE)), ("free", bytes(node.free / BASE_PAGE))]);
            object(vec![("id", node.id.into()), ("memory", memory), ("pages", Value::List(vec![pool]))])
        };
        let cpu = |cpu: &Cpu| {
            object(vec![
                ("id", cpu.id.into()),
                ("node", cpu.node.into()),
                ("package", 0u32.into()),
                ("llc", cpu.llc.into()),
                ("core", cpu.core.into()),
                ("thread", cpu.thread.into()),
                ("online", true.into()),
                ("allowed", true.into()),
                ("isolated", false.into()),
                ("capacity", 1024u32.into()),
            ])
        };
        let host = object(vec![
            ("schemaVersion", 1u32.into()),
            ("kind", "Host".into()),
            ("nodes", Value::List(nodes.iter().map(node).collect())),
            ("cpus", Value::List(cpus.iter().map(cpu).collect())),
        ]);
        let mut text = String::new();
        host.write(&mut text);
        Host(text)
    }

    /// Its JSON text.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}
