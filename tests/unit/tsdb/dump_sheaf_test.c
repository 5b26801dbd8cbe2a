/* All that dump_test.c holds of a visitor that takes blocks, of one that takes sheaves as one where
 * it can have them. */
#define TEST_COPY_SHEAF test_copy_sheaf
#include "tests/unit/tsdb/dump_test.c" /* NOLINT(bugprone-suspicious-include) */

TestSuite(dump_sheaf, .init = set_up, .fini = tear_down, .timeout = 60);

/* A tail of one sample is a run. */
static int allow_run(void *ctx, uint32_t series, const struct dump_block *block)
{
    cr_assert_eq(block->part, DUMP_RUN, "a block of a sheaf");
    return test_copy_block(ctx, series, block);
}

/* Closed ones, and open ones of series that go on, with values of their own and shared. */
Test(dump_sheaf, whole_ones_come_as_one)
{
    static const char *const series[] = {"a", "b", "c"};
    fill_equal(random_seed());
    for (int k = 0; k < 1920; k++) /* two windows */
        for (size_t i = 0; i < ARRAY_LEN(series); i++)
            cr_assert_eq(test_append(&from, series[i], T0 + k * 15000, k * 0.7 + (double)i), 0);
    copy_begin(0);
    uint64_t end = test_copy_labels(&c);
    struct tsdb_stats stats = test_stats(&from);
    static const struct dump_visitor v = {test_copy_times, test_copy_shared, allow_run,
                                          test_copy_tail, test_copy_sheaf};
    uint32_t dump = dump_begin(from.db);
    for (uint32_t i = 0; i < stats.n_windows; i++) {
        struct dump_cursor cursor = {0};
        cr_assert_eq(restore_window(&c.r, stats.windows[i].number), 0);
        cr_assert_eq(dump_window(from.db, dump, stats.windows[i].number, &cursor, end, &v, &c), 0);
    }
    restore_end(&c.r);
    cr_assert_geq(c.n_sheaves, COPIES + 2 * (int)ARRAY_LEN(series));
    cr_assert_gt(c.n_sharing, COPIES / 2);
    same_samples();
    same_pages();
}
