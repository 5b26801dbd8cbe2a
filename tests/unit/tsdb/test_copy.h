/* A snapshot without files: out of one store and into another, and what must be equal then. */
#ifndef TESTS_UNIT_TSDB_TEST_COPY_H
#define TESTS_UNIT_TSDB_TEST_COPY_H

#include "tests/unit/tsdb/test_store.h"

enum { TEST_COPY_SERIES_MAX = 20000 };

#ifndef TEST_COPY_SHEAF
#define TEST_COPY_SHEAF NULL /* or test_copy_sheaf: sheaves as one */
#endif

struct test_copy {
    struct tsdb *from;
    struct restore r;
    uint32_t ids[TEST_COPY_SERIES_MAX]; /* of series: the reader's by the writer's */
    int stop_every;                     /* items of a slice; 0 = no end */
    int n_slices, n_items;
    int n_times, n_shared, n_blocks, n_runs, n_tails;
    int n_sharing;  /* of the blocks */
    bool was_times; /* or shared values: the last item */
    int n_sheaves;  /* that came as one */
};

static inline void test_copy_begin(struct test_copy *c, struct tsdb *from, struct tsdb *to,
                                   int stop_every)
{
    *c = (struct test_copy){.from = from, .stop_every = stop_every};
    restore_begin(&c->r, to);
}

static inline int test_copy_item(struct test_copy *c)
{
    c->n_items++;
    return c->stop_every > 0 && c->n_items % c->stop_every == 0;
}

static inline int test_copy_series(void *ctx, uint32_t series, const struct labels *ls)
{
    struct test_copy *c = ctx;
    cr_assert_lt(series, ARRAY_LEN(c->ids));
    cr_assert_eq(restore_series(&c->r, ls, &c->ids[series]), 0);
    return test_copy_item(c);
}

static inline int test_copy_times(void *ctx, const struct dump_times *times)
{
    struct test_copy *c = ctx;
    c->n_times++;
    c->was_times = true;
    cr_assert_eq(restore_times(&c->r, times), 0);
    return test_copy_item(c);
}

static inline int test_copy_shared(void *ctx, const struct dump_shared *shared)
{
    struct test_copy *c = ctx;
    c->n_shared++;
    c->was_times = true;
    cr_assert_eq(restore_shared(&c->r, shared), 0);
    return test_copy_item(c);
}

static inline void test_copy_one_block(struct test_copy *c, uint32_t series,
                                       const struct dump_block *block)
{
    c->was_times = false;
    c->n_blocks += block->part != DUMP_RUN;
    c->n_sharing += block->is_shared;
    c->n_runs += block->part == DUMP_RUN;
    cr_assert_eq(restore_block(&c->r, c->ids[series], block), 0);
}

static inline int test_copy_block(void *ctx, uint32_t series, const struct dump_block *block)
{
    test_copy_one_block(ctx, series, block);
    return test_copy_item(ctx);
}

static inline int test_copy_sheaf(void *ctx, uint32_t series, const struct dump_sheaf *sheaf)
{
    struct test_copy *c = ctx;
    struct dump_sheaf_reader r;
    struct dump_block block;
    uint32_t n_blocks = 0, n_samples = 0;
    dump_sheaf_init(&r, sheaf);
    for (int more; (more = dump_sheaf_next(&r, &block)) != 0; n_blocks++) {
        cr_assert_eq(more, 1);
        cr_assert_eq(block.first, sheaf->first + n_samples);
        n_samples += block.n_samples;
        test_copy_one_block(c, series, &block);
    }
    cr_assert_eq(n_blocks, sheaf->n_blocks);
    cr_assert_eq(n_samples, sheaf->n_samples);
    c->n_sheaves++;
    return test_copy_item(c);
}

static inline int test_copy_tail(void *ctx, uint32_t series, const struct dump_tail *tail)
{
    struct test_copy *c = ctx;
    c->was_times = false;
    c->n_tails++;
    cr_assert_eq(restore_tail(&c->r, c->ids[series], tail), 0);
    return test_copy_item(c);
}

/* One slice of a window; whether there is more. */
static inline bool test_copy_slice(struct test_copy *c, uint32_t dump, int64_t window,
                                   struct dump_cursor *cursor, uint64_t end)
{
    static const struct dump_visitor v = {test_copy_times, test_copy_shared, test_copy_block,
                                          test_copy_tail, TEST_COPY_SHEAF};
    int rc = dump_window(c->from, dump, window, cursor, end, &v, c);
    cr_assert(rc == 0 || rc == 1);
    c->n_slices += rc;
    return rc == 1;
}

/* All label sets; returns where they end. */
static inline uint64_t test_copy_labels(struct test_copy *c)
{
    struct dump_cursor cursor = {0};
    uint64_t end = dump_series_end(c->from);
    while (dump_series(c->from, &cursor, end, test_copy_series, c) == 1)
        c->n_slices++;
    return end;
}

/* All windows, and the end. between(ctx) is called between two slices; not between times and what
 * needs them, or the dump would run after a writer that is as fast. */
static inline void test_copy_windows(struct test_copy *c, uint64_t end, void (*between)(void *ctx),
                                     void *ctx)
{
    uint32_t dump = dump_begin(c->from);
    struct tsdb_stats stats;
    tsdb_stats(c->from, &stats);
    for (uint32_t i = 0; i < stats.n_windows; i++) {
        struct dump_cursor cursor = {0};
        cr_assert_eq(restore_window(&c->r, stats.windows[i].number), 0);
        while (test_copy_slice(c, dump, stats.windows[i].number, &cursor, end))
            if (between != NULL && !c->was_times)
                between(ctx);
    }
    restore_end(&c->r);
}

/* The page map: what lies where must be that of the process that wrote it; but for the heads of
 * windows that have gone, which do not come back. */
static inline void test_same_pages(struct test_store *x, struct test_store *y, bool has_expired)
{
    tsdb_tick(x->db); /* seals what is silent */
    tsdb_tick(y->db);
    struct tsdb_stats a = test_stats(x), b = test_stats(y);
    cr_assert_eq(a.n_windows, b.n_windows);
    for (uint32_t i = 0; i < a.n_windows; i++) {
        struct tsdb_window_stats *v = &a.windows[i], *w = &b.windows[i];
        cr_assert(v->number == w->number && v->start_ms == w->start_ms);
        cr_assert_eq(v->chunks, w->chunks);
        cr_assert_eq(v->samples, w->samples);
        cr_assert_eq(v->payload_bytes, w->payload_bytes);
        cr_assert_eq(v->shared, w->shared);
        for (unsigned k = 0; k < TSDB_POOLS; k++)
            cr_assert_eq(v->classes[k].used, w->classes[k].used, "window %u pool %u", i, k);
    }
    cr_assert(a.open.used == b.open.used || (has_expired && a.open.used > b.open.used));
    cr_assert(has_expired || a.open_payload_bytes == b.open_payload_bytes);
    cr_assert(has_expired || a.slack_bytes == b.slack_bytes);
    cr_assert_eq(a.samples, b.samples);
    cr_assert(a.min_ms == b.min_ms && a.max_ms == b.max_ms);
    cr_assert_eq(a.series, b.series);
    cr_assert_eq(a.symbols, b.symbols);
    cr_assert_eq(a.pairs, b.pairs);
}

#endif
