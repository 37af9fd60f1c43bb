/* See wasm-rt.h. Memory is the system's own (mmap): pages that are not used take none. */
#define _DEFAULT_SOURCE
#include "wasm-rt.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE 65536u

_Thread_local jmp_buf *homenode_trap_target;

void wasm_rt_trap(wasm_rt_trap_t code) {
  if (homenode_trap_target == NULL) abort();
  longjmp(*homenode_trap_target, (int)code);
}

uint32_t wasm_rt_register_func_type(uint32_t parameters, uint32_t results, ...) {
  /* FNV-1a of the counts and the types: two modules of some 80 types each, and a collision would make a call trap that must not be wrong. */
  uint32_t hash = 2166136261u;
  va_list types;
  va_start(types, results);
  hash = (hash ^ parameters) * 16777619u;
  hash = (hash ^ results) * 16777619u;
  for (uint32_t at = 0; at < parameters + results; at++) hash = (hash ^ (uint32_t)va_arg(types, int)) * 16777619u;
  va_end(types);
  return hash;
}

void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, uint32_t initial_pages, uint32_t max_pages) {
  const size_t reserved = (size_t)max_pages * PAGE;
  const size_t bytes = (size_t)initial_pages * PAGE;
  void *data = mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  memset(memory, 0, sizeof *memory);
  if (data == MAP_FAILED) wasm_rt_trap(WASM_RT_TRAP_EXHAUSTION);
  memory->data = data;
  memory->max_pages = max_pages;
  if (bytes > 0 && mprotect(data, bytes, PROT_READ | PROT_WRITE) != 0) wasm_rt_trap(WASM_RT_TRAP_EXHAUSTION);
  memory->pages = initial_pages;
  memory->size = (uint32_t)bytes;
}

uint32_t wasm_rt_grow_memory(wasm_rt_memory_t *memory, uint32_t pages) {
  const uint32_t before = memory->pages;
  if (pages > memory->max_pages - before) return UINT32_MAX;
  if (pages > 0 && mprotect(memory->data + memory->size, (size_t)pages * PAGE, PROT_READ | PROT_WRITE) != 0) return UINT32_MAX;
  memory->pages += pages;
  memory->size += pages * PAGE;
  return before;
}

void wasm_rt_free_memory(wasm_rt_memory_t *memory) {
  if (memory->data != NULL) munmap(memory->data, (size_t)memory->max_pages * PAGE);
  memset(memory, 0, sizeof *memory);
}

void wasm_rt_allocate_funcref_table(wasm_rt_funcref_table_t *table, uint32_t elements, uint32_t max_elements) {
  table->data = calloc(elements > 0 ? elements : 1, sizeof *table->data);
  table->max_size = max_elements;
  table->size = elements;
  if (table->data == NULL) wasm_rt_trap(WASM_RT_TRAP_EXHAUSTION);
}

void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t *table) {
  free(table->data);
  memset(table, 0, sizeof *table);
}

/* No module of homenode grows a table. */
uint32_t wasm_rt_grow_funcref_table(wasm_rt_funcref_table_t *table, uint32_t delta, wasm_rt_funcref_t init) {
  (void)table, (void)delta, (void)init;
  return UINT32_MAX;
}

uint32_t wasm_rt_grow_externref_table(wasm_rt_externref_table_t *table, uint32_t delta, wasm_rt_externref_t init) {
  (void)table, (void)delta, (void)init;
  return UINT32_MAX;
}
