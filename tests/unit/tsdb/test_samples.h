/* Samples for the tests of blocks, tails and chunks: kinds of columns that look like life, and
 * those that look for trouble. */
#ifndef TESTS_UNIT_TSDB_TEST_SAMPLES_H
#define TESTS_UNIT_TSDB_TEST_SAMPLES_H

#include "tests/support/random.h"
#include "tsdb/append.h"

#include <math.h>
#include <string.h>

#define TEST_STALE    UINT64_C(0x7ff0000000000002)
#define TEST_START_MS INT64_C(1700006400000) /* the start of a window of 4 h */

static inline uint64_t test_bits(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

/* Bits that a value may not lose: payloads and signs of NaN, signed zeros, the ends of every
 * range. */
static const uint64_t test_odd_values[] = {
    0x0000000000000000, 0x8000000000000000, /* 0, -0 */
    0x0000000000000001, 0x8000000000000001, /* the smallest subnormals */
    0x000FFFFFFFFFFFFF, 0x0010000000000000, /* the largest one, the smallest normal */
    0x7FEFFFFFFFFFFFFF, 0xFFEFFFFFFFFFFFFF, /* the largest finite */
    0x7FF0000000000000, 0xFFF0000000000000, /* infinities */
    0x7FF8000000000001, 0x7FF8000000000000, /* quiet NaNs */
    0x7FF0000000000001, 0x7FF0000000000002, /* signalling: the stale marker is the second */
    0xFFF0000000000002, 0xFFFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0x4340000000000000,
    0x4340000000000001, /* 2^53, and above it */
    0xC340000000000000, 0x3FF0000000000000, 0xBFF0000000000000, 0x3FB999999999999A,
};

enum test_column {
    COLUMN_CONSTANT,
    COLUMN_COUNTER,
    COLUMN_GAUGE,
    COLUMN_DECIMAL,
    COLUMN_DOUBLE,
    COLUMN_BITS,
    COLUMN_ODD,
    COLUMN_MOSTLY_SAME,
    COLUMN_KINDS
};

static inline uint64_t test_value(struct random *r, enum test_column kind, uint32_t i)
{
    switch (kind) {
    case COLUMN_CONSTANT:
        return test_bits(42.5);
    case COLUMN_COUNTER:
        return test_bits((double)(1000000 + i * 17 + random_below(r, 5)));
    case COLUMN_GAUGE:
        return test_bits((double)random_below(r, 200) - 100);
    case COLUMN_DECIMAL:
        return test_bits((double)random_below(r, 10000) / 100);
    case COLUMN_DOUBLE:
        return test_bits(1.0 + random_unit(r) * 1e-6);
    case COLUMN_BITS:
        return random_next(r);
    case COLUMN_ODD:
        return test_odd_values[random_below(r, ARRAY_LEN(test_odd_values))];
    default:
        return random_below(r, 20) == 0 ? TEST_STALE : test_bits(7);
    }
}

/* n samples from first_ms on, `step` ms apart, or up to `jitter` ms more. */
static inline void test_column(struct random *r, enum test_column kind, int64_t first_ms,
                               int64_t step, uint64_t jitter, struct sample *ret, uint32_t n)
{
    int64_t t = first_ms;
    for (uint32_t i = 0; i < n; i++) {
        ret[i] = (struct sample){t, test_value(r, kind, i)};
        t += step + (int64_t)(jitter > 0 ? random_below(r, jitter + 1) : 0);
    }
}

#endif
