/* A planner of the library around an instance of planner.wasm. */
#ifndef HOMENODE_INSTANCE_H
#define HOMENODE_INSTANCE_H

#include <stdbool.h>

#include "homenode.h"
#include "planner.h"

struct homenode_planner {
  Z_planner_instance_t instance;
  /* It has trapped. */
  bool dead;
};

/* Instantiates the module anew; false, and `dead`, where there is no memory. */
bool homenode_renew(struct homenode_planner *planner);

/* Returns the result of a call; a trap makes it HOMENODE_ERROR_TRAP, and the planner dead. */
#define CALL(planner, type, call)                   \
  if ((planner)->dead) return HOMENODE_ERROR_TRAP;  \
  jmp_buf target;                                   \
  jmp_buf *const before = homenode_trap_target;     \
  if (_setjmp(target) != 0) {                       \
    homenode_trap_target = before;                  \
    (planner)->dead = true;                         \
    return HOMENODE_ERROR_TRAP;                     \
  }                                                 \
  homenode_trap_target = &target;                   \
  const type result = (type)(call);                 \
  homenode_trap_target = before;                    \
  return result;

#endif
