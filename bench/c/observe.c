/*
 * Processes that look like QEMU's: so many, each with so many threads that are named as those of vCPUs and wake ten times a
 * second, and two others. They end when standard input does.
 * Usage: observe PROCESSES VCPUS MEMORY_MIB
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void *wake(void *name)
{
	struct timespec pause = { 0, 100 * 1000 * 1000 };
	pthread_setname_np(pthread_self(), name);
	for (;;)
		nanosleep(&pause, NULL);
}

static void be_vm(int vcpus, size_t bytes)
{
	pthread_t thread;
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (memory == MAP_FAILED)
		exit(1);
	memset(memory, 1, bytes);
	for (int i = 0; i < vcpus + 2; i++) {
		char *name = malloc(16);
		snprintf(name, 16, i < vcpus ? "CPU %d/KVM" : "worker", i);
		if (pthread_create(&thread, NULL, wake, name) != 0)
			exit(1);
	}
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc > 4)
		be_vm(atoi(argv[4]), (size_t)atoi(argv[6]) << 20);
	if (argc != 4)
		return 2;
	for (int i = 0; i < atoi(argv[1]); i++) {
		char name[64];
		snprintf(name, sizeof(name), "guest=vm%02d,debug-threads=on", i);
		if (fork() == 0) {
			execl("/proc/self/exe", "qemu-system-x86_64", "-name", name, "-smp", argv[2], "-m", argv[3], NULL);
			_exit(1);
		}
	}
	while (getchar() != EOF)
		;
	return 0;
}
