/*
 * The C peer of the bench `startup`: a VM with many vCPUs, a thread for each, pinned, until each of them has run.
 *
 *   startup IMAGE MEMORY_BYTES REGISTERS CPU [CPU ...]
 *
 * Prints the nanoseconds from nothing until every vCPU has left the guest once, and the resident bytes of the process
 * then.
 */
#define _GNU_SOURCE
#include "vm.h"

struct worker {
    struct vcpu vcpu;
    const char *cpu;
    pthread_t thread;
};

static volatile int stopped;
static int running;

static void *work(void *argument)
{
    struct worker *self = argument;
    pin(self->cpu);
    for (int first = 1;;) {
        if (ioctl(self->vcpu.fd, KVM_RUN, 0) < 0) {
            if (errno != EINTR) err(1, "KVM_RUN");
            if (stopped) return NULL;
        } else if (first) {
            first = 0;
            __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
        }
    }
}

static unsigned long long resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*u %llu", &pages) != 1) err(1, "/proc/self/statm");
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
    if (argc < 5) errx(2, "usage: startup IMAGE MEMORY_BYTES REGISTERS CPU [CPU ...]");
    int count = argc - 4;
    uint64_t start = now_ns();
    struct vm vm = create_vm(argv[1], strtoull(argv[2], NULL, 10));
    install_kick_handler();
    struct worker *workers = calloc(count, sizeof *workers);
    if (workers == NULL) err(1, "calloc");
    for (int i = 0; i < count; i++) {
        workers[i].cpu = argv[4 + i];
        workers[i].vcpu = create_vcpu(&vm, i, argv[3]);
        start_thread(&workers[i].thread, work, &workers[i]);
    }
    while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < count) sleep_seconds(0.0005);
    uint64_t elapsed = now_ns() - start;
    printf("%llu %llu\n", (unsigned long long)elapsed, resident_bytes());
    stopped = 1;
    for (int i = 0; i < count; i++) {
        workers[i].vcpu.run->immediate_exit = 1;
        pthread_kill(workers[i].thread, KICK_SIGNAL);
        pthread_join(workers[i].thread, NULL);
    }
    return 0;
}
