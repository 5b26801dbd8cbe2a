/* Refused samples into bytes and out of a body again. */
#include "http/refusals.h"

#include "tests/support/random.h"
#include "tsdb/varint.h"

#include <criterion/criterion.h>
#include <string.h>

enum { MEMORY = 16 << 20, ENTRIES_MAX = 3 * WRITE_BLOCK_ENTRIES, SAMPLES_MAX = 4 * ENTRIES_MAX };

static struct budget budget;
static struct arena arena;
static struct region region;
static struct refusals refusals;

/* A body as the walk makes it; values are the samples' places. */
static struct write_block blocks[3];
static struct sample samples[SAMPLES_MAX];
static struct write_body body;

static void setup(void)
{
    budget_init(&budget, MEMORY);
    cr_assert(arena_init(&arena, &budget, MEMORY));
    region_init(&region, &arena, budget_owner(&budget, "requests"), 0);
    refusals_init(&refusals, &region);
}

static void teardown(void)
{
    region_release(&region);
    arena_release(&arena);
}

TestSuite(refusals, .init = setup, .fini = teardown);

/* n entries with so many samples each; lengths == NULL: one each. */
static void make_body(size_t n, const uint32_t *lengths)
{
    uint64_t place = 0;
    memset(blocks, 0, sizeof(blocks));
    body = (struct write_body){.first = n > 0 ? blocks : NULL, .n_entries = n};
    for (size_t i = 0; i < n; i++) {
        struct write_block *b = &blocks[i / WRITE_BLOCK_ENTRIES];
        uint32_t length = lengths ? lengths[i] : 1;
        if (i > 0 && i % WRITE_BLOCK_ENTRIES == 0)
            b[-1].next = b;
        b->entries[b->n++] = (struct append_entry){.n_samples = length, .samples = samples + place};
        for (uint32_t k = 0; k < length; k++, place++)
            samples[place] = (struct sample){(int64_t)place, place};
    }
    body.n_samples = place;
}

static void encode(const uint8_t **meta, size_t *n)
{
    cr_assert(refusals_encode(&refusals, &body, meta, n));
}

/* What is left must be the places that are not refused, in order. */
static void expect_left(const bool *is_refused)
{
    uint64_t place = 0;
    for (const struct write_block *b = body.first; b; b = b->next)
        for (size_t i = 0; i < b->n; i++)
            for (uint32_t k = 0; k < b->entries[i].n_samples; k++, place++) {
                while (is_refused[place])
                    place++;
                cr_assert_eq(b->entries[i].samples[k].value, place);
            }
    while (place < body.n_samples && is_refused[place])
        place++;
    cr_assert_eq(place, body.n_samples);
}

Test(refusals, nothing_refused_takes_no_bytes_and_no_memory)
{
    const uint8_t *meta;
    size_t n = 1;
    make_body(10, NULL);
    encode(&meta, &n);
    cr_assert_eq(n, 0);
    cr_assert(refusals_apply(meta, 0, &body));
    cr_assert_eq(body.first->entries[9].n_samples, 1);
    cr_assert_eq(atomic_load(&budget.rows[region.owner].bytes), 0);
}

Test(refusals, runs_are_counted_from_the_start_of_the_message)
{
    static const uint32_t lengths[] = {3, 1, 2};
    static const uint8_t expected[] = {1, 1, 1, 2};
    const uint8_t *meta;
    size_t n;
    make_body(3, lengths);
    refusals_note(&refusals, &samples[1]);
    refusals_note(&refusals, &samples[3]);
    refusals_note(&refusals, &samples[4]);
    encode(&meta, &n);
    cr_assert_eq(n, 4);
    cr_assert_eq(memcmp(meta, expected, n), 0);
    cr_assert(refusals_apply(meta, n, &body));
    expect_left((const bool[]){false, true, false, true, true, false});
    cr_assert_eq(body.first->entries[1].n_samples, 0);
}

Test(refusals, a_bad_label_set_refuses_all_its_samples)
{
    static const uint32_t lengths[] = {2, 3, 2};
    const uint8_t *meta;
    size_t n;
    make_body(3, lengths);
    blocks[0].entries[1].err = ERR_LABELS_TOO_LONG;
    refusals_note(&refusals, &samples[6]);
    encode(&meta, &n);
    cr_assert(refusals_apply(meta, n, &body));
    expect_left((const bool[]){false, false, true, true, true, false, true});
}

/* Times are places. */
static bool is_of_seven(const void *ctx, int64_t t_ms)
{
    return t_ms % 7 < *(const int64_t *)ctx;
}

/* What is narrowed leaves what the meta leaves and is wanted. The body is as it was made. */
static void expect_narrowed(const uint8_t *meta, size_t n_meta, int64_t wanted,
                            const bool *is_refused)
{
    static bool is_gone[SAMPLES_MAX];
    const uint8_t *narrowed;
    size_t n;
    cr_assert(refusals_narrow(meta, n_meta, &body, is_of_seven, &wanted, &region, &narrowed, &n));
    for (uint64_t place = 0; place < body.n_samples; place++)
        is_gone[place] = is_refused[place] || (int64_t)(place % 7) >= wanted;
    cr_assert(refusals_apply(narrowed, n, &body));
    expect_left(is_gone);
}

Test(refusals, any_choice_of_any_body_comes_back)
{
    static uint32_t lengths[ENTRIES_MAX];
    static bool is_refused[SAMPLES_MAX];
    struct random random;
    random_init(&random, random_setting("SEED", 0));
    for (int round = 0; round < 300; round++) {
        size_t n = 1 + random_below(&random, ENTRIES_MAX);
        uint64_t share = random_below(&random, 101), place = 0;
        for (size_t i = 0; i < n; i++)
            lengths[i] = 1 + (uint32_t)random_below(&random, 4);
        make_body(n, lengths);
        refusals_init(&refusals, &region);
        for (size_t i = 0; i < n; i++) {
            struct append_entry *e =
                &blocks[i / WRITE_BLOCK_ENTRIES].entries[i % WRITE_BLOCK_ENTRIES];
            bool is_bad = random_below(&random, 100) < share / 4;
            e->err = is_bad ? ERR_LABELS_DUPLICATE : 0;
            for (uint32_t k = 0; k < lengths[i]; k++, place++) {
                is_refused[place] = is_bad || random_below(&random, 100) < share;
                if (!is_bad && is_refused[place])
                    refusals_note(&refusals, &samples[place]);
            }
        }
        const uint8_t *meta;
        size_t n_meta;
        encode(&meta, &n_meta);
        make_body(n, lengths);
        cr_assert(refusals_apply(meta, n_meta, &body));
        expect_left(is_refused);
        make_body(n, lengths);
        expect_narrowed(meta, n_meta, (int64_t)random_below(&random, 8), is_refused);
        region_release(&region);
    }
}

static void see_sample(void *ctx, int64_t t_ms, bool is_stored)
{
    (void)t_ms;
    *(unsigned *)ctx += is_stored;
}

Test(refusals, narrowing_without_memory_says_so)
{
    const uint8_t *meta;
    size_t n;
    int64_t none = 0, all = 7;
    make_body(300, NULL);
    region.limit_bytes = 1;
    cr_assert_not(refusals_narrow(NULL, 0, &body, is_of_seven, &none, &region, &meta, &n));
    cr_assert(refusals_narrow(NULL, 0, &body, is_of_seven, &all, &region, &meta, &n));
    cr_assert(meta == NULL && n == 0, "all are stored");
}

Test(refusals, without_memory_it_says_so)
{
    const uint8_t *meta;
    size_t n;
    make_body(300, NULL);
    region.limit_bytes = 1;
    refusals_note(&refusals, &samples[0]);
    cr_assert(refusals.is_lost);
    cr_assert_not(refusals_encode(&refusals, &body, &meta, &n));
    region.limit_bytes = SIZE_MAX;
    refusals_init(&refusals, &region);
    refusals_note(&refusals, &samples[299]);
    encode(&meta, &n);
    cr_assert_eq(n, 3);
}

Test(refusals, a_note_of_no_sample_of_the_body_is_an_error)
{
    const uint8_t *meta;
    size_t n;
    make_body(5, NULL);
    refusals_note(&refusals, &samples[5]);
    cr_assert_not(refusals_encode(&refusals, &body, &meta, &n));
}

Test(refusals, bad_meta_is_refused)
{
    static const struct {
        uint8_t bytes[12];
        size_t n;
        bool is_good;
    } rows[] = {
        {{4, 1}, 2, true},  /* the last sample */
        {{0, 5}, 2, true},  /* all */
        {{5, 1}, 2, false}, /* one past */
        {{0, 6}, 2, false},
        {{4, 2}, 2, false},
        {{1}, 1, false}, /* cut off */
        {{0x80}, 1, false},
        {{1, 0}, 2, false}, /* a run of none */
        {{1, 1, 1}, 3, false},
        {{1, 1, 3, 1}, 4, false},
        {{1, 1, 2, 1}, 4, true},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1}, 11, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned n_stored = 0;
        make_body(5, NULL);
        cr_assert_eq(refusals_each(rows[i].bytes, rows[i].n, &body, see_sample, &n_stored),
                     rows[i].is_good, "row %zu", i);
        cr_assert_eq(refusals_apply(rows[i].bytes, rows[i].n, &body), rows[i].is_good, "row %zu",
                     i);
    }
    make_body(0, NULL);
    cr_assert_not(refusals_apply((const uint8_t[]){0, 1}, 2, &body));
}
