/*
 * The C peer of the bench `kick`: how long it takes to get a vCPU whose guest never leaves out of KVM_RUN.
 *
 *   kick IMAGE MEMORY_BYTES CPU SAMPLES SPIN_SECONDS
 *
 * Prints for each sample the nanoseconds from the main thread's request until it knows that the vCPU's thread is back.
 */
#define _GNU_SOURCE
#include <semaphore.h>
#include "vm.h"

static struct vcpu vcpu;
static const char *cpu;
static sem_t go, back;

static void *work(void *argument)
{
    (void)argument;
    pin(cpu);
    for (;;) {
        sem_post(&back);
        while (sem_wait(&go) < 0) {}
        if (ioctl(vcpu.fd, KVM_RUN, 0) == 0) errx(1, "exit %u", vcpu.run->exit_reason);
        if (errno != EINTR) err(1, "KVM_RUN");
    }
}

static void wait_back(void)
{
    while (sem_wait(&back) < 0) {}
}

int main(int argc, char **argv)
{
    if (argc != 6) errx(2, "usage: kick IMAGE MEMORY_BYTES CPU SAMPLES SPIN_SECONDS");
    struct vm vm = create_vm(argv[1], strtoull(argv[2], NULL, 10));
    vcpu = create_vcpu(&vm, 0, "");
    cpu = argv[3];
    sem_init(&go, 0, 0);
    sem_init(&back, 0, 0);
    install_kick_handler();
    pthread_t thread;
    start_thread(&thread, work, NULL);
    wait_back();
    for (int i = atoi(argv[4]); i > 0; i--) {
        /* Not by the thread: it may come to run only after the request. */
        vcpu.run->immediate_exit = 0;
        sem_post(&go);
        sleep_seconds(atof(argv[5]));
        uint64_t start = now_ns();
        vcpu.run->immediate_exit = 1;
        pthread_kill(thread, KICK_SIGNAL);
        wait_back();
        printf("%llu\n", (unsigned long long)(now_ns() - start));
    }
    return 0;
}
