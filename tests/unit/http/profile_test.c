/* The ledger as stacks: exact ones, rows that do not cover their parts, and every limit. */
#include "http/profile.h"

#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <stdio.h>
#include <string.h>

static struct test_arena t;
static struct region r;
static struct memory_report m;
static struct tsdb_stats s;
static struct profile p;

static void setup(void)
{
    test_arena_init(&t, 64 << 20);
    region_init(&r, &t.arena, t.owner, 0);
}

static void teardown(void)
{
    region_release(&r);
    test_arena_release(&t);
}

TestSuite(profile, .init = setup, .fini = teardown);

static void row(const char *owner, uint64_t bytes)
{
    m.rows[m.n_rows].owner = owner;
    m.rows[m.n_rows++].bytes = bytes;
    m.accounted_bytes += bytes;
}

static void expect_sum(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < p.n_samples; i++) {
        cr_assert_gt(p.samples[i].bytes, 0);
        cr_assert_geq(p.samples[i].n_frames, 2);
        cr_assert_eq(p.samples[i].frames[0], 0);
        for (size_t k = 0; k < p.samples[i].n_frames; k++)
            cr_assert_lt(p.samples[i].frames[k], p.n_names);
        sum += p.samples[i].bytes;
    }
    cr_assert_eq(sum, m.accounted_bytes);
    for (size_t i = 0; i < p.n_names; i++)
        for (size_t k = 0; k < i; k++)
            cr_assert_str_neq(p.names[i], p.names[k]);
}

static void make(void)
{
    cr_assert(profile_make(&m, &s, &r, &p));
    expect_sum();
}

/* The bytes of one stack, as "a/b/c" without the root. */
static uint64_t bytes_of(const char *stack)
{
    for (size_t i = 0; i < p.n_samples; i++) {
        char text[200] = "";
        for (size_t k = 1; k < p.samples[i].n_frames; k++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", k > 1 ? "/" : "",
                     p.names[p.samples[i].frames[k]]);
        if (strcmp(text, stack) == 0)
            return p.samples[i].bytes;
    }
    return 0;
}

Test(profile, each_row_and_its_parts)
{
    row("chunks", 5 * ARENA_PAGE_BYTES);
    row("tails", ARENA_PAGE_BYTES);
    row("series", 20000);
    row("labels", 9000);
    row("symbols", 10000);
    row("pairs", 10001);
    row("postings", 10002);
    row("retained", 777);
    row("nothing", 0);
    row("libc", 5000);
    s.n_windows = 1;
    s.windows[0].number = -7;
    s.windows[0].classes[0].pages = 1;
    s.windows[0].classes[0].used = 100;
    s.windows[0].classes[7].pages = 2;
    s.windows[0].classes[7].used = 12;
    s.windows[0].payload_bytes = 12800 + 12288 - 1001;
    s.open.pages = 1;
    s.open.used = 10;
    s.open_payload_bytes = 1000;
    s.free_series_bytes = 19000;
    s.free_label_bytes = 4;
    s.free_symbol_bytes = 1;
    s.free_pair_bytes = 2;
    s.free_posting_bytes = 3;
    m.heap.free_bytes = 4000;
    make();
    cr_assert_str_eq(p.names[0], "hourglass");
    uint64_t slack = bytes_of("chunks/window -7/class 128/slack");
    cr_assert_eq(slack, 1001 * 12800 / (12800 + 12288));
    cr_assert_eq(bytes_of("chunks/window -7/class 128"), 12800 - slack);
    cr_assert_eq(bytes_of("chunks/window -7/class 128/free slots"), ARENA_PAGE_BYTES - 12800);
    cr_assert_eq(bytes_of("chunks/window -7/class 1024/slack"), 1001 - slack);
    cr_assert_eq(bytes_of("chunks/window -7/class 1024"), 12288 - (1001 - slack));
    cr_assert_eq(bytes_of("chunks/window -7/class 1024/free slots"), 2 * ARENA_PAGE_BYTES - 12288);
    cr_assert_eq(bytes_of("chunks"), 2 * ARENA_PAGE_BYTES, "windows that expire");
    cr_assert_eq(bytes_of("tails"), 1000);
    cr_assert_eq(bytes_of("tails/slack"), 280);
    cr_assert_eq(bytes_of("tails/free slots"), ARENA_PAGE_BYTES - 1280);
    cr_assert_eq(bytes_of("series"), 1000);
    cr_assert_eq(bytes_of("series/free slots"), 19000);
    cr_assert_eq(bytes_of("labels/free slots"), 4);
    cr_assert_eq(bytes_of("symbols/free slots"), 1);
    cr_assert_eq(bytes_of("pairs/free slots"), 2);
    cr_assert_eq(bytes_of("postings/free slots"), 3);
    cr_assert_eq(bytes_of("postings"), 9999);
    cr_assert_eq(bytes_of("retained"), 777);
    cr_assert_eq(bytes_of("libc"), 1000);
    cr_assert_eq(bytes_of("libc/free"), 4000);
    cr_assert_eq(p.n_samples, 7 + 3 + 2 * 5 + 1 + 2);
}

/* Pages went between the reading of the windows and that of the rows. */
Test(profile, parts_never_exceed_their_row)
{
    row("chunks", 1000);
    row("tails", 1);
    row("libc", 10);
    s.n_windows = 2;
    for (int i = 0; i < 2; i++) {
        s.windows[i].number = i;
        s.windows[i].classes[0].pages = 1;
        s.windows[i].classes[0].used = 7;
        s.windows[i].payload_bytes = 7 * 128;
    }
    s.open.pages = 3;
    m.heap.free_bytes = 11;
    make();
    cr_assert_eq(bytes_of("chunks/window 0/class 128"), 896);
    cr_assert_eq(bytes_of("chunks/window 0/class 128/free slots"), 104);
    cr_assert_eq(bytes_of("chunks/window 1/class 128"), 0);
    cr_assert_eq(bytes_of("libc/free"), 10);
}

/* Shares of slack are computed in doubles, which have 53 bits. */
Test(profile, large_slack_is_exact)
{
    row("chunks", UINT64_C(1) << 40);
    s.n_windows = 1;
    s.windows[0].classes[7].used = 60000001;
    s.windows[0].classes[7].pages = 60000001 / 16 + 1;
    for (uint64_t slack = 31111111111; slack < 31111111311; slack++) {
        s.windows[0].payload_bytes = UINT64_C(60000001) * 1024 - slack;
        make();
        cr_assert_eq(bytes_of("chunks/window 0/class 1024/slack"), slack);
        region_release(&r);
    }
}

Test(profile, nothing_owned_is_no_sample)
{
    row("chunks", 0);
    make();
    cr_assert_eq(p.n_samples, 0);
}

/* Everything that there can be at once. */
Test(profile, all_limits_at_once)
{
    static char owners[MEMORY_ROWS_MAX][16];
    struct random random;
    random_init(&random, random_seed());
    s.n_windows = WINDOWS_MAX + 2;
    for (uint32_t i = 0; i < s.n_windows; i++) {
        s.windows[i].number = INT64_MIN + i;
        for (unsigned c = 0; c < TSDB_POOLS; c++) {
            s.windows[i].classes[c].pages = 2;
            s.windows[i].classes[c].used = 15;
            s.windows[i].payload_bytes +=
                s.windows[i].classes[c].used * (tsdb_pool_bytes(c) - 1 - random_below(&random, 9));
        }
    }
    row("chunks", UINT64_C(1) << 36);
    while (m.n_rows < MEMORY_ROWS_MAX) {
        snprintf(owners[m.n_rows], sizeof(owners[0]), "owner %zu", m.n_rows);
        row(owners[m.n_rows], 1);
    }
    make();
    cr_assert_eq(p.n_samples, (size_t)3 * TSDB_POOLS * (WINDOWS_MAX + 2) + MEMORY_ROWS_MAX);
    for (uint32_t i = 0; i < s.n_windows; i++) {
        char stack[80];
        uint64_t slack = 0;
        for (unsigned c = 0; c < TSDB_POOLS; c++) {
            snprintf(stack, sizeof(stack), "chunks/window %lld/class %zu/slack",
                     (long long)s.windows[i].number, tsdb_pool_bytes(c));
            slack += bytes_of(stack);
        }
        cr_assert_eq(slack, memory_window_waste(&s.windows[i]).slack_bytes);
    }
}

Test(profile, any_piece_of_memory_may_be_missing)
{
    row("chunks", 1 << 20);
    s.n_windows = 1;
    bool is_through = false;
    for (long nth = 1; !is_through; nth++) {
        budget_fail_nth(&t.budget, nth);
        is_through = profile_make(&m, &s, &r, &p);
        budget_fail_nth(&t.budget, 0);
        cr_assert(is_through ? nth > 1 : nth < 10);
        region_release(&r);
        arena_trim(&t.arena);
    }
    /* small pieces: a limit that ends anywhere */
    for (size_t limit = 1; limit < 40; limit++) {
        r.limit_bytes = limit * ARENA_PAGE_BYTES;
        (void)!profile_make(&m, &s, &r, &p);
        cr_assert_leq(r.taken_bytes, r.limit_bytes);
        region_release(&r);
    }
}
