#include "snapshot/window_frame.h"

#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <string.h>

enum { WINDOW_MS = 14400000, MAX_RECORDS = 4096 };

static uint8_t payload[FRAME_PAYLOAD_MAX];
static struct window_writer writer;
static struct window_reader reader;
static struct window_record record;

static void given_a_frame(void)
{
    window_writer_init(&writer, payload, WINDOW_MS, 5);
}

TestSuite(window_frame, .init = given_a_frame);

static void start_reading(void)
{
    cr_assert_eq(window_reader_init(&reader, payload, writer.out.n), 0);
    cr_assert_eq(reader.window_ms, WINDOW_MS);
    cr_assert_eq(reader.window, 5);
}

Test(window_frame, records_survive)
{
    struct dump_block b = {.first_ms = 5 * WINDOW_MS - 3, /* not ours to judge */
                           .last_ms = INT64_MIN,
                           .n_samples = 128,
                           .n_bytes = 3,
                           .encoding = 0xfe,
                           .bytes = (const uint8_t *)"abc"};
    struct sample s[] = {{INT64_MAX, 0x7ff0000000000002}, {INT64_MIN, UINT64_MAX}, {7, 0}};
    window_writer_block(&writer, 0, &b);
    window_writer_tail(&writer, 0, s, 3);
    window_writer_tail(&writer, UINT32_MAX, s + 2, 1);
    start_reading();
    cr_assert_eq(window_reader_next(&reader, &record), 1);
    cr_assert(record.number == 0 && !record.is_tail);
    cr_assert_eq(record.block.first_ms, b.first_ms);
    cr_assert_eq(record.block.last_ms, b.last_ms);
    cr_assert(record.block.n_samples == 128 && record.block.encoding == 0xfe);
    cr_assert(record.block.n_bytes == 3 && !memcmp(record.block.bytes, "abc", 3));
    cr_assert_eq(window_reader_next(&reader, &record), 1);
    cr_assert(record.number == 0 && record.is_tail && record.n_samples == 3);
    cr_assert_eq(memcmp(record.samples, s, sizeof s), 0);
    cr_assert_eq(window_reader_next(&reader, &record), 1);
    cr_assert(record.number == UINT32_MAX && record.is_tail && record.n_samples == 1);
    cr_assert_eq(record.samples[0].t_ms, 7);
    cr_assert_eq(window_reader_next(&reader, &record), 0);
}

/* What the essay of window_frame.c promises. */
Test(window_frame, a_series_like_its_neighbour_costs_six_bytes_a_block)
{
    struct dump_block b = {.n_samples = 128, .n_bytes = 8, .bytes = (const uint8_t *)"12345678"};
    size_t before = 0;
    for (uint32_t series = 0; series < 3; series++) {
        before = writer.out.n;
        for (int64_t i = 0; i < 7; i++) {
            b.first_ms = 5 * WINDOW_MS + 123 + i * 128 * 15000;
            b.last_ms = b.first_ms + 127 * 15000;
            window_writer_block(&writer, series, &b);
        }
    }
    cr_assert_eq(writer.out.n - before, 7 * (6 + 8));
}

Test(window_frame, a_constant_tail_costs_two_bytes_a_sample)
{
    struct sample s[128];
    for (int i = 0; i < 128; i++)
        s[i] = (struct sample){5 * WINDOW_MS + i * 15000, 0x3ff0000000000000};
    window_writer_tail(&writer, 0, s, 128);
    size_t before = writer.out.n;
    window_writer_tail(&writer, 1, s, 128);
    cr_assert_leq(writer.out.n - before, 2u * 128 + 6);
}

static uint64_t random_value(struct random *random)
{
    uint64_t bits = random_next(random);
    switch (random_below(random, 4)) {
    case 0:
        return 0x7ff0000000000002;
    case 1: {
        double d = (double)(bits & 0xfff);
        memcpy(&bits, &d, sizeof bits);
        return bits;
    }
    default:
        return bits;
    }
}

static void make_record(struct random *random, struct window_record *r, uint8_t *bytes)
{
    memset(r, 0, sizeof *r);
    r->is_tail = random_below(random, 2);
    if (r->is_tail) {
        r->n_samples = 1 + (uint32_t)random_below(random, BLOCK_SAMPLES_MAX);
        for (uint32_t i = 0; i < r->n_samples; i++)
            r->samples[i] = (struct sample){
                (int64_t)random_next(random) >> random_below(random, 64), random_value(random)};
        return;
    }
    r->block = (struct dump_block){
        .first_ms = (int64_t)random_next(random),
        .last_ms = (int64_t)random_next(random),
        .n_samples = 1 + (uint32_t)random_below(random, BLOCK_SAMPLES_MAX),
        .n_bytes = 1 + (uint32_t)random_below(random, SIZE_CLASS_BYTES_MAX),
        .encoding = (uint8_t)random_next(random),
        .bytes = bytes,
    };
    for (uint32_t i = 0; i < r->block.n_bytes; i++)
        bytes[i] = (uint8_t)random_next(random);
}

static void expect_equal(const struct window_record *a, const struct window_record *b)
{
    cr_assert(a->number == b->number && a->is_tail == b->is_tail);
    if (a->is_tail) {
        cr_assert_eq(a->n_samples, b->n_samples);
        cr_assert_eq(memcmp(a->samples, b->samples, a->n_samples * sizeof a->samples[0]), 0);
        return;
    }
    cr_assert_eq(a->block.first_ms, b->block.first_ms);
    cr_assert_eq(a->block.last_ms, b->block.last_ms);
    cr_assert_eq(a->block.n_samples, b->block.n_samples);
    cr_assert_eq(a->block.encoding, b->block.encoding);
    cr_assert_eq(a->block.n_bytes, b->block.n_bytes);
    cr_assert_eq(memcmp(a->block.bytes, b->block.bytes, a->block.n_bytes), 0);
}

Test(window_frame, a_full_frame_of_anything_survives)
{
    static struct window_record made[MAX_RECORDS];
    static uint8_t bytes[MAX_RECORDS][SIZE_CLASS_BYTES_MAX];
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 50; round++) {
        given_a_frame();
        uint32_t n = 0, number = 0;
        for (; !window_writer_is_full(&writer) && n < MAX_RECORDS; n++) {
            make_record(&random, &made[n], bytes[n]);
            number += (uint32_t)random_below(&random, 3);
            made[n].number = number;
            if (made[n].is_tail)
                window_writer_tail(&writer, number, made[n].samples, made[n].n_samples);
            else
                window_writer_block(&writer, number, &made[n].block);
        }
        start_reading();
        for (uint32_t i = 0; i < n; i++) {
            cr_assert_eq(window_reader_next(&reader, &record), 1);
            expect_equal(&record, &made[i]);
        }
        cr_assert_eq(window_reader_next(&reader, &record), 0);
    }
}

Test(window_frame, the_longest_record_fits_a_frame_that_is_not_full)
{
    struct sample s[BLOCK_SAMPLES_MAX];
    for (int i = 0; i < BLOCK_SAMPLES_MAX; i++)
        s[i] = (struct sample){i % 2 ? INT64_MIN : 0, i % 2 ? UINT64_MAX : 0};
    while (!window_writer_is_full(&writer))
        window_writer_tail(&writer, UINT32_MAX, s, BLOCK_SAMPLES_MAX);
    cr_assert_leq(writer.out.n, (size_t)FRAME_FILL_BYTES + TAIL_RECORD_MAX);
}

Test(window_frame, a_frame_cut_anywhere_is_corrupt_or_ends_between_records)
{
    struct dump_block b = {.first_ms = 5 * WINDOW_MS,
                           .last_ms = 5 * WINDOW_MS + 1000,
                           .n_samples = 2,
                           .n_bytes = 4,
                           .bytes = (const uint8_t *)"abcd"};
    struct sample s[] = {{5 * WINDOW_MS + 2000, 1}, {5 * WINDOW_MS + 3000, 2}};
    size_t ends[3];
    ends[0] = writer.out.n;
    window_writer_block(&writer, 1, &b);
    ends[1] = writer.out.n;
    window_writer_tail(&writer, 1, s, 2);
    ends[2] = writer.out.n;
    for (size_t n = 0; n < ends[2]; n++) {
        int r = window_reader_init(&reader, payload, n);
        cr_assert_eq(r, n < ends[0] ? ERR_CORRUPT : 0);
        if (r < 0)
            continue;
        int records = 0;
        while ((r = window_reader_next(&reader, &record)) > 0)
            records++;
        cr_assert_eq(records, n >= ends[1]);
        cr_assert_eq(r, n == ends[0] || n == ends[1] ? 0 : ERR_CORRUPT);
    }
}

static void expect_corrupt(const char *bytes, size_t n)
{
    given_a_frame();
    encoder_bytes(&writer.out, bytes, n);
    start_reading();
    int r;
    while ((r = window_reader_next(&reader, &record)) > 0)
        ;
    cr_assert_eq(r, ERR_CORRUPT);
    cr_assert_eq(window_reader_next(&reader, &record), ERR_CORRUPT, "an error stays");
}

Test(window_frame, nonsense_is_corrupt)
{
    expect_corrupt("\x01\x80\x00", 3);                         /* a tail of 129 samples */
    expect_corrupt("\x00\x00\x00\x00\x80\x01x", 7);            /* a block of 129 samples */
    expect_corrupt("\x00\x00\x00\x00\x00\x00", 6);             /* a block of 0 bytes */
    expect_corrupt("\x00\x00\x00\x00\x00\x81\x08", 7);         /* a block of 1025 bytes */
    expect_corrupt("\x00\x00\x00\x00\x00\x02x", 7);            /* a block cut short */
    expect_corrupt("\x80\x80\x80\x80\x20\x00\x00\x00\x00", 9); /* a series above 2^32 */
}

Test(window_frame, any_bytes_are_survived)
{
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 20000; round++) {
        given_a_frame();
        for (size_t i = random_below(&random, 200); i > 0; i--) {
            uint64_t bits = random_next(&random);
            encoder_u8(&writer.out, (uint8_t)(bits & 0x100 ? bits & 7 : bits));
        }
        start_reading();
        while (window_reader_next(&reader, &record) > 0)
            cr_assert(record.is_tail || record.block.n_bytes <= SIZE_CLASS_BYTES_MAX);
    }
}
