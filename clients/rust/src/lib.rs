//! Decides where vCPUs and memory of KVM guests go on a NUMA host: homenode's planner, over its C library.
//!
//! The crate needs `alloc`, not `std`, and has no dependencies.

#![no_std]
#![warn(missing_docs)]

extern crate alloc;

mod ffi;
mod host;
pub mod json;
mod plan;
mod planner;
mod request;

pub use host::{Cpu, Host, Node};
pub use plan::{Because, Cell, Cost, Move, Nearest, Part, PlacedVm, Plan, Refusal, Spare, Vcpu};
pub use planner::{Calls, Error, InputError, Planner};
pub use request::{Request, Vm};
