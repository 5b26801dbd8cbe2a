#include "tsdb/timeline.h"
#include "tsdb/chunk.h"
#include "tsdb/differences.h"
#include "tsdb/err.h"

#include <string.h>

_Static_assert(sizeof(struct timeline) <= SIZE_CLASS_STEP_BYTES, "a timeline fits a slot");
_Static_assert(sizeof(struct timeline_state) % WORD_BYTES == 0, "words.h moves it");
_Static_assert(offsetof(struct timeline, state) % WORD_BYTES == 0, "words.h moves it");

enum { SEGMENT_BYTES_MAX = SEGMENT_TIMES * 5, PLAUSIBLE_SHARE = 8, PLAUSIBLE_MS = 10 };

static void load_state(const struct timeline *t, struct timeline_state *ret)
{
    uint32_t begun;
    do {
        begun = version_begin(&t->version);
        words_load(ret, &t->state, sizeof(*ret));
    } while (!version_is(&t->version, begun));
}

/* Times before this place are in segments. */
static uint32_t packed_times(const struct timeline_state *s)
{
    return s->segments.n * SEGMENT_TIMES;
}

static uint32_t *open_place(const struct arena *a, const struct timeline_state *s, uint32_t at)
{
    uint32_t i = at - packed_times(s);
    uint32_t *piece = slot_ptr(a, s->pieces[i / TIMELINE_PIECE_TIMES]);
    return &piece[i % TIMELINE_PIECE_TIMES];
}

static void unpack_segment(const struct arena *a, const struct timeline_state *s, uint32_t segment,
                           uint32_t ret[SEGMENT_TIMES])
{
    const struct segment *g = row_at(a, &s->segments, sizeof(*g), segment);
    if (g->bytes == 0) {
        for (uint32_t i = 0; i < SEGMENT_TIMES; i++)
            ret[i] = g->first + i * g->step;
        return;
    }
    int64_t d[SEGMENT_TIMES];
    const uint8_t *at = slot_ptr(a, g->bytes);
    bool is_good = differences_get(&at, at + g->n_bytes, d, SEGMENT_TIMES - 1);
    ENSURE(is_good);
    ret[0] = g->first;
    for (uint32_t i = 1; i < SEGMENT_TIMES; i++)
        ret[i] = ret[i - 1] + (uint32_t)d[i - 1];
}

/* ---- in ---- */

static void read_open(const struct arena *a, const struct timeline_state *s, uint32_t n,
                      uint32_t ret[SEGMENT_TIMES])
{
    for (uint32_t i = 0; i * TIMELINE_PIECE_TIMES < n; i++)
        memcpy(&ret[i * TIMELINE_PIECE_TIMES], slot_ptr(a, s->pieces[i]), SIZE_CLASS_STEP_BYTES);
}

/* Turns the 128 times of the open segment into an entry of the row. */
static bool pack_segment(struct change *c, struct timeline_state *s)
{
    const struct arena *a = c->slots->arena;
    int64_t d[SEGMENT_TIMES]; /* one more, so that whole vectors are made */
    uint32_t times[SEGMENT_TIMES + 1];
    uint8_t bytes[SEGMENT_BYTES_MAX];
    read_open(a, s, SEGMENT_TIMES, times);
    times[SEGMENT_TIMES] = 0;
    for (uint32_t i = 0; i < SEGMENT_TIMES; i++)
        d[i] = times[i + 1] - times[i];
    struct segment g = {.first = times[0]};
    bool is_linear = memcmp(d, d + 1, (SEGMENT_TIMES - 2) * sizeof(*d)) == 0;
    g.step = (uint32_t)d[0];
    if (!is_linear) {
        g.n_bytes = (uint32_t)differences_put(bytes, sizeof(bytes), d, SEGMENT_TIMES - 1);
        ENSURE(g.n_bytes > 0);
        g.bytes = change_take(c, g.n_bytes);
        if (g.bytes == 0)
            return false;
        memcpy(slot_ptr(a, g.bytes), bytes, g.n_bytes);
    }
    if (!row_append(c, &s->segments, sizeof(g), &g))
        return false;
    for (uint32_t i = 0; i < TIMELINE_PIECES; i++) {
        change_replace(c, s->pieces[i]);
        s->pieces[i] = 0;
    }
    c->payload += (int64_t)(sizeof(g) + g.n_bytes) - SEGMENT_TIMES * (int64_t)sizeof(uint32_t);
    return true;
}

/* Takes the end of n (> 0) times that are to be added, and their least distance, into a copy of the
 * state; false when they do not ascend from the last on. */
static bool note_times(struct timeline_state *s, const uint32_t *times, uint32_t n)
{
    bool is_first = s->n == 0, is_ascending = true;
    uint32_t before = is_first ? times[0] : s->last, least = s->n > 1 ? s->step : UINT32_MAX;
    for (uint32_t i = is_first; i < n; i++) {
        uint32_t distance = times[i] - before;
        is_ascending &= times[i] > before;
        least = distance < least ? distance : least;
        before = times[i];
    }
    s->last = before;
    s->step = s->n + n > 1 ? least : 0;
    return is_ascending;
}

/* Adds n times that were noted to a copy of the state. */
static bool add_times(struct change *c, struct timeline_state *s, const uint32_t *times, uint32_t n)
{
    while (n > 0) {
        if (s->n - packed_times(s) == SEGMENT_TIMES && !pack_segment(c, s))
            return false;
        uint32_t i = s->n - packed_times(s), at = i % TIMELINE_PIECE_TIMES;
        uint32_t part = (uint32_t)size_min(n, TIMELINE_PIECE_TIMES - at);
        slot *piece = &s->pieces[i / TIMELINE_PIECE_TIMES];
        if (at == 0 && (*piece = change_take(c, SIZE_CLASS_STEP_BYTES)) == 0)
            return false;
        memcpy(open_place(c->slots->arena, s, s->n), times, part * sizeof(*times));
        s->n += part;
        times += part;
        n -= part;
        c->payload += (int64_t)(part * sizeof(*times));
    }
    return true;
}

slot timeline_new(struct slots *sl, struct window *w, uint32_t time)
{
    struct change c;
    change_init(&c, sl, w);
    slot made = change_take(&c, sizeof(struct timeline));
    struct timeline_state s = {0};
    if (made == 0 || !note_times(&s, &time, 1) || !add_times(&c, &s, &time, 1) ||
        !change_prepare(&c)) {
        change_undo(&c);
        return 0;
    }
    struct timeline *t = timeline_at(sl->arena, made);
    memset(t, 0, sizeof(*t));
    t->number = atomic_fetch_add_explicit(&w->n_timelines, 1, memory_order_relaxed);
    t->state = s;
    c.payload += (int64_t)sizeof(*t);
    change_finish(&c);
    t->before = atomic_load_explicit(&w->last_timeline, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&w->last_timeline, &t->before, made,
                                                  memory_order_release, memory_order_relaxed))
        ;
    return made;
}

static bool is_plausible(const struct timeline_state *s, uint32_t time)
{
    if (s->n < 2)
        return true;
    uint32_t distance = time - s->last, off = distance % s->step;
    if (off > s->step / 2)
        off = s->step - off;
    return distance >= s->step / 2 && off <= s->step / PLAUSIBLE_SHARE + PLAUSIBLE_MS;
}

static int time_is(const struct arena *a, const struct timeline_state *s, uint32_t at,
                   uint32_t time)
{
    uint32_t times[SEGMENT_TIMES];
    if (at >= packed_times(s))
        return *open_place(a, s, at) == time;
    unpack_segment(a, s, at / SEGMENT_TIMES, times);
    return times[at % SEGMENT_TIMES] == time;
}

/* 1 = all n times are there now, or ERR_NO_MEMORY, or 0: they do not ascend, or are too many. */
static int extend(struct slots *sl, struct window *w, struct timeline *t, struct timeline_state *s,
                  const uint32_t *times, uint32_t n)
{
    if (n > TIMELINE_TIMES_MAX - s->n || !note_times(s, times, n))
        return 0;
    struct change c;
    change_init(&c, sl, w);
    (void)add_times(&c, s, times, n); /* the change knows */
    if (!change_prepare(&c))
        return ERR_NO_MEMORY;
    words_store(&t->state, s, sizeof(*s));
    change_finish(&c);
    return 1;
}

int timeline_follow(struct slots *sl, struct window *w, slot timeline, uint32_t at, uint32_t time,
                    bool *ret_is_new)
{
    struct timeline *t = timeline_at(sl->arena, timeline);
    struct timeline_state s;
    *ret_is_new = false;
    load_state(t, &s);
    if (at < s.n)
        return time_is(sl->arena, &s, at, time);
    if (at > s.n)
        return 0;
    version_lock(&t->version);
    s = t->state;
    int rc = 0;
    if (at == s.n && is_plausible(&s, time)) {
        rc = extend(sl, w, t, &s, &time, 1);
        *ret_is_new = rc > 0;
    }
    version_unlock(&t->version);
    if (at < s.n && !*ret_is_new && rc == 0)
        return time_is(sl->arena, &s, at, time);
    return rc;
}

int timeline_append(struct slots *sl, struct window *w, slot timeline, const uint32_t *times,
                    uint32_t n)
{
    struct timeline *t = timeline_at(sl->arena, timeline);
    ENSURE(n >= 1 && n <= SEGMENT_TIMES);
    version_lock(&t->version);
    struct timeline_state s = t->state;
    int rc = extend(sl, w, t, &s, times, n);
    version_unlock(&t->version);
    return rc > 0 ? 0 : rc < 0 ? rc : ERR_CORRUPT;
}

bool timeline_find_recent(const struct arena *a, slot timeline, uint32_t time, uint32_t *ret_at)
{
    struct timeline_state s;
    uint32_t packed[SEGMENT_TIMES];
    load_state(timeline_at(a, timeline), &s);
    uint32_t least = s.n > TIMELINE_LOOK_BACK ? s.n - TIMELINE_LOOK_BACK : 0;
    uint32_t n_packed = packed_times(&s);
    for (uint32_t at = s.n; at-- > least;) {
        if (at + 1 == n_packed) /* shortly after a segment was packed */
            unpack_segment(a, &s, at / SEGMENT_TIMES, packed);
        uint32_t there = at < n_packed ? packed[at % SEGMENT_TIMES] : *open_place(a, &s, at);
        if (there == time)
            *ret_at = at;
        if (there <= time)
            return there == time;
    }
    return false;
}

/* ---- out ---- */

void times_cache_init(struct times_cache *t, struct times_item *items, uint32_t n_items)
{
    t->items = items;
    t->n_items = n_items;
    for (uint32_t i = 0; i < n_items; i++)
        items[i].timeline = 0;
}

static uint32_t times_in_segment(const struct timeline_state *s, uint32_t segment)
{
    return (uint32_t)size_min(SEGMENT_TIMES, s->n - segment * SEGMENT_TIMES);
}

/* The times of a segment, at least `n` of them. */
static const uint32_t *cached(const struct arena *a, struct times_cache *t, slot timeline,
                              uint32_t segment, uint32_t n)
{
    /* Timelines of different windows often have the same place in a page, and those that a reader
     * needs at once must not drive each other out. Knuth's multiplicative hash, the middle of it.
     */
    uint32_t mixed = segment + ((timeline / (SIZE_CLASS_STEP_BYTES / 16) * 2654435761u) >> 15);
    struct times_item *item = &t->items[mixed & (t->n_items - 1)];
    if (item->timeline == timeline && item->segment == segment && item->n >= n)
        return item->times;
    struct timeline_state s;
    load_state(timeline_at(a, timeline), &s);
    uint32_t there = times_in_segment(&s, segment);
    ENSURE(there >= n);
    if (segment < s.segments.n)
        unpack_segment(a, &s, segment, item->times);
    else
        for (uint32_t i = 0; i < there; i++)
            item->times[i] = *open_place(a, &s, segment * SEGMENT_TIMES + i);
    item->timeline = timeline;
    item->segment = segment;
    item->n = there;
    return item->times;
}

void timeline_read(const struct arena *a, struct times_cache *t, slot timeline, uint32_t from,
                   uint32_t n, uint32_t *ret)
{
    while (n > 0) {
        uint32_t at = from % SEGMENT_TIMES;
        uint32_t part = (uint32_t)size_min(n, SEGMENT_TIMES - at);
        const uint32_t *times = cached(a, t, timeline, from / SEGMENT_TIMES, at + part);
        memcpy(ret, &times[at], part * sizeof(*ret));
        ret += part;
        from += part;
        n -= part;
    }
}

uint32_t timeline_time(const struct arena *a, struct times_cache *t, slot timeline, uint32_t at)
{
    return cached(a, t, timeline, at / SEGMENT_TIMES, at % SEGMENT_TIMES + 1)[at % SEGMENT_TIMES];
}

const uint32_t *timeline_borrow(const struct arena *a, struct times_cache *t, slot timeline,
                                uint32_t from, uint32_t n)
{
    uint32_t at = from % SEGMENT_TIMES;
    if (at + n > SEGMENT_TIMES)
        return NULL;
    return &cached(a, t, timeline, from / SEGMENT_TIMES, at + n)[at];
}

uint32_t timeline_times(const struct arena *a, slot timeline)
{
    struct timeline_state s;
    load_state(timeline_at(a, timeline), &s);
    return s.n;
}

/* ---- recounting ---- */

struct footprint_walk {
    const struct arena *a;
    struct chunk_footprint *io;
};

static void count_slot(void *ctx, slot s)
{
    struct footprint_walk *f = ctx;
    chunk_footprint_add(f->io, pool_slot_bytes_at(f->a, s), 0);
}

void timeline_add_footprint(const struct arena *a, slot timeline, struct chunk_footprint *io)
{
    struct timeline_state s;
    struct footprint_walk f = {a, io};
    load_state(timeline_at(a, timeline), &s);
    chunk_footprint_add(io, SIZE_CLASS_STEP_BYTES, sizeof(struct timeline));
    row_each_slot(a, &s.segments, sizeof(struct segment), count_slot, &f);
    io->payload_bytes += s.segments.n * sizeof(struct segment);
    for (uint32_t i = 0; i < s.segments.n; i++) {
        const struct segment *g = row_at(a, &s.segments, sizeof(*g), i);
        if (g->bytes != 0)
            chunk_footprint_add(io, pool_slot_bytes_at(a, g->bytes), g->n_bytes);
    }
    uint32_t open = s.n - packed_times(&s);
    for (uint32_t i = 0; i * TIMELINE_PIECE_TIMES < open; i++)
        chunk_footprint_add(io, SIZE_CLASS_STEP_BYTES, 0);
    io->payload_bytes += open * sizeof(uint32_t);
}

bool timeline_check(const struct arena *a, slot timeline)
{
    struct timeline_state s;
    load_state(timeline_at(a, timeline), &s);
    uint32_t open = s.n - packed_times(&s), times[SEGMENT_TIMES];
    int64_t before = -1;
    if (s.n == 0 || open > SEGMENT_TIMES)
        return false;
    for (uint32_t g = 0; g * SEGMENT_TIMES < s.n; g++) {
        uint32_t n = times_in_segment(&s, g);
        if (g < s.segments.n)
            unpack_segment(a, &s, g, times);
        else
            for (uint32_t i = 0; i < n; i++)
                times[i] = *open_place(a, &s, g * SEGMENT_TIMES + i);
        for (uint32_t i = 0; i < n; i++) {
            if ((int64_t)times[i] <= before)
                return false;
            before = times[i];
        }
    }
    return before == s.last;
}
