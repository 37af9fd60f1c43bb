/*
 * The C peer of the bench `prefault`: memory that is mapped, and faulted in by several threads, each its part.
 *
 *   prefault BYTES HUGE(0|1|2) NODE CPUS [CPUS ...]
 *
 * A thread for each list of CPUs, and as many parts; bound to the node. HUGE 1 asks for transparent huge pages, 2 for
 * reserved ones. Prints the nanoseconds that the faulting in took.
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include "vm.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define ALIGNMENT (2ul << 20)

struct worker {
    const char *cpus;
    char *at;
    size_t bytes;
    pthread_t thread;
};

static pthread_barrier_t ready;

static void *work(void *argument)
{
    struct worker *self = argument;
    pin(self->cpus);
    pthread_barrier_wait(&ready);
    check(madvise(self->at, self->bytes, MADV_POPULATE_WRITE), "MADV_POPULATE_WRITE");
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 5) errx(2, "usage: prefault BYTES HUGE NODE CPUS [CPUS ...]");
    size_t bytes = strtoull(argv[1], NULL, 10);
    int count = argc - 4;
    unsigned node = atoi(argv[3]);
    unsigned long mask[16] = {0};
    mask[node / 64] = 1ul << (node % 64);
    int huge = atoi(argv[2]), flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *memory = huge == 2 ? map(bytes, flags | MAP_HUGETLB, -1) : map(bytes + ALIGNMENT, flags, -1);
    memory = (char *)(((uintptr_t)memory + ALIGNMENT - 1) & ~(ALIGNMENT - 1));
    check(syscall(SYS_mbind, memory, bytes, MPOL_BIND, mask, 8 * sizeof mask, 0), "mbind");
    if (huge == 1) check(madvise(memory, bytes, MADV_HUGEPAGE), "MADV_HUGEPAGE");
    pthread_barrier_init(&ready, NULL, count + 1);
    struct worker *workers = calloc(count, sizeof *workers);
    if (workers == NULL) err(1, "calloc");
    for (int i = 0; i < count; i++) {
        size_t from = bytes / ALIGNMENT * i / count * ALIGNMENT, to = bytes / ALIGNMENT * (i + 1) / count * ALIGNMENT;
        workers[i] = (struct worker){.cpus = argv[4 + i], .at = memory + from, .bytes = to - from};
        start_thread(&workers[i].thread, work, &workers[i]);
    }
    pthread_barrier_wait(&ready);
    uint64_t start = now_ns();
    for (int i = 0; i < count; i++) pthread_join(workers[i].thread, NULL);
    printf("%llu\n", (unsigned long long)(now_ns() - start));
    return 0;
}
