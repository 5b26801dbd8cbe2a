/*
 * One keep-alive HTTP/1.1 connection that posts remote-write bodies, one at a time: send, do
 * something else, receive. Latency is from before the first byte is sent until the answer has been
 * read. Failures end the program with a message: a benchmark that lost a write measured nothing.
 * Not thread-safe.
 */
#ifndef TESTS_BENCH_SENDER_H
#define TESTS_BENCH_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sender {
    int fd;
    uint16_t port;
    bool is_waiting; /* sent, not yet received */
    uint64_t sent_ns;
};

/* Nanoseconds of a clock that never goes back. */
uint64_t sender_now_ns(void);

/* Connects to 127.0.0.1:port. */
void sender_open(struct sender *s, uint16_t port);

/* The peer has been started anew: drops the connection, on which nothing is awaited, and makes
 * another. */
void sender_reopen(struct sender *s);

void sender_close(struct sender *s);

/* Posts n bytes to /api/v1/write. Nothing is awaited on this connection. The bytes may be changed
 * once this returns. */
void sender_send(struct sender *s, const uint8_t *body, size_t n);

/* Reads the answer to what was sent, which must be 204, and returns the latency in ns. */
uint64_t sender_receive(struct sender *s);

#endif
