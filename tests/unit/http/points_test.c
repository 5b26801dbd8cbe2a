/* Whatever is packed comes out as the text that it would have been. */
#include "http/points.h"

#include "http/gzip.h"
#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <math.h>
#include <string.h>

enum { POINTS = 5000, TEXT_MAX = POINTS * JSON_POINT_BYTES_MAX + 4096 };

static struct test_arena t;
static struct region region;
static struct random r;
static struct promql_point points[POINTS];
static char expected[TEXT_MAX], got[TEXT_MAX];

static void setup(void)
{
    test_arena_init(&t, 64 << 20);
    region_init(&region, &t.arena, t.owner, 0);
    random_init(&r, random_seed());
}

static void teardown(void)
{
    region_release(&region);
    test_arena_release(&t);
}

TestSuite(points, .init = setup, .fini = teardown);

static double some_value(unsigned kind, size_t i)
{
    static const double special[] = {NAN, INFINITY, -INFINITY, -0.0, 0, 5e-324, 1.7e308, -1e21};
    uint64_t bits = random_next(&r);
    double v;
    switch (kind % 6) {
    case 0:
        return 1;
    case 1:
        return (double)(i * 15);
    case 2:
        return (double)random_below(&r, 1000) / 100;
    case 3:
        return special[random_below(&r, 8)];
    case 4:
        return (double)random_below(&r, 1000) / 285;
    default:
        memcpy(&v, &bits, sizeof(v));
        return v;
    }
}

static int64_t some_time(unsigned kind, size_t i)
{
    switch (kind % 4) {
    case 0:
        return INT64_C(1700000000000) + (int64_t)i * 15000;
    case 1:
        return INT64_C(1700000000000) + (int64_t)(i + i / 7) * 15000;
    case 2:
        return INT64_C(1700000000000) + (int64_t)i * 15000 + (int64_t)random_below(&r, 9);
    default:
        return (int64_t)random_next(&r);
    }
}

/* Three arrays of points among other things, as an answer has them. */
static void write_all(struct chain *c, size_t n, bool packs)
{
    struct json j;
    chain_init(c, &region);
    json_init(&j, c);
    json_object(&j);
    if (packs)
        points_pack(&j);
    for (size_t from = 0; from < 3; from++) {
        json_key(&j, "values");
        json_array(&j);
        points_put(&j, points + n * from / 3, n * (from + 1) / 3 - n * from / 3);
        json_array_end(&j);
    }
    json_key(&j, "end");
    json_text(&j, "a\0b", 3);
    json_object_end(&j);
}

static size_t read_all(const struct chain *c, char *out, size_t piece_max)
{
    struct chain_reader at = {0};
    size_t n = 0, more;
    while ((more = chain_read(c, &at, out + n,
                              size_min(1 + random_below(&r, piece_max), TEXT_MAX - n))) > 0)
        n += more;
    return n;
}

Test(points, packed_and_read_are_the_same_text)
{
    for (unsigned round = 0; round < 300; round++) {
        struct chain plain, packed;
        size_t n = 1 + random_below(&r, round % 10 == 0 ? POINTS : 400);
        unsigned values = (unsigned)random_below(&r, 6), times = (unsigned)random_below(&r, 4);
        for (size_t i = 0; i < n; i++)
            points[i] = (struct promql_point){some_time(times, i), some_value(values, i)};
        write_all(&plain, n, false);
        write_all(&packed, n, true);
        size_t n_plain = read_all(&plain, expected, 10000);
        size_t n_packed = read_all(&packed, got, round % 2 == 0 ? 100 : 40000);
        cr_assert_eq(n_plain, n_packed);
        cr_assert_arr_eq(expected, got, n_plain);
        cr_assert_leq(packed.n_bytes, n * 17 + 1000, "%zu points, %zu", n, packed.n_bytes);
        if (values < 2 && times == 0 && n > 1000)
            cr_assert_leq(packed.n_bytes, n);
        region_release(&region);
    }
}

Test(points, one_more_than_a_piece)
{
    for (size_t n = 0; n <= 3 * 129; n += 3) {
        struct chain plain, packed;
        for (size_t i = 0; i < n; i++)
            points[i] = (struct promql_point){some_time(0, i), some_value(2, i)};
        write_all(&plain, n, false);
        write_all(&packed, n, true);
        size_t n_plain = read_all(&plain, expected, 10000);
        cr_assert_eq(read_all(&packed, got, 10000), n_plain);
        cr_assert_arr_eq(expected, got, n_plain);
    }
}

/* The reader that compresses sees the same. */
Test(points, compressed_from_packed)
{
    struct chain plain, packed;
    static char from_plain[TEXT_MAX], from_packed[TEXT_MAX];
    for (size_t i = 0; i < POINTS; i++)
        points[i] = (struct promql_point){some_time(2, i), some_value(4, i)};
    write_all(&plain, POINTS, false);
    write_all(&packed, POINTS, true);
    struct gzip *g = gzip_open(&region, &plain, GZIP_GZIP);
    size_t n_plain = gzip_read(g, from_plain, sizeof(from_plain));
    g = gzip_open(&region, &packed, GZIP_GZIP);
    size_t n_packed = 0, more;
    while ((more = gzip_read(g, from_packed + n_packed, 1 + random_below(&r, 3000))) > 0)
        n_packed += more;
    cr_assert_eq(n_plain, n_packed);
    cr_assert_arr_eq(from_plain, from_packed, n_plain);
}

Test(points, running_out_of_memory_is_remembered)
{
    size_t n_failed = 0, n_whole = 0;
    t.arena.retain_span_bytes = 0;
    for (size_t i = 0; i < POINTS; i++)
        points[i] = (struct promql_point){some_time(3, i), some_value(5, i)};
    for (long nth = 1; nth < 20; nth++) {
        struct chain packed;
        region_release(&region);
        arena_trim(&t.arena);
        budget_fail_nth(&t.budget, nth);
        write_all(&packed, POINTS, true);
        budget_fail_nth(&t.budget, 0);
        n_failed += chain_failed(&packed);
        n_whole += !chain_failed(&packed);
    }
    cr_assert(n_failed > 1 && n_whole > 2, "%zu, %zu", n_failed, n_whole);
}
