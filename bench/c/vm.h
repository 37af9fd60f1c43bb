/*
 * What the C peers of the benches have in common: a VM as executor/vm/machine.ts and executor/program/boot.ts make it, threads
 * that are pinned, and what the kernel says about them.
 */
#ifndef VM_H
#define VM_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CPUID_ENTRIES 256
#define KICK_SIGNAL (SIGRTMIN + 1)

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

/* The calling thread, to the CPUs of a list such as "0" or "0,1". */
static void pin(const char *list)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        if (*at == ',') at++;
        CPU_SET(atoi(at), &cpus);
    }
    check(sched_setaffinity(0, sizeof cpus, &cpus), "sched_setaffinity");
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void sleep_seconds(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds};
    time.tv_nsec = (seconds - time.tv_sec) * 1e9;
    while (nanosleep(&time, &time) < 0 && errno == EINTR) {}
}

/* How long a thread of this process was runnable and did not run. */
static inline uint64_t run_delay_ns(pid_t tid)
{
    char path[64];
    unsigned long long delay = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", tid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    if (fscanf(file, "%*u %llu", &delay) != 1) delay = 0;
    fclose(file);
    return delay;
}

struct vm {
    char *memory;
    int kvm, fd;
    size_t run_bytes;
};

/* IMAGE is what boot.ts puts at the start of the guest's memory: code at 0, page tables from 4096. */
static struct vm create_vm(const char *image, size_t bytes)
{
    char *memory = map(bytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
    FILE *file = fopen(image, "rb");
    if (file == NULL) err(1, "%s", image);
    if (fread(memory, 1, bytes, file) == 0) errx(1, "%s: empty", image);
    fclose(file);
    struct vm vm = {.memory = memory, .kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm")};
    vm.fd = check(ioctl(vm.kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    struct kvm_userspace_memory_region region = {.memory_size = bytes, .userspace_addr = (uintptr_t)memory};
    check(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    vm.run_bytes = check(ioctl(vm.kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    return vm;
}

static struct kvm_segment flat(uint16_t selector, uint8_t type, uint8_t is_long)
{
    return (struct kvm_segment){.limit = 0xffffffff, .selector = selector, .type = type, .present = 1,
                                .db = !is_long, .s = 1, .l = is_long, .g = 1};
}

/* "rbx:rcx:rdx:rdi:r8:r9:r10:r11" */
static struct kvm_regs parse_registers(const char *text)
{
    struct kvm_regs regs = {.rflags = 2};
    __u64 *order[] = {&regs.rbx, &regs.rcx, &regs.rdx, &regs.rdi, &regs.r8, &regs.r9, &regs.r10, &regs.r11};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        char *end;
        *order[i] = strtoull(text, &end, 10);
        text = *end == ':' ? end + 1 : end;
    }
    return regs;
}

struct vcpu {
    int fd;
    struct kvm_run *run;
};

/* 64-bit mode, as setStartState() of boot.ts. */
static struct vcpu create_vcpu(struct vm *vm, int id, const char *registers)
{
    struct vcpu vcpu = {.fd = check(ioctl(vm->fd, KVM_CREATE_VCPU, id), "KVM_CREATE_VCPU")};
    vcpu.run = map(vm->run_bytes, MAP_SHARED, vcpu.fd);
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + CPUID_ENTRIES * sizeof cpuid->entries[0]);
    if (cpuid == NULL) err(1, "calloc");
    cpuid->nent = CPUID_ENTRIES;
    check(ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
    check(ioctl(vcpu.fd, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
    free(cpuid);
    struct kvm_sregs sregs;
    check(ioctl(vcpu.fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
    sregs.cs = flat(8, 0xb, 1);
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat(16, 3, 0);
    sregs.cr0 = 0x80000031;
    sregs.cr3 = 4096;
    sregs.cr4 = 0x20;
    sregs.efer = 0x500;
    check(ioctl(vcpu.fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
    struct kvm_regs regs = parse_registers(registers);
    check(ioctl(vcpu.fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
    return vcpu;
}

static void do_nothing(int signal)
{
    (void)signal;
}

/* Without SA_RESTART, so that KVM_RUN returns. */
static void install_kick_handler(void)
{
    struct sigaction action = {.sa_handler = do_nothing};
    check(sigaction(KICK_SIGNAL, &action, NULL), "sigaction");
}

static void start_thread(pthread_t *thread, void *(*body)(void *), void *argument)
{
    errno = pthread_create(thread, NULL, body, argument);
    if (errno != 0) err(1, "pthread_create");
}

#endif
