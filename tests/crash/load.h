/*
 * What the crash tests send. Every sample is a function of (seed, series, tick), so that the side
 * that checks needs no copy of what was sent, only which requests were answered and how.
 *
 * A connection sends its own series, request by request; a request is named by connection, tick and
 * part. The parts of a tick, in the order in which they go out:
 *   0 .. n_parts - 1   steady series, one sample each
 *   n_parts            extras: late samples, series that begin and end, samples that come twice
 *   n_parts + 1        mixed: good samples among contradictions, answered with 400
 *   n_parts + 2        a deletion of series that were born and have ended, where these are on
 *
 * Series are {__name__=family, c=connection, p=part, s=number}; p is the tick of birth where series
 * are born. All functions are pure but for the buffer that is written to.
 */
#ifndef TESTS_CRASH_LOAD_H
#define TESTS_CRASH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum load_family {
    LOAD_STEADY, /* one sample a tick, sent at once */
    LOAD_LATE,   /* a quarter of the samples is sent up to late_ticks ticks later */
    LOAD_BORN,   /* begins at tick p, ends LOAD_LIFE_TICKS later with a stale marker */
    LOAD_TWICE,  /* each sample is sent again, unchanged, with the next tick */
    LOAD_MIXED,  /* contradicted by other values at the same times, which are to be refused */
    LOAD_FAMILIES
};

enum {
    LOAD_LATE_TICKS_MAX = 15,
    LOAD_LIFE_TICKS = 4,
    LOAD_CARRIERS_MAX = 2,
    LOAD_DELETE_TICKS = 12,  /* from birth to the deletion */
    LOAD_DELETED_ONE_IN = 4, /* ticks of birth whose series are deleted */
};

/* The samples of a tick, of so many connections, lie within so many ms. */
#define LOAD_SPREAD_MS(connections) (INT64_C(235) + INT64_C(37) * (connections))

#define LOAD_STALE UINT64_C(0x7ff0000000000002)

struct load {
    uint64_t seed;
    uint32_t n_connections, n_parts;
    uint32_t n_series[LOAD_FAMILIES]; /* a connection (steady: a part; born: a tick) */
    int64_t start_ms, step_ms;        /* time of tick 0; a step is above LOAD_SPREAD_MS */
    uint32_t late_ticks;              /* at most LOAD_LATE_TICKS_MAX */
    bool is_deleting;
};

struct load_series {
    enum load_family family;
    uint32_t connection, part, number;
};

struct load_request {
    uint32_t connection, tick, part;
};

struct load_sample {
    int64_t t_ms;
    uint64_t bits;
};

/* Plain bytes of a request; starts zeroed, released by free(bytes). */
struct load_body {
    uint8_t *bytes;
    size_t n, capacity;
    uint32_t n_samples; /* those to be refused among them */
    uint32_t n_refused; /* so many, and then the answer is 400 */
};

const char *load_family_name(enum load_family family);

/* Parts of a tick, all kinds. */
static inline uint32_t load_parts(const struct load *l)
{
    return l->n_parts + 2 + l->is_deleting;
}

/* The request that deletes the series, with all others of its family, connection and part. False
 * where it is left to live. */
bool load_deletion(const struct load *l, const struct load_series *s, struct load_request *ret);

/* Whether the request is one of these, and whose birth it deletes. A request of that part which
 * deletes nothing is not sent at all: false, and load_is_deletion is true. */
static inline bool load_is_deletion(const struct load *l, const struct load_request *r)
{
    return r->part == l->n_parts + 2;
}

bool load_deleted(const struct load *l, const struct load_request *r, uint32_t *ret_birth);

/* Bits without pattern that belong to (a, b, c) under the seed. */
uint64_t load_hash(const struct load *l, uint64_t a, uint64_t b, uint64_t c);

struct load_sample load_sample(const struct load *l, const struct load_series *s, uint32_t tick);

/* The tick whose sample could have the time t_ms: whether it does is to be checked. False before
 * the first one. */
bool load_tick_at(const struct load *l, int64_t t_ms, uint32_t *ret_tick);

/* Whether the series has a sample at the tick. */
bool load_is_alive(const struct load_series *s, uint32_t tick);

/* The requests that carry the sample of a tick at which the series is alive. Returns how many. */
uint32_t load_carriers(const struct load *l, const struct load_series *s, uint32_t tick,
                       struct load_request ret[LOAD_CARRIERS_MAX]);

/* Writes the WriteRequest. is_base_held: the server that is asked is known to have the mixed
 * samples of the tick before, so that they can be contradicted. Exits without memory. */
void load_build(const struct load *l, const struct load_request *r, bool is_base_held,
                struct load_body *ret);

#endif
