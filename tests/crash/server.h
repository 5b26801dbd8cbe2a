/*
 * A hourglass as a child process that is started, killed and started again. It dies with this
 * program. Not thread-safe.
 */
#ifndef TESTS_CRASH_SERVER_H
#define TESTS_CRASH_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { SERVER_FLAGS_MAX = 64 };

struct server {
    const char *program;
    const char *log_path;                /* its output is appended */
    const char *preload;                 /* a library to load with it, or NULL */
    const char *flags[SERVER_FLAGS_MAX]; /* all but the address; NULL behind the last */
    pid_t pid;                           /* 0: does not run */
    uint16_t port;
};

/* Starts it on a port that is free now. */
void server_start(struct server *s);

enum server_state { SERVER_STARTING, SERVER_READY, SERVER_ENDED };

/* Asks whether it is ready. It is started. */
enum server_state server_look(struct server *s);

/* Waits until it is ready; false when it ends or is not ready after `seconds`. */
bool server_wait(struct server *s, double seconds);

/* Sends the signal and waits for the end. Returns the wait status; -1, after SIGKILL, when it had
 * not ended after `seconds`. */
int server_end(struct server *s, int signal_number, double seconds);

#endif
