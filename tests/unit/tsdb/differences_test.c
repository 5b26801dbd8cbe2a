#include "tests/support/random.h"
#include "tests/unit/tsdb/test_differences.h"
#include "tsdb/differences.h"
#include "tsdb/vectors.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { N_MAX = DIFFERENCES_MAX };

static struct random random_state;

static void set_up(void)
{
    random_init(&random_state, random_seed());
}

TestSuite(differences, .init = set_up);

/* Both decoders, from a copy of exactly n_bytes, so that a sanitizer sees a read past them; they
 * agree. */
static bool get(const uint8_t *bytes, size_t n_bytes, int64_t *d, uint32_t n)
{
    uint8_t *exact = malloc(n_bytes + (n_bytes == 0));
    const uint8_t *at = exact;
    int64_t other[N_MAX];
    memcpy(exact, bytes, n_bytes);
    (void)vectors_use(false);
    bool is_good = differences_get(&at, exact + n_bytes, d, n) && at == exact + n_bytes;
    if (vectors_use(true)) {
        at = exact;
        cr_assert_eq(differences_get(&at, exact + n_bytes, other, n) && at == exact + n_bytes,
                     is_good);
        cr_assert(!is_good || memcmp(d, other, n * sizeof(*d)) == 0);
    }
    free(exact);
    return is_good;
}

/* What the simplest form takes: the least number, and all others less it at one width. */
static size_t plain_bytes(const int64_t *d, uint32_t n)
{
    int64_t least = d[0], most = d[0];
    for (uint32_t i = 1; i < n; i++) {
        least = i64_min(least, d[i]);
        most = i64_max(most, d[i]);
    }
    return varint_bytes(zigzag(least)) + 1 +
           (n * bit_width((uint64_t)most - (uint64_t)least) + 7) / 8;
}

static size_t round_trip(const int64_t *d, uint32_t n)
{
    uint8_t bytes[DIFFERENCES_BYTES_MAX + 1], expected[DIFFERENCES_BYTES_MAX];
    int64_t back[N_MAX];
    struct differences_plan plan;
    differences_plan(d, n, &plan);
    memset(bytes, 0x5A, sizeof(bytes));
    cr_assert_eq(differences_put(bytes, plan.n_bytes - 1, d, n), 0, "does not fit");
    cr_assert_eq(bytes[0], 0x5A, "and nothing was written");
    size_t n_bytes = differences_put(bytes, plan.n_bytes, d, n);
    cr_assert_eq(n_bytes, plan.n_bytes);
    cr_assert_eq(differences_plain_bytes(d, n), plain_bytes(d, n));
    cr_assert_leq(n_bytes, plain_bytes(d, n));
    cr_assert_eq(bytes[n_bytes], 0x5A, "nothing behind the end");
    cr_assert_eq(model_put(expected, d, n), n_bytes);
    cr_assert_arr_eq(bytes, expected, n_bytes);
    cr_assert(get(bytes, n_bytes, back, n));
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(back[i], d[i], "number %u of %u", i, n);
    return n_bytes;
}

/* Numbers of about `width` bits, one in `rare` of up to `wide` more. */
static void fill(int64_t *d, uint32_t n, unsigned width, unsigned wide, uint64_t rare)
{
    uint64_t base = random_next(&random_state) >> random_below(&random_state, 64);
    bool has_signs = random_below(&random_state, 2) == 0;
    for (uint32_t i = 0; i < n; i++) {
        unsigned bits = width;
        if (random_below(&random_state, rare) == 0)
            bits += (unsigned)random_below(&random_state, wide + 1);
        uint64_t v = bits == 0 ? 0 : random_next(&random_state) >> (bits > 63 ? 0 : 64 - bits);
        d[i] = (int64_t)(base + (has_signs && random_below(&random_state, 2) == 0 ? -v : v));
    }
}

Test(differences, of_any_widths_with_any_exceptions_come_back)
{
    static const uint32_t lengths[] = {1, 2, 3, 7, 8, 9, 64, 127, 128};
    int64_t d[N_MAX];
    uint64_t rounds = random_setting("ROUNDS", 40);
    for (uint64_t round = 0; round < rounds; round++)
        for (unsigned width = 0; width <= 64; width += 1 + width / 8)
            for (unsigned wide = 0; wide <= 64; wide += 1 + wide / 4)
                for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
                    fill(d, lengths[i], width, wide, 1 + random_below(&random_state, 40));
                    round_trip(d, lengths[i]);
                }
}

Test(differences, from_one_end_of_int64_to_the_other)
{
    static const int64_t ends[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    int64_t d[N_MAX];
    for (int round = 0; round < 5000; round++) {
        uint32_t n = 1 + (uint32_t)random_below(&random_state, N_MAX);
        uint64_t kinds = 1 + random_below(&random_state, ARRAY_LEN(ends));
        int64_t usual = ends[random_below(&random_state, ARRAY_LEN(ends))];
        for (uint32_t i = 0; i < n; i++)
            d[i] = random_below(&random_state, 4) != 0 ? usual
                                                       : ends[random_below(&random_state, kinds)];
        round_trip(d, n);
    }
}

Test(differences, take_few_bytes_for_few_exceptions)
{
    int64_t d[N_MAX] = {0};
    cr_assert_eq(round_trip(d, N_MAX), 2, "all equal: base and width");
    d[100] = 1;
    cr_assert_eq(round_trip(d, N_MAX), 6, "and how many, where, base and width again");
    d[3] = -70000;
    d[5] = 1000000;
    cr_assert_leq(round_trip(d, N_MAX), 18);
    for (uint32_t i = 0; i < N_MAX; i++)
        d[i] = 15000 + (i % 10 == 0 ? (int64_t)random_below(&random_state, 11) - 5 : 0);
    cr_assert_leq(round_trip(d, N_MAX), 30, "times that jitter now and then");
}

/* Mostly the typical distance; some are late, and the one behind makes up for it. */
static void scrapes(int64_t *d, uint32_t n)
{
    int64_t late = 0, jitter = (int64_t)random_below(&random_state, 1000);
    uint64_t rare = 1 + random_below(&random_state, 8), lost = random_below(&random_state, 200);
    for (uint32_t i = 0; i < n; i++) {
        int64_t was = late;
        late = random_below(&random_state, rare) == 0
                   ? (int64_t)random_below(&random_state, 2 * (uint64_t)jitter + 1) - jitter
                   : 0;
        d[i] = 15000 + late - was;
        if (lost > 0 && random_below(&random_state, lost) == 0)
            d[i] += 15000;
    }
}

Test(differences, of_scrapes_come_back)
{
    int64_t d[N_MAX];
    uint64_t rounds = random_setting("ROUNDS", 40) * 500;
    for (uint64_t round = 0; round < rounds; round++) {
        uint32_t n = 1 + (uint32_t)random_below(&random_state, N_MAX);
        scrapes(d, n);
        round_trip(d, n);
    }
}

Test(differences, cut_off_or_changed_bytes_are_refused_or_read)
{
    uint8_t bytes[DIFFERENCES_BYTES_MAX];
    int64_t d[N_MAX], back[N_MAX];
    for (int round = 0; round < 100; round++) {
        uint32_t n = 1 + (uint32_t)random_below(&random_state, N_MAX);
        fill(d, n, (unsigned)random_below(&random_state, 20), 40, 10);
        size_t n_bytes = differences_put(bytes, sizeof(bytes), d, n);
        for (size_t cut = 0; cut < n_bytes; cut++)
            cr_assert_not(get(bytes, cut, back, n), "%zu of %zu bytes", cut, n_bytes);
        for (size_t bit = 0; bit < n_bytes * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (get(bytes, n_bytes, back, n))
                round_trip(back, n);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

Test(differences, bytes_that_no_writer_makes_are_refused)
{
    static const struct {
        const char *what;
        uint32_t n;
        uint8_t n_bytes, bytes[14];
        bool is_good;
    } rows[] = {
        {"a byte behind the end", 3, 7, {2, 0x80, 0, 1, 10, 0}, false},
        {"an exception", 3, 6, {2, 0x80, 0, 1, 10, 0}, true},
        {"a base with zeros behind it", 3, 3, {0x82, 0x00, 0}, false},
        {"65 bits", 1, 12, {2, 65}, false},
        {"exceptions of 64 bits", 1, 12, {2, 0x80 | 64}, false},
        {"more exceptions than numbers", 3, 6, {2, 0x80, 3, 7, 2, 0}, false},
        {"an exception behind the end", 3, 6, {2, 0x80, 0, 3, 10, 0}, false},
        {"an exception that is 0", 3, 6, {2, 0x80, 0, 1, 0, 0}, false},
        {"as many bits as exceptions", 3, 6, {2, 0x80, 1, 5, 10, 0}, true},
        {"more", 3, 6, {2, 0x80, 1, 7, 10, 0}, false},
        {"fewer", 3, 6, {2, 0x80, 1, 4, 10, 0}, false},
        {"a bit behind the last number", 3, 6, {2, 0x80, 1, 0x0C, 10, 0}, false},
        {"places that descend", 128, 7, {2, 0x80, 1, 0x82, 0, 10, 0}, false},
        {"a bit behind the last place", 128, 6, {2, 0x80, 0, 0x81, 10, 0}, false},
        {"none", 128, 6, {2, 0x80, 0, 0x01, 10, 0}, true},
        {"places that ascend", 128, 7, {2, 0x80, 1, 0x01, 1, 10, 0}, true},
        {"a high of 7 above 60 bits",
         1,
         14,
         {2, 0x80 | 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14},
         true},
        {"of 8", 1, 14, {2, 0x80 | 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16}, false},
        {"three levels", 1, 10, {2, 0x80, 0, 0, 2, 0x80, 0, 0, 2, 0}, true},
        {"four levels", 1, 14, {2, 0x80, 0, 0, 2, 0x80, 0, 0, 2, 0x80, 0, 0, 2, 0}, false},
    };
    int64_t d[N_MAX];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(get(rows[i].bytes, rows[i].n_bytes, d, rows[i].n), rows[i].is_good, "%s",
                     rows[i].what);
}
