/* The examples of docs/chunk-format.md are what the program writes, and what it reads. */
#include "tests/unit/tsdb/test_chunk.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXAMPLE_SAMPLES_MAX = 500 };

/* Between "<!-- example: NAME -->" and "<!-- end -->": samples ("@ TIME VALUE", the value as a
 * number or as 0x and its bits, perhaps "xN STEP" behind it), facts ("context TIMELINE PLACE", "at
 * TIMELINE PLACE", "shared SLOT", "run NUMBER"), and bytes as pairs of digits. A # begins a
 * comment. */
struct example {
    uint32_t times[EXAMPLE_SAMPLES_MAX];
    uint64_t values[EXAMPLE_SAMPLES_MAX];
    uint32_t n;
    struct block_context context, at;
    slot shared;
    long run;
    uint8_t bytes[BLOCK_STORED_MAX];
    size_t n_bytes;
};

static struct test_window x;

static void set_up(void)
{
    test_window_init(&x);
}

static void tear_down(void)
{
    test_window_release(&x);
}

TestSuite(chunk_format, .init = set_up, .fini = tear_down);

static void read_samples(struct example *e, const char *line)
{
    char *at;
    unsigned n = 1, step = 0;
    uint32_t time = (uint32_t)strtoul(line + 1, &at, 10);
    at += strspn(at, " ");
    uint64_t value = strncmp(at, "0x", 2) == 0 ? strtoull(at, &at, 16) : test_bits(strtod(at, &at));
    (void)sscanf(at, " x%u %u", &n, &step);
    for (unsigned i = 0; i < n; i++) {
        cr_assert_lt(e->n, EXAMPLE_SAMPLES_MAX);
        e->times[e->n] = time + i * step;
        e->values[e->n++] = value;
    }
}

static void read_line(struct example *e, char *line)
{
    int len;
    unsigned byte;
    line[strcspn(line, "#\n")] = '\0';
    if (line[0] == '@')
        read_samples(e, line);
    else if (sscanf(line, "context %x %u", &e->context.timeline, &e->context.place) == 2 ||
             sscanf(line, "at %x %u", &e->at.timeline, &e->at.place) == 2 ||
             sscanf(line, "shared %x", &e->shared) == 1 || sscanf(line, "run %ld", &e->run) == 1 ||
             line[0] == '`')
        return;
    else {
        for (; sscanf(line, " %2x%n", &byte, &len) == 1; line += len)
            e->bytes[e->n_bytes++] = (uint8_t)byte;
        cr_assert_eq(line[strspn(line, " ")], '\0', "neither bytes nor a comment: %s", line);
    }
}

static struct example example_of(const char *name)
{
    struct example e = {.run = -1};
    char line[400], begin[64];
    bool is_inside = false, is_found = false;
    FILE *f = fopen("docs/chunk-format.md", "r");
    cr_assert_not_null(f, "run this from the root of the tree");
    snprintf(begin, sizeof(begin), "<!-- example: %s -->", name);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "<!-- end", 8) == 0)
            is_inside = false;
        if (is_inside)
            read_line(&e, line);
        if (strncmp(line, begin, strlen(begin)) == 0)
            is_inside = is_found = true;
    }
    fclose(f);
    cr_assert(is_found && e.n > 0 && e.n_bytes > 0, "no example \"%s\"", name);
    return e;
}

static void expect_bytes(const struct example *e, const void *got, size_t n)
{
    if (n == e->n_bytes && memcmp(got, e->bytes, n) == 0)
        return;
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "%02x%c", ((const uint8_t *)got)[i], i + 1 == n ? '\n' : ' ');
    cr_assert_fail("above is what the program writes");
}

/* ---- blocks ---- */

static bool is_run(const struct example *e)
{
    return e->at.timeline != 0 || e->n == 1;
}

static void block_example(const char *name)
{
    struct example e = example_of(name);
    uint8_t values_bytes[COLUMN_BYTES_MAX], times_bytes[BLOCK_TIMES_BYTES_MAX],
        bytes[BLOCK_STORED_MAX];
    struct block b = {0};
    struct block_context put = e.context, got = e.context;
    if (is_run(&e)) {
        block_of_run(&b, e.at.timeline, e.times[0], e.n, e.values[0], values_bytes);
    } else {
        block_encode_values(&b, e.values, e.n, values_bytes);
        block_own_times(&b, e.times, e.n, times_bytes);
    }
    expect_bytes(&e, bytes, block_put(&b, &put, bytes));

    const uint8_t *at = e.bytes;
    uint32_t times[BLOCK_SAMPLES_MAX], part = (uint32_t)size_min(e.n, BLOCK_SAMPLES_MAX);
    uint64_t values[BLOCK_SAMPLES_MAX];
    cr_assert(block_get(&at, e.bytes + e.n_bytes, &got, &b));
    cr_assert_eq(at, e.bytes + e.n_bytes);
    cr_assert_eq(b.n_samples, e.n);
    cr_assert_eq(b.timeline, e.at.timeline);
    cr_assert_eq(b.first, e.times[0]);
    cr_assert(block_values(&b, 0, part, values));
    cr_assert_arr_eq(values, e.values, part * sizeof(*values));
    if (e.at.timeline != 0)
        return;
    cr_assert(block_times(&x.t.arena, &x.times, &b, 0, part, times));
    cr_assert_arr_eq(times, e.times, part * sizeof(*times));
}

Test(chunk_format, a_run_where_the_block_before_ended)
{
    block_example("block follows");
}

Test(chunk_format, a_run_elsewhere)
{
    block_example("block at");
}

Test(chunk_format, a_late_sample_in_a_run)
{
    block_example("block sample");
}

/* Of a block in a timeline; what the handle names is not looked at. */
Test(chunk_format, shared_values)
{
    struct example e = example_of("block shared");
    uint8_t values_bytes[COLUMN_BYTES_MAX], bytes[BLOCK_STORED_MAX];
    struct block b = {0};
    struct block_context put = e.context, got = e.context;
    block_encode_values(&b, e.values, e.n, values_bytes);
    b.times = BLOCK_AT;
    b.timeline = e.at.timeline;
    b.first = e.at.place;
    b.shared = e.shared;
    expect_bytes(&e, bytes, block_put(&b, &put, bytes));
    const uint8_t *at = e.bytes;
    struct block back;
    cr_assert(block_get(&at, e.bytes + e.n_bytes, &got, &back));
    cr_assert(back.shared == e.shared && back.n_samples == e.n && back.encoding == b.encoding);
}

Test(chunk_format, equidistant_times_of_its_own)
{
    block_example("block equidistant");
}

Test(chunk_format, times_of_its_own)
{
    block_example("block own");
}

/* ---- what is made of them ---- */

Test(chunk_format, a_sheaf_in_its_slot)
{
    struct example e = example_of("sheaf");
    struct chunk c = {0};
    struct chunk_writer w = {.slots = &x.slots,
                             .window = x.w,
                             .recent = &x.recent,
                             .shared = &x.shared,
                             .times = &x.times,
                             .is_open = true};
    for (uint32_t i = 0; i < e.n; i++)
        cr_assert_eq(chunk_add(&w, &c, e.times[i], e.values[i], true), 0);
    cr_assert_eq(chunk_seal(&w, &c), 0);
    cr_assert_eq(c.kind, CHUNK_SHEAF);
    cr_assert_eq(c.n_blocks, 3);
    cr_assert_eq(pool_slot_bytes_at(&x.t.arena, c.at), 32);
    memset(slot_ptr(&x.t.arena, c.at), 0, sizeof(slot));
    expect_bytes(&e, slot_ptr(&x.t.arena, c.at), sizeof(slot) + c.n_bytes);

    struct chunk_view v = {.c = c};
    int64_t t_ms[EXAMPLE_SAMPLES_MAX];
    uint64_t values[EXAMPLE_SAMPLES_MAX];
    cr_assert_eq(chunk_read(&x.t.arena, &x.times, &v, 0, UINT32_MAX, 0, t_ms, values), e.n);
    for (uint32_t i = 0; i < e.n; i++)
        cr_assert_eq(t_ms[i], e.times[i]);
    cr_assert_arr_eq(values, e.values, e.n * sizeof(*values));
}

static void tail_example(const char *name)
{
    struct example e = example_of(name);
    struct tail tail;
    uint8_t bytes[TAIL_BYTES_MAX];
    uint32_t places[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    size_t n = 0;
    tail_start(&tail, e.at.timeline, e.times[0], e.values[0]);
    for (uint32_t i = 1; i < e.n; i++)
        n += tail_step(&tail, e.times[i], e.values[i], &bytes[n]);
    cr_assert_eq(tail.run, (uint32_t)e.run);
    expect_bytes(&e, bytes, n);
    tail_decode(&tail, e.bytes, places, values);
    cr_assert_eq(tail.n_samples, e.n);
    cr_assert_arr_eq(places, e.times, e.n * sizeof(*places));
    cr_assert_arr_eq(values, e.values, e.n * sizeof(*values));
}

Test(chunk_format, a_tail_with_times_of_its_own)
{
    tail_example("tail own");
}

Test(chunk_format, a_tail_over_a_timeline)
{
    tail_example("tail timeline");
}

Test(chunk_format, a_segment_of_a_timeline)
{
    struct example e = example_of("segment");
    cr_assert_eq(e.n, SEGMENT_TIMES);
    slot timeline = timeline_new(&x.slots, x.w, e.times[0]);
    for (uint32_t i = 1; i < e.n; i++)
        cr_assert_eq(timeline_append(&x.slots, x.w, timeline, &e.times[i], 1), 0);
    cr_assert_eq(timeline_append(&x.slots, x.w, timeline, &(uint32_t){e.times[e.n - 1] + 1}, 1), 0);
    const struct timeline_state *s = &timeline_at(&x.t.arena, timeline)->state;
    const struct segment *g = row_at(&x.t.arena, &s->segments, sizeof(*g), 0);
    cr_assert_eq(g->first, e.times[0]);
    expect_bytes(&e, slot_ptr(&x.t.arena, g->bytes), g->n_bytes);
}

/* ---- tables ---- */

#define AT(type, member, offset) cr_assert_eq(offsetof(struct type, member), (size_t)(offset))

Test(chunk_format, structs_are_laid_out_as_written)
{
    cr_assert_eq(sizeof(struct sheaf), 24);
    AT(sheaf, start.timeline, 4);
    AT(sheaf, start.place, 8);
    AT(sheaf, piece, 12);
    AT(sheaf, n_samples, 16);
    AT(sheaf, n_bytes, 20);
    AT(sheaf, n_blocks, 22);
    AT(timeline, number, 4);
    AT(timeline, before, 8);
    AT(timeline, dumped, 16);
    AT(timeline, state.n, 24);
    AT(timeline, state.last, 28);
    AT(timeline, state.step, 32);
    AT(timeline, state.segments, 40);
    AT(timeline, state.pieces, 48);
    cr_assert_eq(sizeof(struct shared), 24);
    AT(shared, number, 4);
    AT(shared, serial, 8);
    AT(shared, bytes, 12);
    AT(shared, n_bytes, 16);
    AT(shared, dumped, 20);
    cr_assert_eq(sizeof(struct segment), 16);
    AT(segment, step, 4);
    AT(segment, bytes, 8);
    AT(segment, n_bytes, 12);
    cr_assert_eq(sizeof(struct chunk), 24);
    AT(chunk, n_samples, 4);
    AT(chunk, timeline, 8);
    AT(chunk, value, 16);
    AT(chunk, at, 16);
    AT(chunk, n_bytes, 20);
    AT(chunk, n_blocks, 22);
    cr_assert_eq(sizeof(struct chunk_head), 128);
    AT(chunk_head, sheaves, 0);
    AT(chunk_head, last, 8);
    AT(chunk_head, tail, 32);
    AT(chunk_head, first_piece, 80);
    AT(chunk_head, end.piece, 88);
    AT(chunk_head, end.rest, 92);
    AT(chunk_head, end.n_rest, 96);
    AT(chunk_head, end.context, 100);
    AT(chunk_head, inline_bytes, 108);
    cr_assert_eq(CHUNK_INLINE_BYTES, 20);
}

Test(chunk_format, bits_of_a_record_are_where_they_are_said_to_be)
{
    struct chunk c = {.place = 5, .kind = CHUNK_CONSTANT, .is_stale = 1};
    uint32_t third;
    memcpy(&third, (char *)&c + 12, sizeof(third));
    cr_assert_eq(third, 5u | 1u << 29 | 1u << 31);
}

/* The numbers that the text names. */
Test(chunk_format, limits_are_as_written)
{
    cr_assert_eq(BLOCK_SAMPLES_MAX, 128);
    cr_assert_eq(BLOCK_RUN_MAX, (1 << 29) - 1);
    cr_assert_eq(TIMELINE_TIMES_MAX, (1 << 29) - 1);
    cr_assert_eq(BLOCK_STORED_MAX, 1690);
    cr_assert_eq(COLUMN_BYTES_MAX, 1024);
    cr_assert_eq(SHEAF_BLOCKS, 8);
    cr_assert_eq(SHEAF_BLOCKS_MAX, 16);
    cr_assert_eq(SHEAF_BYTES_MAX, 30420);
    cr_assert_eq(TAIL_STEP_BYTES_MAX, 24);
    cr_assert_eq(TIMELINE_LOOK_BACK, 16);
    cr_assert_eq(SEGMENT_TIMES, 128);
    cr_assert_eq(ROW_FIRST_BYTES / sizeof(struct sheaf), 5);
    cr_assert_eq(ROW_LEAF_BYTES / sizeof(struct sheaf), 42);
    cr_assert_eq(ROW_FIRST_BYTES / sizeof(struct segment), 8);
    cr_assert_eq(ROW_LEAF_BYTES / sizeof(struct segment), 64);
    cr_assert_eq(ROW_FANOUT, 256);
    cr_assert_eq(CRUMB_BYTES_MAX, 96);
}
