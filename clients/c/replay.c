/*
 * Replays recorded calls and plans (clients/vectors) against the library: `replay calls.txt plans.txt [threads]`. All threads replay all of it at
 * once, each with planners of its own. Prints what was compared; ends with 1 where something differs.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "homenode.h"

#define MOST_NUMBERS 8

struct work {
  const char *calls;
  const char *plans;
  long compared_calls;
  long compared_plans;
  const char *wrong;
};

static char *read_file(const char *name) {
  FILE *file = fopen(name, "rb");
  char *text = NULL;
  size_t room = 0;
  if (file == NULL || getdelim(&text, &room, '\0', file) < 0) {
    fprintf(stderr, "%s: cannot be read\n", name);
    exit(2);
  }
  fclose(file);
  return text;
}

/* The next line, and its length; NULL at the end. */
static const char *next_line(const char **at, size_t *length) {
  if (**at == 0) return NULL;
  const char *line = *at;
  const char *end = strchrnul(line, '\n');
  *length = (size_t)(end - line);
  *at = *end == 0 ? end : end + 1;
  return line;
}

static int is_same(double a, double b) { return a == b || (a != a && b != b); }

/* `addNode 0 1 = 0` */
static int replay_call(homenode_planner *planner, const char *line) {
  char name[64];
  double numbers[MOST_NUMBERS];
  size_t count = 0;
  int used = 0;
  if (sscanf(line, "%63s%n", name, &used) != 1) return 0;
  const char *at = line + used;
  while (*at == ' ' && at[1] != '=' && count < MOST_NUMBERS) {
    char *end;
    numbers[count++] = strtod(at, &end);
    at = end;
  }
  return strncmp(at, " = ", 3) == 0 && is_same(homenode_call(planner, name, numbers, count), strtod(at + 3, NULL));
}

static void replay_calls(struct work *work) {
  homenode_planner *planner = homenode_planner_new();
  const char *at = work->calls;
  const char *line;
  size_t length;
  while (planner != NULL && (line = next_line(&at, &length)) != NULL) {
    if (length == 0 || *line == '#') continue;
    if (!replay_call(planner, line)) {
      work->wrong = line;
      break;
    }
    work->compared_calls++;
  }
  homenode_planner_free(planner);
}

/* Four lines: steps, seed and status; host; request; answer. */
static void replay_plans(struct work *work) {
  homenode_json *json = homenode_json_new();
  const char *at = work->plans;
  const char *head, *host, *request, *answer, *got;
  size_t length, host_bytes, request_bytes, answer_bytes, got_bytes;
  while (json != NULL && (head = next_line(&at, &length)) != NULL) {
    if (length == 0 || *head == '#') continue;
    int steps, seed, status;
    host = next_line(&at, &host_bytes);
    request = next_line(&at, &request_bytes);
    answer = next_line(&at, &answer_bytes);
    if (sscanf(head, "%d %d %d", &steps, &seed, &status) != 3 || answer == NULL ||
        homenode_json_plan(json, host, host_bytes, request, request_bytes, steps, seed, &got, &got_bytes) != status ||
        got_bytes != answer_bytes || memcmp(got, answer, got_bytes) != 0) {
      work->wrong = head;
      break;
    }
    work->compared_plans++;
  }
  homenode_json_free(json);
}

static void *replay(void *argument) {
  struct work *work = argument;
  replay_calls(work);
  if (work->wrong == NULL) replay_plans(work);
  return NULL;
}

int main(int count, char **arguments) {
  if (count < 3) {
    fprintf(stderr, "usage: replay calls.txt plans.txt [threads]\n");
    return 2;
  }
  const char *calls = read_file(arguments[1]);
  const char *plans = read_file(arguments[2]);
  const int threads = count > 3 ? atoi(arguments[3]) : 1;
  struct work *works = calloc((size_t)threads, sizeof *works);
  pthread_t *started = calloc((size_t)threads, sizeof *started);
  int status = 0;
  for (int at = 0; at < threads; at++) {
    works[at] = (struct work){calls, plans, 0, 0, NULL};
    if (pthread_create(&started[at], NULL, replay, &works[at]) != 0) return 2;
  }
  for (int at = 0; at < threads; at++) {
    pthread_join(started[at], NULL);
    if (works[at].wrong != NULL || works[at].compared_calls == 0 || works[at].compared_plans == 0) {
      fprintf(stderr, "differs: %.200s\n", works[at].wrong == NULL ? "nothing was compared" : works[at].wrong);
      status = 1;
    }
  }
  if (status == 0) printf("%ld calls and %ld plans in %d threads are equal\n", works[0].compared_calls, works[0].compared_plans, threads);
  return status;
}
