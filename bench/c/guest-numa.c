// Runs in a Linux guest: for each node with CPUs and each node with memory, a pointer chase and a copy of memory that is
// bound there, from a CPU that is there. Prints `FROM TO NS_PER_ACCESS MIB_PER_S` lines, or what the kernel refused.
// argv[1]: MiB of the memory
#define _GNU_SOURCE
#include <errno.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NODES = 64, LINE = 64 };

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec * 1e-9;
}

// The first CPU of a node; -1: it has none, or is not there.
static int cpuOf(int node) {
  char path[128];
  int cpu = -1;
  snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpulist", node);
  FILE *file = fopen(path, "r");
  if (file == NULL) return -1;
  if (fscanf(file, "%d", &cpu) != 1) cpu = -1;
  fclose(file);
  return cpu;
}

static void *boundTo(int node, size_t bytes) {
  unsigned long mask = 1ul << node;
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return NULL;
  if (syscall(SYS_mbind, memory, bytes, MPOL_BIND, &mask, NODES + 1, 0) != 0) {
    munmap(memory, bytes);
    return NULL;
  }
  memset(memory, 1, bytes);
  return memory;
}

// One cycle through all lines, in an order that nobody can foresee.
static void shuffle(char *memory, size_t lines) {
  uint32_t *order = malloc(lines * sizeof *order);
  uint64_t random = 88172645463325252ull;
  for (size_t i = 0; i < lines; i++) order[i] = i;
  for (size_t i = lines - 1; i > 0; i--) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    size_t j = random % i;
    uint32_t other = order[i];
    order[i] = order[j], order[j] = other;
  }
  for (size_t i = 0; i < lines; i++) *(void **)(memory + order[i] * (size_t)LINE) = memory + order[(i + 1) % lines] * (size_t)LINE;
  free(order);
}

int main(int argc, char **argv) {
  size_t bytes = (argc > 1 ? strtoul(argv[1], NULL, 10) : 16) << 20, lines = bytes / LINE;
  for (int from = 0; from < NODES; from++) {
    int cpu = cpuOf(from);
    if (cpu < 0) continue;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) return printf("CPU %d: %s\n", cpu, strerror(errno)), 1;
    for (int to = 0; to < NODES; to++) {
      char *memory = boundTo(to, bytes);
      if (memory == NULL) continue;
      shuffle(memory, lines);
      double start = now();
      void **at = (void **)memory;
      for (size_t i = 0; i < lines; i++) at = *at;
      double chase = (now() - start) / lines * 1e9;
      if (at == NULL) return 1;
      start = now();
      memcpy(memory, memory + bytes / 2, bytes / 2);
      printf("%d %d %.2f %.1f\n", from, to, chase, bytes / 2 / (now() - start) / (1 << 20));
      fflush(stdout);
      munmap(memory, bytes);
    }
  }
  return 0;
}
