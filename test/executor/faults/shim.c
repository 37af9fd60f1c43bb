/*
 * Stands between the executor and the C library: koffi finds these functions first, and nobody else in the process does.
 * `shim_arm` makes the n-th call of one of them fail, as the kernel would. With FENCE, memory that is unmapped becomes
 * memory that nobody may touch, and its addresses are never used again: who still uses it ends the process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KVM_RUN 0xae80
#define NAMES 64

static char armed[32];
static int armed_error;
static atomic_int left;
static atomic_int fired;
static atomic_long mapped;
static struct { const char *name; atomic_int calls; } counts[NAMES];

/* Names are literals of this file: each has one address. */
static void count(const char *name) {
  for (int i = 0; i < NAMES; i++) {
    if (counts[i].name == NULL) counts[i].name = name;
    if (strcmp(counts[i].name, name) == 0) {
      atomic_fetch_add(&counts[i].calls, 1);
      return;
    }
  }
}

/* Whether this call is to fail; errno is set then. */
static int fails(const char *name) {
  count(name);
  if (strcmp(armed, name) != 0 || atomic_fetch_sub(&left, 1) != 1) return 0;
  atomic_store(&fired, 1);
  errno = armed_error;
  return 1;
}

/* The n-th call from now on of `name` fails with `error`. */
void shim_arm(const char *name, int n, int error) {
  armed[0] = 0;
  atomic_store(&fired, 0);
  atomic_store(&left, n);
  armed_error = error;
  strncpy(armed, name, sizeof armed - 1);
}

/* Bytes that have been mapped, and not unmapped yet. */
long shim_mapped(void) { return atomic_load(&mapped); }

int shim_fired(void) { return atomic_load(&fired); }

const char *shim_name(int i) { return i < NAMES && counts[i].name != NULL ? counts[i].name : ""; }

int shim_calls(int i) { return atomic_load(&counts[i].calls); }

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define CALL(name, ...) (fails(#name) ? -1 : REAL(name)(__VA_ARGS__))

int open(const char *path, int flags, ...) { return CALL(open, path, flags); }

/* Linux gives the descriptor back whatever it says. */
int close(int fd) {
  int rc = REAL(close)(fd);
  return rc == 0 && fails("close") ? -1 : rc;
}

int ioctl(int fd, unsigned long request, ...) {
  va_list list;
  va_start(list, request);
  void *argument = va_arg(list, void *);
  va_end(list);
  if (fails(request == KVM_RUN ? "KVM_RUN" : "ioctl")) return -1;
  return REAL(ioctl)(fd, request, argument);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  if (fails("mmap")) return MAP_FAILED;
  void *at = REAL(mmap)(address, length, protection, flags, fd, offset);
  if (at != MAP_FAILED) atomic_fetch_add(&mapped, length);
  return at;
}

int munmap(void *address, size_t length) {
  if (fails("munmap")) return -1;
  atomic_fetch_sub(&mapped, length);
#ifdef FENCE
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  return REAL(mmap)(address, length, PROT_NONE, flags, -1, 0) == MAP_FAILED ? -1 : 0;
#else
  return REAL(munmap)(address, length);
#endif
}

int ftruncate(int fd, off_t length) { return CALL(ftruncate, fd, length); }
int eventfd(unsigned int initial, int flags) { return CALL(eventfd, initial, flags); }
ssize_t read(int fd, void *into, size_t bytes) { return CALL(read, fd, into, bytes); }
int poll(struct pollfd *fds, nfds_t number, int timeout) { return CALL(poll, fds, number, timeout); }
int madvise(void *address, size_t length, int advice) { return CALL(madvise, address, length, advice); }
int sched_setaffinity(pid_t tid, size_t size, const cpu_set_t *mask) { return CALL(sched_setaffinity, tid, size, mask); }
int sched_getscheduler(pid_t tid) { return CALL(sched_getscheduler, tid); }
int sched_setscheduler(pid_t tid, int policy, const struct sched_param *parameter) {
  return CALL(sched_setscheduler, tid, policy, parameter);
}
int sched_getaffinity(pid_t tid, size_t size, cpu_set_t *mask) { return CALL(sched_getaffinity, tid, size, mask); }
int setpriority(__priority_which_t which, id_t who, int nice) { return CALL(setpriority, which, who, nice); }
int getpriority(__priority_which_t which, id_t who) { return CALL(getpriority, which, who); }
int sigaction(int signal, const struct sigaction *action, struct sigaction *old) {
  return CALL(sigaction, signal, action, old);
}

int prctl(int option, ...) {
  va_list list;
  va_start(list, option);
  unsigned long a = va_arg(list, unsigned long), b = va_arg(list, unsigned long);
  unsigned long c = va_arg(list, unsigned long), d = va_arg(list, unsigned long);
  va_end(list);
  return CALL(prctl, option, a, b, c, d);
}

static const char *name_of(long number) {
  switch (number) {
    case SYS_mbind: return "mbind";
    case SYS_move_pages: return "move_pages";
    case SYS_memfd_create: return "memfd_create";
    case SYS_perf_event_open: return "perf_event_open";
    case SYS_gettid: return "gettid";
    case SYS_tgkill: return "tgkill";
    default: return "syscall";
  }
}

long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
  long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
  va_end(list);
  return fails(name_of(number)) ? -1 : REAL(syscall)(number, a, b, c, d, e, f);
}
