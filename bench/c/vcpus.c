/*
 * The C peer of the benches that let vCPUs run for a while: a thread for each, as the executor has it, with the loop of
 * executor/worker/guest-loop.ts, beside a main thread that waits.
 *
 *   vcpus IMAGE MEMORY_BYTES WARM_UP_SECONDS SECONDS PORT COALESCED(0|1) COUNTER_AT CPUS REGISTERS
 *         [CPUS REGISTERS ...]
 *
 * Prints a line for each vCPU, without the warm-up: exits, writes to the port, how much the 64-bit number at COUNTER_AT
 * in the guest's memory has grown, nanoseconds, and how many of these the thread was runnable but did not run.
 */
#define _GNU_SOURCE
#include "vm.h"

#define PAGE 4096

struct worker {
    struct vcpu vcpu;
    const char *cpus;
    pthread_t thread;
    volatile pid_t tid;
    /* Where another thread can read them, as those of the executor. */
    volatile uint64_t exits[64], writes;
    volatile uint32_t value;
};

struct sample {
    uint64_t exits, writes, counter, at, run_delay;
};

static volatile int stopped;
static uint16_t port;
static pthread_barrier_t ready;
static uint32_t ring_page;
static volatile uint64_t *counter;
static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER;

static void take(struct worker *self, const void *data)
{
    self->writes++;
    self->value = *(const uint32_t *)data;
}

static void drain(struct worker *self, struct kvm_coalesced_mmio_ring *ring)
{
    const uint32_t entries = (PAGE - sizeof *ring) / sizeof ring->coalesced_mmio[0];
    pthread_mutex_lock(&ring_lock);
    for (uint32_t first = ring->first; first != __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE);) {
        struct kvm_coalesced_mmio *entry = &ring->coalesced_mmio[first];
        if (entry->pio && entry->phys_addr == port) take(self, entry->data);
        first = (first + 1) % entries;
        __atomic_store_n(&ring->first, first, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&ring_lock);
}

static void *work(void *argument)
{
    struct worker *self = argument;
    struct kvm_run *run = self->vcpu.run;
    struct kvm_coalesced_mmio_ring *ring = ring_page == 0 ? NULL : (void *)((char *)run + ring_page * PAGE);
    pin(self->cpus);
    self->tid = syscall(SYS_gettid);
    pthread_barrier_wait(&ready);
    for (;;) {
        int result = ioctl(self->vcpu.fd, KVM_RUN, 0);
        if (ring != NULL && ring->first != ring->last) drain(self, ring);
        if (result < 0) {
            if (errno != EINTR) err(1, "KVM_RUN");
            if (stopped) return NULL;
            continue;
        }
        if (run->exit_reason < 64) self->exits[run->exit_reason]++;
        if (run->exit_reason == KVM_EXIT_IO && run->io.port == port && run->io.direction == KVM_EXIT_IO_OUT)
            take(self, (char *)run + run->io.data_offset);
        else if (run->exit_reason != KVM_EXIT_INTR)
            errx(1, "exit %u", run->exit_reason);
    }
}

static struct sample look(struct worker *worker)
{
    struct sample sample = {.writes = worker->writes, .counter = *counter, .at = now_ns()};
    for (int i = 0; i < 64; i++) sample.exits += worker->exits[i];
    sample.run_delay = run_delay_ns(worker->tid);
    return sample;
}

int main(int argc, char **argv)
{
    if (argc < 10 || argc % 2 != 0) errx(2, "usage: see the source");
    int count = (argc - 8) / 2;
    port = atoi(argv[5]);
    struct vm vm = create_vm(argv[1], strtoull(argv[2], NULL, 10));
    if (atoi(argv[6])) {
        struct kvm_coalesced_mmio_zone zone = {.addr = port, .size = 1, .pio = 1};
        ring_page = check(ioctl(vm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO), "KVM_CAP_COALESCED_MMIO");
        check(ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &zone), "KVM_REGISTER_COALESCED_MMIO");
    }
    counter = (void *)(vm.memory + strtoull(argv[7], NULL, 10));
    install_kick_handler();
    pthread_barrier_init(&ready, NULL, count + 1);
    struct worker *workers = calloc(count, sizeof *workers);
    struct sample *before = calloc(count, sizeof *before);
    if (workers == NULL || before == NULL) err(1, "calloc");
    for (int i = 0; i < count; i++) {
        workers[i].cpus = argv[8 + 2 * i];
        workers[i].vcpu = create_vcpu(&vm, i, argv[9 + 2 * i]);
        start_thread(&workers[i].thread, work, &workers[i]);
    }
    pthread_barrier_wait(&ready);
    sleep_seconds(atof(argv[3]));
    for (int i = 0; i < count; i++) before[i] = look(&workers[i]);
    sleep_seconds(atof(argv[4]));
    for (int i = 0; i < count; i++) {
        struct sample after = look(&workers[i]);
        printf("%llu %llu %llu %llu %llu\n", (unsigned long long)(after.exits - before[i].exits),
               (unsigned long long)(after.writes - before[i].writes), (unsigned long long)(after.counter - before[i].counter),
               (unsigned long long)(after.at - before[i].at),
               (unsigned long long)(after.run_delay - before[i].run_delay));
    }
    stopped = 1;
    for (int i = 0; i < count; i++) {
        workers[i].vcpu.run->immediate_exit = 1;
        pthread_kill(workers[i].thread, KICK_SIGNAL);
        pthread_join(workers[i].thread, NULL);
    }
    return 0;
}
