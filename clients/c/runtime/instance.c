/* Planners that are made and ended. */
#define _DEFAULT_SOURCE
#include "instance.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

bool homenode_renew(struct homenode_planner *planner) {
  jmp_buf target;
  jmp_buf *const before = homenode_trap_target;
  if (planner->dead) Z_planner_free(&planner->instance);
  memset(planner, 0, sizeof *planner);
  const bool failed = _setjmp(target) != 0;
  if (!failed) {
    homenode_trap_target = &target;
    Z_planner_instantiate(&planner->instance);
  }
  homenode_trap_target = before;
  planner->dead = failed;
  return !failed;
}

homenode_planner *homenode_planner_new(void) {
  pthread_once(&once, Z_planner_init_module);
  homenode_planner *planner = calloc(1, sizeof *planner);
  if (planner == NULL || homenode_renew(planner)) return planner;
  homenode_planner_free(planner);
  return NULL;
}

void homenode_planner_free(homenode_planner *planner) {
  if (planner == NULL) return;
  Z_planner_free(&planner->instance);
  free(planner);
}
