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
    /* When it began and ended: the main thread may get its CPU only after all is done. */
    uint64_t from_ns, to_ns;
};

static pthread_barrier_t ready;

static void *work(void *argument)
{
    struct worker *self = argument;
    pin(self->cpus);
    pthread_barrier_wait(&ready);
    self->from_ns = now_ns();
    check(madvise(self->at, self->bytes, MADV_POPULATE_WRITE), "MADV_POPULATE_WRITE");
    self->to_ns = now_ns();
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
    pthread_barrier_init(&ready, NULL, count);
    struct worker *workers = calloc(count, sizeof *workers);
    if (workers == NULL) err(1, "calloc");
    for (int i = 0; i < count; i++) {
        size_t from = bytes / ALIGNMENT * i / count * ALIGNMENT, to = bytes / ALIGNMENT * (i + 1) / count * ALIGNMENT;
        workers[i] = (struct worker){.cpus = argv[4 + i], .at = memory + from, .bytes = to - from};
        start_thread(&workers[i].thread, work, &workers[i]);
    }
    uint64_t first = UINT64_MAX, last = 0;
    for (int i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].from_ns < first) first = workers[i].from_ns;
        if (workers[i].to_ns > last) last = workers[i].to_ns;
    }
    printf("%llu\n", (unsigned long long)(last - first));
    return 0;
}
