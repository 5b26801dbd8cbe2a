/* Records that are read several at once (window_reader_constants, window_reader_tail) against the
 * same ones read one by one: the same records, whatever the bytes. */
#include "snapshot/window_frame.h"
#include "tests/support/random.h"
#include "tsdb/block.h"

#include <criterion/criterion.h>
#include <string.h>

enum { WINDOW_MS = 14400000, RECORDS_MAX = 4000, ROUNDS = 3000, VALUE_BYTES = 8 };

struct seen { /* of a record, what both ways tell */
    enum window_record_kind kind;
    uint32_t number, timeline, first, n_samples;
    uint64_t value; /* of a constant, of a tail's last sample */
};

static uint8_t payload[FRAME_PAYLOAD_MAX];
static struct seen seen[2][RECORDS_MAX];
static int ends[2];

static void put_run(struct random *random, struct window_writer *w, uint32_t number,
                    uint32_t timeline, uint32_t first, uint32_t n_samples)
{
    uint8_t bytes[VALUE_BYTES];
    struct block run;
    uint64_t value = random_below(random, 3) ? random_next(random) << 48 : random_next(random);
    block_of_run(&run, 0, 0, 1, value, bytes);
    window_writer_block(w, number,
                        &(struct dump_block){.part = DUMP_RUN,
                                             .times = DUMP_AT,
                                             .encoding = run.encoding,
                                             .timeline = timeline,
                                             .first = first,
                                             .n_samples = n_samples,
                                             .n_values_bytes = run.n_values_bytes,
                                             .values = bytes});
}

static void put_tail(struct random *random, struct window_writer *w, uint32_t number,
                     uint32_t first)
{
    struct dump_tail t = {.n = 1 + (uint32_t)random_below(random, 9),
                          .has_timeline = random_below(random, 2) != 0};
    for (uint32_t i = 0; i < t.n; i++) {
        t.places[i] = first + i;
        t.values[i] = random_next(random);
    }
    window_writer_tail(w, number, &t);
}

/* Mostly rows of constants, with what may stand between them. */
static size_t make_frame(struct random *random)
{
    struct window_writer w;
    uint32_t number = 0, n = (uint32_t)random_below(random, 200);
    uint32_t timeline = 3, first = 0, n_samples = 1 + (uint32_t)random_below(random, 20000);
    window_writer_init(&w, payload, WINDOW_MS, 5);
    for (uint32_t i = 0; i < n; i++) {
        if (random_below(random, 12) == 0)
            first = (uint32_t)random_below(random, 3000);
        if (random_below(random, 12) == 0)
            n_samples = 1 + (uint32_t)random_below(random, 200);
        if (random_below(random, 12) == 0)
            timeline = (uint32_t)random_below(random, 300);
        put_run(random, &w, number, timeline, first, n_samples);
        if (random_below(random, 9) == 0)
            put_tail(random, &w, number, first + n_samples);
        number += random_below(random, 9) == 0 ? (uint32_t)random_below(random, 100) : 1;
    }
    return w.out.n;
}

static void note(struct seen *out, const struct window_record *r)
{
    *out = (struct seen){.kind = r->kind, .number = r->number};
    if (r->kind == RECORD_BLOCK) {
        out->timeline = r->block.timeline;
        out->first = r->block.first;
        out->n_samples = r->block.n_samples;
        if (r->block.is_shared ||
            !block_run_value(r->block.values, r->block.n_values_bytes, &out->value))
            out->value = r->block.n_values_bytes;
    } else if (r->kind == RECORD_TAIL) {
        out->timeline = r->tail.timeline;
        out->first = r->tail.places[0];
        out->n_samples = r->tail.n;
        out->value = r->tail.values[r->tail.n - 1];
    }
}

static size_t note_row(struct seen out[], const struct dump_constants *row)
{
    cr_assert(row->n >= 1 && row->n <= DUMP_CONSTANTS_MAX);
    for (uint32_t i = 0; i < row->n; i++)
        out[i] = (struct seen){RECORD_BLOCK, row->series[i], row->timeline,
                               row->first,   row->n_samples, row->values[i]};
    return row->n;
}

static size_t read_one_by_one(size_t n_bytes)
{
    struct window_reader r;
    struct window_record record;
    size_t n = 0;
    cr_assert_eq(window_reader_init(&r, FORMAT_VERSION, payload, n_bytes), 0);
    while ((ends[0] = window_reader_next(&r, &record)) > 0 && n < RECORDS_MAX)
        note(&seen[0][n++], &record);
    return n;
}

/* *io_rows: adds those of two and more. */
static size_t read_at_once(size_t n_bytes, int *io_rows, int *io_tails)
{
    struct window_reader r;
    struct window_record record;
    struct dump_constants row;
    size_t n = 0;
    cr_assert_eq(window_reader_init(&r, FORMAT_VERSION, payload, n_bytes), 0);
    for (ends[1] = 1; ends[1] > 0 && n < RECORDS_MAX - DUMP_CONSTANTS_MAX;) {
        if (window_reader_constants(&r, &row) > 0) {
            n += note_row(&seen[1][n], &row);
            *io_rows += row.n > 1;
            continue;
        }
        ends[1] = window_reader_next(&r, &record);
        if (ends[1] <= 0)
            break;
        note(&seen[1][n++], &record);
        uint32_t number = record.number;
        bool is_of_series = window_record_is_of_series(&record);
        if (is_of_series && window_reader_tail(&r, &record.tail)) {
            record.kind = RECORD_TAIL;
            record.number = number;
            note(&seen[1][n++], &record);
            ++*io_tails;
        }
    }
    return n;
}

static bool is_same(const struct seen *a, const struct seen *b)
{
    return a->kind == b->kind && a->number == b->number && a->timeline == b->timeline &&
           a->first == b->first && a->n_samples == b->n_samples && a->value == b->value;
}

Test(window_row, several_at_once_are_those_one_by_one, .timeout = 60)
{
    struct random random;
    int n_rows = 0, n_tails = 0, n_bad = 0;
    random_init(&random, random_seed());
    for (int round = 0; round < ROUNDS; round++) {
        size_t n_bytes = make_frame(&random);
        for (uint64_t i = random_below(&random, 3); i > 0; i--)
            payload[random_below(&random, n_bytes)] ^= (uint8_t)(1U << random_below(&random, 8));
        struct window_reader r;
        if (window_reader_init(&r, FORMAT_VERSION, payload, n_bytes) != 0)
            continue;
        size_t n = read_one_by_one(n_bytes), n_at_once = read_at_once(n_bytes, &n_rows, &n_tails);
        cr_assert_eq(n, n_at_once);
        cr_assert_eq(ends[0], ends[1]);
        for (size_t i = 0; i < n; i++)
            cr_assert(is_same(&seen[0][i], &seen[1][i]), "record %zu", i);
        n_bad += ends[0] < 0;
    }
    cr_assert_gt(n_rows, 10 * ROUNDS);
    cr_assert_gt(n_tails, ROUNDS);
    cr_assert_gt(n_bad, ROUNDS / 10);
}

/* At most so many, each with the next one behind it: the last of a frame is read by itself. */
Test(window_row, a_row_has_an_end)
{
    struct random random;
    random_init(&random, random_seed());
    for (uint32_t n = 1; n <= DUMP_CONSTANTS_MAX + 3; n++) {
        struct window_writer w;
        struct window_reader r;
        struct dump_constants row;
        window_writer_init(&w, payload, WINDOW_MS, 5);
        for (uint32_t i = 0; i < n; i++)
            put_run(&random, &w, i, 1, 0, 960);
        cr_assert_eq(window_reader_init(&r, FORMAT_VERSION, payload, w.out.n), 0);
        struct window_record first;
        cr_assert_eq(window_reader_next(&r, &first), 1);
        uint32_t n_row = window_reader_constants(&r, &row);
        cr_assert_leq(n_row, DUMP_CONSTANTS_MAX);
        cr_assert_leq(n_row + 2, n + (n == 1), "the last one is not certain to be the last");
        if (n > DUMP_CONSTANTS_MAX + 2)
            cr_assert_eq(n_row, DUMP_CONSTANTS_MAX);
    }
}
