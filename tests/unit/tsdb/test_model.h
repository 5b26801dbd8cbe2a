/* A chunk beside the sorted array that it must equal, for the tests of chunks. */
#ifndef TESTS_UNIT_TSDB_TEST_MODEL_H
#define TESTS_UNIT_TSDB_TEST_MODEL_H

#include "tests/unit/tsdb/test_chunk.h"
#include "tsdb/pick.h"

enum { TEST_MODEL_MAX = 20000 };

struct test_model {
    struct chunk c;
    uint32_t phase;
    bool is_open;
    uint32_t n;
    uint32_t times[TEST_MODEL_MAX];
    uint64_t values[TEST_MODEL_MAX];
};

static inline void test_model_init(struct test_model *m, uint32_t phase)
{
    memset(&m->c, 0, sizeof(m->c));
    m->phase = phase;
    m->is_open = true;
    m->n = 0;
}

static inline struct chunk_writer test_writer(struct test_window *x, const struct test_model *m)
{
    return (struct chunk_writer){.slots = &x->slots,
                                 .window = x->w,
                                 .recent = &x->recent,
                                 .shared = &x->shared,
                                 .times = &x->times,
                                 .memo = &x->memo,
                                 .open_payload = &x->open_payload,
                                 .phase = m->phase,
                                 .is_open = m->is_open};
}

static inline struct chunk_view test_view(const struct test_window *x, const struct chunk *c)
{
    struct chunk_view v = {.c = *c};
    chunk_view_head(&x->t.arena, &v);
    return v;
}

/* The place of the first sample at or after a time. */
static inline uint32_t test_model_place(const struct test_model *m, uint32_t time)
{
    uint32_t from = 0, to = m->n;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        if (m->times[mid] < time)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static inline bool test_model_has(const struct test_model *m, uint32_t time)
{
    uint32_t at = test_model_place(m, time);
    return at < m->n && m->times[at] == time;
}

/* Whether the sample is a usual one and was taken: another series of its scrape has been there. */
static inline bool test_model_extend(struct test_window *x, struct test_model *m,
                                     const struct chunk_writer *w, uint32_t time, uint64_t value)
{
    const struct chunk_head *h =
        m->c.kind == CHUNK_HEAD ? chunk_head_at(&x->t.arena, m->c.at) : NULL;
    slot timeline = h != NULL ? h->tail.timeline : m->c.timeline;
    uint32_t place = h != NULL ? h->tail.last + 1 : m->c.place + m->c.n_samples;
    bool is_empty = h != NULL ? h->tail.n_samples == 0 : m->c.kind != CHUNK_CONSTANT;
    if (m->c.serial == 0 || is_empty || timeline == 0 ||
        place >= timeline_times(&x->t.arena, timeline) ||
        timeline_time(&x->t.arena, &x->times, timeline, place) != time)
        return false;
    times_memo_note(&x->memo, timeline, place, time);
    return chunk_extend(w, &m->c, &time, &value, 1) == 1;
}

/* Adds to the chunk, and if that could be to the model. */
static inline int test_model_try(struct test_window *x, struct test_model *m, uint32_t time,
                                 uint64_t value)
{
    uint32_t at = test_model_place(m, time);
    struct chunk_writer w = test_writer(x, m);
    cr_assert_lt(m->n, TEST_MODEL_MAX);
    unsigned place = slots_enter(&x->slots);
    bool is_usual = at == m->n && m->is_open && (time ^ value) % 3 != 0 &&
                    test_model_extend(x, m, &w, time, value);
    int err = is_usual ? 0 : chunk_add(&w, &m->c, time, value, at == m->n);
    slots_count_open(&x->slots, &x->open_payload);
    slots_leave(&x->slots, place);
    if (err != 0)
        return err;
    memmove(&m->times[at + 1], &m->times[at], (m->n - at) * sizeof(*m->times));
    memmove(&m->values[at + 1], &m->values[at], (m->n - at) * sizeof(*m->values));
    m->times[at] = time;
    m->values[at] = value;
    m->n++;
    return 0;
}

static inline void test_model_add(struct test_window *x, struct test_model *m, uint32_t time,
                                  uint64_t value)
{
    cr_assert_eq(test_model_try(x, m, time, value), 0);
    if (m->n % 64 == 0)
        slots_drain(&x->slots);
}

static inline void test_model_seal(struct test_window *x, struct test_model *m)
{
    struct chunk_writer w = test_writer(x, m);
    cr_assert_eq(chunk_seal(&w, &m->c), 0);
    slots_drain(&x->slots);
}

/* ---- comparing ---- */

static inline void test_model_range(struct test_window *x, const struct test_model *m,
                                    uint32_t min_time, uint32_t max_time)
{
    static int64_t t_ms[TEST_MODEL_MAX + BLOCK_SAMPLES_MAX];
    static uint64_t values[TEST_MODEL_MAX + BLOCK_SAMPLES_MAX];
    struct chunk_view v = test_view(x, &m->c);
    size_t room = chunk_room(&x->t.arena, &v, min_time, max_time);
    memset(&t_ms[room], 0x5A, BLOCK_SAMPLES_MAX * sizeof(*t_ms));
    memset(&values[room], 0x5A, BLOCK_SAMPLES_MAX * sizeof(*values));
    size_t n = chunk_read(&x->t.arena, &x->times, &v, min_time, max_time, 1000, t_ms, values);
    uint32_t from = test_model_place(m, min_time), k = 0;
    cr_assert_leq(n, room);
    cr_assert_leq(room, m->n);
    for (size_t i = room; i < room + BLOCK_SAMPLES_MAX; i++)
        cr_assert(t_ms[i] == 0x5A5A5A5A5A5A5A5A && values[i] == 0x5A5A5A5A5A5A5A5A,
                  "written behind the room");
    for (uint32_t i = from; i < m->n && m->times[i] <= max_time; i++, k++) {
        cr_assert_lt(k, n, "%u .. %u: sample %u is missing", min_time, max_time, i);
        cr_assert_eq(t_ms[k], 1000 + (int64_t)m->times[i], "%u .. %u: time of %u", min_time,
                     max_time, i);
        cr_assert_eq(values[k], m->values[i], "%u .. %u: value of %u", min_time, max_time, i);
    }
    cr_assert_eq(k, n, "%u .. %u: too many", min_time, max_time);
}

/* What is seen at random times, some of them equal. */
static inline void test_model_seen(struct test_window *x, const struct test_model *m,
                                   struct random *r)
{
    enum { TIMES = 70, START_MS = 1000 };
    static const int64_t lookbacks[] = {1, 16000, 300000, INT64_MAX};
    int64_t at_ms[TIMES], t_ms[TIMES];
    uint64_t values[TIMES];
    struct chunk_view v = test_view(x, &m->c);
    struct picker p = {.at_ms = at_ms, .t_ms = t_ms, .values = values};
    p.n = (size_t)random_below(r, TIMES) + 1;
    p.lookback_ms = lookbacks[random_below(r, ARRAY_LEN(lookbacks))];
    uint64_t step = random_below(r, 2) ? m->times[m->n - 1] / p.n : random_below(r, 40000);
    at_ms[0] = START_MS - 10 + (int64_t)random_below(r, m->times[m->n - 1] / 2 + 20);
    for (size_t i = 1; i < p.n; i++)
        at_ms[i] = at_ms[i - 1] + (int64_t)(step + random_below(r, 2) * random_below(r, 20));
    pick_begin(&p);
    pick_chunk(&p, &x->t.arena, &x->times, &v, START_MS);
    pick_end(&p);
    size_t n_found = 0;
    for (size_t i = 0; i < p.n; i++) {
        int64_t time = at_ms[i] - START_MS;
        uint32_t k = time < 0             ? 0
                     : time >= UINT32_MAX ? m->n
                                          : test_model_place(m, (uint32_t)time + 1);
        bool is_seen = k > 0 && m->times[k - 1] > time - p.lookback_ms;
        cr_assert_eq(t_ms[i] != PICK_NONE, is_seen, "at %lld", (long long)time);
        if (is_seen)
            cr_assert(t_ms[i] == START_MS + (int64_t)m->times[k - 1] &&
                          values[i] == m->values[k - 1],
                      "at %lld", (long long)time);
        n_found += is_seen;
    }
    cr_assert_eq(p.n_found, n_found);
}

/* One sample that is there, one time that is not, one range, what is seen at some times. */
static inline void test_model_spot(struct test_window *x, const struct test_model *m,
                                   struct random *r)
{
    struct chunk_view v = test_view(x, &m->c);
    uint32_t at = (uint32_t)random_below(r, m->n), other = (uint32_t)random_below(r, m->n);
    uint32_t first, last, time = m->times[at] + 1 - (uint32_t)random_below(r, 3);
    uint64_t value = 0;
    cr_assert(chunk_find(&x->t.arena, &x->times, &v, m->times[at], &value));
    cr_assert_eq(value, m->values[at]);
    cr_assert_eq(chunk_find(&x->t.arena, &x->times, &v, time, &value), test_model_has(m, time));
    chunk_span(&x->t.arena, &x->times, &v, &first, &last);
    cr_assert_eq(first, m->times[0]);
    cr_assert_eq(last, m->times[m->n - 1]);
    test_model_range(x, m, m->times[at < other ? at : other] + (uint32_t)random_below(r, 2),
                     m->times[at < other ? other : at] - (uint32_t)random_below(r, 2));
    test_model_range(x, m, 0, m->times[at]);
    test_model_range(x, m, m->times[at], UINT32_MAX);
    test_model_seen(x, m, r);
}

static inline void test_model_whole(struct test_window *x, const struct test_model *m)
{
    struct chunk_view v = test_view(x, &m->c);
    cr_assert(chunk_check(&x->t.arena, &x->times, &v));
    cr_assert_eq(m->c.n_samples, m->n);
    test_model_range(x, m, 0, UINT32_MAX);
}

/* What the chunks, timelines and shared values take is what is in use. */
static inline void test_models_footprint(struct test_window *x, const struct test_model *models,
                                         size_t n)
{
    struct chunk_footprint used = test_window_used(x, x->w), counted = {0};
    test_add_timelines(x, x->w, &counted);
    test_add_shared(x, x->w, &counted);
    for (size_t i = 0; i < n; i++) {
        struct chunk_view v = test_view(x, &models[i].c);
        if (models[i].c.serial != 0)
            chunk_add_footprint(&x->t.arena, &v, &counted);
    }
    test_same_footprint(&counted, &used, "chunks and timelines");
}

#endif
