/* Records from frames: whole or not at all, however they are divided and whatever is missing. */
#include "snapshot/journal_assembly.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 64 << 20, META_BYTES = 5, RECORD_BYTES_MAX = 1 << 20 };

static struct budget budget;
static struct arena arena;
static struct journal_assembly assembly;
static struct journal_record found;
static uint8_t record[RECORD_BYTES_MAX]; /* as it lies in frames */
static size_t record_bytes;
static uint32_t number; /* of the next frame */

static void set_up(void)
{
    budget_init(&budget, MEMORY);
    cr_assert(arena_init(&arena, &budget, MEMORY));
    journal_assembly_init(&assembly, &arena, 0);
    journal_assembly_begin(&assembly, UINT64_MAX);
    number = 17;
}

static size_t taken(void)
{
    return atomic_load(&budget.rows[budget_owner(&budget, "requests")].bytes);
}

static void tear_down(void)
{
    journal_assembly_release(&assembly);
    cr_assert_eq(taken(), 0, "memory is still taken");
    arena_release(&arena);
}

TestSuite(journal_assembly, .init = set_up, .fini = tear_down);

/* A record of n bytes in all. */
static void given_record(uint64_t sequence, size_t n)
{
    const struct journal_record_head h = {.sequence = sequence,
                                          .time_ms = 1000,
                                          .kind = 3,
                                          .meta_bytes = META_BYTES,
                                          .body_bytes = n - JOURNAL_RECORD_BYTES - META_BYTES};
    journal_record_encode(&h, record);
    for (size_t i = JOURNAL_RECORD_BYTES; i < n; i++)
        record[i] = (uint8_t)(sequence + i * 7);
    record_bytes = n;
}

/* Takes the bytes [from, to) of the record as the next frame, out of memory that ends behind it. */
static int take_typed(unsigned type, size_t from, size_t to)
{
    size_t n = to - from;
    uint8_t *payload = malloc(n + (size_t)(n == 0));
    memcpy(payload, record + from, n);
    const struct frame f = {
        .header = {.type = (uint16_t)type, .payload_bytes = (uint32_t)n, .number = number},
        .payload = payload,
        .offset = 1000ULL * number,
    };
    number++;
    int got = journal_assembly_take(&assembly, &f, &found);
    if (got == JOURNAL_ASSEMBLED_RECORD) {
        cr_assert_eq(memcmp(found.meta, record + JOURNAL_RECORD_BYTES, META_BYTES), 0);
        cr_assert_eq(
            memcmp(found.body, record + JOURNAL_RECORD_BYTES + META_BYTES, found.body_bytes), 0);
    }
    free(payload);
    return got;
}

static int take(size_t from, size_t to)
{
    bool is_first = from == 0, is_last = to == record_bytes;
    return take_typed(is_first  ? is_last ? JOURNAL_FRAME_WHOLE : JOURNAL_FRAME_FIRST
                      : is_last ? JOURNAL_FRAME_LAST
                                : JOURNAL_FRAME_MIDDLE,
                      from, to);
}

/* Takes all of it in pieces of n bytes; the answer to the last. */
static int take_in_pieces(size_t n)
{
    for (size_t at = 0; at + n < record_bytes; at += n) {
        int got = take(at, at + n);
        if (got != JOURNAL_ASSEMBLED_MORE)
            return got;
    }
    return take((record_bytes - 1) / n * n, record_bytes);
}

static void expect_record(uint64_t sequence, uint32_t first_frame)
{
    cr_assert_eq(found.sequence, sequence);
    cr_assert(found.time_ms == 1000 && found.kind == 3 && found.segment == 0);
    cr_assert_eq(found.meta_bytes, META_BYTES);
    cr_assert_eq(found.body_bytes, record_bytes - JOURNAL_RECORD_BYTES - META_BYTES);
    cr_assert_eq(found.offset, 1000ULL * first_frame);
}

/* --- what is whole comes out --- */

Test(journal_assembly, a_record_of_one_frame_takes_no_memory)
{
    given_record(9, JOURNAL_RECORD_BYTES + META_BYTES);
    cr_assert_eq(take(0, record_bytes), JOURNAL_ASSEMBLED_RECORD);
    expect_record(9, 17);
    given_record(10, 500);
    cr_assert_eq(take(0, record_bytes), JOURNAL_ASSEMBLED_RECORD);
    expect_record(10, 18);
    cr_assert_eq(taken(), 0);
}

Test(journal_assembly, a_record_comes_out_however_it_is_divided)
{
    given_record(9, 200);
    for (size_t piece = JOURNAL_RECORD_BYTES; piece < record_bytes; piece++) {
        uint32_t first = number;
        cr_assert_eq(take_in_pieces(piece), JOURNAL_ASSEMBLED_RECORD, "pieces of %zu", piece);
        expect_record(9, first);
    }
    uint32_t first = number;
    cr_assert_eq(take(0, 100), JOURNAL_ASSEMBLED_MORE);
    cr_assert_eq(take_typed(JOURNAL_FRAME_MIDDLE, 100, 100), JOURNAL_ASSEMBLED_MORE);
    cr_assert_eq(take(100, 200), JOURNAL_ASSEMBLED_RECORD, "with a piece of no bytes");
    expect_record(9, first);
}

Test(journal_assembly, memory_is_that_of_the_longest)
{
    static const size_t sizes[] = {100000, 70000, 1 << 20, 66000};
    for (size_t i = 0, longest = 0; i < ARRAY_LEN(sizes); i++) {
        given_record(i, sizes[i]);
        cr_assert_eq(take_in_pieces(65536), JOURNAL_ASSEMBLED_RECORD);
        longest = size_max(longest, sizes[i]);
        cr_assert_eq(taken(), arena_span_bytes(longest), "%zu", i);
    }
}

/* --- what is not --- */

Test(journal_assembly, no_record_has_a_gap)
{
    given_record(9, 400);
    for (unsigned lost = 0; lost < 4; lost++) { /* of four pieces one does not come */
        int got = JOURNAL_ASSEMBLED_MORE;
        for (unsigned i = 0; i < 4; i++) {
            if (i == lost)
                number++;
            else
                got = take(i * 100, (i + 1) * 100);
            cr_assert_eq(got, JOURNAL_ASSEMBLED_MORE, "piece %u without %u", i, lost);
        }
        cr_assert_eq(take_in_pieces(100), JOURNAL_ASSEMBLED_RECORD, "the next is whole");
    }
}

Test(journal_assembly, no_record_is_put_together_from_two)
{
    given_record(9, 400);
    cr_assert_eq(take(0, 100), JOURNAL_ASSEMBLED_MORE);
    uint32_t first = number;
    given_record(10, 300);
    cr_assert_eq(take(0, 100), JOURNAL_ASSEMBLED_MORE, "another begins within it");
    cr_assert_eq(take(100, 300), JOURNAL_ASSEMBLED_RECORD);
    expect_record(10, first);
    cr_assert_eq(take(0, 100), JOURNAL_ASSEMBLED_MORE);
    journal_assembly_begin(&assembly, UINT64_MAX); /* an end within a record */
    cr_assert_eq(take(100, 300), JOURNAL_ASSEMBLED_MORE);
    cr_assert_eq(take_in_pieces(100), JOURNAL_ASSEMBLED_RECORD);
}

/* The rest of the record comes after all, under the number of the frame that was lost. */
static void expect_nothing_is_begun(size_t so_far)
{
    number--;
    cr_assert_eq(take(so_far, record_bytes), JOURNAL_ASSEMBLED_MORE, "what was begun goes on");
}

Test(journal_assembly, pieces_that_do_not_fit_are_lost)
{
    given_record(9, 300);
    cr_assert_eq(take_typed(JOURNAL_FRAME_WHOLE, 0, 299), JOURNAL_ASSEMBLED_LOST_FRAME);
    cr_assert_eq(take_typed(JOURNAL_FRAME_WHOLE, 0, 301), JOURNAL_ASSEMBLED_LOST_FRAME);
    cr_assert_eq(take_typed(JOURNAL_FRAME_FIRST, 0, 300), JOURNAL_ASSEMBLED_LOST_FRAME);
    cr_assert_eq(take_typed(JOURNAL_FRAME_FIRST, 0, JOURNAL_RECORD_BYTES - 1),
                 JOURNAL_ASSEMBLED_LOST_FRAME);
    static const struct {
        unsigned type;
        size_t to;
    } bad[] = {{JOURNAL_FRAME_LAST, 299},
               {JOURNAL_FRAME_LAST, 301},
               {JOURNAL_FRAME_MIDDLE, 300},
               {JOURNAL_FRAME_MIDDLE, 301}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert_eq(take(0, 100), JOURNAL_ASSEMBLED_MORE);
        cr_assert_eq(take_typed(bad[i].type, 100, bad[i].to), JOURNAL_ASSEMBLED_LOST_FRAME, "%zu",
                     i);
        expect_nothing_is_begun(100);
    }
}

Test(journal_assembly, frames_of_other_types_are_lost)
{
    static const unsigned types[] = {0, JOURNAL_FRAME_HEAD, JOURNAL_FRAME_LAST + 1, UINT16_MAX};
    given_record(9, 300);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        cr_assert_eq(take(0, 299), JOURNAL_ASSEMBLED_MORE);
        cr_assert_eq(take_typed(types[i], 0, 300), JOURNAL_ASSEMBLED_LOST_FRAME);
        expect_nothing_is_begun(299);
    }
}

/* --- limits, memory --- */

Test(journal_assembly, a_limit_holds_for_records_of_one_frame_and_of_many)
{
    journal_assembly_init(&assembly, &arena, 300);
    journal_assembly_begin(&assembly, UINT64_MAX);
    for (size_t piece = 100; piece <= 400; piece += 300) {
        given_record(9, 300);
        cr_assert_eq(take_in_pieces(piece), JOURNAL_ASSEMBLED_RECORD);
        given_record(10, 301);
        uint32_t first = number;
        cr_assert_eq(take(0, size_min(piece, 301)), JOURNAL_ASSEMBLED_TOO_LONG);
        cr_assert(assembly.head.sequence == 10 && assembly.offset == 1000ULL * first);
        cr_assert_eq(journal_record_size(&assembly.head), 301);
        if (piece == 100) {
            cr_assert_eq(take(100, 200), JOURNAL_ASSEMBLED_MORE, "the rest is passed over");
            cr_assert_eq(take(200, 301), JOURNAL_ASSEMBLED_MORE);
        }
    }
}

Test(journal_assembly, without_a_limit_it_is_that_of_the_format)
{
    struct journal_record_head h = {.meta_bytes = 0,
                                    .body_bytes = JOURNAL_RECORD_MAX - JOURNAL_RECORD_BYTES};
    journal_record_encode(&h, record);
    cr_assert_eq(assembly.record_bytes_max, JOURNAL_RECORD_MAX);
    cr_assert_eq(take_typed(JOURNAL_FRAME_FIRST, 0, JOURNAL_RECORD_BYTES), ERR_NO_MEMORY);
    h.body_bytes++;
    journal_record_encode(&h, record);
    cr_assert_eq(take_typed(JOURNAL_FRAME_FIRST, 0, JOURNAL_RECORD_BYTES),
                 JOURNAL_ASSEMBLED_LOST_FRAME);
}

/* It was cut, or somebody made it up: there is no need to have memory for it. */
Test(journal_assembly, no_memory_is_taken_for_a_record_that_is_longer_than_its_file)
{
    given_record(9, 100000);
    for (uint64_t missing = 1; missing <= 100000; missing *= 10) {
        journal_assembly_begin(&assembly, 1000ULL * number + 100000 - missing);
        cr_assert_eq(take_in_pieces(30000), JOURNAL_ASSEMBLED_MORE);
        cr_assert_eq(taken(), 0);
    }
    journal_assembly_begin(&assembly, 10);
    cr_assert_eq(take_in_pieces(30000), JOURNAL_ASSEMBLED_MORE, "it begins behind the end");
    journal_assembly_begin(&assembly, 1000ULL * number + 100000);
    cr_assert_eq(take_in_pieces(30000), JOURNAL_ASSEMBLED_RECORD);
}

/* What did not fit is given up, and the assembly goes on as if it had not been. */
Test(journal_assembly, memory_may_be_refused)
{
    long nth = 1;
    int got = ERR_NO_MEMORY;
    for (; got == ERR_NO_MEMORY; nth++) {
        arena_trim(&arena);
        budget_fail_nth(&budget, nth);
        given_record(9, 100000);
        errno = EXDEV;
        got = take(0, 50000);
        if (got == JOURNAL_ASSEMBLED_MORE) {
            cr_assert_eq(take(50000, 100000), JOURNAL_ASSEMBLED_RECORD);
            given_record(9, 200000); /* the old span goes, a longer one comes */
            got = take(0, 50000);
        }
        if (got == ERR_NO_MEMORY) {
            cr_assert_eq(taken(), 0);
            cr_assert_eq(journal_record_size(&assembly.head), record_bytes);
            cr_assert_eq(take(50000, record_bytes), JOURNAL_ASSEMBLED_MORE);
        }
    }
    budget_fail_nth(&budget, 0);
    cr_assert_eq(got, JOURNAL_ASSEMBLED_MORE);
    cr_assert_gt(nth, 3, "neither of the two spans was refused");
    cr_assert_eq(take(50000, record_bytes), JOURNAL_ASSEMBLED_RECORD);
}
