#include "tests/unit/tsdb/test_window_suite.h"
#include "tsdb/timeline.h"

#include <pthread.h>

static struct test_dry dry;

TestSuite(timeline, .init = test_window_set_up, .fini = test_window_tear_down);

enum { TIMES_MAX = 20000 };

struct model { /* a timeline and the array that it must equal */
    slot at;
    uint32_t n;
    uint32_t times[TIMES_MAX];
};

static struct model model;

static void start(struct model *m, uint32_t time)
{
    m->at = timeline_new(&x.slots, x.w, time);
    cr_assert_neq(m->at, 0);
    m->times[0] = time;
    m->n = 1;
}

static void append(struct model *m, uint32_t time)
{
    cr_assert_eq(timeline_append(&x.slots, x.w, m->at, &time, 1), 0);
    m->times[m->n++] = time;
}

static void expect_range(const struct model *m, uint32_t from, uint32_t n)
{
    static uint32_t times[TIMES_MAX];
    times[n] = 12345;
    timeline_read(&x.t.arena, &x.times, m->at, from, n, times);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(times[i], m->times[from + i], "place %u of %u", from + i, m->n);
    cr_assert_eq(times[n], 12345, "no more than asked for");
    const uint32_t *lent = n > 0 ? timeline_borrow(&x.t.arena, &x.times, m->at, from, n) : NULL;
    cr_assert_eq(lent != NULL, n > 0 && from / SEGMENT_TIMES == (from + n - 1) / SEGMENT_TIMES);
    if (lent != NULL)
        cr_assert_arr_eq(lent, &m->times[from], n * sizeof(*lent));
}

static void expect_times(const struct model *m)
{
    cr_assert_eq(timeline_times(&x.t.arena, m->at), m->n);
    cr_assert(timeline_check(&x.t.arena, m->at));
    expect_range(m, 0, m->n);
    uint32_t at = (uint32_t)random_below(&random_state, m->n);
    expect_range(m, at, (uint32_t)random_below(&random_state, m->n - at + 1));
    cr_assert_eq(timeline_time(&x.t.arena, &x.times, m->at, at), m->times[at]);
    cr_assert_eq(timeline_time(&x.t.arena, &x.times, m->at, m->n - 1), m->times[m->n - 1]);
}

static void expect_footprint(void)
{
    struct chunk_footprint used = test_window_used(&x, x.w), counted = {0};
    test_add_timelines(&x, x.w, &counted);
    test_same_footprint(&counted, &used, "timelines");
}

enum spacing { EVERY_MS, REGULAR, JITTER, GAPS, WILD, SPACINGS };

static uint32_t distance_of(enum spacing kind, uint32_t i)
{
    switch (kind) {
    case EVERY_MS:
        return 1;
    case REGULAR:
        return 15000;
    case JITTER:
        return 14990 + (uint32_t)random_below(&random_state, 20);
    case GAPS:
        return i % 100 == 50 ? 60000 : 1000;
    default:
        return 1 + (uint32_t)(random_next(&random_state) >> (48 + random_below(&random_state, 16)));
    }
}

Test(timeline, holds_what_was_appended_however_it_is_spaced)
{
    for (int kind = 0; kind < SPACINGS; kind++) {
        uint32_t time = (uint32_t)random_below(&random_state, 1000);
        start(&model, time);
        for (uint32_t i = 1; i < 3000; i++) {
            append(&model, time += distance_of((enum spacing)kind, i));
            if (i < 300 || i % 97 == 0)
                expect_times(&model);
            if (i % 61 == 0)
                expect_footprint();
        }
        expect_times(&model);
        expect_footprint();
    }
    cr_assert_eq(x.w->n_timelines, SPACINGS);
}

Test(timeline, many_share_a_cache_of_any_size)
{
    static struct model several[5];
    static const uint32_t sizes[] = {1, 2, 4};
    uint32_t now[ARRAY_LEN(several)] = {0};
    for (size_t i = 0; i < ARRAY_LEN(several); i++)
        start(&several[i], now[i] = (uint32_t)i);
    for (int round = 0; round < 4000; round++) {
        size_t i = random_below(&random_state, ARRAY_LEN(several));
        if (round % 1000 == 0)
            times_cache_init(&x.times, x.items, sizes[random_below(&random_state, 3)]);
        append(&several[i], now[i] += 1 + (uint32_t)random_below(&random_state, 5000));
        struct model *m = &several[random_below(&random_state, ARRAY_LEN(several))];
        uint32_t at = (uint32_t)random_below(&random_state, m->n);
        expect_range(m, at, (uint32_t)random_below(&random_state, m->n - at + 1));
        cr_assert_eq(timeline_time(&x.t.arena, &x.times, m->at, m->n - 1), m->times[m->n - 1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(several); i++)
        expect_times(&several[i]);
    expect_footprint();
}

Test(timeline, equal_distances_take_no_bytes)
{
    start(&model, 5);
    for (uint32_t i = 1; i < 40 * SEGMENT_TIMES + 1; i++)
        append(&model, 5 + i * 15000);
    struct chunk_footprint used = test_window_used(&x, x.w);
    cr_assert_eq(used.slots[0], 2, "its own slot and one for what is open");
    cr_assert_eq(used.slots[7], 1, "a leaf of 40 segments");
    cr_assert_eq(used.payload_bytes, sizeof(struct timeline) + 40 * sizeof(struct segment) + 4);
}

Test(timeline, the_widest_differences_fit)
{
    uint32_t time = 0;
    start(&model, time);
    for (uint32_t i = 1; i <= SEGMENT_TIMES; i++)
        append(&model, time += i == 60 ? UINT32_MAX - 1000 : 1 + i % 3);
    expect_times(&model);
    expect_footprint();
    cr_assert_eq(timeline_append(&x.slots, x.w, model.at, &(uint32_t){UINT32_MAX}, 1), 0);
    cr_assert_eq(timeline_append(&x.slots, x.w, model.at, &(uint32_t){UINT32_MAX}, 1), ERR_CORRUPT);
}

Test(timeline, takes_no_time_that_is_not_later)
{
    start(&model, 1000);
    append(&model, 2000);
    cr_assert_eq(timeline_append(&x.slots, x.w, model.at, &(uint32_t){2000}, 1), ERR_CORRUPT);
    cr_assert_eq(timeline_append(&x.slots, x.w, model.at, &(uint32_t){1999}, 1), ERR_CORRUPT);
    cr_assert_eq(timeline_append(&x.slots, x.w, model.at, &(uint32_t){0}, 1), ERR_CORRUPT);
    expect_times(&model);
}

Test(timeline, number_and_order_within_the_window)
{
    slot first = timeline_new(&x.slots, x.w, 1), second = timeline_new(&x.slots, x.w, 1);
    cr_assert_eq(x.w->n_timelines, 2);
    cr_assert_eq(x.w->last_timeline, second);
    cr_assert_eq(timeline_at(&x.t.arena, second)->before, first);
    cr_assert_eq(timeline_at(&x.t.arena, first)->before, 0);
    cr_assert_eq(timeline_at(&x.t.arena, first)->number, 0);
    cr_assert_eq(timeline_at(&x.t.arena, second)->number, 1);
}

/* ---- following ---- */

static int follow(uint32_t at, uint32_t time, bool *ret_is_new)
{
    return timeline_follow(&x.slots, x.w, model.at, at, time, ret_is_new);
}

Test(timeline, whoever_comes_first_makes_it_longer)
{
    bool is_new;
    start(&model, 100);
    for (uint32_t i = 1; i < 700; i++) {
        uint32_t time = 100 + i * 1000 + i % 7;
        cr_assert_eq(follow(i, time, &is_new), 1);
        cr_assert(is_new);
        model.times[model.n++] = time;
        cr_assert_eq(follow(i, time, &is_new), 1, "the next series of the scrape");
        cr_assert_not(is_new);
        cr_assert_eq(follow(i, time + 1, &is_new), 0);
        cr_assert_eq(follow(i + 2, time + 2000, &is_new), 0, "beyond the end");
        uint32_t before = (uint32_t)random_below(&random_state, i);
        cr_assert_eq(follow(before, model.times[before], &is_new), 1);
        cr_assert_eq(follow(before, time, &is_new), 0);
        cr_assert_not(is_new);
    }
    expect_times(&model);
}

/* A timeline of two times that lie `step` apart; whether it takes one `distance` later. */
static bool takes(uint32_t step, uint32_t distance)
{
    bool is_new;
    start(&model, 1000);
    append(&model, 1000 + step);
    int rc = follow(2, 1000 + step + distance, &is_new);
    cr_assert_eq(rc, (int)is_new);
    cr_assert_eq(timeline_times(&x.t.arena, model.at), 2u + is_new);
    return is_new;
}

Test(timeline, is_extended_by_about_a_multiple_of_its_step_only)
{
    static const struct {
        uint32_t step, distance;
        bool is_taken;
    } rows[] = {
        {1000, 1000, true},    {1000, 865, true},    {1000, 864, false},    {1000, 1135, true},
        {1000, 1136, false},   {1000, 1865, true},   {1000, 1864, false},   {1000, 2135, true},
        {1000, 2136, false},   {1000, 9000, true},   {1000, 9500, false},   {1000, 1, false},
        {1000, 135, false},    {15000, 16885, true}, {15000, 16886, false}, {15000, 13115, true},
        {15000, 13114, false}, {16, 8, true},        {16, 7, false},        {1, 1, true},
        {1, 10000000, true},   {2, 1, true},         {27, 13, true},        {27, 12, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(takes(rows[i].step, rows[i].distance), rows[i].is_taken,
                     "step %u, distance %u", rows[i].step, rows[i].distance);
    bool is_new;
    start(&model, 1000);
    cr_assert_eq(follow(1, 1000, &is_new), 0, "not later");
    cr_assert_eq(follow(1, 999, &is_new), 0);
    cr_assert_eq(follow(1, 1001, &is_new), 1, "the second may come whenever it likes");
    cr_assert_eq(follow(2, 500, &is_new), 0, "earlier by a multiple");
}

Test(timeline, the_least_distance_is_its_step)
{
    bool is_new;
    start(&model, 0);
    append(&model, 4000);
    append(&model, 5000);
    append(&model, 9000);
    cr_assert_eq(follow(4, 10000, &is_new), 1);
    cr_assert_eq(follow(5, 10500, &is_new), 0);
}

/* ---- finding ---- */

Test(timeline, finds_the_newest_times)
{
    uint32_t time = 0, at;
    start(&model, time);
    for (uint32_t i = 1; i < 700; i++) {
        append(&model, time += 2 + (uint32_t)random_below(&random_state, 100));
        for (uint32_t back = 0; back < TIMELINE_LOOK_BACK && back < model.n; back++) {
            uint32_t place = model.n - 1 - back;
            at = 77;
            cr_assert(timeline_find_recent(&x.t.arena, model.at, model.times[place], &at),
                      "%u of %u", place, model.n);
            cr_assert_eq(at, place);
            at = 77;
            cr_assert_not(timeline_find_recent(&x.t.arena, model.at, model.times[place] + 1, &at));
            cr_assert_eq(at, 77);
        }
    }
    cr_assert_not(timeline_find_recent(&x.t.arena, model.at, model.times[10], &at));
}

/* ---- limits and memory ---- */

Test(timeline, is_full_at_the_places_that_a_chunk_can_name)
{
    bool is_new;
    start(&model, 1);
    for (uint32_t i = 1; i < SEGMENT_TIMES; i++)
        append(&model, 1 + i);
    /* as if all segments but the open one had been there */
    struct timeline_state *s = &timeline_at(&x.t.arena, model.at)->state;
    const struct timeline_state good = *s;
    s->segments.n = TIMELINE_TIMES_MAX / SEGMENT_TIMES;
    s->n = TIMELINE_TIMES_MAX - 1;
    s->last = 1000;
    cr_assert_eq(follow(TIMELINE_TIMES_MAX - 1, 1001, &is_new), 1, "the last");
    cr_assert_eq(timeline_times(&x.t.arena, model.at), TIMELINE_TIMES_MAX);
    cr_assert_eq(follow(TIMELINE_TIMES_MAX, 1002, &is_new), 0, "one past");
    cr_assert_eq(timeline_append(&x.slots, x.w, model.at, &(uint32_t){1002}, 1), ERR_CORRUPT);
    *s = good;
}

/* Appends with every number of slots left, from none to enough. */
static void append_in_a_dry_window(struct model *m, uint32_t time, bool with_limbo)
{
    for (uint32_t n_left = 0;; n_left++) {
        struct chunk_footprint before = test_window_used(&x, x.w);
        test_dry_begin(&x, &dry, n_left, with_limbo);
        int err = timeline_append(&x.slots, x.w, m->at, &time, 1);
        test_dry_end(&x, &dry, with_limbo);
        if (err == 0) {
            m->times[m->n++] = time;
            return;
        }
        struct chunk_footprint after = test_window_used(&x, x.w);
        cr_assert_eq(err, ERR_NO_MEMORY);
        test_same_footprint(&before, &after, "a failed append");
        expect_times(m);
        cr_assert_lt(n_left, 8);
    }
}

Test(timeline, without_memory_it_stays_as_it_was)
{
    for (int is_regular = 0; is_regular < 2; is_regular++) {
        uint32_t time = 3;
        start(&model, time);
        /* the first slot of segments is full after 8, the leaf after 64 */
        for (uint32_t i = 1; i < 66 * SEGMENT_TIMES; i++) {
            time += is_regular ? 10 : 10 + i % 3;
            if (i % TIMELINE_PIECE_TIMES != 0 || (i > 1100 && i < 8000)) {
                append(&model, time);
                continue;
            }
            bool packs = i % SEGMENT_TIMES == 0;
            if (packs && i == SEGMENT_TIMES) { /* pieces that are replaced need room in the limbo */
                test_dry_begin(&x, &dry, 5, false);
                cr_assert_eq(timeline_append(&x.slots, x.w, model.at, &time, 1), ERR_NO_MEMORY);
                test_dry_end(&x, &dry, false);
            }
            append_in_a_dry_window(&model, time, true);
        }
        expect_times(&model);
        expect_footprint();
    }
}

Test(timeline, a_new_one_without_memory_leaves_nothing)
{
    slot first = timeline_new(&x.slots, x.w, 1);
    for (uint32_t n_left = 0; n_left < 2; n_left++) {
        struct chunk_footprint before = test_window_used(&x, x.w);
        test_dry_begin(&x, &dry, n_left, true);
        cr_assert_eq(timeline_new(&x.slots, x.w, 5), 0);
        test_dry_end(&x, &dry, true);
        struct chunk_footprint after = test_window_used(&x, x.w);
        test_same_footprint(&before, &after, "no timeline");
        cr_assert_eq(x.w->n_timelines, 1);
        cr_assert_eq(x.w->last_timeline, first);
    }
}

/* ---- the check ---- */

Test(timeline, check_sees_damage)
{
    start(&model, 10);
    for (uint32_t i = 1; i < 400; i++)
        append(&model, 10 + i * 7 + i % 2);
    struct timeline_state *s = &timeline_at(&x.t.arena, model.at)->state;
    const struct timeline_state good = *s;
    s->last++;
    cr_assert_not(timeline_check(&x.t.arena, model.at), "the newest time");
    *s = good;
    s->n = 0;
    cr_assert_not(timeline_check(&x.t.arena, model.at), "nothing");
    *s = good;
    s->n += SEGMENT_TIMES;
    cr_assert_not(timeline_check(&x.t.arena, model.at), "more than the open segment holds");
    *s = good;
    uint32_t *open = slot_ptr(&x.t.arena, s->pieces[0]), was = *open;
    *open += 1000;
    cr_assert_not(timeline_check(&x.t.arena, model.at), "order in the open segment");
    *open = was;
    struct segment *g = slot_ptr(&x.t.arena, s->segments.root);
    g[1].first -= 100;
    cr_assert_not(timeline_check(&x.t.arena, model.at), "order of segments");
    g[1].first += 100;
    cr_assert(timeline_check(&x.t.arena, model.at));
}

/* ---- threads ---- */

enum { THREADS = 4, THREAD_TIMES = 6000 };

static _Atomic uint32_t n_new;

static uint32_t time_of_place(uint32_t i)
{
    return i * 1000 + i * 7 % 50;
}

static void *follow_all(void *arg)
{
    (void)arg;
    for (uint32_t i = 1; i < THREAD_TIMES; i++) {
        bool is_new;
        unsigned place = slots_enter(&x.slots);
        cr_assert_eq(follow(i, time_of_place(i), &is_new), 1);
        slots_leave(&x.slots, place);
        n_new += is_new;
        if (i % 64 == 0)
            slots_drain(&x.slots);
    }
    return NULL;
}

static void *read_all(void *arg)
{
    struct times_item items[2];
    struct times_cache cache;
    uint32_t times[300], seen = 0;
    (void)arg;
    times_cache_init(&cache, items, 2);
    for (uint32_t round = 0; seen < THREAD_TIMES; round++) {
        unsigned place = slots_enter(&x.slots);
        seen = timeline_times(&x.t.arena, model.at);
        uint32_t n = seen < 300 ? seen : 300, from = round % 3 == 0 ? 0 : seen - n, at;
        timeline_read(&x.t.arena, &cache, model.at, from, n, times);
        for (uint32_t i = 0; i < n; i++)
            cr_assert_eq(times[i], time_of_place(from + i));
        if (timeline_find_recent(&x.t.arena, model.at, time_of_place(seen - 1), &at))
            cr_assert_eq(at, seen - 1);
        slots_leave(&x.slots, place);
    }
    return NULL;
}

Test(timeline, writers_agree_and_readers_see_times_that_stay)
{
    pthread_t threads[THREADS];
    n_new = 0;
    start(&model, 0);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, i % 2 == 0 ? follow_all : read_all, NULL),
                     0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(n_new, THREAD_TIMES - 1, "each was added by one");
    cr_assert(timeline_check(&x.t.arena, model.at));
    expect_footprint();
}
