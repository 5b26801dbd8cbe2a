#include "tests/unit/tsdb/test_chunk.h"
#include "tsdb/block.h"
#include "tsdb/varint.h"

static struct test_window x;
static struct random random_state;
static slot timeline;

enum { TIMELINE_TIMES = 1000, TIMELINE_STEP = 15000 };

static void set_up(void)
{
    test_window_init(&x);
    random_init(&random_state, random_seed());
    timeline = timeline_new(&x.slots, x.w, 0);
    for (uint32_t i = 1; i < TIMELINE_TIMES; i++)
        cr_assert_eq(timeline_append(&x.slots, x.w, timeline, &(uint32_t){i * TIMELINE_STEP}, 1),
                     0);
}

static void tear_down(void)
{
    test_window_release(&x);
}

TestSuite(block, .init = set_up, .fini = tear_down);

/* A block with what it borrows. */
struct made {
    struct block b;
    uint32_t times[BLOCK_SAMPLES_MAX]; /* what its samples are: of a run the first ones */
    uint64_t values[BLOCK_SAMPLES_MAX];
    uint8_t times_bytes[BLOCK_TIMES_BYTES_MAX], values_bytes[COLUMN_BYTES_MAX];
};

enum form { OF_TIMELINE, EQUIDISTANT, JITTERED, SCATTERED, RUN, FORMS };

static void make_times(struct made *m, enum form form, uint32_t n)
{
    uint32_t time = (uint32_t)random_below(&random_state, 100000);
    uint32_t first = (uint32_t)random_below(&random_state, TIMELINE_TIMES - n + 1);
    for (uint32_t i = 0; i < n; i++) {
        m->times[i] = form == OF_TIMELINE || form == RUN ? (first + i) * TIMELINE_STEP : time;
        time += form == SCATTERED
                    ? 1 + (uint32_t)(random_next(&random_state) >>
                                     (40 + random_below(&random_state, 24)))
                    : 1000 + (form == JITTERED ? (uint32_t)random_below(&random_state, 9) : 0);
    }
    m->b.times = BLOCK_AT;
    m->b.timeline = timeline;
    m->b.first = first;
    if (form != OF_TIMELINE && form != RUN)
        block_own_times(&m->b, m->times, n, m->times_bytes);
}

static void make(struct made *m, enum form form, enum test_column kind, uint32_t n)
{
    memset(m, 0, sizeof(*m));
    for (uint32_t i = 0; i < n; i++)
        m->values[i] = test_value(&random_state, form == RUN ? COLUMN_CONSTANT : kind, i);
    make_times(m, form, n);
    if (form == RUN)
        block_of_run(&m->b, timeline, m->b.first, n, m->values[0], m->values_bytes);
    else
        block_encode_values(&m->b, m->values, n, m->values_bytes);
}

static void expect_samples(const struct block *b, const struct made *m)
{
    uint32_t times[BLOCK_SAMPLES_MAX], n = m->b.n_samples, first, last;
    uint64_t values[BLOCK_SAMPLES_MAX];
    cr_assert_eq(b->n_samples, n);
    cr_assert(block_times(&x.t.arena, &x.times, b, 0, n, times));
    cr_assert(block_values(b, 0, n, values));
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_eq(times[i], m->times[i], "time %u of %u", i, n);
        cr_assert_eq(values[i], m->values[i], "value %u of %u", i, n);
    }
    block_span(&x.t.arena, &x.times, b, &first, &last);
    cr_assert_eq(first, m->times[0]);
    cr_assert_eq(last, m->times[n - 1]);
}

/* Reads from a copy of exactly n bytes, so that a sanitizer sees a read past them. *ret borrows
 * from *ret_copy, which is to be freed. */
static bool get(const uint8_t *bytes, size_t n, struct block_context *io, struct block *ret,
                uint8_t **ret_copy, size_t *ret_used)
{
    uint8_t *exact = *ret_copy = malloc(n + (size_t)(n == 0));
    const uint8_t *at = exact;
    memcpy(exact, bytes, n);
    bool is_block = block_get(&at, exact + n, io, ret);
    *ret_used = (size_t)(at - exact);
    return is_block;
}

static const struct block_context nowhere;

static void round_trip(const struct made *m, const struct block_context *context)
{
    struct block_context put = *context, got = *context;
    uint8_t bytes[BLOCK_STORED_MAX + 3], *copy;
    struct block b;
    size_t used, n = block_put(&m->b, &put, bytes);
    cr_assert_leq(n, BLOCK_STORED_MAX);
    memset(&bytes[n], 0xEE, 3);
    cr_assert(get(bytes, n + 3, &got, &b, &copy, &used));
    cr_assert_eq(used, n, "it ends where it ends");
    expect_samples(&b, m);
    cr_assert_eq(b.encoding, m->b.encoding);
    cr_assert_eq(b.times, m->b.times);
    cr_assert_eq(b.timeline, m->b.timeline);
    cr_assert_eq(b.first, m->b.first);
    cr_assert_eq(b.step, m->b.step);
    cr_assert_eq(got.timeline, put.timeline);
    cr_assert_eq(got.place, put.place);
    cr_assert_eq(put.timeline, m->b.timeline);
    cr_assert_eq(put.place, m->b.timeline != 0 ? m->b.first + m->b.n_samples : 0);
    free(copy);
}

Test(block, every_form_of_times_with_every_kind_of_column_comes_back)
{
    static struct made m;
    for (int form = 0; form < FORMS; form++)
        for (int kind = 0; kind < COLUMN_KINDS; kind++)
            for (uint32_t n = 1; n <= BLOCK_SAMPLES_MAX; n += n % 9 == 0 ? 3 : 1) {
                make(&m, (enum form)form, (enum test_column)kind, n);
                round_trip(&m, &nowhere);
                round_trip(&m, &(struct block_context){m.b.timeline, m.b.first});
                round_trip(&m, &(struct block_context){timeline, m.b.first + 1});
                round_trip(&m, &(struct block_context){timeline + 8, m.b.first});
            }
}

Test(block, odd_values_come_back)
{
    static struct made m;
    for (size_t i = 0; i < ARRAY_LEN(test_odd_values); i++)
        for (size_t k = 0; k < ARRAY_LEN(test_odd_values); k++) {
            make(&m, EQUIDISTANT, COLUMN_CONSTANT, 3);
            m.values[0] = m.values[2] = test_odd_values[i];
            m.values[1] = test_odd_values[k];
            block_encode_values(&m.b, m.values, 3, m.values_bytes);
            round_trip(&m, &nowhere);
        }
}

Test(block, says_its_place_only_where_it_is_not_expected)
{
    static struct made m;
    uint8_t bytes[BLOCK_STORED_MAX];
    make(&m, RUN, COLUMN_CONSTANT, 100);
    struct block_context here = {timeline, m.b.first}, elsewhere = {timeline, m.b.first + 1};
    size_t follows = block_put(&m.b, &here, bytes);
    cr_assert_eq(bytes[0] >> 4, BLOCK_FOLLOWS);
    cr_assert_geq(block_put(&m.b, &elsewhere, bytes), follows + 5);
    cr_assert_eq(bytes[0] >> 4, BLOCK_AT);
    cr_assert_eq(here.place, m.b.first + 100);
    make(&m, EQUIDISTANT, COLUMN_CONSTANT, 100);
    block_put(&m.b, &here, bytes);
    cr_assert_eq(here.timeline, 0, "own times: the next one says where it is");
}

Test(block, the_longest_fits_its_room)
{
    static struct made m;
    uint8_t bytes[BLOCK_STORED_MAX];
    struct block_context none = {0};
    uint32_t time = 0;
    make(&m, SCATTERED, COLUMN_BITS, BLOCK_SAMPLES_MAX);
    for (uint32_t i = 0; i < BLOCK_SAMPLES_MAX; i++) {
        m.times[i] = time;
        time += i % 2 == 0 ? 1 : 66000000;
    }
    block_own_times(&m.b, m.times, BLOCK_SAMPLES_MAX, m.times_bytes);
    cr_assert_leq(block_put(&m.b, &none, bytes), BLOCK_STORED_MAX);
    round_trip(&m, &nowhere);
    make(&m, SCATTERED, COLUMN_CONSTANT, 2);
    m.times[0] = 0;
    m.times[1] = UINT32_MAX;
    block_own_times(&m.b, m.times, 2, m.times_bytes);
    round_trip(&m, &nowhere);
    struct block run;
    block_of_run(&run, UINT32_MAX, TIMELINE_TIMES_MAX, BLOCK_RUN_MAX, UINT64_MAX, m.values_bytes);
    none = nowhere;
    cr_assert_leq(block_put(&run, &none, bytes), BLOCK_STORED_MAX);
}

/* ---- runs ---- */

Test(block, a_run_drops_the_zeros_at_the_end_of_its_value)
{
    static const struct {
        uint64_t value;
        uint32_t bytes;
    } rows[] = {
        {0, 1},
        {0x8000000000000000, 1},
        {0x3FF0000000000000, 2},
        {0x7FF0000000000002, 8},
        {1, 8},
        {0x4059000000000000, 2},
        {0x4059400000000000, 3},
        {UINT64_MAX, 8},
        {0x0000000000000100, 7},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct block b;
        uint8_t bytes[RUN_BYTES_MAX], stored[BLOCK_STORED_MAX];
        uint64_t values[BLOCK_SAMPLES_MAX];
        struct block_context none = {0};
        block_of_run(&b, timeline, 0, 128, rows[i].value, bytes);
        cr_assert_eq(b.n_values_bytes, rows[i].bytes, "%llx", (unsigned long long)rows[i].value);
        cr_assert(block_values(&b, 0, 128, values));
        cr_assert_eq(values[0], rows[i].value);
        cr_assert_eq(values[127], rows[i].value);
        cr_assert_eq(block_put(&b, &none, stored), 1 + 1 + 1 + 4 + 1 + rows[i].bytes);
        uint8_t longer[RUN_BYTES_MAX + 1] = {0};
        memcpy(longer, bytes, RUN_BYTES_MAX);
        b.values = longer;
        b.n_values_bytes = 0;
        cr_assert_not(block_values(&b, 0, 1, values), "no value");
        b.n_values_bytes = RUN_BYTES_MAX + 1;
        cr_assert_not(block_values(&b, 0, 1, values), "too long");
        memset(longer, 0, sizeof(longer));
        b.n_values_bytes = 2;
        cr_assert_not(block_values(&b, 0, 1, values), "a zero at the end");
    }
}

Test(block, a_part_of_a_long_run_can_be_had)
{
    struct block b;
    uint8_t bytes[RUN_BYTES_MAX];
    uint32_t times[BLOCK_SAMPLES_MAX], first, last;
    uint64_t values[BLOCK_SAMPLES_MAX];
    block_of_run(&b, timeline, 3, 900, test_bits(7), bytes);
    for (uint32_t from = 0; from < 900; from += 77) {
        uint32_t n = (uint32_t)size_min(BLOCK_SAMPLES_MAX, 900 - from);
        cr_assert(block_times(&x.t.arena, &x.times, &b, from, n, times));
        cr_assert(block_values(&b, from, n, values));
        for (uint32_t i = 0; i < n; i++) {
            cr_assert_eq(times[i], (3 + from + i) * TIMELINE_STEP);
            cr_assert_eq(values[i], test_bits(7));
        }
    }
    block_span(&x.t.arena, &x.times, &b, &first, &last);
    cr_assert_eq(first, 3 * TIMELINE_STEP);
    cr_assert_eq(last, 902 * TIMELINE_STEP);
}

Test(block, only_runs_give_parts)
{
    static struct made m;
    uint64_t values[BLOCK_SAMPLES_MAX];
    uint32_t times[BLOCK_SAMPLES_MAX];
    make(&m, SCATTERED, COLUMN_COUNTER, 50);
    m.times[49] = m.times[48] + 100000; /* surely not equidistant */
    block_own_times(&m.b, m.times, 50, m.times_bytes);
    cr_assert_not(block_values(&m.b, 0, 49, values));
    cr_assert_not(block_values(&m.b, 1, 49, values));
    cr_assert_not(block_times(&x.t.arena, &x.times, &m.b, 0, 49, times));
    cr_assert_not(block_times(&x.t.arena, &x.times, &m.b, 1, 49, times));
}

/* ---- damage ---- */

static void expect_refused(const uint8_t *bytes, size_t n, const struct block_context *context,
                           const char *what)
{
    struct block_context io = *context;
    struct block b;
    uint8_t *copy;
    size_t used;
    cr_assert_not(get(bytes, n, &io, &b, &copy, &used), "%s", what);
    free(copy);
}

/* A head: encoding, form of times, samples, bytes of values; returns its length. */
static size_t head(uint8_t *out, unsigned encoding, unsigned times, uint64_t samples,
                   uint64_t n_bytes)
{
    size_t n = 0;
    out[n++] = (uint8_t)(encoding | times << 4);
    n += varint_put(&out[n], samples - 1);
    n += varint_put(&out[n], n_bytes);
    return n;
}

static bool accepts_head(unsigned encoding, unsigned times, uint64_t samples, uint64_t n_bytes)
{
    uint8_t bytes[4000] = {0}, *copy;
    struct block_context io = {timeline, 5};
    struct block b;
    size_t used;
    (void)head(bytes, encoding, times, samples, n_bytes);
    bool is_block = get(bytes, sizeof(bytes), &io, &b, &copy, &used);
    free(copy);
    return is_block;
}

Test(block, a_head_at_its_limits_and_one_past)
{
    cr_assert(accepts_head(0, BLOCK_FOLLOWS, 1, 1));
    cr_assert(accepts_head(0, BLOCK_FOLLOWS, BLOCK_SAMPLES_MAX, COLUMN_BYTES_MAX));
    cr_assert_not(accepts_head(0, BLOCK_FOLLOWS, BLOCK_SAMPLES_MAX + 1, 8));
    cr_assert_not(accepts_head(0, BLOCK_FOLLOWS, 5, COLUMN_BYTES_MAX + 1));
    cr_assert(accepts_head(BLOCK_RUN, BLOCK_FOLLOWS, BLOCK_RUN_MAX, 8));
    cr_assert_not(accepts_head(BLOCK_RUN, BLOCK_FOLLOWS, (uint64_t)BLOCK_RUN_MAX + 1, 8));
    cr_assert_not(accepts_head(BLOCK_RUN, BLOCK_FOLLOWS, UINT64_MAX, 8));
    cr_assert_not(accepts_head(BLOCK_RUN, BLOCK_FOLLOWS, (UINT64_C(1) << 32) + 5, 8));
    cr_assert_not(accepts_head(0, 8, 5, 8), "bit 7");
    cr_assert_not(accepts_head(0, BLOCK_AT, 5, 8), "timeline 0");
    cr_assert_not(accepts_head(0, BLOCK_PACKED, 1, 8), "one time is no difference");
    cr_assert(accepts_head(BLOCK_RUN, BLOCK_LINEAR, 1, 8), "one sample at its time");
    cr_assert_not(accepts_head(BLOCK_RUN, BLOCK_LINEAR, 2, 8), "a run with times of its own");
    cr_assert_not(accepts_head(BLOCK_RUN, BLOCK_PACKED, 2, 8));
}

static slot keep_values(const struct block *b)
{
    slot s = shared_new(&x.slots, x.w, b->values, b->n_values_bytes);
    cr_assert_neq(s, 0);
    return s;
}

Test(block, shared_values_come_back_from_where_they_are)
{
    static struct made m;
    for (int form = 0; form < RUN; form++)
        for (int kind = 0; kind < COLUMN_KINDS; kind++)
            for (uint32_t n = 1; n <= BLOCK_SAMPLES_MAX; n += 5) {
                uint8_t bytes[BLOCK_STORED_MAX], *copy;
                struct block_context put = {timeline, 0}, got = put;
                struct block b;
                size_t used, n_own, n_bytes;
                make(&m, (enum form)form, (enum test_column)kind, n);
                n_own = block_put(&m.b, &(struct block_context){timeline, 0}, bytes);
                m.b.shared = keep_values(&m.b);
                n_bytes = block_put(&m.b, &put, bytes);
                cr_assert_eq(n_bytes,
                             n_own - m.b.n_values_bytes - (m.b.n_values_bytes < 128 ? 1 : 2) + 4);
                cr_assert(get(bytes, n_bytes, &got, &b, &copy, &used));
                cr_assert_eq(used, n_bytes);
                cr_assert_eq(b.shared, m.b.shared);
                cr_assert(b.values == NULL && b.n_values_bytes == 0);
                block_fetch(&x.t.arena, &b);
                expect_samples(&b, &m);
                cr_assert_eq(got.place, put.place);
                free(copy);
                for (size_t part = 0; part < n_bytes; part++)
                    expect_refused(bytes, part, &(struct block_context){timeline, 0}, "cut off");
            }
}

Test(block, its_own_values_are_not_fetched)
{
    static struct made m;
    make(&m, EQUIDISTANT, COLUMN_BITS, 10);
    struct block before = m.b;
    block_fetch(&x.t.arena, &m.b);
    cr_assert_arr_eq(&before, &m.b, sizeof(before));
}

Test(block, shared_values_have_a_handle_and_are_no_run)
{
    const struct block_context context = {timeline, 5};
    struct block_context io = context;
    uint8_t bytes[] = {0x43, 4, 8, 0, 0, 0};
    const uint8_t *at = bytes;
    struct block b;
    cr_assert(block_get(&at, bytes + sizeof(bytes), &io, &b));
    cr_assert(b.shared == 8 && b.n_samples == 5 && b.encoding == 3);
    cr_assert_eq(at, bytes + sizeof(bytes));
    bytes[0] = 0x4F;
    expect_refused(bytes, sizeof(bytes), &context, "a run");
    bytes[0] = 0xC3;
    expect_refused(bytes, sizeof(bytes), &context, "bit 7");
    bytes[0] = 0x43;
    bytes[2] = 0;
    expect_refused(bytes, sizeof(bytes), &context, "handle 0");
}

Test(block, nothing_to_follow)
{
    uint8_t bytes[20] = {0};
    (void)head(bytes, BLOCK_RUN, BLOCK_FOLLOWS, 5, 1);
    expect_refused(bytes, sizeof(bytes), &nowhere, "follows nothing");
}

Test(block, places_and_times_past_their_ends)
{
    uint8_t bytes[40] = {0}, *copy;
    struct block b;
    uint32_t times[BLOCK_SAMPLES_MAX];
    size_t n = head(bytes, BLOCK_RUN, BLOCK_AT, 2, 1), used;
    bytes[n] = 16;
    (void)varint_put(&bytes[n + 4], (uint64_t)TIMELINE_TIMES_MAX + 1);
    expect_refused(bytes, sizeof(bytes), &nowhere, "a place");

    memset(bytes, 0, sizeof(bytes));
    n = head(bytes, 0, BLOCK_LINEAR, 2, 8);
    n += varint_put(&bytes[n], UINT64_C(1) << 32);
    expect_refused(bytes, sizeof(bytes), &nowhere, "a time");

    memset(bytes, 0, sizeof(bytes));
    n = head(bytes, 0, BLOCK_LINEAR, 3, 8);
    n += varint_put(&bytes[n], UINT32_MAX - 10);
    (void)varint_put(&bytes[n], 6);
    struct block_context io = nowhere;
    cr_assert(get(bytes, sizeof(bytes), &io, &b, &copy, &used));
    cr_assert_not(block_times(&x.t.arena, &x.times, &b, 0, 3, times), "the last is past 32 bits");
    free(copy);
    b.step = 5;
    cr_assert(block_times(&x.t.arena, &x.times, &b, 0, 3, times));
    cr_assert_eq(times[2], UINT32_MAX);
    b.step = 0;
    cr_assert_not(block_times(&x.t.arena, &x.times, &b, 0, 3, times), "they do not ascend");
    b.step = 5;
    b.encoding = BLOCK_RUN;
    cr_assert_not(block_times(&x.t.arena, &x.times, &b, 0, 3, times), "a run with own times");
}

/* ---- block_skip ---- */

/* Skips what block_get reads where that takes its times from the block before and may be kept, and
 * nothing else. Whether it was skipped. */
static bool skips_as_it_reads(const uint8_t *bytes, size_t n)
{
    struct block_context io = {timeline, 5};
    struct block_outline outline = {0};
    struct block b;
    uint8_t *copy = malloc(n + 1); /* exactly: a sanitizer sees who reads behind */
    memcpy(copy + 1, bytes, n);
    const uint8_t *at = copy + 1, *read = at, *end = at + n;
    bool is_skipped = block_skip(&at, end, &outline);
    bool is_block = block_get(&read, end, &io, &b);
    bool follows = n > 0 && (bytes[0] >> 4 & 3) == BLOCK_FOLLOWS;
    cr_assert_eq(is_skipped, is_block && follows && (b.shared != 0 || block_may_be_kept(&b)));
    if (is_skipped) {
        cr_assert_eq(at, read);
        cr_assert_eq(outline.n_samples, b.n_samples);
        cr_assert_eq(outline.is_shared, b.shared != 0);
    } else {
        cr_assert_eq(at, copy + 1);
    }
    free(copy);
    return is_skipped;
}

Test(block, skips_what_follows)
{
    static struct made m;
    uint8_t bytes[BLOCK_STORED_MAX];
    int n_skipped = 0;
    for (int round = 0; round < 20000; round++) {
        make(&m, (enum form)(round % FORMS), (enum test_column)(round % COLUMN_KINDS),
             1 + (uint32_t)random_below(&random_state, BLOCK_SAMPLES_MAX));
        struct block_context io = {timeline, m.b.first + (round % 7 == 0)};
        if (round % 5 == 0 && m.b.encoding != BLOCK_RUN)
            m.b.shared = 1 + (slot)random_below(&random_state, UINT32_MAX);
        size_t n = block_put(&m.b, &io, bytes);
        if (round % 3 == 0)
            bytes[random_below(&random_state, size_min(n, 5))] =
                (uint8_t)random_next(&random_state);
        n_skipped += skips_as_it_reads(bytes, n);
        (void)skips_as_it_reads(bytes, random_below(&random_state, n + 1));
    }
    cr_assert_gt(n_skipped, 2000);
}

/* ---- whatever comes ---- */

/* Whatever was read: it lies inside, and what its times and values say is possible. */
static void never_lies(const uint8_t *bytes, size_t n)
{
    struct block_context io = {timeline, (uint32_t)random_below(&random_state, 100)};
    struct block b;
    uint8_t *copy;
    size_t used;
    uint32_t times[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    if (get(bytes, n, &io, &b, &copy, &used)) {
        cr_assert_leq(used, n);
        cr_assert(b.n_samples >= 1 && b.n_samples <= BLOCK_RUN_MAX);
        cr_assert(b.encoding == BLOCK_RUN || b.n_samples <= BLOCK_SAMPLES_MAX);
        cr_assert(b.shared != 0 ||
                  (b.values >= copy && b.values + b.n_values_bytes == copy + used));
        if (b.shared != 0) { /* this handle as well */
            cr_assert(b.values == NULL && b.n_values_bytes == 0 && b.encoding != BLOCK_RUN);
            b.values = copy;
        }
        uint32_t part = (uint32_t)size_min(b.n_samples, BLOCK_SAMPLES_MAX);
        (void)block_values(&b, 0, part, values);
        bool has_times = b.times != BLOCK_AT || /* a handle is the caller's to check */
                         (b.timeline == timeline && b.first + part <= TIMELINE_TIMES);
        if (has_times && block_times(&x.t.arena, &x.times, &b, 0, part, times))
            for (uint32_t i = 1; i < part; i++)
                cr_assert_lt(times[i - 1], times[i]);
    }
    free(copy);
}

Test(block, cut_off_at_any_byte_it_is_refused)
{
    static struct made m;
    uint8_t bytes[BLOCK_STORED_MAX];
    for (int form = 0; form < FORMS; form++)
        for (int kind = 0; kind < COLUMN_KINDS; kind++) {
            struct block_context io = nowhere;
            make(&m, (enum form)form, (enum test_column)kind, 20);
            size_t n = block_put(&m.b, &io, bytes);
            for (size_t part = 0; part < n; part++)
                expect_refused(bytes, part, &nowhere, "cut off");
        }
}

Test(block, damaged_bytes_do_not_hurt)
{
    static struct made m;
    uint8_t bytes[BLOCK_STORED_MAX];
    for (int round = 0; round < 30000; round++) {
        struct block_context io = nowhere;
        make(&m, (enum form)(round % FORMS), (enum test_column)(round % COLUMN_KINDS),
             1 + (uint32_t)random_below(&random_state, BLOCK_SAMPLES_MAX));
        size_t n = block_put(&m.b, &io, bytes);
        for (uint64_t k = random_below(&random_state, 3); k <= 3; k++)
            bytes[random_below(&random_state, k % 2 == 0 ? 8 : n)] =
                (uint8_t)random_next(&random_state);
        never_lies(bytes, random_below(&random_state, 4) == 0 ? random_below(&random_state, n) : n);
    }
}

Test(block, random_bytes_do_not_hurt)
{
    uint8_t bytes[300];
    for (int round = 0; round < 100000; round++) {
        size_t n = random_below(&random_state, sizeof(bytes));
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)(random_next(&random_state) >> random_below(&random_state, 60));
        never_lies(bytes, n);
        (void)skips_as_it_reads(bytes, n);
    }
}

/* What was taken on trust and is no column: every reader sees stale markers. */
Test(block, values_that_do_not_decode_read_as_stale)
{
    uint8_t bytes[COLUMN_BYTES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    struct block b = {.times = BLOCK_LINEAR, .step = 1, .values = bytes};
    for (uint32_t i = 0; i < 100; i++)
        values[i] = i * (uint64_t)i << 40;
    block_encode_values(&b, values, 100, bytes);
    b.values = bytes;
    cr_assert(block_may_be_kept(&b));
    block_values_kept(&b, 0, 100, values);
    cr_assert_eq(values[99], UINT64_C(99) * 99 << 40);
    memset(bytes, 0xff, b.n_values_bytes);
    cr_assert(block_may_be_kept(&b), "it is not asked whether it decodes");
    cr_assert_not(block_values(&b, 0, 100, values));
    block_values_kept(&b, 0, 100, values);
    for (uint32_t i = 0; i < 100; i++)
        cr_assert_eq(values[i], STALE_BITS);
    b.n_values_bytes = 0;
    cr_assert_not(block_may_be_kept(&b));
    b.n_values_bytes = COLUMN_BYTES_MAX;
    cr_assert(block_may_be_kept(&b));
    b.n_values_bytes++;
    cr_assert_not(block_may_be_kept(&b));
    b.n_values_bytes = 1;
    for (unsigned encoding = 0; encoding < 255; encoding++) {
        b.encoding = (uint8_t)encoding;
        bool is_known = (encoding & ~8u) <= COLUMN_AS_SCALED_DIFFERENCES || encoding == BLOCK_RUN;
        cr_assert_eq(block_may_be_kept(&b), is_known, "%u", encoding);
    }
}
