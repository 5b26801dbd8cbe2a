/*
 * HTTP/1.1 to a server that may die at any byte: nothing here ends the program, a broken connection
 * is an answer. Not thread-safe: a connection is one thread's.
 */
#ifndef TESTS_CRASH_WIRE_H
#define TESTS_CRASH_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_BROKEN = -1,      /* the connection: nothing is known about the request */
    WIRE_TEXT_MAX = 1024,  /* of an answer to a post, kept for messages */
    WIRE_PATIENCE_S = 120, /* a server that is silent for so long is broken */
};

/* Answers of any length; starts zeroed, released by free(bytes). Zero-terminated. */
struct wire_buffer {
    char *bytes;
    size_t n, capacity;
};

/* To 127.0.0.1:port; a file descriptor or WIRE_BROKEN. */
int wire_connect(uint16_t port);

/* Posts n bytes of a remote-write body over a kept connection. Returns the status or WIRE_BROKEN;
 * text gets the body of an answer that is not 204. */
int wire_write(int fd, const uint8_t *body, size_t n, char text[WIRE_TEXT_MAX]);

/* A request of its own connection: method and path as they stand, the answer's body to `ret`.
 * Returns the status or WIRE_BROKEN. */
int wire_ask(uint16_t port, const char *method, const char *path, struct wire_buffer *ret);

/* A free port, for a server that is about to be started. Exits when there is none. */
uint16_t wire_free_port(void);

#endif
