/**
 * Numbers and offsets of linux/perf_event.h, by their C names, as far as counters of CPUs need them.
 * Compared with the installed headers by `test/executor/abi/abi.test.ts`.
 */

// enum perf_type_id
export const PERF_TYPE_HARDWARE = 0
export const PERF_TYPE_SOFTWARE = 1

// enum perf_hw_id: of the last-level cache, as far as the CPU's model has it so
export const PERF_COUNT_HW_CACHE_REFERENCES = 2
export const PERF_COUNT_HW_CACHE_MISSES = 3

// enum perf_sw_ids
export const PERF_COUNT_SW_CONTEXT_SWITCHES = 3

// enum perf_event_read_format
export const PERF_FORMAT_TOTAL_TIME_ENABLED = 1
export const PERF_FORMAT_TOTAL_TIME_RUNNING = 2

// perf_event_open(2), flags
export const PERF_FLAG_FD_CLOEXEC = 8

/** `struct perf_event_attr` as the first kernels had it, which every later one takes. */
export const PERF_ATTR_SIZE_VER0 = 64
export const perf_event_attr = { type: 0, size_: 4, config: 8, read_format: 32 } as const
