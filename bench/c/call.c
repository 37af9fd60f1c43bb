/*
 * What a system call costs that does next to nothing, in a process with more than one thread: an ioctl of /dev/kvm with
 * an integer argument.
 *
 *   call CPU CALLS
 *
 * Prints nanoseconds for one.
 */
#define _GNU_SOURCE
#include "vm.h"

static void *wait_for_ever(void *argument)
{
    for (;;) pause();
    return argument;
}

int main(int argc, char **argv)
{
    if (argc != 3) errx(2, "usage: call CPU CALLS");
    pin(argv[1]);
    pthread_t thread;
    start_thread(&thread, wait_for_ever, NULL);
    int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    long calls = atol(argv[2]);
    struct timespec start, end;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    for (long i = 0; i < calls; i++) check(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY), "KVM_CHECK_EXTENSION");
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    printf("%f\n", ((end.tv_sec - start.tv_sec) * 1e9 + end.tv_nsec - start.tv_nsec) / calls);
    return 0;
}
