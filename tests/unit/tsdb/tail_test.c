#include "tests/unit/tsdb/test_samples.h"
#include "tsdb/tail.h"

#include <criterion/criterion.h>

static struct random random_state;

static void set_up(void)
{
    random_init(&random_state, random_seed());
}

TestSuite(tail, .init = set_up);

enum { TIMELINE = 4711 }; /* some handle */

struct placed {
    uint32_t place;
    uint64_t value;
};

struct streamed {
    struct tail tail;
    uint8_t bytes[TAIL_BYTES_MAX];
};

static void add(struct streamed *s, uint32_t place, uint64_t value)
{
    size_t before = s->tail.n_bytes;
    bool repeats = tail_repeats(&s->tail, place, value);
    uint8_t out[TAIL_STEP_BYTES_MAX];
    size_t n = tail_step(&s->tail, place, value, out);
    cr_assert_leq(n, TAIL_STEP_BYTES_MAX);
    cr_assert_eq(s->tail.n_bytes, before + n);
    cr_assert_eq(n == 0, repeats);
    memcpy(&s->bytes[before], out, n);
}

static void expect_decoded(const struct streamed *s, const struct placed *in, uint32_t n)
{
    uint32_t places[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    uint8_t *exact = malloc(size_max(s->tail.n_bytes, 1));
    memcpy(exact, s->bytes, s->tail.n_bytes);
    tail_decode(&s->tail, exact, places, values);
    free(exact);
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_eq(places[i], in[i].place, "place %u of %u", i, n);
        cr_assert_eq(values[i], in[i].value, "value %u of %u", i, n);
    }
}

/* All at once make the same tail. */
static void expect_same_at_once(slot timeline, const struct placed *in, uint32_t n,
                                const struct streamed *expected)
{
    static struct streamed made;
    uint32_t places[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    for (uint32_t i = 0; i < n; i++) {
        places[i] = in[i].place;
        values[i] = in[i].value;
    }
    cr_assert_eq(tail_of(&made.tail, timeline, places, values, n, made.bytes),
                 expected->tail.n_bytes);
    cr_assert_arr_eq(&made.tail, &expected->tail, sizeof(made.tail));
    cr_assert_arr_eq(made.bytes, expected->bytes, expected->tail.n_bytes);
}

/* Streams n (> 0) samples and decodes them again. */
static void round_trip(slot timeline, const struct placed *in, uint32_t n, struct streamed *s)
{
    tail_start(&s->tail, timeline, in[0].place, in[0].value);
    for (uint32_t i = 1; i < n; i++) {
        add(s, in[i].place, in[i].value);
        cr_assert_eq(s->tail.n_samples, i + 1);
        cr_assert_eq(s->tail.last, in[i].place);
        cr_assert_eq(s->tail.last_value, in[i].value);
    }
    expect_decoded(s, in, n);
    expect_same_at_once(timeline, in, n, s);
}

static void column(enum test_column kind, uint32_t step, uint32_t jitter, struct placed *ret,
                   uint32_t n)
{
    uint32_t place = (uint32_t)random_below(&random_state, 100000);
    for (uint32_t i = 0; i < n; i++) {
        ret[i] = (struct placed){place, test_value(&random_state, kind, i)};
        place += step + (uint32_t)random_below(&random_state, jitter + 1);
    }
}

Test(tail, every_kind_of_column_at_every_length_comes_back)
{
    static const struct {
        slot timeline;
        uint32_t step, jitter;
    } rows[] = {{TIMELINE, 1, 0}, {0, 1000, 0}, {0, 1000, 1}, {0, 1, 100000}};
    struct placed in[BLOCK_SAMPLES_MAX];
    struct streamed s;
    for (int kind = 0; kind < COLUMN_KINDS; kind++)
        for (uint32_t n = 1; n <= BLOCK_SAMPLES_MAX; n++)
            for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                column((enum test_column)kind, rows[i].step, rows[i].jitter, in, n);
                round_trip(rows[i].timeline, in, n, &s);
            }
}

Test(tail, is_decoded_right_after_each_sample)
{
    struct placed in[BLOCK_SAMPLES_MAX];
    struct streamed s;
    for (int round = 0; round < 50; round++) {
        column(COLUMN_MOSTLY_SAME, 1, 0, in, BLOCK_SAMPLES_MAX);
        tail_start(&s.tail, TIMELINE, in[0].place, in[0].value);
        expect_decoded(&s, in, 1);
        for (uint32_t i = 1; i < BLOCK_SAMPLES_MAX; i++) {
            add(&s, in[i].place, in[i].value);
            expect_decoded(&s, in, i + 1);
        }
    }
}

Test(tail, one_that_is_empty_decodes_to_nothing)
{
    struct tail t = {0};
    tail_decode(&t, NULL, NULL, NULL);
}

Test(tail, a_run_at_the_expected_places_writes_nothing)
{
    struct placed in[BLOCK_SAMPLES_MAX];
    struct streamed s;
    column(COLUMN_CONSTANT, 1, 0, in, BLOCK_SAMPLES_MAX);
    round_trip(TIMELINE, in, BLOCK_SAMPLES_MAX, &s);
    cr_assert_eq(s.tail.n_bytes, 0);
    cr_assert_eq(s.tail.run, BLOCK_SAMPLES_MAX - 1);

    in[BLOCK_SAMPLES_MAX - 1].value = TEST_STALE; /* the longest run, ended by its last sample */
    round_trip(TIMELINE, in, BLOCK_SAMPLES_MAX, &s);
    cr_assert_eq(s.tail.run, 0);

    column(COLUMN_CONSTANT, 15000, 0, in, BLOCK_SAMPLES_MAX);
    round_trip(0, in, BLOCK_SAMPLES_MAX, &s);
    cr_assert_leq(s.tail.n_bytes, 4, "only the first step");
    cr_assert_eq(s.tail.run, BLOCK_SAMPLES_MAX - 2);
}

Test(tail, a_run_may_be_longer_than_a_block)
{
    struct streamed s;
    tail_start(&s.tail, TIMELINE, 10, 5);
    for (uint32_t i = 1; i < 100000; i++)
        add(&s, 10 + i, 5);
    cr_assert_eq(s.tail.n_bytes, 0);
    cr_assert_eq(s.tail.n_samples, 100000);
    cr_assert_eq(s.tail.run, 99999);
    cr_assert_eq(s.tail.last, 100009);
    cr_assert(tail_repeats(&s.tail, 100010, 5));
    cr_assert_not(tail_repeats(&s.tail, 100011, 5));
    cr_assert_not(tail_repeats(&s.tail, 100010, 6));
}

Test(tail, every_odd_value_beside_every_other)
{
    struct streamed s;
    for (size_t i = 0; i < ARRAY_LEN(test_odd_values); i++)
        for (size_t k = 0; k < ARRAY_LEN(test_odd_values); k++) {
            uint64_t a = test_odd_values[i], b = test_odd_values[k];
            struct placed own[] = {{1, a}, {2, a}, {3, b}, {5, b}, {7, a}};
            struct placed shared[] = {{0, a}, {1, a}, {2, b}, {3, b}, {4, a}};
            round_trip(0, own, ARRAY_LEN(own), &s);
            round_trip(TIMELINE, shared, ARRAY_LEN(shared), &s);
        }
}

Test(tail, times_from_one_end_to_the_other)
{
    struct streamed s;
    struct placed in[] = {{0, 1}, {1, 2}, {2147483647, 3}, {2147483648, 4}, {UINT32_MAX, 5}};
    round_trip(0, in, ARRAY_LEN(in), &s);
    struct placed two[] = {{0, 1}, {UINT32_MAX, 1}};
    round_trip(0, two, 2, &s);
    struct placed back[] = {{0, 1}, {4000000000, 1}, {4000000001, 1}, {4294967295, 1}};
    round_trip(0, back, ARRAY_LEN(back), &s);
}

Test(tail, the_longest_steps_fit_their_room)
{
    struct placed in[BLOCK_SAMPLES_MAX];
    struct streamed s;
    for (int round = 0; round < 500; round++) {
        uint32_t place = 0;
        for (uint32_t i = 0; i < BLOCK_SAMPLES_MAX; i++) {
            in[i] = (struct placed){place, random_next(&random_state)};
            place += 1 + (uint32_t)(random_next(&random_state) >>
                                    (40 + random_below(&random_state, 24)));
        }
        round_trip(0, in, BLOCK_SAMPLES_MAX, &s);
    }
}
