/*
 * What fuzzers of bytes and of small programs share: a check that aborts, the input as a stream of
 * numbers, copies with nothing behind them, and both decoders of columns in turn. One thread.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "tsdb/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(c) ((c) ? (void)0 : fuzz_fail(#c, __FILE__, __LINE__))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline _Noreturn void fuzz_fail(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
    abort();
}

struct input {
    const uint8_t *at, *end;
};

/* The next n (up to 8) bytes as a number; zeros behind the end. */
static inline uint64_t take(struct input *in, size_t n)
{
    uint64_t v = 0;
    size_t left = (size_t)(in->end - in->at), part = n < left ? n : left;
    memcpy(&v, in->at, part);
    in->at += part;
    return v;
}

/* A copy of exactly n bytes, so that the sanitizer sees one more. free() it. */
static inline void *exact_copy(const void *from, size_t n)
{
    void *copy = malloc(n + (size_t)(n == 0));
    REQUIRE(copy != NULL);
    if (n > 0)
        memcpy(copy, from, n);
    return copy;
}

/* The decoders: for (int d = 0; decoder_use(d); d++). Leaves the vectors in use, if they are there.
 */
static inline bool decoder_use(int d)
{
    bool is_there = d == 0 || (d == 1 && vectors_are_there());
    (void)vectors_use(d != 0);
    return is_there;
}

#endif
