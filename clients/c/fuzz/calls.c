/*
 * Hostile sequences of calls, for libFuzzer: `make ../build/c/fuzz-calls`. The first byte says with what problem they begin. Each call is a byte that names a function and, for each of its numbers, a
 * byte that says where the number comes from: a small one, one that is at an edge, or the next eight bytes as they are. A call that returns a trap is a
 * finding, as what the sanitizers find is.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "homenode.h"

/* More steps are the caller's own choice of how long to wait. */
#define MOST_STEPS 20
#define MOST_CALLS 400

static const struct {
  const char *name;
  size_t count;
} functions[] = {
#include "functions.inc"
};
#define FUNCTIONS (sizeof functions / sizeof functions[0])

static const double edges[] = {
  NAN, INFINITY, -INFINITY, -0.0, 0.5, -1, -2, 5e-324, 1e300, -1e300, 64, 128, 255, 256, 257, 1023, 1024, 4095, 4096, 4097, 16383, 16384, 16385,
  65535, 65536, 131072, 262144, 1048576, 16777216, 2147483647, 2147483648.0, -2147483648.0, 4294967295.0, 4294967296.0, 4503599627370496.0,
  9007199254740992.0, 1e9, 12, 21, 30, 52, 53,
};
#define EDGES (sizeof edges / sizeof edges[0])

static double next_number(const uint8_t **at, const uint8_t *end) {
  const uint8_t kind = *at < end ? *(*at)++ : 0;
  if (kind < 160) return kind % 40;
  if (kind < 240) return edges[kind % EDGES];
  double number = 0;
  const size_t left = (size_t)(end - *at);
  const size_t taken = left < sizeof number ? left : sizeof number;
  memcpy(&number, *at, taken);
  *at += taken;
  return number;
}

/* A host of 1 to 4 nodes of 1 to 8 CPUs each, and up to 3 VMs; bytes from 192 on: nothing, chance has to make a host. */
static void begin(homenode_planner *planner, uint8_t byte) {
  if (byte >= 192) return;
  const int nodes = 1 + (byte & 3);
  const int cpus = 1 + ((byte >> 2) & 7);
  for (int node = 0; node < nodes; node++) homenode_add_node(planner, node, 1);
  for (int node = 0; node < nodes; node++) {
    homenode_set_pages(planner, node, 12, 65536);
    homenode_set_pages(planner, node, 21, 16);
  }
  for (int cpu = 0; cpu < nodes * cpus; cpu++) homenode_add_cpu(planner, cpu, cpu / cpus, cpu / cpus, cpu / 2, 1024, 1);
  for (int vm = 0; vm < byte >> 6; vm++) homenode_add_vm(planner, 1 + vm, 4096);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static homenode_planner *planner;
  if (planner == NULL) planner = homenode_planner_new();
  if (planner == NULL || homenode_reset(planner) != 0) abort();
  const uint8_t *at = data;
  const uint8_t *end = data + size;
  if (at < end) begin(planner, *at++);
  for (int calls = 0; at < end && calls < MOST_CALLS; calls++) {
    const size_t which = *at++ % FUNCTIONS;
    double numbers[8];
    for (size_t number = 0; number < functions[which].count; number++) numbers[number] = next_number(&at, end);
    if (strcmp(functions[which].name, "solve") == 0) numbers[0] = fmod(numbers[0], MOST_STEPS);
    if (homenode_call(planner, functions[which].name, numbers, functions[which].count) == HOMENODE_ERROR_TRAP) abort();
  }
  return 0;
}
