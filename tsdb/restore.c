/* A snapshot's way in: see dump.h. Nothing that comes is believed; a block is decoded to see that
 * it is one. */
#include "tsdb/differences.h"
#include "tsdb/dump.h"
#include "tsdb/store.h"

#include <string.h>

/* Segments of all timelines of a window that many targets' scrapes make: 64 KiB a restorer. Blocks
 * begin at 64 different places, so a few segments would be unpacked again and again. */
enum {
    RESTORE_TIMES = 128,
    HELD_RECORDS = 64, /* under one hold: what they retire waits until it ends */
};

struct restored_timeline { /* item of restore.timelines */
    slot at;
    uint32_t n; /* its times */
};

static void init(struct restore *r, struct tsdb *db, int64_t open_from, bool is_part)
{
    *r = (struct restore){
        .db = db, .open_from = open_from, .newest_ms = INT64_MIN, .is_part = is_part};
    table_init(&r->timelines, sizeof(struct restored_timeline), db->owner);
    table_init(&r->shared, sizeof(uint32_t), db->owner);
}

void restore_begin(struct restore *r, struct tsdb *db)
{
    init(r, db, INT64_MIN, false);
    db->slots.is_alone = true;
}

void restore_begin_part(struct restore *r, const struct restore *whole)
{
    init(r, whole->db, whole->open_from, true);
    r->n_windows = whole->n_windows;
}

/* ---- in and out ---- */

static void leave_now(struct restore *r)
{
    if (r->n_left == 0)
        return;
    r->n_left = 0;
    r->waiting.takes_usual = false; /* the window may go */
    if (!r->is_part)
        slots_unhold(&r->db->slots);
    slots_leave(&r->db->slots, r->place);
    pthread_rwlock_unlock(&r->db->lock);
    slots_drain(&r->db->slots);
}

void restore_hold(struct restore *r)
{
    r->is_held = true;
}

/* Whether there are times in a window of that number. */
static bool is_number(const struct tsdb *db, int64_t number)
{
    return number >= clock_window_of(&db->clock, INT64_MIN) &&
           number <= clock_window_of(&db->clock, INT64_MAX);
}

/* A window's chunks are sealed when the time of late samples is over, which it is for those that
 * had ended so long before the newest window began. */
void restore_newest(struct restore *r, int64_t window, uint32_t n_windows)
{
    r->n_windows = n_windows;
    const struct tsdb *db = r->db;
    int64_t due_ms = clock_window_start(&db->clock, window);
    if (!is_number(db, window) ||
        __builtin_sub_overflow(due_ms, db->options.out_of_order_ms, &due_ms))
        return;
    r->open_from = clock_window_of(&db->clock, due_ms);
}

static int flush(struct restore *r, bool is_whole);
static void finish_chunk(struct restore *r);

/* The window that records are for; everything is entered that writing needs. NULL = it has gone. */
static struct window *enter(struct restore *r)
{
    if (r->n_left == 0) {
        pthread_rwlock_rdlock(&r->db->lock);
        r->place = slots_enter(&r->db->slots);
        if (!r->is_part)
            slots_hold(&r->db->slots);
        r->n_left = r->is_held ? HELD_RECORDS : 1;
        r->live = r->has_window ? window_of_number(&r->db->windows, r->window) : NULL;
        r->known_series = r->known_at = 0;
    }
    return r->live;
}

static void leave(struct restore *r)
{
    if (r->n_left > 1)
        r->n_left--;
    else
        leave_now(r);
}

/* The record of a series, or 0; after enter. */
static slot find_series(struct restore *r, uint32_t series)
{
    if (r->known_series != series) {
        r->known_at = series_of_id(r->db->arena, &r->db->series, series);
        r->known_series = series;
    }
    return r->known_at;
}

/* Nobody but the restorer changes timelines, so what was unpacked stays good while the window does;
 * without a hold it might have gone. */
static struct times_cache *times_of(struct restore *r, struct times_cache *own,
                                    struct times_item *items)
{
    if (r->is_held && r->times.n_items > 0)
        return &r->times;
    times_cache_init(own, items, TIMES_CACHE_WRITER);
    return own;
}

/* For another window. Without memory it goes on without. */
static void forget_times(struct restore *r)
{
    if (r->items == NULL)
        r->items = arena_span_get(r->db->arena, r->db->owner, RESTORE_TIMES * sizeof(*r->items));
    if (r->items != NULL)
        times_cache_init(&r->times, r->items, RESTORE_TIMES);
    memset(r->places, 0, sizeof(r->places));
}

/* ---- series ---- */

void restore_hash_key(struct restore *r, const uint8_t key[SERIES_HASH_KEY_BYTES])
{
    struct tsdb *db = r->db;
    pthread_rwlock_wrlock(&db->lock);
    if (db->series.n == 0)
        series_hash_init(&db->series.hash, key);
    pthread_rwlock_unlock(&db->lock);
}

int restore_series(struct restore *r, const struct labels *ls, uint32_t *ret_series)
{
    struct tsdb *db = r->db;
    if (!labels_are_normal(ls))
        return ERR_CORRUPT;
    struct series_key key = series_key_of_labels(&db->series.hash, ls);
    int err = flush(r, false);
    if (err != 0)
        return err;
    leave_now(r);
    pthread_rwlock_wrlock(&db->lock);
    slot at = series_find(db->arena, &db->series, key);
    if (at == 0) {
        at = series_new(&db->slots, &db->series, &db->labels, ls, key);
        store_count(db, N_SERIES_CREATED, at != 0);
    }
    if (at != 0)
        *ret_series = series_at(db->arena, at)->id;
    pthread_rwlock_unlock(&db->lock);
    return at != 0 ? 0 : ERR_NO_MEMORY;
}

/* ---- windows ---- */

int64_t store_oldest_restored(struct tsdb *db, int64_t number)
{
    struct windows *ws = &db->windows;
    int64_t newest = ws->n_live > 0 ? window_live(ws, ws->n_live - 1)->number : number;
    return i64_max(i64_max(newest, number) - (int64_t)db->options.n_windows,
                   db->clock.floor_window);
}

int store_restore_window_locked(struct tsdb *db, int64_t number)
{
    struct windows *ws = &db->windows;
    store_make_room_locked(db);
    int64_t oldest = store_oldest_restored(db, number);
    if (number < oldest)
        return ERR_TOO_OLD;
    if (store_window_locked(db, number) == NULL)
        return ERR_NO_MEMORY;
    while (window_live(ws, 0)->number < oldest)
        window_expire(ws, window_live(ws, 0));
    return 0;
}

void restore_floor(struct restore *r, int64_t window)
{
    leave_now(r);
    pthread_rwlock_wrlock(&r->db->lock);
    clock_raise_floor(&r->db->clock, window);
    pthread_rwlock_unlock(&r->db->lock);
}

static bool is_whole(const struct tsdb *db, int64_t window)
{
    int64_t ms;
    return !__builtin_mul_overflow(window, db->options.window_ms, &ms) &&
           !__builtin_add_overflow(ms, db->options.window_ms - 1, &ms);
}

int restore_window(struct restore *r, int64_t window)
{
    struct tsdb *db = r->db;
    if (restore_is_at(r, window))
        return 0;
    if (!is_number(db, window))
        return ERR_CORRUPT;
    int err = flush(r, true);
    if (err != 0)
        return err;
    finish_chunk(r);
    leave_now(r);
    pthread_rwlock_wrlock(&db->lock);
    err = store_restore_window_locked(db, window);
    pthread_rwlock_unlock(&db->lock);
    forget_times(r);
    if (err == 0) {
        table_release(db->arena, &r->timelines);
        table_release(db->arena, &r->shared);
        r->window = window;
        r->has_window = true;
        r->is_whole_window = is_whole(db, window);
        r->lookup = (struct restored_lookup){0};
        r->written = (struct restored_end){0};
    }
    return err;
}

/* ---- timelines ---- */

static int restore_timeline(struct restore *r, struct window *w, const struct dump_times *in)
{
    struct slots *sl = &r->db->slots;
    struct restored_timeline *t = table_make(r->db->arena, &r->timelines, in->timeline);
    if (t == NULL)
        return ERR_NO_MEMORY;
    uint32_t i = 0;
    if (t->at == 0 && in->from == 0) {
        t->at = timeline_new(sl, w, in->times[0]);
        if (t->at == 0)
            return ERR_NO_MEMORY;
        t->n = i = 1;
    }
    if (t->at == 0 || t->n != in->from + i)
        return ERR_CORRUPT;
    int err = i < in->n ? timeline_append(sl, w, t->at, &in->times[i], in->n - i) : 0;
    t->n += err == 0 ? in->n - i : 0;
    return err;
}

static bool are_times(const struct restore *r, const uint32_t *times, uint32_t n)
{
    if (n < 1 || n > BLOCK_SAMPLES_MAX)
        return false;
    for (uint32_t i = 1; i < n; i++)
        if (times[i] <= times[i - 1])
            return false;
    return times[n - 1] < r->db->options.window_ms;
}

int restore_times(struct restore *r, const struct dump_times *times)
{
    if (!are_times(r, times->times, times->n))
        return ERR_CORRUPT;
    struct window *w = enter(r);
    int err = w != NULL ? restore_timeline(r, w, times) : ERR_TOO_OLD;
    leave(r);
    return err;
}

/* The timeline of that number if it has places [first, first + n), or 0. */
static slot find_timeline(struct restore *r, uint32_t number, uint32_t first, uint32_t n)
{
    struct restored_lookup *l = &r->lookup;
    uint64_t to = (uint64_t)first + n;
    if (l->number != number || to > l->n) {
        const struct restored_timeline *t = table_at(r->db->arena, &r->timelines, number);
        *l =
            t != NULL ? (struct restored_lookup){number, t->at, t->n} : (struct restored_lookup){0};
    }
    return to <= l->n ? l->at : 0;
}

/* ---- shared values ---- */

static int keep_shared(struct restore *r, struct window *w, const struct dump_shared *in)
{
    uint32_t *entry = table_make(r->db->arena, &r->shared, in->number);
    if (entry == NULL)
        return ERR_NO_MEMORY;
    if (*entry != 0)
        return ERR_CORRUPT;
    *entry = shared_new(&r->db->slots, w, in->bytes, in->n_bytes);
    return *entry != 0 ? 0 : ERR_NO_MEMORY;
}

int restore_shared(struct restore *r, const struct dump_shared *shared)
{
    if (shared->n_bytes < 1 || shared->n_bytes > COLUMN_BYTES_MAX)
        return ERR_CORRUPT;
    struct window *w = enter(r);
    int err = w != NULL ? keep_shared(r, w, shared) : ERR_TOO_OLD;
    leave(r);
    return err;
}

/* ---- chunks ---- */

/* Differences that fill their bytes: a block is stored without saying how many they are. */
static bool are_differences(const struct dump_block *in)
{
    int64_t d[BLOCK_SAMPLES_MAX];
    const uint8_t *at = in->times_bytes, *end = at + in->n_times_bytes;
    return in->n_samples >= 2 && in->n_samples <= BLOCK_SAMPLES_MAX &&
           in->n_times_bytes <= BLOCK_TIMES_BYTES_MAX &&
           differences_get(&at, end, d, in->n_samples - 1) && at == end;
}

static bool have_shape(const struct dump_block *in)
{
    if (in->is_shared)
        return in->encoding != BLOCK_RUN;
    return in->n_values_bytes >= 1 && in->n_values_bytes <= COLUMN_BYTES_MAX;
}

static bool has_any_shape(const struct dump_block *in)
{
    bool is_run = in->encoding == BLOCK_RUN;
    uint32_t most = is_run ? (uint32_t)BLOCK_RUN_MAX : BLOCK_SAMPLES_MAX;
    if (in->encoding > BLOCK_RUN || in->n_samples < 1 || in->n_samples > most || !have_shape(in))
        return false;
    switch (in->times) {
    case DUMP_AT:
        break;
    case DUMP_LINEAR:
        if (in->part == DUMP_RUN && in->n_samples > 1)
            return false;
        break;
    case DUMP_PACKED:
        if (in->part == DUMP_RUN || !are_differences(in))
            return false;
        break;
    default:
        return false;
    }
    return in->part != DUMP_RUN || is_run;
}

/* The first answer is for most blocks. */
static inline bool is_shaped(const struct dump_block *in)
{
    bool is_usual = in->encoding < BLOCK_RUN && in->times == DUMP_AT && in->part != DUMP_RUN &&
                    !in->is_shared && in->n_samples - 1 < BLOCK_SAMPLES_MAX &&
                    in->n_values_bytes - 1 < COLUMN_BYTES_MAX;
    return is_usual || has_any_shape(in);
}

/* Turns numbers into slots. */
static int find_slots(struct restore *r, const struct dump_block *in, struct block *ret)
{
    if (in->times == DUMP_AT) {
        ret->timeline = find_timeline(r, in->timeline, in->first, in->n_samples);
        if (ret->timeline == 0)
            return ERR_NOT_FOUND;
    }
    if (in->is_shared) {
        const uint32_t *entry = table_at(r->db->arena, &r->shared, in->shared);
        if (entry == NULL || *entry == 0)
            return ERR_NOT_FOUND;
        ret->shared = *entry;
        block_fetch(r->db->arena, ret);
    }
    return 0;
}

/* Of a timeline nothing is to be checked but that the places are there. */
static bool are_block_times(const struct restore *r, struct times_cache *times,
                            const struct block *b)
{
    uint32_t t[BLOCK_SAMPLES_MAX], n = (uint32_t)size_min(b->n_samples, BLOCK_SAMPLES_MAX);
    if (b->times == BLOCK_AT)
        return true;
    return block_times(r->db->arena, times, b, 0, n, t) && are_times(r, t, n);
}

static bool are_block_values(const struct restore *r, const struct block *b)
{
    uint64_t values[BLOCK_SAMPLES_MAX];
    if (r->is_trusted)
        return block_may_be_kept(b);
    return block_values(b, 0, (uint32_t)size_min(b->n_samples, BLOCK_SAMPLES_MAX), values);
}

/* All but the slots. */
static void take_block(const struct dump_block *in, struct block *ret)
{
    ret->encoding = in->encoding; /* field by field: what clears all of it first takes longer */
    ret->times = (uint8_t)in->times;
    ret->n_samples = in->n_samples;
    ret->timeline = ret->shared = 0;
    ret->first = in->first;
    ret->step = in->step;
    ret->n_times_bytes = in->n_times_bytes;
    ret->n_values_bytes = in->n_values_bytes;
    ret->times_bytes = in->times_bytes;
    ret->values = in->values;
}

static int to_block(struct restore *r, const struct dump_block *in, struct times_cache *times,
                    struct block *ret)
{
    if (!is_shaped(in))
        return ERR_CORRUPT;
    take_block(in, ret);
    int err = find_slots(r, in, ret);
    if (err != 0)
        return err;
    return are_block_times(r, times, ret) && are_block_values(r, ret) ? 0 : ERR_CORRUPT;
}

static inline uint32_t time_of(struct restore *r, struct times_cache *times, slot timeline,
                               uint32_t place)
{
    uint32_t mixed = (timeline / (SIZE_CLASS_STEP_BYTES / POOL_SLOT_ALIGN)) * 2654435761u + place;
    struct restored_place *p = &r->places[mixed % RESTORED_PLACES]; /* Knuth's number */
    if (times != &r->times || p->timeline != timeline || p->place != place)
        *p = (struct restored_place){timeline, place,
                                     timeline_time(r->db->arena, times, timeline, place)};
    return p->time;
}

static uint32_t first_time(struct restore *r, struct times_cache *times, const struct block *b)
{
    return b->times == BLOCK_AT ? time_of(r, times, b->timeline, b->first) : b->first;
}

static uint32_t last_time(struct restore *r, struct times_cache *times, const struct block *b)
{
    uint32_t first, last;
    if (b->times == BLOCK_AT)
        return time_of(r, times, b->timeline, b->first + b->n_samples - 1);
    block_span(r->db->arena, times, b, &first, &last);
    return last;
}

struct restored_span { /* what comes to a chunk at once */
    uint32_t first, last, n_samples;
};

static struct restored_span span_of(struct restore *r, struct times_cache *times,
                                    const struct chunk_parts *in, const uint32_t *tail_times)
{
    struct restored_span ret = {0};
    for (uint32_t i = 0; i < in->n; i++)
        ret.n_samples += in->blocks[i].n_samples;
    if (in->n > 0) {
        ret.first = r->waiting.first_time;
        ret.last = last_time(r, times, &in->blocks[in->n - 1]);
    }
    if (in->tail == NULL)
        return ret;
    ret.last = tail_times[in->tail->n - 1];
    ret.first = in->n > 0 ? ret.first : tail_times[0];
    ret.n_samples += in->tail->n;
    return ret;
}

struct restored_change {
    struct tsdb *db;
    struct chunk_parts *parts;
    bool is_whole;
};

/* What a series has moved on from it has sealed; of its windows any may be restored first. */
static int change_chunk(void *ctx, const struct chunk_writer *w, struct chunk *chunk)
{
    const struct restored_change *in = ctx;
    bool is_new = chunk->serial == 0;
    in->parts->is_sealed |= in->is_whole && !w->is_open;
    int err = chunk_restore(w, chunk, in->parts);
    store_count(in->db, N_CHUNKS_CREATED, err == 0 && is_new);
    return err;
}

static int write_parts(struct restore *r, struct window *w, struct series *s,
                       struct restored_change in, struct restored_span span,
                       struct times_cache *times)
{
    struct tsdb *db = r->db;
    int64_t first_ms = window_ms_of(w, span.first), last_ms = window_ms_of(w, span.last);
    struct series_writer sw = store_writer(db, times);
    version_lock(&s->version);
    int err = series_restore_chunk(&sw, s, w, r->n_windows, change_chunk, &in);
    if (err == 0) {
        if (s->state.newest.serial == w->serial)
            words_store(&s->state.newest_ms, &last_ms, sizeof(last_ms));
        r->written = (struct restored_end){s->id, span.last, !in.is_whole};
        window_count(w, span.n_samples, first_ms, last_ms);
        if (last_ms > r->newest_ms)
            clock_restored(&db->clock, r->newest_ms = last_ms);
    }
    version_unlock(&s->version);
    return err;
}

/* Writes the blocks that wait and the tail, which is NULL or ends the chunk. */
static int write_waiting(struct restore *r, bool is_whole, const struct chunk_tail *tail,
                         const uint32_t *tail_times)
{
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache own, *times = times_of(r, &own, items);
    struct chunk_parts *parts = &r->waiting.parts;
    struct window *w = enter(r);
    slot at = w != NULL ? find_series(r, r->waiting.series) : 0;
    int err = w != NULL ? ERR_CORRUPT : ERR_TOO_OLD;
    parts->tail = tail;
    parts->is_sealed = is_whole && r->window < r->open_from;
    if (at != 0)
        err = write_parts(r, w, series_at(r->db->arena, at),
                          (struct restored_change){r->db, parts, is_whole},
                          span_of(r, times, parts, tail_times), times);
    parts->n = 0;
    parts->tail = NULL;
    r->waiting.takes_usual = false;
    leave(r);
    return err;
}

static int flush(struct restore *r, bool is_whole)
{
    return r->waiting.parts.n > 0 ? write_waiting(r, is_whole, NULL, NULL) : 0;
}

/* Nothing more of the last chunk comes. If it was not known to be whole when it was written, it is
 * sealed now, as it would have been. Without memory it only stays larger. */
static void finish_chunk(struct restore *r)
{
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache own;
    if (!r->written.is_unsealed)
        return;
    r->written.is_unsealed = false;
    struct window *w = enter(r);
    slot at = w != NULL ? find_series(r, r->written.series) : 0;
    if (at != 0) {
        struct series *s = series_at(r->db->arena, at);
        struct series_writer sw = store_writer(r->db, times_of(r, &own, items));
        version_lock(&s->version);
        series_seal_restored(&sw, s, w, r->window < r->open_from);
        version_unlock(&s->version);
    }
    leave(r);
}

int restore_pause(struct restore *r)
{
    int err = flush(r, false);
    leave_now(r);
    r->is_held = false;
    return err;
}

/* Whether times of samples, which are below the window's length, lie in the window: beyond the ends
 * of int64 they do not. */
static bool are_inside(const struct restore *r, const struct window *w, uint32_t first,
                       uint32_t last)
{
    const struct clock *c = &r->db->clock;
    return r->is_whole_window || (clock_window_of(c, window_ms_of(w, first)) == w->number &&
                                  clock_window_of(c, window_ms_of(w, last)) == w->number);
}

/* Whether a time lies behind all that the series has in the window: records of a series come one
 * after the other. A tail, or a run that is like one, ends a chunk. */
static bool is_behind_chunk(struct restore *r, const struct window *w, uint32_t series,
                            uint32_t first)
{
    const struct arena *a = r->db->arena;
    slot at = find_series(r, series);
    if (at == 0)
        return false;
    if (!window_has_member(a, w, series))
        return true;
    struct series *s = series_at(a, at);
    version_lock(&s->version); /* other restorers may give it a longer history meanwhile */
    const struct chunk *c = series_own_chunk(a, s, w->serial);
    bool has_tail = c->kind == CHUNK_HEAD && chunk_head_at(a, c->at)->tail.n_samples > 0;
    version_unlock(&s->version);
    return r->written.series == series && first > r->written.last && !has_tail;
}

/* Blocks that follow each other in a timeline do so in time. */
static bool is_behind_waiting(struct restore *r, struct times_cache *times, const struct block *b)
{
    const struct chunk_parts *in = &r->waiting.parts;
    const struct block *before = &in->blocks[in->n - 1];
    if (before->times == BLOCK_AT && b->times == BLOCK_AT && before->timeline == b->timeline)
        return b->first >= before->first + before->n_samples;
    return first_time(r, times, b) > last_time(r, times, before);
}

/* Lets the series' blocks wait only if this one can wait with them. What comes behind a run depends
 * on what has become of it. */
static int make_room(struct restore *r, uint32_t series)
{
    const struct restored *waiting = &r->waiting;
    const struct chunk_parts *in = &waiting->parts;
    if (in->n == 0) {
        if (r->written.series != series)
            finish_chunk(r);
        return 0;
    }
    if (waiting->series != series)
        return flush(r, true);
    bool is_full = in->n == CHUNK_PARTS_MAX, ends = in->parts[in->n - 1] == PART_RUN;
    return is_full || ends ? flush(r, false) : 0;
}

static int add_block(struct restore *r, uint32_t series, const struct dump_block *in,
                     struct window *w, struct times_cache *times)
{
    struct chunk_parts *parts = &r->waiting.parts;
    struct block *b = &parts->blocks[parts->n];
    int err = to_block(r, in, times, b);
    if (err != 0)
        return err;
    uint32_t last = b->times == BLOCK_AT ? 0 : last_time(r, times, b);
    if (last >= r->db->options.window_ms)
        return ERR_CORRUPT;
    if (parts->n == 0) {
        uint32_t first = first_time(r, times, b);
        if (!r->is_whole_window)
            last = last_time(r, times, b);
        if (!are_inside(r, w, first, last) || !is_behind_chunk(r, w, series, first))
            return ERR_CORRUPT;
        r->waiting.first_time = first;
    } else if (!is_behind_waiting(r, times, b)) {
        return ERR_CORRUPT;
    }
    parts->parts[parts->n++] = (enum chunk_part)in->part;
    r->waiting.series = series;
    r->waiting.takes_usual = r->is_held && r->is_trusted && parts->n < CHUNK_PARTS_MAX &&
                             in->part != DUMP_RUN && b->times == BLOCK_AT &&
                             b->timeline == r->lookup.at;
    return 0;
}

/* Most blocks come behind another one of their chunk that waits, in its timeline, and are taken on
 * trust: such a one asks nothing of the store. False, and nothing has happened, when it is not, or
 * is not good. */
static bool add_usual_block(struct restore *r, uint32_t series, const struct dump_block *in)
{
    struct chunk_parts *parts = &r->waiting.parts;
    uint32_t n = parts->n;
    const struct restored_lookup *l = &r->lookup;
    if (!r->waiting.takes_usual || r->waiting.series != series || in->times != DUMP_AT ||
        in->timeline != l->number || in->is_shared || !is_shaped(in))
        return false;
    struct block *b = &parts->blocks[n], *before = b - 1;
    if (before->timeline != l->at || (uint64_t)in->first + in->n_samples > l->n ||
        in->first < before->first + before->n_samples)
        return false;
    take_block(in, b);
    b->timeline = l->at;
    if (!block_may_be_kept(b))
        return false;
    parts->parts[n] = (enum chunk_part)in->part;
    parts->n = n + 1;
    r->waiting.takes_usual = n + 1 < CHUNK_PARTS_MAX && in->part != DUMP_RUN;
    return true;
}

static int to_tail(struct restore *r, const struct dump_tail *in, struct times_cache *times,
                   struct chunk_tail *ret, uint32_t t[BLOCK_SAMPLES_MAX])
{
    if (in->n < 1 || in->n > DUMP_TAIL_MAX)
        return ERR_CORRUPT;
    ret->n = in->n;
    ret->timeline = 0;
    memcpy(ret->places, in->places, in->n * sizeof(*in->places));
    memcpy(ret->values, in->values, in->n * sizeof(*in->values));
    memcpy(t, in->places, in->n * sizeof(*t));
    for (uint32_t i = 1; in->has_timeline && i < in->n; i++)
        if (in->places[i] != in->places[0] + i)
            return ERR_CORRUPT;
    if (in->has_timeline) {
        ret->timeline = find_timeline(r, in->timeline, in->places[0], in->n);
        if (ret->timeline == 0)
            return ERR_NOT_FOUND;
        timeline_read(r->db->arena, times, ret->timeline, in->places[0], in->n, t);
    }
    return are_times(r, t, in->n) ? 0 : ERR_CORRUPT;
}

static int add_tail(struct restore *r, uint32_t series, const struct dump_tail *in,
                    struct window *w, struct times_cache *times)
{
    struct chunk_tail tail;
    uint32_t t[BLOCK_SAMPLES_MAX];
    const struct chunk_parts *parts = &r->waiting.parts;
    int err = to_tail(r, in, times, &tail, t);
    if (err != 0)
        return err;
    bool is_behind =
        parts->n > 0 ? t[0] > last_time(r, times, &parts->blocks[parts->n - 1])
                     : are_inside(r, w, t[0], t[in->n - 1]) && is_behind_chunk(r, w, series, t[0]);
    if (!is_behind)
        return ERR_CORRUPT;
    r->waiting.series = series;
    return write_waiting(r, true, &tail, t);
}

/* A block or a tail, whichever is not NULL. */
static int restore_samples(struct restore *r, uint32_t series, const struct dump_block *block,
                           const struct dump_tail *tail)
{
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache own, *times = times_of(r, &own, items);
    int err = make_room(r, series);
    if (err != 0)
        return err;
    struct window *w = enter(r);
    if (w == NULL)
        err = ERR_TOO_OLD;
    else
        err = block != NULL ? add_block(r, series, block, w, times)
                            : add_tail(r, series, tail, w, times);
    leave(r);
    return err == 0 && !r->is_held ? flush(r, false) : err;
}

int restore_block(struct restore *r, uint32_t series, const struct dump_block *block)
{
    return add_usual_block(r, series, block) ? 0 : restore_samples(r, series, block, NULL);
}

int restore_tail(struct restore *r, uint32_t series, const struct dump_tail *tail)
{
    return restore_samples(r, series, NULL, tail);
}

void restore_end_part(struct restore *r)
{
    struct tsdb *db = r->db;
    (void)flush(r, true); /* whoever holds has paused, and been told */
    finish_chunk(r);
    leave_now(r);
    r->is_held = false;
    table_release(db->arena, &r->timelines);
    table_release(db->arena, &r->shared);
    if (r->items != NULL)
        arena_span_put(db->arena, db->owner, r->items, RESTORE_TIMES * sizeof(*r->items));
    r->items = NULL;
}

void restore_end(struct restore *r)
{
    struct tsdb *db = r->db;
    restore_end_part(r);
    db->slots.is_alone = false;
    pthread_rwlock_wrlock(&db->lock);
    while (store_sweep_locked(db, EXPIRE_SLICE_SERIES))
        ;
    for (uint64_t id = 1; id < db->series.next_id; id++) {
        slot at = series_of_id(db->arena, &db->series, (uint32_t)id);
        if (at == 0)
            continue;
        series_trim_history(&db->slots, &db->series.histories, series_at(db->arena, at));
        if (series_at(db->arena, at)->state.newest.serial == 0)
            store_remove_series_locked(db, at);
    }
    if (db->windows.n_live > 0)
        clock_distrust(&db->clock);
    for (uint32_t i = 0; i < db->windows.n_live; i++)
        if (window_live(&db->windows, i)->number < r->open_from)
            window_live(&db->windows, i)->next_to_seal = UINT64_MAX; /* all are sealed */
    pthread_rwlock_unlock(&db->lock);
    slots_drain(&db->slots);
}
