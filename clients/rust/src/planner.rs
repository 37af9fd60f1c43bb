//! Planners: of JSON, and of numbers.

use crate::ffi;
use crate::host::Host;
use crate::json::Value;
use crate::plan::Plan;
use crate::request::Request;
use alloc::ffi::CString;
use alloc::string::{String, ToString};
use core::ffi::c_void;
use core::fmt;
use core::ptr::{null, NonNull};

/// What is wrong with a host or a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// `host`, `request` or `options`.
    pub part: String,
    /// The place in it, such as `vms[2].memory`; empty: all of it.
    pub place: String,
    /// What belongs there.
    pub expected: String,
    /// What was found.
    pub got: String,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The host or the request is not sound.
    Input(InputError),
    /// The texts have more than 64 MiB.
    Limit,
    /// There is not enough memory.
    Memory,
    /// The library has failed, with this status: a fault in homenode.
    Library(i32),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Input(InputError { part, place, expected, got }) => {
                let colon = if place.is_empty() { "" } else { ": " };
                write!(out, "{part}{colon}{place}: expected {expected}, got {got}")
            }
            Error::Limit => out.write_str("expected at most 64 MiB of text, got more"),
            Error::Memory => out.write_str("there is not enough memory"),
            Error::Library(status) => write!(out, "the planner has failed ({status})"),
        }
    }
}

/// Plans one request after the other. It may go to another thread, and is used by one at a time; several share nothing.
pub struct Planner(NonNull<c_void>);

// SAFETY: a planner of the library has no state beyond itself (homenode.h).
unsafe impl Send for Planner {}

impl Planner {
    /// A planner.
    pub fn new() -> Result<Planner, Error> {
        // SAFETY: it takes nothing.
        NonNull::new(unsafe { ffi::homenode_json_new() }).map(Planner).ok_or(Error::Memory)
    }

    /// Places the request's VMs on the host, in up to 5,000 steps. VMs that do not fit are in `refused`.
    pub fn plan(&mut self, host: &Host, request: &Request) -> Result<Plan, Error> {
        self.plan_in(host, request, 5000, 1)
    }

    /// The same, in so many steps of search from a seed.
    pub fn plan_in(&mut self, host: &Host, request: &Request, steps: i32, seed: i32) -> Result<Plan, Error> {
        let (is_plan, answer) = self.answer(host.as_json().as_bytes(), request.to_json().as_bytes(), steps, seed)?;
        let content = Value::parse(&answer).ok_or(Error::Library(0))?;
        if is_plan {
            return Ok(Plan::from(&content));
        }
        let of = |name: &str| content.get("error").and_then(|error| error.get(name)).map_or_else(String::new, |value| value.text().to_string());
        Err(Error::Input(InputError { part: of("in"), place: of("where"), expected: of("expected"), got: of("got") }))
    }

    /// The same as JSON text: a plan (`true`), or `{"error": ...}` (`false`).
    pub fn answer(&mut self, host: &[u8], request: &[u8], steps: i32, seed: i32) -> Result<(bool, String), Error> {
        let mut answer = null();
        let mut length = 0;
        // SAFETY: the texts are there for the call, the answer until the next one of this planner.
        let status = unsafe {
            ffi::homenode_json_plan(
                self.0.as_ptr(),
                host.as_ptr(),
                host.len(),
                request.as_ptr(),
                request.len(),
                steps,
                seed,
                &mut answer,
                &mut length,
            )
        };
        match status {
            0 | 1 => {
                // SAFETY: the library says that so many bytes are there.
                let bytes = unsafe { core::slice::from_raw_parts(answer, length) };
                Ok((status == 1, String::from_utf8_lossy(bytes).into_owned()))
            }
            ffi::ERROR_LIMIT => Err(Error::Limit),
            ffi::ERROR_MEMORY => Err(Error::Memory),
            other => Err(Error::Library(other)),
        }
    }
}

impl Drop for Planner {
    fn drop(&mut self) {
        // SAFETY: it is this planner's own, and is not used again.
        unsafe { ffi::homenode_json_free(self.0.as_ptr()) }
    }
}

/// The planner as docs/planner-abi.md has it, in numbers.
pub struct Calls(NonNull<c_void>);

// SAFETY: as for Planner.
unsafe impl Send for Calls {}

impl Calls {
    /// An empty problem.
    pub fn new() -> Result<Calls, Error> {
        // SAFETY: it takes nothing.
        NonNull::new(unsafe { ffi::homenode_planner_new() }).map(Calls).ok_or(Error::Memory)
    }

    /// A value, or below 0 a status: `calls.call("addNode", &[0.0, 1.0])`.
    pub fn call(&mut self, name: &str, numbers: &[f64]) -> f64 {
        // C would take the name to end at a zero.
        let Ok(zeroed) = CString::new(name) else {
            return f64::from(ffi::ERROR_UNKNOWN);
        };
        // SAFETY: the name ends with a zero, the numbers are as many as is said.
        unsafe { ffi::homenode_call(self.0.as_ptr(), zeroed.as_ptr().cast(), numbers.as_ptr(), numbers.len()) }
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        // SAFETY: it is this planner's own, and is not used again.
        unsafe { ffi::homenode_planner_free(self.0.as_ptr()) }
    }
}
