/*
 * One keep-alive HTTP/1.1 connection that posts remote-write bodies, one at a time: send, do
 * something else, receive. Latency is from before the first byte is sent until the answer has been
 * read. Failures end the program with a message: a benchmark that lost a write measured nothing. To
 * a body of 2.0 the answer must also say that all of its samples were written, and to one of 1.0 it
 * must not say anything of the kind.
 * Not thread-safe.
 */
#ifndef TESTS_BENCH_SENDER_H
#define TESTS_BENCH_SENDER_H

#include "tests/bench/body.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sender {
    int fd; /* -1: there is none */
    uint16_t port;
    enum body_protocol protocol; /* of what is posted */
    bool is_waiting;             /* sent, not yet received */
    uint32_t n_samples;          /* of what was sent */
    uint64_t sent_ns;
};

/* Nanoseconds of a clock that never goes back. */
uint64_t sender_now_ns(void);

/* To 127.0.0.1:port. The connection is made when something is sent: VictoriaMetrics closes one on
 * which nothing comes for five seconds. */
void sender_init(struct sender *s, uint16_t port, enum body_protocol protocol);

/* Drops the connection, on which nothing is awaited. What is sent after it makes another. */
void sender_close(struct sender *s);

/* Posts n bytes with so many samples to /api/v1/write. Nothing is awaited on this connection. The
 * bytes may be changed once this returns. */
void sender_send(struct sender *s, const uint8_t *body, size_t n, uint32_t n_samples);

/* Reads the answer to what was sent, which must be 204, and returns the latency in ns. */
uint64_t sender_receive(struct sender *s);

#endif
