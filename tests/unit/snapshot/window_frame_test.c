#include "snapshot/window_frame.h"

#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <string.h>

enum { WINDOW_MS = 14400000, MAX_RECORDS = 4096, KINDS = RECORD_SHEAF + 1 };

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
    cr_assert_eq(window_reader_init(&reader, FORMAT_VERSION, payload, writer.out.n), 0);
    cr_assert_eq(reader.window_ms, WINDOW_MS);
    cr_assert_eq(reader.window, 5);
}

static struct dump_times some_times(uint32_t timeline, uint32_t from, uint32_t n)
{
    struct dump_times t = {.timeline = timeline, .from = from, .n = n};
    for (uint32_t i = 0; i < n; i++)
        t.times[i] = 123 + (from + i) * 15000;
    return t;
}

static struct dump_block some_block(uint32_t timeline, uint32_t first)
{
    return (struct dump_block){.part = DUMP_BLOCK,
                               .times = DUMP_AT,
                               .encoding = 3,
                               .timeline = timeline,
                               .first = first,
                               .n_samples = 128,
                               .n_values_bytes = 8,
                               .values = (const uint8_t *)"12345678"};
}

static void expect_equal(const struct window_record *a, const struct window_record *b);

static void expect_next(uint32_t number, const struct window_record *expected)
{
    cr_assert_eq(window_reader_next(&reader, &record), 1);
    if (window_record_is_of_series(expected))
        cr_assert_eq(record.number, number);
    expect_equal(&record, expected);
}

Test(window_frame, records_survive)
{
    struct window_record r[6] = {{.kind = RECORD_TIMES, .times = some_times(UINT32_MAX, 7, 3)},
                                 {.kind = RECORD_BLOCK, .block = some_block(UINT32_MAX, 9)},
                                 {.kind = RECORD_BLOCK, .block = some_block(0, UINT32_MAX)},
                                 {.kind = RECORD_BLOCK, .block = some_block(0, 77)},
                                 {.kind = RECORD_TAIL},
                                 {.kind = RECORD_TAIL}};
    r[0].times.times[1] = 0; /* not ours to judge */
    r[1].block.part = DUMP_RUN;
    r[1].block.n_samples = 1 << 29;
    r[2].block.times = DUMP_LINEAR;
    r[2].block.step = UINT32_MAX;
    r[3].block.times = DUMP_PACKED;
    r[3].block.part = DUMP_SHEAF;
    r[3].block.n_times_bytes = 3;
    r[3].block.times_bytes = (const uint8_t *)"abc";
    r[4].tail = (struct dump_tail){
        .n = 3, .places = {UINT32_MAX, 0, 7}, .values = {0x7ff0000000000002, UINT64_MAX, 0}};
    r[5].tail = (struct dump_tail){.n = 2, .has_timeline = true, .timeline = 5, .places = {8, 9}};
    window_writer_times(&writer, &r[0].times);
    window_writer_block(&writer, 0, &r[1].block);
    window_writer_block(&writer, 0, &r[2].block);
    window_writer_block(&writer, 1, &r[3].block);
    window_writer_tail(&writer, 1, &r[4].tail);
    window_writer_tail(&writer, UINT32_MAX, &r[5].tail);
    start_reading();
    static const uint32_t numbers[] = {0, 0, 0, 1, 1, UINT32_MAX};
    for (int i = 0; i < 6; i++)
        expect_next(numbers[i], &r[i]);
    cr_assert_eq(window_reader_next(&reader, &record), 0);
}

/* A block is read in one go when enough bytes are left for the longest of those that can be, and
 * number by number at the end of a frame. */
Test(window_frame, a_block_is_read_the_same_wherever_it_stands)
{
    struct random random;
    random_init(&random, random_seed());
    for (int i = 0; i < 20000; i++) {
        struct dump_block b = some_block(5, 100);
        given_a_frame();
        window_writer_block(&writer, 7, &b);
        uint32_t number = 7 + (uint32_t)(random_below(&random, 2) * random_below(&random, 5000));
        b.timeline = (uint32_t)random_below(&random, 20000);
        b.first = (uint32_t)random_below(&random, 20000);
        b.n_samples = 1 + (uint32_t)random_below(&random, 20000);
        b.encoding = (uint8_t)random_below(&random, 16);
        b.part = (enum dump_part)random_below(&random, 3);
        b.n_values_bytes = 1 + (uint32_t)random_below(&random, 8);
        b.is_shared = random_below(&random, 4) == 0;
        b.n_values_bytes = b.is_shared ? 0 : b.n_values_bytes;
        window_writer_block(&writer, number, &b);
        size_t n = writer.out.n;
        window_writer_block(&writer, number, &b);
        window_writer_block(&writer, number, &b);
        for (int in_middle = 0; in_middle < 2; in_middle++) {
            struct window_record expected = {.kind = RECORD_BLOCK, .block = b};
            cr_assert_eq(
                window_reader_init(&reader, FORMAT_VERSION, payload, in_middle ? writer.out.n : n),
                0);
            cr_assert_eq(window_reader_next(&reader, &record), 1);
            expect_next(number, &expected);
            cr_assert_eq(window_reader_next(&reader, &record), in_middle);
        }
    }
}

Test(window_frame, the_last_block_of_a_series_is_known_where_the_next_record_says_so)
{
    static const struct {
        uint32_t step; /* to the number of the next block */
        bool is_last;
    } rows[] = {{0, false}, {1, true}, {31, true}, {32, false}, {5000, false}};
    struct dump_block b = some_block(5, 100);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        given_a_frame();
        window_writer_block(&writer, 7, &b);
        window_writer_block(&writer, 7, &b);
        window_writer_block(&writer, 7 + rows[i].step, &b);
        start_reading();
        for (int block = 0; block < 3; block++) {
            cr_assert_eq(window_reader_next(&reader, &record), 1);
            cr_assert_eq(record.is_last, block == 1 && rows[i].is_last, "row %zu", i);
        }
    }
}

/* What the essay of window_frame.c promises. */
Test(window_frame, a_series_like_its_neighbour_costs_six_bytes_a_block)
{
    size_t before = 0;
    for (uint32_t series = 0; series < 3; series++) {
        before = writer.out.n;
        for (uint32_t i = 0; i < 7; i++) {
            struct dump_block b = some_block(4, 20 + i * 128);
            window_writer_block(&writer, series, &b);
        }
    }
    cr_assert_eq(writer.out.n - before, 7 * (6 + 8));
}

Test(window_frame, times_at_equal_distances_cost_a_byte_each)
{
    struct dump_times t = some_times(0, 0, DUMP_TIMES_MAX);
    size_t before = writer.out.n;
    window_writer_times(&writer, &t);
    cr_assert_leq(writer.out.n - before, (size_t)DUMP_TIMES_MAX + 8);
}

Test(window_frame, a_constant_tail_costs_a_byte_a_sample)
{
    struct dump_tail t = {.has_timeline = true, .n = DUMP_TAIL_MAX};
    for (uint32_t i = 0; i < t.n; i++) {
        t.places[i] = i;
        t.values[i] = 0x3ff0000000000000;
    }
    window_writer_tail(&writer, 0, &t);
    size_t before = writer.out.n;
    window_writer_tail(&writer, 1, &t);
    cr_assert_leq(writer.out.n - before, t.n + 7u);
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

static uint32_t random_number(struct random *random)
{
    return (uint32_t)random_next(random) >> random_below(random, 32);
}

static void make_times(struct random *random, struct dump_times *t)
{
    t->timeline = random_number(random);
    t->from = random_number(random);
    t->n = 1 + (uint32_t)random_below(random, DUMP_TIMES_MAX);
    for (uint32_t i = 0; i < t->n; i++)
        t->times[i] = random_number(random);
}

static void make_tail(struct random *random, struct dump_tail *t)
{
    t->n = 1 + (uint32_t)random_below(random, BLOCK_SAMPLES_MAX);
    t->has_timeline = random_below(random, 2) != 0;
    t->timeline = t->has_timeline ? random_number(random) : 0;
    uint32_t first = random_number(random);
    for (uint32_t i = 0; i < t->n; i++) {
        t->places[i] = t->has_timeline ? first + i : random_number(random);
        t->values[i] = random_value(random);
    }
}

enum { BYTES_MAX = BLOCK_TIMES_BYTES_MAX + COLUMN_BYTES_MAX };

static void make_block(struct random *random, struct dump_block *b, uint8_t *bytes)
{
    *b = (struct dump_block){
        .part = (enum dump_part)random_below(random, DUMP_RUN + 1),
        .times = (enum dump_place)(DUMP_AT + random_below(random, 3)),
        .encoding = (uint8_t)random_below(random, 16),
        .first = random_number(random),
        .n_samples = 1 + random_number(random) / 2,
        .n_values_bytes = 1 + (uint32_t)random_below(random, COLUMN_BYTES_MAX),
        .values = bytes + BLOCK_TIMES_BYTES_MAX,
    };
    for (uint32_t i = 0; i < BYTES_MAX; i++)
        bytes[i] = (uint8_t)random_next(random);
    if (b->times == DUMP_AT) {
        b->timeline = random_number(random);
    } else if (b->times == DUMP_LINEAR) {
        b->step = random_number(random);
    } else {
        b->n_times_bytes = (uint32_t)random_below(random, BLOCK_TIMES_BYTES_MAX + 1);
        b->times_bytes = bytes;
    }
    if (random_below(random, 3) == 0) {
        b->is_shared = true;
        b->shared = random_number(random);
        b->n_values_bytes = 0;
        b->values = NULL;
    }
}

static void make_shared(struct random *random, struct dump_shared *s, uint8_t *bytes)
{
    *s = (struct dump_shared){.number = random_number(random),
                              .n_bytes = 1 + (uint32_t)random_below(random, COLUMN_BYTES_MAX),
                              .bytes = bytes};
    for (uint32_t i = 0; i < s->n_bytes; i++)
        bytes[i] = (uint8_t)random_next(random);
}

static void make_sheaf(struct random *random, struct dump_sheaf *s, uint8_t *bytes)
{
    *s = (struct dump_sheaf){.timeline = random_number(random),
                             .first = random_number(random),
                             .n_blocks = 1 + (uint32_t)random_below(random, SHEAF_BLOCKS_MAX),
                             .n_samples = 1 + random_number(random) / 2,
                             .n_bytes = 1 + (uint32_t)random_below(random, BYTES_MAX),
                             .bytes = bytes};
    for (uint32_t i = 0; i < s->n_bytes; i++)
        bytes[i] = (uint8_t)random_next(random);
}

static void make_record(struct random *random, struct window_record *r, uint8_t *bytes)
{
    memset(r, 0, sizeof *r);
    r->kind = (enum window_record_kind)random_below(random, KINDS);
    if (r->kind == RECORD_TIMES)
        make_times(random, &r->times);
    else if (r->kind == RECORD_TAIL)
        make_tail(random, &r->tail);
    else if (r->kind == RECORD_SHARED)
        make_shared(random, &r->shared, bytes);
    else if (r->kind == RECORD_SHEAF)
        make_sheaf(random, &r->sheaf, bytes);
    else
        make_block(random, &r->block, bytes);
}

static void put_record(const struct window_record *r)
{
    if (r->kind == RECORD_TIMES)
        window_writer_times(&writer, &r->times);
    else if (r->kind == RECORD_SHARED)
        window_writer_shared(&writer, &r->shared);
    else if (r->kind == RECORD_TAIL)
        window_writer_tail(&writer, r->number, &r->tail);
    else if (r->kind == RECORD_SHEAF)
        window_writer_sheaf(&writer, r->number, &r->sheaf);
    else
        window_writer_block(&writer, r->number, &r->block);
}

static void expect_equal_blocks(const struct dump_block *a, const struct dump_block *b)
{
    cr_assert(a->part == b->part && a->times == b->times && a->encoding == b->encoding);
    cr_assert(a->timeline == b->timeline && a->first == b->first && a->step == b->step);
    cr_assert_eq(a->n_samples, b->n_samples);
    cr_assert_eq(a->n_times_bytes, b->n_times_bytes);
    cr_assert_eq(a->n_values_bytes, b->n_values_bytes);
    cr_assert(a->n_times_bytes == 0 || !memcmp(a->times_bytes, b->times_bytes, a->n_times_bytes));
    cr_assert(a->is_shared == b->is_shared && a->shared == b->shared);
    cr_assert(a->is_shared || !memcmp(a->values, b->values, a->n_values_bytes));
}

static void expect_equal(const struct window_record *a, const struct window_record *b)
{
    cr_assert_eq(a->kind, b->kind);
    if (a->kind == RECORD_BLOCK) {
        expect_equal_blocks(&a->block, &b->block);
    } else if (a->kind == RECORD_TIMES) {
        cr_assert(a->times.timeline == b->times.timeline && a->times.from == b->times.from);
        cr_assert_eq(a->times.n, b->times.n);
        cr_assert_eq(memcmp(a->times.times, b->times.times, a->times.n * sizeof(uint32_t)), 0);
    } else if (a->kind == RECORD_SHARED) {
        cr_assert(a->shared.number == b->shared.number && a->shared.n_bytes == b->shared.n_bytes);
        cr_assert_eq(memcmp(a->shared.bytes, b->shared.bytes, a->shared.n_bytes), 0);
    } else if (a->kind == RECORD_SHEAF) {
        const struct dump_sheaf *x = &a->sheaf, *y = &b->sheaf;
        cr_assert(x->timeline == y->timeline && x->first == y->first && x->n_bytes == y->n_bytes);
        cr_assert(x->n_blocks == y->n_blocks && x->n_samples == y->n_samples);
        cr_assert_eq(memcmp(x->bytes, y->bytes, x->n_bytes), 0);
    } else {
        const struct dump_tail *x = &a->tail, *y = &b->tail;
        cr_assert(x->n == y->n && x->has_timeline == y->has_timeline && x->timeline == y->timeline);
        cr_assert_eq(memcmp(x->places, y->places, x->n * sizeof(uint32_t)), 0);
        cr_assert_eq(memcmp(x->values, y->values, x->n * sizeof(uint64_t)), 0);
    }
}

Test(window_frame, a_full_frame_of_anything_survives)
{
    static struct window_record made[MAX_RECORDS];
    static uint8_t bytes[MAX_RECORDS][BYTES_MAX];
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 50; round++) {
        given_a_frame();
        uint32_t n = 0, number = 0;
        for (; !window_writer_is_full(&writer) && n < MAX_RECORDS; n++) {
            make_record(&random, &made[n], bytes[n]);
            number += (uint32_t)random_below(&random, 3);
            made[n].number = number;
            put_record(&made[n]);
        }
        start_reading();
        for (uint32_t i = 0; i < n; i++)
            expect_next(made[i].number, &made[i]);
        cr_assert_eq(window_reader_next(&reader, &record), 0);
    }
}

Test(window_frame, the_longest_records_fit_a_frame_that_is_not_full)
{
    static uint8_t bytes[COLUMN_BYTES_MAX];
    static uint8_t sheaf_bytes[SHEAF_BYTES_MAX];
    static struct window_record longest[KINDS];
    static const size_t most[] = {BLOCK_RECORD_MAX, TAIL_RECORD_MAX, TIMES_RECORD_MAX,
                                  SHARED_RECORD_MAX, SHEAF_RECORD_MAX};
    longest[RECORD_BLOCK] = (struct window_record){.kind = RECORD_BLOCK,
                                                   .block = {.times = DUMP_PACKED,
                                                             .first = UINT32_MAX,
                                                             .n_samples = UINT32_MAX,
                                                             .n_times_bytes = BLOCK_TIMES_BYTES_MAX,
                                                             .n_values_bytes = COLUMN_BYTES_MAX,
                                                             .times_bytes = bytes,
                                                             .values = bytes}};
    longest[RECORD_TAIL].kind = RECORD_TAIL;
    longest[RECORD_TAIL].tail.n = BLOCK_SAMPLES_MAX;
    longest[RECORD_TIMES].kind = RECORD_TIMES;
    longest[RECORD_TIMES].times =
        (struct dump_times){.timeline = UINT32_MAX, .from = UINT32_MAX, .n = DUMP_TIMES_MAX};
    for (int i = 0; i < BLOCK_SAMPLES_MAX; i++) {
        longest[RECORD_TAIL].tail.places[i] = i % 2 != 0 ? 0 : UINT32_MAX;
        longest[RECORD_TAIL].tail.values[i] = i % 2 != 0 ? UINT64_MAX : 0;
        longest[RECORD_TIMES].times.times[i] = i % 2 != 0 ? UINT32_MAX / 2 : 0;
    }
    longest[RECORD_SHARED].kind = RECORD_SHARED;
    longest[RECORD_SHARED].shared = (struct dump_shared){UINT32_MAX, COLUMN_BYTES_MAX, bytes};
    longest[RECORD_SHEAF].kind = RECORD_SHEAF;
    longest[RECORD_SHEAF].sheaf = (struct dump_sheaf){UINT32_MAX, UINT32_MAX,      SHEAF_BLOCKS_MAX,
                                                      UINT32_MAX, SHEAF_BYTES_MAX, sheaf_bytes};
    for (int kind = 0; kind < KINDS; kind++) {
        given_a_frame();
        while (!window_writer_is_full(&writer)) {
            size_t before = writer.out.n;
            longest[kind].number = UINT32_MAX;
            put_record(&longest[kind]);
            cr_assert_leq(writer.out.n - before, most[kind]);
        }
        cr_assert_leq(writer.out.n, (size_t)FRAME_FILL_BYTES + most[kind]);
    }
}

Test(window_frame, a_frame_cut_anywhere_is_corrupt_or_ends_between_records)
{
    struct dump_times t = some_times(0, 0, 3);
    struct dump_block at = some_block(0, 1), packed = at;
    struct dump_tail tail = {.n = 2, .places = {5, 6}, .values = {1, 2}};
    static const uint8_t many[200];
    struct dump_shared values = {300, sizeof many, many};
    struct dump_block refers = at;
    const struct dump_sheaf sheaf = {300, 1, 2, 200, 10, (const uint8_t *)"0123456789"};
    size_t ends[8], n_ends = 0;
    refers.is_shared = true;
    refers.shared = 300;
    refers.n_values_bytes = 0;
    packed.times = DUMP_PACKED;
    packed.n_times_bytes = 2;
    packed.times_bytes = (const uint8_t *)"ab";
    ends[n_ends++] = writer.out.n;
    window_writer_times(&writer, &t);
    ends[n_ends++] = writer.out.n;
    window_writer_block(&writer, 1, &at);
    ends[n_ends++] = writer.out.n;
    window_writer_block(&writer, 1, &packed);
    ends[n_ends++] = writer.out.n;
    window_writer_shared(&writer, &values);
    ends[n_ends++] = writer.out.n;
    window_writer_block(&writer, 1, &refers);
    ends[n_ends++] = writer.out.n;
    window_writer_sheaf(&writer, 1, &sheaf);
    ends[n_ends++] = writer.out.n;
    window_writer_tail(&writer, 1, &tail);
    ends[n_ends++] = writer.out.n;
    for (size_t n = 0; n < writer.out.n; n++) {
        int r = window_reader_init(&reader, FORMAT_VERSION, payload, n);
        cr_assert_eq(r, n < ends[0] ? ERR_CORRUPT : 0);
        if (r < 0)
            continue;
        int records = 0, whole = 0;
        while ((r = window_reader_next(&reader, &record)) > 0)
            records++;
        while (ends[whole + 1] <= n)
            whole++;
        cr_assert_eq(records, whole);
        cr_assert_eq(r, n == ends[whole] ? 0 : ERR_CORRUPT);
    }
}

static void expect_corrupt_in(uint16_t version, const char *bytes, size_t n)
{
    given_a_frame();
    encoder_bytes(&writer.out, bytes, n);
    cr_assert_eq(window_reader_init(&reader, version, payload, writer.out.n), 0);
    int r;
    while ((r = window_reader_next(&reader, &record)) > 0)
        ;
    cr_assert_eq(r, ERR_CORRUPT);
    cr_assert_eq(window_reader_next(&reader, &record), ERR_CORRUPT, "an error stays");
}

static void expect_corrupt(const char *bytes, size_t n)
{
    for (uint16_t version = FORMAT_VERSION_MIN; version <= FORMAT_VERSION; version++)
        expect_corrupt_in(version, bytes, n);
}

static bool is_good_in(uint16_t version, const char *bytes, size_t n)
{
    given_a_frame();
    encoder_bytes(&writer.out, bytes, n);
    cr_assert_eq(window_reader_init(&reader, version, payload, writer.out.n), 0);
    return window_reader_next(&reader, &record) == 1 && window_reader_next(&reader, &record) == 0;
}

Test(window_frame, values_are_shared_from_version_3_on)
{
    static const char values[] = "\x03\x05\x01x", block[] = "\x00\x13\x00\x00\x00\x00\x05";
    cr_assert(is_good_in(FORMAT_VERSION_SHARED, values, 4));
    cr_assert(is_good_in(FORMAT_VERSION_SHARED, block, 7));
    expect_corrupt_in(FORMAT_VERSION_SHARED - 1, values, 4);
    expect_corrupt_in(FORMAT_VERSION_SHARED - 1, block, 7);
}

Test(window_frame, sheaves_are_one_record_from_version_5_on)
{
    static const char sheaf[] = "\x00\xd0\x00\x00\x00\x00\x01x";
    cr_assert(is_good_in(FORMAT_VERSION_SHEAVES, sheaf, 8));
    cr_assert_eq(record.kind, RECORD_SHEAF);
    expect_corrupt_in(FORMAT_VERSION_SHEAVES - 1, sheaf, 8);
}

Test(window_frame, nonsense_is_corrupt)
{
    expect_corrupt("\x00\xd0\x10\x00\x00\x00\x01x", 8);          /* a sheaf of 17 blocks */
    expect_corrupt("\x00\xd0\x00\x00\x00\x00\x00", 7);           /* one of 0 bytes */
    expect_corrupt("\x00\xd0\x00\x00\x00\x00\x02x", 8);          /* one cut short */
    expect_corrupt("\x00\xd0\x00\x00\x00\x00\xd5\xed\x01x", 10); /* one of 30421 bytes */
    expect_corrupt("\x00\xd1\x00\x00\x00\x00\x01x", 8);          /* one with an encoding */

    expect_corrupt("\x03", 1);                          /* shared values without a number */
    expect_corrupt("\x03\x05\x00", 3);                  /* none of them */
    expect_corrupt("\x03\x05\x02x", 4);                 /* cut short */
    expect_corrupt("\x03\x05\x81\x08x", 5);             /* 1025 of them */
    expect_corrupt("\x03\x80\x80\x80\x80\x10\x01x", 8); /* number 2^32 */
    expect_corrupt("\x00\x13\x00\x00\x00\x00\x80\x80\x80\x80\x10", 11); /* in a block */
    expect_corrupt("\x01\x80\x00\x00", 4);                              /* a tail of 129 samples */
    expect_corrupt("\x01\x00\x02\x00", 4);                              /* one with a flag of 2 */
    expect_corrupt("\x02\x00\x00\x80\x00\x00", 6);                      /* 129 times */
    expect_corrupt("\x00\x03\x00\x00\x00\x01x", 7);                     /* a block that follows */
    expect_corrupt("\x00\xd3\x00\x00\x00\x01x", 7);                     /* part 3 */
    expect_corrupt("\x00\x13\x00\x00\x00\x00", 6);  /* a block of 0 bytes, without a number */
    expect_corrupt("\x00\x13\x00\x00\x00\x02x", 7); /* a block cut short */
    expect_corrupt("\x00\x13\x00\x00\x00\xff\xff\x03x", 9);    /* a block of 65535 bytes */
    expect_corrupt("\x00\x33\x01\x00\xff\x0f\x01x", 8);        /* times of 2047 bytes */
    expect_corrupt("\x80\x80\x80\x80\x40\x00\x00\x00\x00", 9); /* a series above 2^32 */
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
        while (window_reader_next(&reader, &record) > 0) {
            if (record.kind == RECORD_BLOCK)
                cr_assert(record.block.n_values_bytes <= COLUMN_BYTES_MAX &&
                          record.block.n_times_bytes <= BLOCK_TIMES_BYTES_MAX);
            else if (record.kind == RECORD_SHARED)
                cr_assert(record.shared.n_bytes >= 1 && record.shared.n_bytes <= COLUMN_BYTES_MAX);
            else if (record.kind == RECORD_TAIL)
                cr_assert(record.tail.n >= 1 && record.tail.n <= BLOCK_SAMPLES_MAX);
            else if (record.kind == RECORD_SHEAF)
                cr_assert(record.sheaf.n_bytes >= 1 && record.sheaf.n_bytes <= SHEAF_BYTES_MAX);
            else
                cr_assert(record.times.n >= 1 && record.times.n <= DUMP_TIMES_MAX);
        }
    }
}
