#include "tests/unit/alloc/test_arena.h"
#include "tests/unit/tsdb/test_samples.h"
#include "tsdb/chunk.h"

#include <criterion/criterion.h>

enum { N_MAX = 2000 };

static struct test_arena t;
static struct windows ws;
static struct window *w;
static struct random random_state;

static void set_up(void)
{
    test_arena_init(&t, 64 << 20);
    windows_init(&ws, t.owner);
    w = window_make(&ws, 7);
    random_init(&random_state, random_seed());
}

static void tear_down(void)
{
    cr_assert(windows_check(&t.arena, &ws));
    while (ws.n_live > 0)
        window_expire(&ws, window_live(&ws, 0));
    for (struct window *gone; (gone = window_expiring(&ws)) != NULL;)
        window_free(&t.arena, &ws, gone);
    test_arena_release(&t);
}

TestSuite(chunk, .init = set_up, .fini = tear_down);

/* ---- a chunk and the sorted array that it must equal ---- */

struct model {
    slot chunk;
    struct sample samples[N_MAX];
    size_t n;
};

static void model_init(struct model *m, uint32_t phase)
{
    m->n = 0;
    m->chunk = chunk_new(&t.arena, w, 1, phase);
    cr_assert_neq(m->chunk, 0);
}

static const struct chunk *head(const struct model *m)
{
    return chunk_at(&t.arena, m->chunk);
}

static void model_put(struct model *m, const struct sample *s)
{
    size_t at = m->n++;
    for (; at > 0 && m->samples[at - 1].t_ms > s->t_ms; at--)
        m->samples[at] = m->samples[at - 1];
    m->samples[at] = *s;
}

static bool has_time(const struct model *m, int64_t t_ms)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->samples[i].t_ms == t_ms)
            return true;
    return false;
}

static void append(struct model *m, int64_t t_ms, uint64_t value)
{
    struct sample s = {t_ms, value};
    cr_assert_eq(chunk_append(&t.arena, w, m->chunk, &s), 0);
    model_put(m, &s);
}

static void insert(struct model *m, int64_t t_ms, uint64_t value)
{
    struct sample s = {t_ms, value};
    cr_assert_eq(chunk_insert(&t.arena, w, m->chunk, &s), 0);
    model_put(m, &s);
}

static void compare_range(const struct model *m, int64_t min_ms, int64_t max_ms)
{
    static int64_t t_ms[N_MAX];
    static uint64_t values[N_MAX];
    size_t room = chunk_samples_between(&t.arena, head(m), min_ms, max_ms), k = 0;
    size_t n = chunk_read(&t.arena, head(m), min_ms, max_ms, t_ms, values);
    cr_assert_leq(n, room);
    for (size_t i = 0; i < m->n; i++) {
        if (m->samples[i].t_ms < min_ms || m->samples[i].t_ms > max_ms)
            continue;
        cr_assert_lt(k, n);
        cr_assert_eq(t_ms[k], m->samples[i].t_ms);
        cr_assert_eq(values[k], m->samples[i].value);
        k++;
    }
    cr_assert_eq(k, n);
}

static void compare(const struct model *m)
{
    cr_assert(chunk_check(&t.arena, m->chunk));
    cr_assert_eq(chunk_samples(head(m)), m->n);
    compare_range(m, INT64_MIN, INT64_MAX);
    if (m->n == 0)
        return;
    cr_assert_eq(chunk_first_ms(&t.arena, head(m)), m->samples[0].t_ms);
    cr_assert_eq(chunk_last_ms(&t.arena, head(m)), m->samples[m->n - 1].t_ms);
}

static void append_column(struct model *m, enum test_column kind, uint32_t n)
{
    static struct sample s[N_MAX];
    test_column(&random_state, kind, TEST_START_MS, 1000, 5, s, n);
    for (uint32_t i = 0; i < n; i++)
        append(m, s[i].t_ms, s[i].value);
}

/* Payload, samples and bounds of the window, recounted for one chunk. */
static void compare_window(const struct model *m)
{
    size_t payload = sizeof(struct chunk) - CHUNK_INLINE_BYTES + head(m)->tail.n_bytes +
                     head(m)->n_pieces * sizeof(slot);
    slot next;
    for (slot s = head(m)->first_block; s != 0; s = next)
        payload += BLOCK_HEAD_BYTES + chunk_block(&t.arena, s, &next).n_bytes;
    cr_assert_eq(w->payload_bytes, payload);
    cr_assert_eq(w->n_chunks, 1);
    cr_assert_eq(w->n_samples, m->n);
    cr_assert_eq(w->min_ms, m->samples[0].t_ms);
    cr_assert_eq(w->max_ms, m->samples[m->n - 1].t_ms);
}

/* ---- tests ---- */

static struct model m;

Test(chunk, a_new_one_is_empty_and_can_be_taken_back)
{
    size_t held = test_arena_held(&t);
    model_init(&m, 0);
    compare(&m);
    cr_assert_eq(chunk_samples_between(&t.arena, head(&m), INT64_MIN, INT64_MAX), 0);
    chunk_undo_new(&t.arena, w, m.chunk);
    cr_assert_eq(w->n_chunks, 0);
    cr_assert_eq(w->first_chunk, 0);
    cr_assert_eq(w->payload_bytes, 0);
    cr_assert_geq(test_arena_held(&t), held);
}

Test(chunk, appends_every_kind_of_column)
{
    for (int kind = 0; kind < COLUMN_KINDS; kind++) {
        model_init(&m, (uint32_t)random_next(&random_state));
        append_column(&m, (enum test_column)kind, 1000);
        compare(&m);
    }
}

Test(chunk, is_right_after_each_sample)
{
    model_init(&m, 3);
    for (uint32_t i = 0; i < 600; i++) {
        append(&m, TEST_START_MS + i * 15000, test_value(&random_state, COLUMN_ODD, i));
        compare(&m);
        compare_window(&m);
    }
}

Test(chunk, the_first_tail_ends_after_65_to_128_samples)
{
    for (uint32_t phase = 0; phase < 200; phase++) {
        model_init(&m, phase);
        uint32_t n = 0;
        for (; head(&m)->first_block == 0; n++)
            append(&m, TEST_START_MS + n * 1000, 5);
        cr_assert_eq(n, 65 + phase % 64);
        cr_assert_eq(head(&m)->tail.n_samples, 0);
        for (uint32_t i = 0; i < 127; i++)
            append(&m, TEST_START_MS + (n + i) * 1000, 5);
        cr_assert_eq(head(&m)->tail.n_samples, 127);
        append(&m, TEST_START_MS + (n + 127) * 1000, 5);
        cr_assert_eq(head(&m)->tail.n_samples, 0, "later ones after 128");
    }
}

Test(chunk, a_constant_costs_no_tail_piece)
{
    model_init(&m, 0);
    for (uint32_t i = 0; i < 64; i++)
        append(&m, TEST_START_MS + i * 15000, test_bits(1));
    cr_assert_eq(head(&m)->n_pieces, 0);
    cr_assert_eq(w->classes[0].n_used, 1, "its head slot and nothing else");
}

Test(chunk, gives_its_pieces_back_when_the_tail_becomes_a_block)
{
    model_init(&m, 63);
    append_column(&m, COLUMN_BITS, 127);
    cr_assert_gt(head(&m)->n_pieces, 5);
    append(&m, TEST_START_MS + 10000000, 1);
    cr_assert_eq(head(&m)->n_pieces, 0);
    uint32_t n_used = 0;
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        n_used += w->classes[c].n_used;
    cr_assert_eq(n_used, 3, "the head, and two blocks for what one cannot hold");
    compare(&m);
    compare_window(&m);
}

Test(chunk, inserts_at_every_place)
{
    for (int kind = 0; kind < COLUMN_KINDS; kind += 3) {
        model_init(&m, 20);
        for (uint32_t i = 0; i < 300; i++)
            append(&m, TEST_START_MS + i * 10,
                   test_value(&random_state, (enum test_column)kind, i));
        for (uint32_t i = 0; i <= 300; i++) { /* before the first, between all, behind the last */
            insert(&m, TEST_START_MS + i * 10 - 5, test_value(&random_state, COLUMN_ODD, i));
            if (i % 20 == 0)
                compare(&m);
        }
        compare(&m);
    }
}

Test(chunk, inserts_into_a_tail_alone)
{
    model_init(&m, 63);
    append(&m, 1000, 1);
    for (int64_t i = 1; i < 128; i++) { /* backwards, until it is full */
        insert(&m, 1000 - i, (uint64_t)i);
        compare(&m);
        compare_window(&m);
    }
    cr_assert_neq(head(&m)->first_block, 0);
    cr_assert_eq(head(&m)->tail.n_samples, 0);
}

Test(chunk, agrees_with_a_sorted_array_under_random_inserts)
{
    for (int round = 0; round < 20; round++) {
        model_init(&m, (uint32_t)random_next(&random_state));
        int64_t now = TEST_START_MS;
        enum test_column kind = (enum test_column)random_below(&random_state, COLUMN_KINDS);
        for (uint32_t i = 0; i < 700; i++) {
            bool is_late = m.n > 0 && random_below(&random_state, 4) == 0;
            int64_t at = is_late ? now - (int64_t)random_below(&random_state, 60000) : now;
            uint64_t value = test_value(&random_state, kind, i);
            now += 1 + (int64_t)random_below(&random_state, 3) * 500;
            if (!has_time(&m, at))
                insert(&m, at, value);
        }
        compare(&m);
        for (int i = 0; i < 200; i++) {
            int64_t from = TEST_START_MS - 70000 + (int64_t)random_below(&random_state, 1000000);
            compare_range(&m, from, from + (int64_t)random_below(&random_state, 200000));
        }
    }
}

Test(chunk, reads_ranges_with_both_ends)
{
    model_init(&m, 7);
    append_column(&m, COLUMN_COUNTER, 500);
    for (size_t i = 0; i < m.n; i += 7) {
        int64_t at = m.samples[i].t_ms;
        compare_range(&m, at, at);
        compare_range(&m, at + 1, at);
        compare_range(&m, at - 1, at + 1);
        compare_range(&m, INT64_MIN, at);
        compare_range(&m, at, INT64_MAX);
        compare_range(&m, at + 1, INT64_MAX);
    }
    compare_range(&m, INT64_MIN, TEST_START_MS - 1);
    compare_range(&m, m.samples[m.n - 1].t_ms + 1, INT64_MAX);
}

Test(chunk, finds_every_sample_and_nothing_between)
{
    model_init(&m, 7);
    append_column(&m, COLUMN_ODD, 400);
    for (size_t i = 0; i < m.n; i++) {
        uint64_t value;
        cr_assert(chunk_find(&t.arena, m.chunk, m.samples[i].t_ms, &value));
        cr_assert_eq(value, m.samples[i].value);
        if (!has_time(&m, m.samples[i].t_ms + 1))
            cr_assert_not(chunk_find(&t.arena, m.chunk, m.samples[i].t_ms + 1, &value));
    }
    uint64_t value;
    cr_assert_not(chunk_find(&t.arena, m.chunk, TEST_START_MS - 1, &value));
    cr_assert_not(chunk_find(&t.arena, m.chunk, INT64_MAX, &value));
}

Test(chunk, takes_finished_blocks)
{
    static struct model copy;
    model_init(&m, 11);
    append_column(&m, COLUMN_GAUGE, 500);
    model_init(&copy, 11);
    slot next;
    for (slot s = head(&m)->first_block; s != 0; s = next) {
        struct block b = chunk_block(&t.arena, s, &next);
        cr_assert_eq(chunk_append_block(&t.arena, w, copy.chunk, &b), 0);
    }
    struct sample tail[BLOCK_SAMPLES_MAX];
    size_t n = chunk_tail(&t.arena, head(&m), tail);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(chunk_append(&t.arena, w, copy.chunk, &tail[i]), 0);
    memcpy(copy.samples, m.samples, sizeof(m.samples));
    copy.n = m.n;
    compare(&copy);
    cr_assert_eq(w->n_samples, 2 * m.n);
}

Test(chunk, expiry_returns_every_page)
{
    for (uint32_t i = 0; i < 50; i++) {
        model_init(&m, i);
        append_column(&m, (enum test_column)(i % COLUMN_KINDS), 700);
    }
    cr_assert_gt(window_page_bytes(w), 0);
    window_expire(&ws, w);
    window_free(&t.arena, &ws, w);
    cr_assert_eq(test_arena_held(&t), 0);
}

/* ---- without memory ---- */

/* Takes all memory, so that the pools have only the free slots of their own pages. */
static void run_dry(void)
{
    arena_trim(&t.arena);
    t.budget.limit_bytes = atomic_load(&t.budget.used_bytes);
}

/* Fills up the free slots of the window's pools, so that the next slot of any class needs a page.
 */
static void use_up_slots(void)
{
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        while (pool_get(&t.arena, &w->classes[c]) != 0)
            ;
}

Test(chunk, a_failed_append_or_insert_changes_nothing)
{
    for (uint32_t n = 1; n < 300; n += 3) {
        model_init(&m, n);
        append_column(&m, n % 2 == 0 ? COLUMN_BITS : COLUMN_COUNTER, n);
        run_dry();
        use_up_slots();
        for (int k = 0; k < 20; k++) {
            int64_t at = TEST_START_MS + (int64_t)random_below(&random_state, n * 1010 + 2000);
            struct sample s = {at, random_next(&random_state)};
            struct chunk before = *head(&m);
            uint64_t payload = w->payload_bytes, n_samples = w->n_samples;
            if (has_time(&m, at))
                continue;
            int err = chunk_insert(&t.arena, w, m.chunk, &s);
            if (err == 0) {
                model_put(&m, &s); /* it fitted where it was */
            } else {
                cr_assert_eq(err, ERR_NO_MEMORY);
                cr_assert_eq(memcmp(&before, head(&m), sizeof(before)), 0);
                cr_assert_eq(w->payload_bytes, payload);
                cr_assert_eq(w->n_samples, n_samples);
            }
            compare(&m);
        }
        t.budget.limit_bytes = 64 << 20;
        insert(&m, TEST_START_MS - 1, 1);
        compare(&m);
        window_expire(&ws, w);
        window_free(&t.arena, &ws, w);
        w = window_make(&ws, 7);
    }
}

Test(chunk, a_full_tail_that_found_no_memory_takes_late_samples_later)
{
    model_init(&m, 63);
    for (uint32_t i = 0; i < 127; i++)
        append(&m, 1000 + i * 10, random_next(&random_state));
    run_dry();
    use_up_slots();
    append(&m, 1000 + 127 * 10, m.samples[126].value); /* kept, though no block can be made */
    cr_assert_eq(head(&m)->tail.n_samples, 128);
    struct sample late = {1005, 5}, next = {5000, 5};
    cr_assert_eq(chunk_insert(&t.arena, w, m.chunk, &late), ERR_NO_MEMORY);
    cr_assert_eq(chunk_append(&t.arena, w, m.chunk, &next), ERR_NO_MEMORY);
    compare(&m);

    t.budget.limit_bytes = 64 << 20;
    insert(&m, 1005, 5);
    compare(&m);
    append(&m, 5000, 5);
    compare(&m);
    insert(&m, 4000, 5);
    compare(&m);
}

/* ---- the check ---- */

Test(chunk, check_sees_damage)
{
    model_init(&m, 0);
    append_column(&m, COLUMN_COUNTER, 300);
    cr_assert(chunk_check(&t.arena, m.chunk));
    struct chunk *c = chunk_at(&t.arena, m.chunk);
    const struct chunk good = *c;

    c->n_block_samples++;
    cr_assert_not(chunk_check(&t.arena, m.chunk), "a count");
    *c = good;
    c->last_block = c->first_block;
    cr_assert_not(chunk_check(&t.arena, m.chunk), "a link");
    *c = good;
    c->tail.last_ms++;
    cr_assert_not(chunk_check(&t.arena, m.chunk), "the end of the tail");
    *c = good;
    c->tail.first_ms -= 10000000;
    cr_assert_not(chunk_check(&t.arena, m.chunk), "times that do not ascend");
    *c = good;
    c->n_pieces++;
    cr_assert_not(chunk_check(&t.arena, m.chunk), "pieces");
    *c = good;
    slot next;
    struct block b = chunk_block(&t.arena, c->first_block, &next);
    uint8_t *encoding = (uint8_t *)slot_ptr(&t.arena, c->first_block) + 7;
    cr_assert_eq(*encoding, b.encoding);
    *encoding = 0xFF;
    cr_assert_not(chunk_check(&t.arena, m.chunk), "a block that does not decode");
    *encoding = b.encoding;
    cr_assert(chunk_check(&t.arena, m.chunk));
}
