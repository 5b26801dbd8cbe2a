/* What a run of kills is told to do. */
#ifndef TESTS_CRASH_OPTIONS_H
#define TESTS_CRASH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    OPTIONS_CONNECTIONS_MAX = 64,
    OPTIONS_FLAGS_MAX = 32, /* of the server, behind "--" */
};

/* How the oracle is falsified, or what it expects: the check has to find it out. */
enum lie { LIE_NONE, LIE_LOST, LIE_INVENTED, LIE_CHANGED, LIE_DELETED };
/* What may not be lost; kills.c says when which holds. */
enum promise { PROMISE_ALL, PROMISE_SNAPSHOT, PROMISE_MS };

struct options {
    uint32_t n_kills, connections, series;
    uint32_t min_ms, max_ms; /* of a life under load */
    int64_t window_ms, n_windows, out_of_order_ms;
    int64_t step_ms; /* of the load, and its late samples */
    uint32_t late_ticks;
    enum promise promise;
    uint32_t promise_ms;
    int end_signal; /* SIGKILL or SIGTERM */
    bool is_cut, is_faulty, is_deleting;
    enum lie lie;
    /* borrowed from the command line; directory and library may be NULL */
    const char *directory, *program, *library;
};

/* Reads the command line; defaults where it is silent. Returns the index of the first flag of the
 * server. A seed that is given is put into the environment (SEED). Exits with the usage on anything
 * that it does not know. */
int options_parse(struct options *o, int argc, char **argv);

#endif
