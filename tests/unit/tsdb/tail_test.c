#include "tests/unit/tsdb/test_samples.h"
#include "tsdb/tail.h"

#include <criterion/criterion.h>

static struct random random_state;

static void set_up(void)
{
    random_init(&random_state, random_seed());
}

TestSuite(tail, .init = set_up);

struct streamed {
    struct tail tail;
    uint8_t bytes[TAIL_BYTES_MAX];
};

static void add(struct streamed *s, int64_t t_ms, uint64_t value)
{
    size_t before = s->tail.n_bytes;
    uint8_t out[TAIL_STEP_BYTES_MAX];
    size_t n = tail_step(&s->tail, t_ms, value, out);
    cr_assert_leq(n, TAIL_STEP_BYTES_MAX);
    cr_assert_eq(s->tail.n_bytes, before + n);
    memcpy(&s->bytes[before], out, n);
}

/* Streams the samples and decodes after each of them. */
static void round_trip(const struct sample *in, uint32_t n, struct streamed *s)
{
    struct sample out[BLOCK_SAMPLES_MAX];
    *s = (struct streamed){0};
    for (uint32_t i = 0; i < n; i++) {
        add(s, in[i].t_ms, in[i].value);
        cr_assert_eq(s->tail.n_samples, i + 1);
        cr_assert_eq(s->tail.last_ms, in[i].t_ms);
        cr_assert_eq(s->tail.last_value, in[i].value);
    }
    tail_decode(&s->tail, s->bytes, out);
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_eq(out[i].t_ms, in[i].t_ms, "time %u of %u", i, n);
        cr_assert_eq(out[i].value, in[i].value, "value %u of %u", i, n);
    }
}

Test(tail, every_kind_of_column_at_every_length_comes_back)
{
    struct sample in[BLOCK_SAMPLES_MAX];
    struct streamed s;
    for (int kind = 0; kind < COLUMN_KINDS; kind++)
        for (uint32_t n = 0; n <= BLOCK_SAMPLES_MAX; n++)
            for (uint64_t jitter = 0; jitter <= 1; jitter++) {
                test_column(&random_state, (enum test_column)kind, TEST_START_MS, 1000, jitter, in,
                            n);
                round_trip(in, n, &s);
            }
}

Test(tail, a_run_of_equal_values_writes_nothing)
{
    struct sample in[BLOCK_SAMPLES_MAX];
    struct streamed s;
    test_column(&random_state, COLUMN_CONSTANT, TEST_START_MS, 15000, 0, in, BLOCK_SAMPLES_MAX);
    round_trip(in, BLOCK_SAMPLES_MAX, &s);
    cr_assert_leq(s.tail.n_bytes, 4, "only the first step");
    cr_assert_eq(s.tail.run, BLOCK_SAMPLES_MAX - 2);

    in[BLOCK_SAMPLES_MAX - 1].value = TEST_STALE; /* the longest run, ended by its last sample */
    round_trip(in, BLOCK_SAMPLES_MAX, &s);
    cr_assert_eq(s.tail.run, 0);
}

Test(tail, every_odd_value_beside_every_other)
{
    struct streamed s;
    for (size_t i = 0; i < ARRAY_LEN(test_odd_values); i++)
        for (size_t k = 0; k < ARRAY_LEN(test_odd_values); k++) {
            struct sample in[] = {{1, test_odd_values[i]},
                                  {2, test_odd_values[i]},
                                  {3, test_odd_values[k]},
                                  {5, test_odd_values[k]},
                                  {7, test_odd_values[i]}};
            round_trip(in, ARRAY_LEN(in), &s);
        }
}

Test(tail, times_from_one_end_of_int64_to_the_other)
{
    struct streamed s;
    struct sample in[] = {{INT64_MIN, 1}, {INT64_MIN + 1, 2}, {0, 3}, {1, 4}, {INT64_MAX, 5}};
    round_trip(in, ARRAY_LEN(in), &s);
    struct sample two[] = {{INT64_MIN, 1}, {INT64_MAX, 2}};
    round_trip(two, 2, &s);
}

Test(tail, the_longest_steps_fit_their_room)
{
    struct sample in[BLOCK_SAMPLES_MAX];
    struct streamed s;
    for (int round = 0; round < 500; round++) {
        int64_t t = INT64_MIN;
        for (uint32_t i = 0; i < BLOCK_SAMPLES_MAX; i++) {
            in[i] = (struct sample){t, random_next(&random_state)};
            t += 1 + (int64_t)(random_next(&random_state) >> (8 + random_below(&random_state, 50)));
        }
        round_trip(in, BLOCK_SAMPLES_MAX, &s);
    }
}
