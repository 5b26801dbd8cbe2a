/* Sheaves that are restored as they are (restore_chunk.c: restore_sheaf) against the same ones
 * block by block: the same answers, good and bad ones mixed, and the same samples. */
#include "tests/support/random.h"
#include "tests/unit/tsdb/test_store.h"
#include "tsdb/sheaf.h"

enum { N_TIMES = 4000, STEP_MS = 1000, N_SERIES = 130, N_SHEAVES = 150, N_SHARED = 3 };
enum { STEADY = 7, UNKNOWN = 6 }; /* timelines */

struct wanted {
    unsigned series;
    struct dump_sheaf sheaf;
    uint8_t bytes[SHEAF_BYTES_MAX];
    bool has_tail;
    struct dump_tail tail;
    bool pauses;   /* before it */
    bool is_whole; /* said to be all of its series, rightly or wrongly */
};

static struct wanted wanted[N_SHEAVES];

/* Some are wide, so that there are sheaves of several slots. */
static void make_values(struct random *random, struct block *b, uint32_t n,
                        uint8_t bytes[COLUMN_BYTES_MAX])
{
    uint64_t values[BLOCK_SAMPLES_MAX];
    bool is_wide = random_below(random, 16) == 0;
    for (uint32_t i = 0; i < n; i++)
        values[i] =
            is_wide ? random_next(random) : test_bits((double)random_below(random, 1000) / 2);
    if (random_below(random, 8) == 0)
        block_of_run(b, 1, b->first, n, values[0], bytes);
    else
        block_encode_values(b, values, n, bytes);
}

/* One in six blocks shares its values, one in a hundred such as are not there. */
static void make_sheaf(struct random *random, struct wanted *w, uint32_t first)
{
    struct block_context io = {1, first};
    uint32_t n_blocks = 1 + (uint32_t)random_below(random, SHEAF_BLOCKS_MAX);
    w->sheaf = (struct dump_sheaf){.timeline = STEADY, .first = first, .bytes = w->bytes};
    for (; w->sheaf.n_blocks < n_blocks; w->sheaf.n_blocks++) {
        uint8_t bytes[COLUMN_BYTES_MAX];
        uint32_t n = 1 + (uint32_t)random_below(random, 20);
        struct block b = {.times = BLOCK_AT, .timeline = io.timeline, .first = io.place};
        make_values(random, &b, n, bytes);
        b.timeline = io.timeline;
        if (b.encoding != BLOCK_RUN && random_below(random, 6) == 0)
            b.shared = 1 + (slot)random_below(random, N_SHARED + (random_below(random, 16) == 0));
        w->sheaf.n_bytes += (uint32_t)block_put(&b, &io, w->bytes + w->sheaf.n_bytes);
        w->sheaf.n_samples += n;
    }
}

/* Behind the sheaf, one in eight in front of its end. */
static void make_tail(struct random *random, struct wanted *w, uint32_t first)
{
    struct dump_tail *t = &w->tail;
    bool is_wrong = random_below(random, 8) == 0;
    *t = (struct dump_tail){.has_timeline = random_below(random, 2) != 0, .timeline = STEADY};
    t->n = 1 + (uint32_t)random_below(random, DUMP_TAIL_MAX);
    first -= is_wrong ? (uint32_t)size_min(first, 1 + random_below(random, 3)) : 0;
    for (uint32_t i = 0; i < t->n; i++) {
        t->places[i] = (first + i) * (t->has_timeline ? 1 : STEP_MS);
        t->values[i] = test_bits((double)random_below(random, 4));
    }
}

/* One sheaf in eight is wrong in some way: overlaps, lies beyond its timeline, has none, is cut,
 * says that it is longer or shorter than it is, is of a series that was left. */
static void spoil(struct random *random, struct wanted *w)
{
    struct dump_sheaf *s = &w->sheaf;
    switch (random_below(random, 56)) {
    case 0:
        s->first /= 2;
        break;
    case 1:
        s->first = UINT32_MAX - (uint32_t)random_below(random, 30);
        break;
    case 2:
        s->timeline = UNKNOWN;
        break;
    case 3:
        s->n_bytes = 1 + (uint32_t)random_below(random, s->n_bytes);
        break;
    case 4:
        w->bytes[0] = (uint8_t)random_next(random);
        break;
    case 5:
        s->n_blocks++;
        break;
    case 6:
        s->n_samples--;
        break;
    default:
        break;
    }
}

static void make_sheaves(struct random *random)
{
    uint32_t next[N_SERIES] = {0};
    unsigned series = 0;
    for (int i = 0; i < N_SHEAVES; i++) {
        struct wanted *w = &wanted[i];
        bool is_over = i > 0 && wanted[i - 1].has_tail && random_below(random, 8) > 0;
        bool moves_on = is_over || (i > 0 && random_below(random, 3) > 0);
        series += moves_on && series + 1 < N_SERIES;
        w->series = random_below(random, 60) == 0 ? series / 2 : series;
        w->pauses = random_below(random, 20) == 0;
        w->is_whole = random_below(random, 4) > 0;
        make_sheaf(random, w, next[w->series] + (uint32_t)random_below(random, 3));
        next[w->series] = w->sheaf.first + w->sheaf.n_samples;
        w->has_tail = random_below(random, 3) == 0;
        if (w->has_tail)
            make_tail(random, w, next[w->series]);
        next[w->series] += w->has_tail ? w->tail.n : 0;
        spoil(random, w);
    }
}

static void give_times_and_values(struct restore *r)
{
    static const uint8_t column[] = {0x15, 0x40};
    for (uint32_t from = 0; from < N_TIMES; from += DUMP_TIMES_MAX) {
        struct dump_times t = {.timeline = STEADY, .from = from};
        for (; t.n < DUMP_TIMES_MAX && from + t.n < N_TIMES; t.n++)
            t.times[t.n] = (from + t.n) * STEP_MS;
        cr_assert_eq(restore_times(r, &t), 0);
    }
    for (uint32_t i = 0; i < N_SHARED; i++)
        cr_assert_eq(restore_shared(r, &(struct dump_shared){i, sizeof(column), column}), 0);
}

static void begin(struct test_store *s, struct restore *r, uint32_t ids[N_SERIES], bool is_sealed)
{
    struct test_labels l;
    test_store_new(s, NULL);
    restore_begin(r, s->db);
    for (int i = 0; i < N_SERIES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "up{a=%d}", i);
        cr_assert_eq(restore_series(r, test_labels(&l, name), &ids[i]), 0);
    }
    int64_t window = tsdb_window_of(s->db, TEST_START_MS);
    restore_newest(r, window + 2 * is_sealed, 4);
    cr_assert_eq(restore_window(r, window), 0);
    give_times_and_values(r);
}

/* Samples restored. */
static uint32_t feed_parts(struct restore *r, uint32_t series, const struct dump_sheaf *in,
                           const struct dump_tail *tail)
{
    struct dump_sheaf_reader reader;
    struct dump_block b;
    uint32_t n = 0;
    dump_sheaf_init(&reader, in);
    while (dump_sheaf_next(&reader, &b) > 0)
        if (restore_block(r, series, &b) == 0)
            n += b.n_samples;
    if (tail != NULL && restore_tail(r, series, tail) == 0)
        n += tail->n;
    return n;
}

static int feed(struct test_store *s, bool is_quick, bool is_sealed, uint32_t n_restored[])
{
    struct restore r;
    uint32_t ids[N_SERIES];
    int n_whole = 0;
    begin(s, &r, ids, is_sealed);
    r.is_trusted = true;
    for (int i = 0; i < N_SHEAVES; i++) {
        const struct wanted *w = &wanted[i];
        if (is_quick && (i == 0 || w->pauses)) {
            cr_assert_eq(restore_pause(&r), 0);
            restore_hold(&r);
        }
        const struct dump_tail *tail = w->has_tail ? &w->tail : NULL;
        uint32_t id = ids[w->series];
        int err = is_quick && w->is_whole ? restore_sheaf(&r, id, &w->sheaf, tail) : 1;
        cr_assert(err == 0 || err == 1);
        n_whole += err == 0;
        n_restored[i] = err == 0 ? w->sheaf.n_samples + (tail != NULL ? tail->n : 0)
                                 : feed_parts(&r, id, &w->sheaf, tail);
    }
    cr_assert_eq(restore_pause(&r), 0);
    restore_end(&r);
    test_store_check(s);
    return n_whole;
}

Test(restore_sheaf, whole_ones_are_those_of_their_blocks, .timeout = 120)
{
    static struct test_store quick, slow;
    struct random random;
    int n_whole = 0;
    uint64_t n_samples = 0, n_lost = 0;
    random_init(&random, random_seed());
    for (int round = 0; round < 40; round++) {
        uint32_t of_quick[N_SHEAVES], of_slow[N_SHEAVES];
        make_sheaves(&random);
        n_whole += feed(&quick, true, round % 2, of_quick);
        cr_assert_eq(feed(&slow, false, round % 2, of_slow), 0);
        for (int i = 0; i < N_SHEAVES; i++) {
            cr_assert_eq(of_quick[i], of_slow[i], "sheaf %d: %u samples, not %u", i, of_quick[i],
                         of_slow[i]);
            n_samples += of_slow[i];
            n_lost += of_slow[i] <
                      wanted[i].sheaf.n_samples + (wanted[i].has_tail ? wanted[i].tail.n : 0);
        }
        test_same_samples(&quick, &slow);
        test_store_free(&quick);
        test_store_free(&slow);
    }
    cr_assert_gt(n_whole, 40 * N_SHEAVES / 4);
    cr_assert_gt(n_lost, 100);
    cr_assert_gt(n_samples, 100000);
}

/* Fails each allocation in turn; how many there were. */
static int fail_each(struct random *random, bool is_sealed, bool has_tail)
{
    static struct test_store s;
    struct restore r;
    uint32_t ids[N_SERIES];
    struct wanted *w = &wanted[0];
    int n_failed = 0, err = ERR_NO_MEMORY;
    begin(&s, &r, ids, is_sealed);
    r.is_trusted = true;
    restore_hold(&r);
    *w = (struct wanted){0};
    do
        make_sheaf(random, w, 0);
    while (w->sheaf.n_bytes < 400);
    make_tail(random, w, w->sheaf.n_samples);
    for (long nth = 1; err == ERR_NO_MEMORY; nth++) {
        budget_fail_nth(&s.budget, nth);
        err = restore_sheaf(&r, ids[0], &w->sheaf, has_tail ? &w->tail : NULL);
        budget_fail_nth(&s.budget, 0);
        n_failed += err == ERR_NO_MEMORY;
    }
    cr_assert(err == 0 || err == 1);
    cr_assert_eq(feed_parts(&r, ids[0], &w->sheaf, NULL) > 0, err == 1);
    cr_assert_eq(restore_pause(&r), 0);
    restore_end(&r);
    test_store_check(&s);
    test_store_free(&s);
    return n_failed;
}

Test(restore_sheaf, every_allocation_may_fail, .timeout = 60)
{
    struct random random;
    int n_failed = 0;
    random_init(&random, random_seed());
    for (int round = 0; round < 200; round++)
        n_failed += fail_each(&random, round % 2, round / 2 % 2);
    cr_assert_gt(n_failed, 300);
}
