/* The planner that takes JSON, around an instance of planner-json.wasm. */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "homenode.h"
#include "planner_json.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

struct homenode_json {
  Z_planner_json_instance_t instance;
  char *answer;
  /* It has trapped, so the instance is made anew before it is used. */
  bool dead;
};

static bool renew_json(struct homenode_json *json) {
  jmp_buf target;
  jmp_buf *const before = homenode_trap_target;
  Z_planner_json_free(&json->instance);
  memset(&json->instance, 0, sizeof json->instance);
  const bool failed = _setjmp(target) != 0;
  if (!failed) {
    homenode_trap_target = &target;
    Z_planner_json_instantiate(&json->instance);
  }
  homenode_trap_target = before;
  json->dead = failed;
  return !failed;
}

homenode_json *homenode_json_new(void) {
  pthread_once(&once, Z_planner_json_init_module);
  homenode_json *json = calloc(1, sizeof *json);
  if (json == NULL || renew_json(json)) return json;
  homenode_json_free(json);
  return NULL;
}

void homenode_json_free(homenode_json *json) {
  if (json == NULL) return;
  Z_planner_json_free(&json->instance);
  free(json->answer);
  free(json);
}

/* The call itself, which may trap. */
static int32_t plan(homenode_json *json, const char *host, size_t host_bytes, const char *request, size_t request_bytes, int32_t max_steps,
                    int32_t seed) {
  Z_planner_json_instance_t *instance = &json->instance;
  const int32_t address = (int32_t)Z_planner_jsonZ_input(instance, (u32)(host_bytes + request_bytes));
  if (address < 0) return address;
  uint8_t *text = Z_planner_jsonZ_memory(instance)->data + address;
  if (host_bytes > 0) memcpy(text, host, host_bytes);
  if (request_bytes > 0) memcpy(text + host_bytes, request, request_bytes);
  return (int32_t)Z_planner_jsonZ_plan(instance, (u32)host_bytes, (u32)request_bytes, (u32)max_steps, (u32)seed);
}

int32_t homenode_json_plan(homenode_json *json, const char *host, size_t host_bytes, const char *request, size_t request_bytes,
                           int32_t max_steps, int32_t seed, const char **answer, size_t *answer_bytes) {
  jmp_buf target;
  jmp_buf *const before = homenode_trap_target;
  *answer = NULL;
  *answer_bytes = 0;
  if (host_bytes > INT32_MAX / 2 || request_bytes > INT32_MAX / 2) return HOMENODE_ERROR_LIMIT;
  if (json->dead && !renew_json(json)) return HOMENODE_ERROR_MEMORY;
  const int trap = _setjmp(target);
  if (trap != 0) {
    homenode_trap_target = before;
    json->dead = true;
    /* asc's runtime has no other word for it: what it cannot do is `unreachable`, and that is to get more memory. */
    return trap == WASM_RT_TRAP_UNREACHABLE ? HOMENODE_ERROR_MEMORY : HOMENODE_ERROR_TRAP;
  }
  homenode_trap_target = &target;
  const int32_t status = plan(json, host, host_bytes, request, request_bytes, max_steps, seed);
  homenode_trap_target = before;
  if (status < 0) return status;
  const uint32_t bytes = Z_planner_jsonZ_outputLength(&json->instance);
  const wasm_rt_memory_t *memory = Z_planner_jsonZ_memory(&json->instance);
  char *copy = realloc(json->answer, (size_t)bytes + 1);
  if (copy == NULL) return HOMENODE_ERROR_MEMORY;
  json->answer = copy;
  memcpy(copy, memory->data + Z_planner_jsonZ_output(&json->instance), bytes);
  copy[bytes] = 0;
  *answer = copy;
  *answer_bytes = bytes;
  return status;
}
