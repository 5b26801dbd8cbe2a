#include "tests/unit/tsdb/test_samples.h"
#include "tsdb/block.h"

#include <criterion/criterion.h>

static struct random random_state;

static void set_up(void)
{
    random_init(&random_state, random_seed());
}

TestSuite(block, .init = set_up);

/* Decodes from a copy of exactly n_bytes, so that a sanitizer sees a read past them. */
static bool decode(const struct block *b, int64_t *t_ms, uint64_t *values)
{
    uint8_t *exact = malloc(b->n_bytes + (b->n_bytes == 0));
    struct block copy = *b;
    memcpy(exact, b->bytes, b->n_bytes);
    copy.bytes = exact;
    bool is_good = block_decode(&copy, t_ms, values);
    free(exact);
    return is_good;
}

static void same_again(const struct block *b, const struct sample *s, uint32_t n)
{
    int64_t t_ms[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    cr_assert(decode(b, t_ms, values));
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_eq(t_ms[i], s[i].t_ms, "time %u of %u", i, n);
        cr_assert_eq(values[i], s[i].value, "value %u of %u", i, n);
    }
}

/* Encodes and compares; false when the samples are too long for one block. */
static bool round_trip(const struct sample *s, uint32_t n, struct block *ret)
{
    static uint8_t bytes[BLOCK_BYTES_MAX];
    if (!block_encode(s, n, bytes, ret))
        return false;
    cr_assert_leq(ret->n_bytes, BLOCK_BYTES_MAX);
    cr_assert_eq(ret->n_samples, n);
    cr_assert_eq(ret->first_ms, s[0].t_ms);
    cr_assert_eq(ret->last_ms, s[n - 1].t_ms);
    same_again(ret, s, n);
    return true;
}

Test(block, every_kind_of_column_at_every_length_comes_back)
{
    struct sample s[BLOCK_SAMPLES_MAX];
    struct block b;
    for (int kind = 0; kind < COLUMN_KINDS; kind++)
        for (uint32_t n = 1; n <= BLOCK_SAMPLES_MAX; n++)
            for (uint64_t jitter = 0; jitter <= 100; jitter += 50) {
                test_column(&random_state, (enum test_column)kind, TEST_START_MS, 1000, jitter, s,
                            n);
                bool is_one = round_trip(s, n, &b);
                cr_assert(is_one || n > 100, "kind %d, %u samples", kind, n);
            }
}

static struct block encoded(const struct sample *s, uint32_t n)
{
    struct block b;
    cr_assert(round_trip(s, n, &b));
    return b;
}

Test(block, takes_the_encoding_that_suits)
{
    static const struct {
        enum test_column kind;
        uint64_t jitter;
        unsigned times, values;
        uint32_t bytes_at_most;
    } rows[] = {
        {COLUMN_CONSTANT, 0, TIMES_LINEAR, VALUES_CONSTANT, 8},
        {COLUMN_CONSTANT, 3, TIMES_PACKED, VALUES_CONSTANT, 8 + 4 + 25},
        {COLUMN_COUNTER, 0, TIMES_LINEAR, VALUES_INTEGER, 80},
        {COLUMN_GAUGE, 0, TIMES_LINEAR, VALUES_INTEGER, 160},
        {COLUMN_DOUBLE, 0, TIMES_LINEAR, VALUES_XOR, 800},
        {COLUMN_MOSTLY_SAME, 0, TIMES_LINEAR, VALUES_XOR, 300},
    };
    struct sample s[100];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        test_column(&random_state, rows[i].kind, TEST_START_MS, 15000, rows[i].jitter, s, 100);
        s[1].value ^= rows[i].kind == COLUMN_MOSTLY_SAME; /* that it is not constant by chance */
        struct block b = encoded(s, 100);
        cr_assert_eq(b.encoding & 15, rows[i].times, "row %zu", i);
        cr_assert_eq(b.encoding >> 4, rows[i].values, "row %zu", i);
        cr_assert_leq(b.n_bytes, rows[i].bytes_at_most, "row %zu: %u", i, b.n_bytes);
    }
    test_column(&random_state, COLUMN_BITS, TEST_START_MS, 15000, 0, s, 100);
    cr_assert_eq(encoded(s, 100).encoding >> 4, VALUES_RAW);
}

Test(block, every_odd_value_beside_every_other)
{
    for (size_t i = 0; i < ARRAY_LEN(test_odd_values); i++)
        for (size_t k = 0; k < ARRAY_LEN(test_odd_values); k++) {
            struct sample s[] = {
                {1000, test_odd_values[i]}, {2000, test_odd_values[k]}, {3500, test_odd_values[i]}};
            encoded(s, 1);
            encoded(s, 2);
            encoded(s, 3);
        }
}

Test(block, a_million_random_bit_patterns_come_back)
{
    struct sample s[100];
    struct block b;
    for (int round = 0; round < 10000; round++) {
        test_column(&random_state, COLUMN_BITS, TEST_START_MS, 15000, 0, s, 100);
        cr_assert(round_trip(s, 100, &b));
    }
}

Test(block, values_that_differ_in_few_bits_come_back)
{
    struct sample s[BLOCK_SAMPLES_MAX];
    struct block b;
    for (int round = 0; round < 2000; round++) {
        uint64_t mask = random_next(&random_state) & random_next(&random_state) &
                        random_next(&random_state),
                 base = random_next(&random_state);
        for (uint32_t i = 0; i < BLOCK_SAMPLES_MAX; i++)
            s[i] = (struct sample){(int64_t)i * 1000, base ^ (random_next(&random_state) & mask)};
        if (!round_trip(s, BLOCK_SAMPLES_MAX, &b))
            cr_assert(round_trip(s, 64, &b));
    }
}

Test(block, times_from_one_end_of_int64_to_the_other)
{
    struct sample two[] = {{INT64_MIN, 1}, {INT64_MAX, 1}};
    encoded(two, 2);
    struct sample three[] = {{INT64_MIN, 1}, {0, 2}, {INT64_MAX, 3}};
    encoded(three, 3);
    struct sample ends[] = {{INT64_MAX - 2, 1}, {INT64_MAX - 1, 2}, {INT64_MAX, 3}};
    encoded(ends, 3);
    struct sample start[] = {{INT64_MIN, 1}, {INT64_MIN + 1, 2}, {INT64_MIN + 5, 3}};
    encoded(start, 3);
}

Test(block, times_of_any_distances_come_back)
{
    struct sample s[BLOCK_SAMPLES_MAX];
    struct block b;
    for (unsigned width = 0; width < 56; width++) {
        int64_t t = -((int64_t)1 << 62);
        for (uint32_t i = 0; i < BLOCK_SAMPLES_MAX; i++) {
            s[i] = (struct sample){t, 5};
            t += 1 + (int64_t)(random_next(&random_state) & (((uint64_t)1 << width) - 1));
        }
        cr_assert(round_trip(s, BLOCK_SAMPLES_MAX, &b) || width > 50);
    }
}

/* What the header promises to whoever has to split. */
Test(block, samples_of_any_kind_fit_32_at_a_time)
{
    struct sample s[32];
    struct block b;
    for (int round = 0; round < 2000; round++) {
        int64_t t = INT64_MIN;
        for (uint32_t i = 0; i < 32; i++) {
            s[i] = (struct sample){t, random_next(&random_state)};
            t += 1 + (int64_t)(random_next(&random_state) >> 6);
        }
        cr_assert(round_trip(s, 32, &b));
    }
}

Test(block, too_much_for_one_is_refused)
{
    struct sample s[BLOCK_SAMPLES_MAX];
    struct block b;
    test_column(&random_state, COLUMN_BITS, TEST_START_MS, 15000, 100, s, BLOCK_SAMPLES_MAX);
    cr_assert_not(round_trip(s, BLOCK_SAMPLES_MAX, &b));
}

/* ---- damage ---- */

Test(block, a_head_that_no_encoder_writes_is_refused)
{
    struct sample s[10];
    int64_t t_ms[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    test_column(&random_state, COLUMN_COUNTER, TEST_START_MS, 1000, 0, s, 10);
    const struct block good = encoded(s, 10);
    struct block b = good;
    b.n_samples = 0;
    cr_assert_not(block_decode(&b, t_ms, values));
    b.n_samples = BLOCK_SAMPLES_MAX + 1;
    cr_assert_not(block_decode(&b, t_ms, values));
    b = good;
    b.n_bytes = BLOCK_BYTES_MAX + 1;
    cr_assert_not(block_decode(&b, t_ms, values));
    b = good;
    b.n_bytes--;
    cr_assert_not(decode(&b, t_ms, values), "cut off");
    for (unsigned encoding = 0; encoding < 256; encoding++) {
        b = good;
        b.encoding = (uint8_t)encoding;
        if ((encoding & 15) > TIMES_PACKED || encoding >> 4 > VALUES_RAW)
            cr_assert_not(decode(&b, t_ms, values), "encoding %02x", encoding);
        else
            (void)decode(&b, t_ms, values);
    }
}

Test(block, linear_times_must_ascend_to_the_last)
{
    static const struct {
        int64_t first_ms, last_ms;
        uint32_t n;
        bool is_good;
    } rows[] = {
        {10, 10, 1, true},
        {10, 11, 1, false},
        {10, 20, 2, true},
        {10, 10, 2, false},
        {10, 5, 2, false},
        {10, 20, 3, true},
        {10, 21, 3, false},
        {10, 8, 3, false},
        {INT64_MAX, INT64_MIN, 2, false},
        {5, 5 - 3, 4, false},
        {INT64_MIN, INT64_MAX, 2, true},
    };
    const uint8_t value[8] = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct block b = {.first_ms = rows[i].first_ms,
                          .last_ms = rows[i].last_ms,
                          .n_samples = rows[i].n,
                          .n_bytes = 8,
                          .encoding = TIMES_LINEAR | VALUES_CONSTANT << 4,
                          .bytes = value};
        int64_t t_ms[BLOCK_SAMPLES_MAX];
        uint64_t values[BLOCK_SAMPLES_MAX];
        cr_assert_eq(block_decode(&b, t_ms, values), rows[i].is_good, "row %zu", i);
    }
}

/* Whatever is damaged: no read outside, and what is accepted has ascending times within the head's
 * bounds. */
static void never_lies(const struct block *b)
{
    int64_t t_ms[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    if (!decode(b, t_ms, values))
        return;
    cr_assert_eq(t_ms[0], b->first_ms);
    cr_assert_eq(t_ms[b->n_samples - 1], b->last_ms);
    for (uint32_t i = 1; i < b->n_samples; i++)
        cr_assert_lt(t_ms[i - 1], t_ms[i]);
}

Test(block, damaged_bytes_do_not_hurt)
{
    struct sample s[BLOCK_SAMPLES_MAX];
    uint8_t bytes[BLOCK_BYTES_MAX];
    for (int round = 0; round < 30000; round++) {
        struct block b;
        uint32_t n = 1 + (uint32_t)random_below(&random_state, BLOCK_SAMPLES_MAX);
        test_column(&random_state, (enum test_column)(round % COLUMN_KINDS), TEST_START_MS, 1000,
                    (uint64_t)(round % 3) * 100, s, n);
        if (!block_encode(s, n, bytes, &b))
            continue;
        for (uint64_t k = random_below(&random_state, 3); k <= 3 && b.n_bytes > 0; k++)
            bytes[random_below(&random_state, b.n_bytes)] = (uint8_t)random_next(&random_state);
        if (random_below(&random_state, 4) == 0)
            b.n_bytes = (uint32_t)random_below(&random_state, BLOCK_BYTES_MAX + 2);
        if (random_below(&random_state, 4) == 0)
            b.n_samples = (uint32_t)random_below(&random_state, BLOCK_SAMPLES_MAX + 2);
        if (random_below(&random_state, 4) == 0)
            b.encoding =
                (uint8_t)(random_below(&random_state, 3) | random_below(&random_state, 5) << 4);
        if (b.n_bytes > BLOCK_BYTES_MAX)
            continue;
        never_lies(&b);
    }
}

Test(block, random_bytes_do_not_hurt)
{
    uint8_t bytes[BLOCK_BYTES_MAX];
    for (int round = 0; round < 100000; round++) {
        struct block b = {
            .first_ms = (int64_t)random_next(&random_state) >> random_below(&random_state, 60),
            .n_samples = 1 + (uint32_t)random_below(&random_state, BLOCK_SAMPLES_MAX),
            .n_bytes = (uint32_t)random_below(&random_state, 200),
            .encoding =
                (uint8_t)(random_below(&random_state, 2) | random_below(&random_state, 4) << 4),
            .bytes = bytes,
        };
        b.last_ms = (int64_t)((uint64_t)b.first_ms + random_below(&random_state, 100000));
        for (uint32_t i = 0; i < b.n_bytes; i++)
            bytes[i] = (uint8_t)random_next(&random_state);
        never_lies(&b);
    }
}
