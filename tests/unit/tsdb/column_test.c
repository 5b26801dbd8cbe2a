#include "tests/support/random.h"
#include "tsdb/column.h"
#include "tsdb/differences.h"
#include "tsdb/scale.h"
#include "tsdb/varint.h"
#include "tsdb/vectors.h"
#include "tsdb/whole.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STALE UINT64_C(0x7ff0000000000002)

enum { N_MAX = COLUMN_VALUES_MAX, ENCODING_MASK = 7 };

static struct random random_state;

static void set_up(void)
{
    random_init(&random_state, random_seed());
}

TestSuite(column, .init = set_up);

static uint64_t below(uint64_t n)
{
    return random_below(&random_state, n);
}

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

/* Both decoders, from a copy of exactly n_bytes, so that a sanitizer sees a read past them: their
 * verdicts are equal and so are their bits. */
static bool decode(uint8_t encoding, const uint8_t *bytes, size_t n_bytes, uint32_t n,
                   uint64_t *values)
{
    uint8_t *exact = malloc(n_bytes + (n_bytes == 0));
    memcpy(exact, bytes, n_bytes);
    uint64_t other[N_MAX];
    (void)vectors_use(false);
    bool is_good = column_decode(encoding, exact, n_bytes, n, values);
    if (vectors_use(true)) {
        cr_assert_eq(column_decode(encoding, exact, n_bytes, n, other), is_good);
        cr_assert(!is_good || memcmp(values, other, n * sizeof(*values)) == 0);
    }
    free(exact);
    return is_good;
}

struct encoded {
    uint8_t encoding, bytes[COLUMN_BYTES_MAX];
    size_t n_bytes;
};

static struct encoded round_trip(const uint64_t *values, uint32_t n)
{
    struct encoded e;
    uint64_t back[N_MAX];
    uint64_t *exact = malloc(n * sizeof(*exact)); /* for the sanitizer, too */
    memcpy(exact, values, n * sizeof(*exact));
    e.n_bytes = column_encode(exact, n, e.bytes, &e.encoding);
    free(exact);
    cr_assert_geq(e.n_bytes, 1);
    cr_assert_leq(e.n_bytes, n * sizeof(uint64_t));
    cr_assert_lt(e.encoding, 16);
    cr_assert(decode(e.encoding, e.bytes, e.n_bytes, n, back), "encoding %u", e.encoding);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(back[i], values[i], "value %u of %u, encoding %u", i, n, e.encoding);
    return e;
}

/* ---- values of all kinds ---- */

/* Bits that may not get lost, and the edges of what counts as whole. */
static const uint64_t odd_values[] = {
    0x0000000000000000, 0x8000000000000000, /* 0, -0 */
    0x0000000000000001, 0x8000000000000001, /* the smallest subnormals */
    0x000FFFFFFFFFFFFF, 0x0010000000000000, /* the largest one, the smallest normal */
    0x7FEFFFFFFFFFFFFF, 0xFFEFFFFFFFFFFFFF, /* the largest finite */
    0x7FF0000000000000, 0xFFF0000000000000, /* infinities */
    0x7FF8000000000000, 0x7FF8000000000001, /* quiet NaNs */
    0x7FF0000000000001, STALE,              /* signalling ones */
    0xFFF0000000000002, 0xFFFFFFFFFFFFFFFF, /* and with a sign */
    0x433FFFFFFFFFFFFF, 0x4340000000000000,
    0x4340000000000001, /* 2^53 - 1, 2^53, 2^53 + 2 */
    0xC33FFFFFFFFFFFFF, 0xC340000000000000,
    0xC340000000000001,                     /* the same below 0 */
    0x43E0000000000000, 0xC3E0000000000000, /* 2^63, -2^63 */
    0x3FF0000000000000, 0x3FB999999999999A,
    0x3FD3333333333334, /* 1, 0.1, 0.1 + 0.2 */
};

enum kind {
    RANDOM_BITS,
    ODD,
    ODD_RARE,
    WHOLE,
    COUNTER,
    RUNS,
    TWO_VALUES,
    PAGES,
    DECIMAL,
    DECIMAL_SUM,
    NEAR_ONE,
    FEW_BITS,
    STALE_SOMETIMES,
    EDGE_OF_WHOLE,
    DIGITS,
    MILLIS,
    MICROS,
    STRANGERS,
    KINDS
};

static double power_of_ten(uint64_t n)
{
    double v = 1;
    for (; n > 0; n--)
        v *= 10;
    return v;
}

/* One more value of the kind; `size` is drawn once a column. */
static uint64_t next_value(enum kind kind, uint64_t size, uint64_t before)
{
    double v;
    memcpy(&v, &before, sizeof(v));
    switch (kind) {
    case RANDOM_BITS:
        return random_next(&random_state);
    case ODD:
        return odd_values[below(ARRAY_LEN(odd_values))];
    case ODD_RARE:
        return below(30) == 0 ? odd_values[below(ARRAY_LEN(odd_values))] : bits_of(7);
    case WHOLE:
        return bits_of_whole((int64_t)below(UINT64_C(2) << size) - ((int64_t)1 << size));
    case COUNTER:
        return bits_of(below(100) == 0 ? 0 : v + (double)below(UINT64_C(1) << size % 30));
    case RUNS:
        return below(8) != 0 ? before : bits_of_whole((int64_t)below(UINT64_C(1) << size));
    case TWO_VALUES:
        return bits_of(below(2) == 0 ? 0.3 : 1e300);
    case PAGES:
        return bits_of((double)(4096 * below(UINT64_C(1) << size % 40)));
    case DECIMAL:
        return bits_of((double)below(1000000) / power_of_ten(size % 19));
    case DECIMAL_SUM:
        return bits_of(v + (double)below(100) * 1e-3);
    case NEAR_ONE:
        return bits_of(1 + random_unit(&random_state) * 1e-6);
    case FEW_BITS:
        return before ^ (random_next(&random_state) & random_next(&random_state) & 0xFF) << size;
    case STALE_SOMETIMES:
        return below(4) == 0 ? STALE : bits_of((double)below(5));
    case EDGE_OF_WHOLE:
        return 0x4340000000000000 - 2 + below(5);
    case MILLIS: /* as exporters compute them */
        return bits_of((double)below(UINT64_C(1) << size) * 0.001);
    case MICROS:
        return bits_of((double)below(UINT64_C(1) << size) / 1000 / 1000);
    case STRANGERS:
        return below(20) == 0 ? odd_values[below(ARRAY_LEN(odd_values))]
                              : bits_of((double)below(1000) / power_of_ten(size % 4));
    default: /* all 17 digits of a decimal that no double is */
        return bits_of((double)below(UINT64_C(1) << 53) / power_of_ten(size % 23));
    }
}

static void fill(enum kind kind, uint64_t *values, uint32_t n)
{
    uint64_t size = below(52), before = bits_of((double)below(1000));
    for (uint32_t i = 0; i < n; i++)
        before = values[i] = next_value(kind, size, before);
    if (below(4) == 0)
        values[n - 1] = STALE;
}

Test(column, every_kind_of_values_at_every_length_comes_back)
{
    uint64_t values[N_MAX], rounds = random_setting("ROUNDS", 20);
    for (uint64_t round = 0; round < rounds; round++)
        for (int kind = 0; kind < KINDS; kind++)
            for (uint32_t n = 1; n <= N_MAX; n += n < 4 || n > 125 ? 1 : 1 + (uint32_t)below(9)) {
                fill((enum kind)kind, values, n);
                round_trip(values, n);
            }
}

Test(column, every_odd_value_beside_every_other)
{
    for (size_t i = 0; i < ARRAY_LEN(odd_values); i++)
        for (size_t k = 0; k < ARRAY_LEN(odd_values); k++)
            for (size_t l = 0; l < ARRAY_LEN(odd_values); l++) {
                const uint64_t values[] = {odd_values[i], odd_values[k], odd_values[l]};
                round_trip(values, 1);
                round_trip(values, 2);
                round_trip(values, 3);
            }
}

/* ---- which encoding, and how long ---- */

enum shape { CONSTANT, LINEAR, STEPS, NOISE };

static void shape_values(uint64_t *values, enum shape shape, double first, double step)
{
    for (uint32_t i = 0; i < N_MAX; i++) {
        static const double noise[] = {3, 0, 2, 7, 1, 6, 5, 4, 2, 0, 7, 3, 6};
        double times[] = {0, i, i / 32, noise[i % ARRAY_LEN(noise)]};
        values[i] = bits_of(first + times[shape] * step);
    }
}

Test(column, takes_the_encoding_that_suits_and_few_bytes)
{
    static const struct {
        enum shape shape;
        double first, step;
        unsigned encoding;
        size_t n_bytes;
    } rows[] = {
        {CONSTANT, 5, 0, COLUMN_AS_CONSTANT, 1},
        {CONSTANT, -1e6, 0, COLUMN_AS_CONSTANT, 3},
        {CONSTANT, 562949953421311, 0, COLUMN_AS_CONSTANT, 8},
        {CONSTANT, 0.5, 0, COLUMN_AS_CONSTANT, 8},
        {CONSTANT, (double)NAN, 0, COLUMN_AS_CONSTANT, 8},
        {LINEAR, 1000, 15, COLUMN_AS_WHOLE_DIFFERENCES, 4},
        {LINEAR, 4096, 4096, COLUMN_AS_SCALED_DIFFERENCES, 4},
        {STEPS, 1000, 1, COLUMN_AS_WHOLE_DIFFERENCES, 2 + 3 + 3 + 2}, /* three times 1 */
        {STEPS, 1.25, 0.25, COLUMN_AS_SCALED_DIFFERENCES, 1 + 2 + 3 + 3 + 2},
        {NOISE, 1000, 1, COLUMN_AS_WHOLE, 3 + 48}, /* 3 bits each */
        {NOISE, 0.25, 0.25, COLUMN_AS_SCALED, 130},
    };
    uint64_t values[N_MAX];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        shape_values(values, rows[i].shape, rows[i].first, rows[i].step);
        struct encoded e = round_trip(values, N_MAX);
        cr_assert_eq(e.encoding, rows[i].encoding, "row %zu: %u", i, e.encoding);
        cr_assert_eq(e.n_bytes, rows[i].n_bytes, "row %zu: %zu", i, e.n_bytes);
    }
    fill(RANDOM_BITS, values, N_MAX);
    values[N_MAX - 1] = 1;
    cr_assert_eq(round_trip(values, N_MAX).encoding, COLUMN_AS_RAW);
}

Test(column, a_few_values_do_not_cost_the_others_their_scale)
{
    for (uint32_t place = 0; place < N_MAX - 1; place++)
        for (size_t odd = 0; odd < ARRAY_LEN(odd_values); odd++) {
            uint64_t values[N_MAX];
            shape_values(values, NOISE, 1000, 1);
            for (uint32_t i = 0; i < N_MAX; i++) {
                double v;
                memcpy(&v, &values[i], sizeof(v));
                values[i] = bits_of(v / 100);
            }
            values[place] = odd_values[odd];
            struct encoded e = round_trip(values, N_MAX);
            cr_assert_leq(e.n_bytes, 2 + 2 + 49 + 30, "%016llx at %u: encoding %u",
                          (unsigned long long)odd_values[odd], place, e.encoding);
        }
}

Test(column, a_stale_marker_in_the_middle_and_one_at_the_end)
{
    uint64_t values[N_MAX];
    shape_values(values, NOISE, 1000, 1);
    values[5] = STALE;
    values[N_MAX - 1] = STALE;
    struct encoded e = round_trip(values, N_MAX);
    cr_assert_eq(e.encoding, COLUMN_AS_SCALED | COLUMN_ENDS_STALE);
    cr_assert_eq(e.bytes[0], SCALE_CORRECTED);
    cr_assert_leq(e.n_bytes, 3 + 48 + 20);
}

Test(column, sums_that_drift_away_from_decimals_take_few_bits_for_it)
{
    uint64_t values[N_MAX];
    double sum = 0.1;
    for (uint32_t i = 0; i < N_MAX; i++)
        values[i] = bits_of(sum += (double)(100 + below(100)) * 1e-9);
    struct encoded e = round_trip(values, N_MAX);
    cr_assert_eq(e.encoding, COLUMN_AS_SCALED_DIFFERENCES);
    cr_assert_eq(e.bytes[0], SCALE_CORRECTED + 9);
    cr_assert_leq(e.n_bytes, 127 * 7 / 8 + 128 * 6 / 8 + 20, "%zu", e.n_bytes);
}

Test(column, one_stale_marker_at_the_end_costs_nothing)
{
    uint64_t values[N_MAX], rest[N_MAX];
    for (int kind = 0; kind < KINDS; kind++)
        for (uint32_t n = 2; n <= N_MAX; n++) {
            fill((enum kind)kind, values, n);
            values[n - 1] = STALE;
            values[n - 2] = values[n - 2] == STALE ? 0 : values[n - 2];
            memcpy(rest, values, (n - 1) * sizeof(*values));
            struct encoded with = round_trip(values, n), without = round_trip(rest, n - 1);
            cr_assert_eq(with.encoding, without.encoding | COLUMN_ENDS_STALE);
            cr_assert_eq(with.n_bytes, without.n_bytes);
        }
    const uint64_t all_stale[] = {STALE, STALE, STALE};
    cr_assert_eq(round_trip(all_stale, 3).encoding, COLUMN_AS_CONSTANT);
}

/* Whole numbers at one width each, by value or by difference: what no choice may exceed. The byte
 * is the scale that a column of even numbers may have chosen. */
static size_t naive_bytes(const uint64_t *values, uint32_t n)
{
    int64_t x[N_MAX], d[N_MAX];
    for (uint32_t i = 0; i < n; i++)
        cr_assert(whole_of_bits(values[i], &x[i]));
    for (uint32_t i = 1; i < n; i++)
        d[i - 1] = x[i] - x[i - 1];
    uint8_t first[VARINT_BYTES_MAX];
    return 1 + size_min(differences_plain_bytes(x, n),
                        varint_put(first, zigzag(x[0])) + differences_plain_bytes(d, n - 1));
}

Test(column, whole_numbers_take_no_more_than_at_one_width)
{
    static const enum kind kinds[] = {WHOLE, COUNTER, RUNS, PAGES};
    uint64_t values[N_MAX];
    for (int round = 0; round < 3000; round++) {
        uint32_t n = 2 + (uint32_t)below(N_MAX - 1);
        fill(kinds[below(ARRAY_LEN(kinds))], values, n);
        if (values[n - 1] == STALE)
            values[n - 1] = values[n - 2];
        size_t n_bytes = round_trip(values, n).n_bytes, naive = naive_bytes(values, n);
        cr_assert(n_bytes <= naive || n_bytes == n * sizeof(*values), "%zu against %zu", n_bytes,
                  naive);
    }
}

Test(column, values_that_often_stay_but_are_few_go_by_value)
{
    uint64_t values[N_MAX];
    for (uint32_t i = 0; i < N_MAX; i++)
        values[i] = bits_of(i % 5 < 2 ? 1 : 0);
    struct encoded e = round_trip(values, N_MAX);
    cr_assert_eq(e.encoding, COLUMN_AS_WHOLE);
    cr_assert_eq(e.n_bytes, 2 + N_MAX / 8);
}

Test(column, values_around_a_middle_go_by_value_past_an_outlier)
{
    uint64_t values[N_MAX];
    shape_values(values, NOISE, 1000, 1);
    values[50] = bits_of(1e12);
    struct encoded e = round_trip(values, N_MAX);
    cr_assert_eq(e.encoding, COLUMN_AS_WHOLE);
    cr_assert_leq(e.n_bytes, 3 + 48 + 2 + 8);
}

/* ---- damage ---- */

Test(column, cut_off_or_longer_columns_are_refused)
{
    uint64_t values[N_MAX], back[N_MAX];
    for (int round = 0; round < 300; round++) {
        uint32_t n = 1 + (uint32_t)below(N_MAX);
        fill((enum kind)below(KINDS), values, n);
        struct encoded e = round_trip(values, n);
        bool is_constant = (e.encoding & ENCODING_MASK) == COLUMN_AS_CONSTANT;
        for (size_t cut = 0; cut < e.n_bytes; cut++)
            cr_assert(!decode(e.encoding, e.bytes, cut, n, back) || is_constant,
                      "encoding %u: %zu of %zu bytes", e.encoding, cut, e.n_bytes);
        if (e.n_bytes < sizeof(e.bytes) && !is_constant) {
            e.bytes[e.n_bytes] = 0;
            cr_assert_not(decode(e.encoding, e.bytes, e.n_bytes + 1, n, back));
        }
    }
}

Test(column, changed_bits_are_refused_or_are_values_again)
{
    uint64_t values[N_MAX], back[N_MAX];
    for (int round = 0; round < 300; round++) {
        uint32_t n = 1 + (uint32_t)below(N_MAX);
        fill((enum kind)below(KINDS), values, n);
        struct encoded e = round_trip(values, n);
        for (size_t bit = 0; bit < e.n_bytes * 8; bit++) {
            e.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (decode(e.encoding, e.bytes, e.n_bytes, n, back))
                round_trip(back, n);
            e.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

Test(column, any_bytes_under_any_encoding_are_read_within_their_ends)
{
    uint8_t bytes[COLUMN_BYTES_MAX + 8];
    uint64_t values[N_MAX];
    for (int round = 0; round < 200000; round++) {
        size_t n_bytes = below(below(2) == 0 ? 12 : sizeof(bytes));
        for (size_t i = 0; i < n_bytes; i++)
            bytes[i] = (uint8_t)(random_next(&random_state) & random_next(&random_state));
        (void)decode((uint8_t)below(20), bytes, n_bytes, (uint32_t)below(N_MAX + 2), values);
    }
}

Test(column, what_no_encoder_writes_is_refused)
{
    static const struct {
        const char *what;
        uint8_t encoding;
        uint32_t n;
        uint8_t n_bytes, bytes[16];
        bool is_good;
    } rows[] = {
        {"a constant", COLUMN_AS_CONSTANT, 1, 1, {2}, true},
        {"no values", COLUMN_AS_CONSTANT, 0, 1, {2}, false},
        {"129 values", COLUMN_AS_CONSTANT, 129, 1, {2}, false},
        {"a constant with zeros behind", COLUMN_AS_CONSTANT, 1, 2, {0x82, 0}, false},
        {"a constant with a byte behind", COLUMN_AS_CONSTANT, 1, 2, {2, 0}, false},
        {"a constant of nine bytes", COLUMN_AS_CONSTANT, 1, 9, {2}, false},
        {"nothing but the stale marker", COLUMN_ENDS_STALE, 1, 1, {2}, false},
        {"a stale marker at the end", COLUMN_ENDS_STALE, 2, 1, {2}, true},
        {"raw values, a byte short", COLUMN_AS_RAW, 2, 15, {0}, false},
        {"whole numbers", COLUMN_AS_WHOLE, 2, 3, {0, 1, 1}, true},
        {"one whole number", COLUMN_AS_WHOLE, 1, 2, {0, 0}, false},
        {"differences", COLUMN_AS_WHOLE_DIFFERENCES, 2, 3, {2, 4, 0}, true},
        {"differences of one", COLUMN_AS_WHOLE_DIFFERENCES, 1, 1, {2}, false},
        {"-2^63",
         COLUMN_AS_WHOLE,
         2,
         11,
         {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0},
         false},
        {"2^53", COLUMN_AS_WHOLE, 2, 9, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0}, true},
        {"2^53 + 1",
         COLUMN_AS_WHOLE,
         2,
         9,
         {0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0},
         false},
        {"no scale", COLUMN_AS_SCALED, 2, 0, {0}, false},
        {"the scale 0", COLUMN_AS_SCALED, 2, 4, {0, 0, 1, 1}, false},
        {"tenths", COLUMN_AS_SCALED, 2, 4, {1, 0, 1, 1}, true},
        {"times 2^2", COLUMN_AS_SCALED, 2, 4, {66, 0, 1, 1}, false},
        {"times 2^3", COLUMN_AS_SCALED, 2, 4, {67, 0, 1, 1}, true},
        {"times 2^53", COLUMN_AS_SCALED, 2, 4, {117, 0, 1, 1}, true},
        {"2 times 2^53", COLUMN_AS_SCALED, 2, 4, {117, 0, 2, 2}, false},
        {"times 2^54", COLUMN_AS_SCALED, 2, 4, {118, 0, 1, 1}, false},
        {"bits", COLUMN_AS_SCALED, 2, 4, {128, 0, 1, 1}, true},
        {"the sign alone", COLUMN_AS_SCALED, 2, 4, {191, 0, 1, 1}, true},
        {"bits shifted out", COLUMN_AS_SCALED, 2, 4, {191, 0, 2, 2}, false},
        {"shifted by 64", COLUMN_AS_SCALED, 2, 4, {192, 0, 1, 1}, false},
        {"over 10^18", COLUMN_AS_SCALED, 2, 4, {18, 0, 1, 1}, true},
        {"over 10^19", COLUMN_AS_SCALED, 2, 4, {19, 0, 1, 1}, false},
        {"corrected", COLUMN_AS_SCALED, 2, 6, {32, 2, 0, 0, 1, 1}, true},
        {"over 10^18 and corrected", COLUMN_AS_SCALED, 2, 6, {50, 2, 0, 0, 1, 1}, true},
        {"over 10^19 and corrected", COLUMN_AS_SCALED, 2, 6, {51, 2, 0, 0, 1, 1}, false},
        {"scale 31", COLUMN_AS_SCALED, 2, 6, {31, 2, 0, 0, 1, 1}, false},
        {"no corrections", COLUMN_AS_SCALED, 2, 1, {32}, false},
        {"nothing but corrections", COLUMN_AS_SCALED, 2, 3, {32, 2, 0}, false},
        {"corrected differences", COLUMN_AS_SCALED_DIFFERENCES, 2, 6, {32, 2, 0, 2, 4, 0}, true},
        {"and a byte more", COLUMN_AS_SCALED_DIFFERENCES, 2, 7, {32, 2, 0, 2, 4, 0, 0}, false},
        {"encoding 6", 6, 2, 4, {1, 0, 1, 1}, false},
        {"encoding 7", 7, 2, 4, {1, 0, 1, 1}, false},
        {"encoding 16", 16, 1, 1, {2}, false},
    };
    uint64_t values[N_MAX];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(decode(rows[i].encoding, rows[i].bytes, rows[i].n_bytes, rows[i].n, values),
                     rows[i].is_good, "%s", rows[i].what);
}
