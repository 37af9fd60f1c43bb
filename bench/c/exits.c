/*
 * The C peer of the bench `exits`: the VM that executor/machine.ts and executor/boot.ts make, and the loop of
 * executor/guest-loop.ts, for one vCPU.
 *
 *   exits IMAGE MEMORY_BYTES CPU SECONDS PORT
 *
 * IMAGE is what boot.ts puts at the start of the guest's memory: code at 0, page tables from 4096. Prints the exits,
 * the nanoseconds that they took, and how many of these the thread was runnable but not running.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

#define CPUID_ENTRIES 256

static volatile sig_atomic_t stopped;
static struct kvm_run *run;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
    run->immediate_exit = 1;
}

static int check(int result, const char *call)
{
    if (result < 0) err(1, "%s", call);
    return result;
}

static void *map(size_t bytes, int flags, int fd)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (at == MAP_FAILED) err(1, "mmap");
    return at;
}

static void pin(int cpu)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    check(sched_setaffinity(0, sizeof cpus, &cpus), "sched_setaffinity");
}

static void load(const char *path, char *memory, size_t bytes)
{
    FILE *image = fopen(path, "rb");
    if (image == NULL) err(1, "%s", path);
    if (fread(memory, 1, bytes, image) == 0) errx(1, "%s: empty", path);
    fclose(image);
}

static void set_cpuid(int kvm, int vcpu)
{
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + CPUID_ENTRIES * sizeof cpuid->entries[0]);
    if (cpuid == NULL) err(1, "calloc");
    cpuid->nent = CPUID_ENTRIES;
    check(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
    check(ioctl(vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
    free(cpuid);
}

static struct kvm_segment flat(uint16_t selector, uint8_t type, uint8_t is_long)
{
    return (struct kvm_segment){.limit = 0xffffffff, .selector = selector, .type = type, .present = 1,
                                .db = !is_long, .s = 1, .l = is_long, .g = 1};
}

/* 64-bit mode, as setStartState() of boot.ts. */
static void set_start_state(int vcpu, uint16_t port)
{
    struct kvm_sregs sregs;
    check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
    sregs.cs = flat(8, 0xb, 1);
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat(16, 3, 0);
    sregs.cr0 = 0x80000031;
    sregs.cr3 = 4096;
    sregs.cr4 = 0x20;
    sregs.efer = 0x500;
    check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
    struct kvm_regs regs = {.rflags = 2, .rdx = port};
    check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static uint64_t run_delay_ns(void)
{
    unsigned long long delay = 0;
    FILE *file = fopen("/proc/thread-self/schedstat", "r");
    if (file == NULL) return 0;
    if (fscanf(file, "%*u %llu", &delay) != 1) delay = 0;
    fclose(file);
    return delay;
}

static void stop_after(double seconds)
{
    struct sigaction action = {.sa_handler = stop};
    check(sigaction(SIGALRM, &action, NULL), "sigaction");
    struct itimerval timer = {.it_value = {.tv_sec = (time_t)seconds}};
    timer.it_value.tv_usec = (seconds - timer.it_value.tv_sec) * 1e6;
    check(setitimer(ITIMER_REAL, &timer, NULL), "setitimer");
}

/* Exits by reason, and the guest's last report: where the loop puts them, another thread could read them. */
static volatile uint64_t exits[64];
static volatile uint32_t progress;

/* The loop of guest-loop.ts. */
static void run_guest(int vcpu, uint16_t port)
{
    for (;;) {
        if (ioctl(vcpu, KVM_RUN, 0) < 0) {
            if (errno != EINTR) err(1, "KVM_RUN");
            if (stopped) return;
            continue;
        }
        if (run->exit_reason < 64) exits[run->exit_reason]++;
        if (run->exit_reason == KVM_EXIT_IO && run->io.port == port && run->io.direction == KVM_EXIT_IO_OUT)
            progress = *(uint32_t *)((char *)run + run->io.data_offset);
        else if (run->exit_reason != KVM_EXIT_INTR)
            errx(1, "exit %u", run->exit_reason);
    }
}

int main(int argc, char **argv)
{
    if (argc != 6) errx(2, "usage: exits IMAGE MEMORY_BYTES CPU SECONDS PORT");
    size_t bytes = strtoull(argv[2], NULL, 10);
    uint16_t port = atoi(argv[5]);
    pin(atoi(argv[3]));

    char *memory = map(bytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
    load(argv[1], memory, bytes);
    int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    struct kvm_userspace_memory_region region = {.memory_size = bytes, .userspace_addr = (uintptr_t)memory};
    check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    int vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    run = map(check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE"), MAP_SHARED, vcpu);
    set_cpuid(kvm, vcpu);
    set_start_state(vcpu, port);

    stop_after(atof(argv[4]));
    uint64_t delay = run_delay_ns();
    uint64_t start = now_ns();
    run_guest(vcpu, port);
    uint64_t elapsed = now_ns() - start;
    printf("%llu %llu %llu\n", (unsigned long long)exits[KVM_EXIT_IO], (unsigned long long)elapsed,
           (unsigned long long)(run_delay_ns() - delay));
    return 0;
}
