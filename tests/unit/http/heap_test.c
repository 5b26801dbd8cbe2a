/* libc's heap of the test's own process. A sanitizer brings a heap of its own, about which
 * mallinfo2 says nothing: there is nothing to test then. */
#include "http/heap.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

enum { PIECES = 4000, PIECE_BYTES = 8000, NOISE_BYTES = 64 * 1024 };

static void *pieces[PIECES];

static struct heap_stats look(void)
{
    struct mappings m;
    struct heap_stats s;
    cr_assert(mappings_read("/proc/self", NULL, 0, &m));
    heap_stats_read(&m, &s);
    return s;
}

static void take_all(void)
{
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = malloc(PIECE_BYTES);
        cr_assert_not_null(pieces[i]);
        memset(pieces[i], 1, PIECE_BYTES);
    }
}

static void drop(size_t first, size_t step)
{
    for (size_t i = first; i < PIECES; i += step)
        free(pieces[i]);
}

static void expect_about(size_t got, size_t wanted, size_t tolerance, const char *what)
{
    cr_assert(got + tolerance >= wanted && got <= wanted + tolerance, "%s: %zu, not about %zu",
              what, got, wanted);
}

Test(heap, what_a_burst_leaves_is_given_back)
{
    struct heap h = {0};
    struct heap_stats before = look();
    take_all();
    struct heap_stats during = look();
    expect_about(during.used_bytes - before.used_bytes, (size_t)PIECES * PIECE_BYTES,
                 (size_t)PIECES * 16 + NOISE_BYTES, "used");
    void *last = pieces[PIECES - 1]; /* so that the end of the heap cannot simply shrink */
    pieces[PIECES - 1] = NULL;
    drop(0, 1);
    struct heap_stats after = look();
    cr_assert_gt(after.free_bytes, (size_t)(PIECES - 1) * PIECE_BYTES);
    heap_tick(&h, NULL, 0);
    struct heap_stats trimmed = look();
    cr_assert_lt(trimmed.free_bytes, (size_t)NOISE_BYTES * 4, "%zu", trimmed.free_bytes);
    expect_about(trimmed.used_bytes, before.used_bytes, NOISE_BYTES, "used");
    free(last);
}

Test(heap, what_lies_between_used_pieces_is_still_counted)
{
    struct heap h = {0};
    take_all();
    uint64_t rss = mappings_rss("/proc/self", true);
    struct heap_stats before = look();
    drop(0, 2);
    heap_tick(&h, NULL, 0);
    struct heap_stats after = look();
    size_t gone = (size_t)(rss - mappings_rss("/proc/self", true));
    cr_assert_gt(after.free_bytes, (size_t)PIECES / 2 * 1000, "pieces of pages stay");
    expect_about(before.used_bytes + before.free_bytes - after.used_bytes - after.free_bytes, gone,
                 (size_t)NOISE_BYTES * 8, "as much as the kernel got back");
    cr_assert_eq(h.left_bytes, after.free_bytes);
    drop(1, 2);
}

/* What a trim had to leave is no reason for the next one; what was freed since is. */
Test(heap, trims_again_only_for_more)
{
    struct heap h = {0};
    take_all();
    drop(0, 2);
    heap_tick(&h, NULL, 0);
    size_t left = h.left_bytes;
    cr_assert_gt(left, (size_t)HEAP_TRIM_BYTES_MIN);
    for (size_t i = 0; i < 32; i++) { /* resident and free, but too little */
        pieces[i * 2] = malloc(PIECE_BYTES);
        memset(pieces[i * 2], 1, PIECE_BYTES);
    }
    for (size_t i = 0; i < 32; i++)
        free(pieces[i * 2]);
    size_t free_bytes = look().free_bytes;
    cr_assert_gt(free_bytes, left);
    heap_tick(&h, NULL, 0);
    cr_assert_eq(look().free_bytes, free_bytes, "no trim for a few pages");
    drop(1, 2);
    heap_tick(&h, NULL, 0);
    cr_assert_lt(look().free_bytes, left);
    cr_assert_lt(h.left_bytes, left);
}

#else
Test(heap, belongs_to_the_sanitizer)
{
    struct heap h = {0};
    heap_tick(&h, NULL, 0);
}
#endif
