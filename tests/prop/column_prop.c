/* Columns of values of every kind come back bit for bit, by each decoder that this machine has.
 *
 * A column is of one kind, or of two in turn, and sometimes has a stranger among its values: bits
 * drawn uniformly, NaNs of any payload, zeros of both signs, subnormals, infinities, decimals of up
 * to 17 digits, whole numbers, doubles next to each other, sums, seconds made of milliseconds,
 * counters that jump and reset.
 *
 * SEED repeats a run. N values are drawn, or as many as PROP_SECONDS allow (0: as long as it
 * takes); `make soak` draws 10^9. */
#include "tests/support/random.h"
#include "tsdb/column.h"
#include "tsdb/vectors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    N_DEFAULT = 200 * 1000 * 1000,
    SECONDS_DEFAULT = 15,
    COLUMNS_A_LOOK = 4096, /* at the clock */
};

#define SIGN     (UINT64_C(1) << 63)
#define INFINITE UINT64_C(0x7ff0000000000000)
#define MANTISSA UINT64_C(0x000fffffffffffff)

enum kind {
    UNIFORM,
    NANS,
    ZEROS,
    SUBNORMAL,
    INFINITIES,
    DECIMAL,
    LONG_DECIMAL,
    WHOLE,
    WIDE_WHOLE,
    NEARBY,
    SUMS,
    COUNTER,
    SECONDS,
    RUNS,
    PAGES,
    MILLIS,
    MICROS,
    KINDS
};

static const double tens[] = {1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9, 1e10,
                              1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20};

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* One more value; `size` is drawn once a column, `bits` are fresh. */
static uint64_t next_value(enum kind kind, uint64_t size, uint64_t before, uint64_t bits)
{
    double v = double_of(before);
    uint64_t some = bits >> (size & 63), few = bits >> (40 + (size & 15));
    switch (kind) {
    case UNIFORM:
        return bits;
    case NANS:
        return (bits & SIGN) | INFINITE | (some & MANTISSA);
    case ZEROS:
        return bits & SIGN;
    case SUBNORMAL:
        return (bits & SIGN) | (some & MANTISSA);
    case INFINITIES:
        return (bits & SIGN) | INFINITE;
    case DECIMAL:
        return bits_of((double)(few & 0xFFFFF) / tens[1 + size % 6]);
    case LONG_DECIMAL:
        return bits_of((double)(int64_t)(some >> 8) / tens[size % ARRAY_LEN(tens)]);
    case WHOLE:
        return bits_of((double)(int64_t)few);
    case WIDE_WHOLE: /* to 2^54: not all of them are whole to us */
        return bits_of((double)((int64_t)(bits | 1) >> (10 + size % 50)));
    case NEARBY:
        return before + (bits & 15) - 7;
    case SUMS:
        return bits_of(v + (double)(bits & 255) * 1e-3);
    case COUNTER:
        return bits_of((bits & 0xFF00) == 0 ? (double)(few & 0xFF) : v + (double)(few & 0xFFFF));
    case SECONDS:
        return bits_of(round((v + (double)(few & 0xFF) * 0.01) * 100) / 100);
    case RUNS:
        return (bits & 7) != 0 ? before : bits_of((double)few);
    case MILLIS: /* as exporters compute them */
        return bits_of((double)few * 0.001);
    case MICROS:
        return bits_of((double)few / 1000 / 1000);
    default:
        return bits_of((double)((few & 0xFFFFF) * 4096));
    }
}

static void fill(struct random *r, uint64_t *values, uint32_t n)
{
    uint64_t shape = random_next(r), size = random_next(r), before = bits_of(1000);
    enum kind kind = (enum kind)(shape % KINDS), other = kind;
    if (shape >> 32 & 1 & (shape >> 33))
        other = (enum kind)(size % KINDS);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t bits = random_next(r);
        before = values[i] = next_value(bits >> 13 & 1 ? kind : other, size, before, bits);
    }
    if ((shape >> 40 & 3) == 0) /* a stranger, or a few */
        for (uint64_t k = shape >> 42 & 3; k < 4; k++)
            values[random_below(r, n)] = next_value((enum kind)random_below(r, INFINITIES + 1),
                                                    size, before, random_next(r));
    if ((shape >> 44 & 7) == 0)
        values[n - 1] = INFINITE | 2; /* the stale marker */
}

static _Noreturn void fail(const char *what, const uint64_t *values, uint32_t n, uint8_t encoding)
{
    printf("FAILED: %s, encoding %u, %u values:\n", what, encoding, n);
    for (uint32_t i = 0; i < n; i++)
        printf("%016" PRIx64 "%c", values[i], i % 6 == 5 || i + 1 == n ? '\n' : ' ');
    exit(1);
}

static void round_trip(const uint64_t *values, uint32_t n)
{
    uint8_t bytes[COLUMN_BYTES_MAX], encoding;
    uint64_t back[COLUMN_VALUES_MAX];
    size_t n_bytes = column_encode(values, n, bytes, &encoding);
    if (n_bytes < 1 || n_bytes > n * sizeof(*values))
        fail("more bytes than values have", values, n, encoding);
    for (int vectors = 0; vectors <= vectors_are_there(); vectors++) {
        (void)vectors_use(vectors != 0);
        if (!column_decode(encoding, bytes, n_bytes, n, back))
            fail(vectors != 0 ? "refused by AVX2" : "refused", values, n, encoding);
        if (memcmp(back, values, n * sizeof(*values)) != 0)
            fail(vectors != 0 ? "other bits by AVX2" : "other bits", values, n, encoding);
    }
}

int main(void)
{
    struct random r;
    uint64_t values[COLUMN_VALUES_MAX], n_values = 0, n_columns = 0;
    random_init(&r, random_seed());
    uint64_t n_max = random_setting("N", N_DEFAULT);
    uint64_t seconds = random_setting("PROP_SECONDS", SECONDS_DEFAULT);
    time_t began = time(NULL);
    while (n_values < n_max) {
        uint32_t n = COLUMN_VALUES_MAX;
        if (n_columns % 4 == 3)
            n = 1 + (uint32_t)random_below(&r, COLUMN_VALUES_MAX);
        fill(&r, values, n);
        round_trip(values, n);
        n_values += n;
        if (++n_columns % COLUMNS_A_LOOK == 0 && seconds != 0 &&
            (uint64_t)(time(NULL) - began) >= seconds)
            break;
    }
    printf("ok: %" PRIu64 " values in %" PRIu64 " columns, by %s\n", n_values, n_columns,
           vectors_are_there() ? "both decoders" : "the portable decoder: no AVX2 here");
    return 0;
}
