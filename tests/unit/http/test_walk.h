/* Walks over bodies of remote write, of one version a test, each compared with protobuf-c:
 * begin_walks in a suite's .init, end_walks as its .fini. */
#ifndef TESTS_UNIT_HTTP_TEST_WALK_H
#define TESTS_UNIT_HTTP_TEST_WALK_H

#include "http/write_body.h"
#include "tests/support/message.h"
#include "tests/support/write_oracle.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* The walker looks for the usual form only where enough follows a series: behind TAIL_BYTES. */
enum { MEMORY = 64 << 20, NO_LIMIT = 32 << 20, TAIL_BYTES = 300 };

static struct budget budget;
static struct arena arena;
static struct region region;
static struct write_body body;
static struct series_hash hash;
static struct remote_write_format format;

static inline void begin_walks(enum remote_write_version version)
{
    budget_init(&budget, MEMORY);
    cr_assert(arena_init(&arena, &budget, MEMORY));
    region_init(&region, &arena, budget_owner(&budget, "requests"), 0);
    series_hash_init(&hash, (const uint8_t[SERIES_HASH_KEY_BYTES]){7});
    format = (struct remote_write_format){version, version == REMOTE_WRITE_V2 ? &hash : NULL};
}

static inline void end_walks(void)
{
    region_release(&region);
    arena_release(&arena);
}

/* Walks over a copy of exactly n bytes, so that a sanitizer sees one more that is read, and
 * compares with protobuf-c. The copy is kept until the next walk. */
static inline enum write_body_outcome walk_exactly(const void *bytes, size_t n)
{
    static char *copy;
    free(copy);
    copy = malloc(n + (size_t)(n == 0));
    cr_assert_not_null(copy);
    if (n > 0)
        memcpy(copy, bytes, n);
    region_release(&region);
    enum write_body_outcome outcome =
        format.version == REMOTE_WRITE_V2
            ? write_body_walk_v2(&hash, copy, n, NO_LIMIT, &region, &body)
            : write_body_walk(copy, n, NO_LIMIT, &region, &body);
    const char *what = write_oracle_differs(&format, copy, n, outcome, &body, &region);
    cr_assert_null(what, "%s differs", what);
    return outcome;
}

/* Both: with a tail of a field that nobody knows, and the bytes by themselves, which is returned.
 */
static inline enum write_body_outcome walk_bytes(const void *bytes, size_t n)
{
    static struct message m;
    if (n > 0)
        memcpy(m.bytes, bytes, n);
    m.n = n;
    message_field(&m, 9, (char[TAIL_BYTES]){0}, TAIL_BYTES);
    (void)walk_exactly(m.bytes, m.n);
    return walk_exactly(bytes, n);
}

static inline enum write_body_outcome walk(const struct message *m)
{
    return walk_bytes(m->bytes, m->n);
}

/* Of the last walk. */
static inline const struct append_entry *entry(size_t i)
{
    const struct write_block *b = body.first;
    for (; i >= b->n; b = b->next)
        i -= b->n;
    return &b->entries[i];
}

/* Messages by chance, and each once more damaged. */
static inline void walk_by_chance(void (*make)(struct message *m, struct random *random,
                                               int64_t now_ms),
                                  uint64_t n_rounds)
{
    static struct message m;
    struct random random;
    unsigned long n_taken = 0, n_malformed = 0;
    random_init(&random, random_seed());
    for (uint64_t left = random_setting("ROUNDS", n_rounds); left > 0; left--) {
        make(&m, &random, 1700000000000);
        cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
        message_damage(&m, &random);
        enum write_body_outcome outcome = walk(&m);
        n_taken += outcome == WRITE_BODY_TAKEN;
        n_malformed += outcome == WRITE_BODY_MALFORMED;
    }
    cr_assert(n_taken > 0 && n_malformed > 0);
}

#endif
