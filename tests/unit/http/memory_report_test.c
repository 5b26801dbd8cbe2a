/* Leaks of 8 MiB, one by each door, and where each of them shows. */
#include "http/memory_report.h"

#include "http/app.h"
#include "http/server.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MEMORY = 64 << 20, LEAK = 8 << 20, NOISE_BYTES = 64 * 1024 };

static struct app app;
static struct memory_report before, after;
static void *volatile leaked; /* so that no compiler leaves the leak out */

static void setup(void)
{
    budget_init(&app.budget, MEMORY);
    app.owner_requests = budget_owner(&app.budget, "requests");
    app.config.storage_memory_limit_bytes = MEMORY;
    cr_assert(arena_init(&app.arena, &app.budget, MEMORY));
    memory_report_make(&app, &before); /* the first one touches what the next ones use */
    memory_report_make(&app, &before);
}

static void teardown(void)
{
    arena_release(&app.arena);
}

TestSuite(memory_report, .init = setup, .fini = teardown);

static void expect_about(int64_t got, int64_t wanted, const char *what)
{
    cr_assert(got >= wanted - NOISE_BYTES && got <= wanted + NOISE_BYTES,
              "%s: rose by %lld, not by %lld", what, (long long)got, (long long)wanted);
}

/* A sanitizer has a heap of its own and touches memory beside ours: nothing to measure then. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/* Everything but `owner` (NULL: unaccounted) stayed where it was. */
static void expect_rise_of(const char *owner)
{
    bool is_found = owner == NULL;
    uint64_t sum = 0;
    memory_report_make(&app, &after);
    expect_about((int64_t)(after.rss_bytes - before.rss_bytes), LEAK, "rss");
    cr_assert_eq(after.n_rows, before.n_rows);
    for (size_t i = 0; i < after.n_rows; i++) {
        bool is_it = owner && strcmp(after.rows[i].owner, owner) == 0;
        expect_about((int64_t)(after.rows[i].bytes - before.rows[i].bytes), is_it ? LEAK : 0,
                     after.rows[i].owner);
        is_found |= is_it;
        sum += after.rows[i].bytes;
    }
    cr_assert(is_found);
    cr_assert_eq(after.accounted_bytes, sum);
    cr_assert_eq(after.unaccounted_bytes, (int64_t)after.rss_bytes - (int64_t)sum);
    expect_about(after.unaccounted_bytes - before.unaccounted_bytes, owner ? 0 : LEAK,
                 "unaccounted");
}

Test(memory_report, a_leak_through_malloc_is_libcs)
{
    leaked = malloc(LEAK);
    cr_assert_not_null(leaked);
    memset(leaked, 1, LEAK);
    expect_rise_of("libc");
    cr_assert_geq(after.heap.used_bytes, before.heap.used_bytes + LEAK);
    free(leaked);
}

Test(memory_report, a_leak_in_small_pieces_is_libcs)
{
    enum { PIECE = 32 * 1024 };
    for (size_t i = 0; i < LEAK / PIECE; i++) {
        leaked = malloc(PIECE); /* the test's process ends with it */
        cr_assert_not_null(leaked);
        memset(leaked, 1, PIECE);
    }
    expect_rise_of("libc");
    cr_assert_geq(after.heap.used_bytes, before.heap.used_bytes + LEAK);
}

Test(memory_report, a_leak_through_mmap_is_nobodys)
{
    char *p = mmap(NULL, LEAK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(p, MAP_FAILED);
    memset(p, 1, LEAK);
    expect_rise_of(NULL);
    munmap(p, LEAK);
    memory_report_make(&app, &after);
    expect_about(after.unaccounted_bytes - before.unaccounted_bytes, 0, "unaccounted");
}

Test(memory_report, a_leak_from_the_arena_is_its_owners)
{
    void *p = arena_span_get(&app.arena, app.owner_requests, LEAK);
    cr_assert_not_null(p);
    expect_rise_of("requests");
    arena_span_put(&app.arena, app.owner_requests, p, LEAK);
}

/* Address space is not memory. */
Test(memory_report, what_is_reserved_only_shows_nowhere)
{
    char *p = mmap(NULL, LEAK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq(p, MAP_FAILED);
    memory_report_make(&app, &after);
    for (size_t i = 0; i < after.n_rows; i++)
        expect_about((int64_t)(after.rows[i].bytes - before.rows[i].bytes), 0, after.rows[i].owner);
    expect_about(after.unaccounted_bytes - before.unaccounted_bytes, 0, "unaccounted");
    munmap(p, LEAK);
}

#endif

/* Connections are libc's memory, and have a row of the budget: they must not count twice. */
Test(memory_report, connections_are_taken_off_libcs_row)
{
    uint64_t libc = before.rows[before.n_rows - 3].bytes;
    cr_assert_str_eq(before.rows[before.n_rows - 3].owner, "libc");
    atomic_store(&app.metrics.connections, 4);
    memory_report_make(&app, &after);
    uint64_t less = after.rows[after.n_rows - 3].bytes;
    expect_about((int64_t)(libc - less), 4 * SERVER_CONNECTION_BYTES, "four connections");
    cr_assert(libc == 0 || less < libc);
    atomic_store(&app.metrics.connections, 1 << 24); /* more than there can be */
    memory_report_make(&app, &after);
    cr_assert_eq(after.rows[after.n_rows - 3].bytes, 0);
}

Test(memory_report, tolerance_is_the_larger_of_both)
{
    cr_assert_eq(memory_report_tolerance(0), 2 << 20);
    cr_assert_eq(memory_report_tolerance(100 << 20), 2 << 20);
    cr_assert_eq(memory_report_tolerance(1000 << 20), 20 << 20);
}

Test(memory_report, payload_slack_and_free_are_the_pages)
{
    struct tsdb_window_stats w = {.payload_bytes = 1000};
    w.classes[0].pages = 1;
    w.classes[0].used = 3;
    w.classes[7].pages = 2;
    w.classes[7].used = 1;
    struct memory_window waste = memory_window_waste(&w);
    cr_assert_eq(waste.slack_bytes, 3 * 128 + 1024 - 1000);
    cr_assert_eq(waste.slack_bytes + waste.free_slot_bytes + w.payload_bytes, 3 * ARENA_PAGE_BYTES);
}
