/*
 * Messages of remote write by hand: fields are put behind what is there. Also messages by
 * chance, as no sender writes them but as a decoder has to take them. Not thread-safe.
 */
#ifndef TESTS_SUPPORT_MESSAGE_H
#define TESTS_SUPPORT_MESSAGE_H

#include "tests/support/random.h"

#include <stdbool.h>
#include <stddef.h>

enum { MESSAGE_BYTES_MAX = 65536 };

struct message {
    size_t n;
    char bytes[MESSAGE_BYTES_MAX]; /* nothing checks that it fits */
};

void message_varint(struct message *m, uint64_t v);

/* A length-delimited field. */
void message_field(struct message *m, unsigned number, const void *bytes, size_t n);

/* Fields of a TimeSeries. labels: "a=b,c=d". bits: of a double. */
void message_label(struct message *m, const char *name, size_t name_len, const char *value,
                   size_t value_len);
void message_labels(struct message *m, const char *labels);
void message_sample(struct message *m, int64_t t_ms, uint64_t bits);

/* A whole series with one sample. */
void message_series(struct message *m, const char *labels, int64_t t_ms, double v);

/* Replaces m by a WriteRequest of some series, metadata and unknown fields, at most a few KiB,
 * about half of it as senders write it. In the rest fields are shuffled, repeated, missing or
 * unknown, and tags, lengths and numbers longer than they need be. Well-formed; times are within a
 * minute before now_ms or anywhere; few label sets, right and wrong ones. */
void message_by_chance(struct message *m, struct random *random, int64_t now_ms);

/* The same of 2.0. */
void message_v2_by_chance(struct message *m, struct random *random, int64_t now_ms);

/* Fields of a 2.0 message. refs: numbers without a 0 behind them, put as one packed run. */
void message_symbols(struct message *m, const char *const *texts, size_t n);
void message_refs(struct message *m, const uint32_t *refs, size_t n);

/* Changes a byte or two, or cuts the end off, most of the time: mostly malformed then. */
void message_damage(struct message *m, struct random *random);

#endif
