//! The functions of the C library that the crate uses (homenode.h).

use core::ffi::c_void;

#[allow(non_camel_case_types)]
pub type c_char = u8;

extern "C" {
    pub fn homenode_planner_new() -> *mut c_void;
    pub fn homenode_planner_free(planner: *mut c_void);
    pub fn homenode_call(planner: *mut c_void, name: *const c_char, numbers: *const f64, count: usize) -> f64;
    pub fn homenode_json_new() -> *mut c_void;
    pub fn homenode_json_free(json: *mut c_void);
    #[allow(clippy::too_many_arguments)]
    pub fn homenode_json_plan(
        json: *mut c_void,
        host: *const c_char,
        host_bytes: usize,
        request: *const c_char,
        request_bytes: usize,
        max_steps: i32,
        seed: i32,
        answer: *mut *const c_char,
        answer_bytes: *mut usize,
    ) -> i32;
}

pub const ERROR_UNKNOWN: i32 = -3;
pub const ERROR_LIMIT: i32 = -5;
pub const ERROR_MEMORY: i32 = -6;
