/* A snapshot's way in: see dump.h. Nothing that comes is believed; a block is decoded to see that
 * it is one. */
#include "tsdb/differences.h"
#include "tsdb/dump.h"
#include "tsdb/store.h"

#include <string.h>

/* Segments of all timelines of a window that many targets' scrapes make: 128 KiB. Blocks begin at
 * 64 different places, so a few segments would be unpacked again and again. */
enum {
    RESTORE_TIMES = 256,
    HELD_RECORDS = 64, /* under one hold: what they retire waits until it ends */
};

struct restored_timeline { /* item of restore.timelines */
    slot at;
    uint32_t n; /* its times */
};

struct restored { /* a block or a tail on its way into a chunk */
    struct restore *r;
    const struct dump_block *block;
    const struct dump_tail *tail;
    struct block b;       /* of block, with the timeline and shared values as slots */
    struct chunk_tail *t; /* of tail; room of the caller's */
};

void restore_begin(struct restore *r, struct tsdb *db)
{
    *r = (struct restore){.db = db};
    table_init(&r->timelines, sizeof(struct restored_timeline), db->owner);
    table_init(&r->shared, sizeof(uint32_t), db->owner);
    db->slots.is_alone = true;
    r->items = arena_span_get(db->arena, db->owner, RESTORE_TIMES * sizeof(*r->items));
}

/* ---- in and out ---- */

static void leave_now(struct restore *r)
{
    if (r->n_left == 0)
        return;
    r->n_left = 0;
    slots_leave(&r->db->slots, r->place);
    pthread_rwlock_unlock(&r->db->lock);
    slots_drain(&r->db->slots);
}

void restore_hold(struct restore *r)
{
    r->is_held = true;
}

void restore_pause(struct restore *r)
{
    leave_now(r);
    r->is_held = false;
}

/* The window that records are for; everything is entered that writing needs. NULL = it has gone. */
static struct window *enter(struct restore *r)
{
    if (r->n_left == 0) {
        pthread_rwlock_wrlock(&r->db->lock);
        r->place = slots_enter(&r->db->slots);
        r->n_left = r->is_held ? HELD_RECORDS : 1;
    }
    return r->has_window ? window_of_number(&r->db->windows, r->window) : NULL;
}

static void leave(struct restore *r)
{
    if (r->n_left > 1)
        r->n_left--;
    else
        leave_now(r);
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

static void forget_times(struct restore *r)
{
    if (r->items != NULL)
        times_cache_init(&r->times, r->items, RESTORE_TIMES);
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

static bool is_normalised(const struct labels *ls)
{
    struct label items[LABELS_PER_SERIES_MAX];
    if (ls->n > LABELS_PER_SERIES_MAX)
        return false;
    for (uint32_t i = 0; i < ls->n; i++)
        items[i] = ls->items[i];
    struct labels copy = {items, ls->n};
    return labels_normalise(&copy, NULL) == 0 && copy.n == ls->n && labels_compare(&copy, ls) == 0;
}

int restore_series(struct restore *r, const struct labels *ls, uint32_t *ret_series)
{
    struct tsdb *db = r->db;
    if (!is_normalised(ls))
        return ERR_CORRUPT;
    struct series_key key = series_key_of_labels(&db->series.hash, ls);
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

/* Whether there are times in a window of that number. */
static bool is_number(const struct tsdb *db, int64_t number)
{
    return number >= clock_window_of(&db->clock, INT64_MIN) &&
           number <= clock_window_of(&db->clock, INT64_MAX);
}

void restore_floor(struct restore *r, int64_t window)
{
    leave_now(r);
    pthread_rwlock_wrlock(&r->db->lock);
    clock_raise_floor(&r->db->clock, window);
    pthread_rwlock_unlock(&r->db->lock);
}

int restore_window(struct restore *r, int64_t window)
{
    struct tsdb *db = r->db;
    if (r->has_window && r->window == window)
        return 0;
    if (!is_number(db, window))
        return ERR_CORRUPT;
    leave_now(r);
    pthread_rwlock_wrlock(&db->lock);
    int err = store_restore_window_locked(db, window);
    pthread_rwlock_unlock(&db->lock);
    forget_times(r);
    if (err == 0) {
        table_release(db->arena, &r->timelines);
        table_release(db->arena, &r->shared);
        r->window = window;
        r->has_window = true;
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
    for (int err; i < in->n; i++, t->n++)
        if ((err = timeline_append(sl, w, t->at, in->times[i])) != 0)
            return err;
    return 0;
}

static bool are_times(const struct restore *r, const uint32_t *times, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (times[i] >= r->db->options.window_ms || (i > 0 && times[i] <= times[i - 1]))
            return false;
    return n >= 1 && n <= BLOCK_SAMPLES_MAX;
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
static slot find_timeline(const struct restore *r, uint32_t number, uint32_t first, uint32_t n)
{
    const struct restored_timeline *t = table_at(r->db->arena, &r->timelines, number);
    return t != NULL && (uint64_t)first + n <= t->n ? t->at : 0;
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

static bool is_shaped(const struct dump_block *in)
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

/* Turns numbers into slots. */
static int find_slots(const struct restore *r, const struct dump_block *in, struct block *ret)
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

static int to_block(struct restore *r, const struct dump_block *in, struct times_cache *times,
                    struct block *ret, uint32_t *ret_first, uint32_t *ret_last)
{
    if (!is_shaped(in))
        return ERR_CORRUPT;
    *ret = (struct block){.encoding = in->encoding,
                          .times = (uint8_t)in->times,
                          .n_samples = in->n_samples,
                          .first = in->first,
                          .step = in->step,
                          .n_times_bytes = in->n_times_bytes,
                          .n_values_bytes = in->n_values_bytes,
                          .times_bytes = in->times_bytes,
                          .values = in->values};
    int err = find_slots(r, in, ret);
    if (err != 0)
        return err;
    if (!are_block_times(r, times, ret) || !are_block_values(r, ret))
        return ERR_CORRUPT;
    block_span(r->db->arena, times, ret, ret_first, ret_last);
    return *ret_last < r->db->options.window_ms ? 0 : ERR_CORRUPT;
}

static int change_block(void *ctx, const struct chunk_writer *w, struct chunk *chunk)
{
    const struct restored *in = ctx;
    bool is_new = chunk->serial == 0;
    int err = chunk_restore_block(w, chunk, (enum chunk_part)in->block->part, &in->b);
    store_count(in->r->db, N_CHUNKS_CREATED, err == 0 && is_new);
    return err;
}

static int change_tail(void *ctx, const struct chunk_writer *w, struct chunk *chunk)
{
    const struct restored *in = ctx;
    bool is_new = chunk->serial == 0;
    int err = chunk_restore_tail(w, chunk, in->t);
    store_count(in->r->db, N_CHUNKS_CREATED, err == 0 && is_new);
    return err;
}

/* Adds samples from first to last, n of them, behind all that the series has. */
static int change_chunk(struct restored *in, struct window *w, uint32_t id, uint32_t first,
                        uint32_t last, uint32_t n, struct times_cache *times)
{
    struct tsdb *db = in->r->db;
    slot at = series_of_id(db->arena, &db->series, id);
    if (at == 0)
        return ERR_CORRUPT;
    struct series *s = series_at(db->arena, at);
    int64_t first_ms = window_ms_of(w, first), last_ms = window_ms_of(w, last);
    if (clock_window_of(&db->clock, first_ms) != w->number ||
        clock_window_of(&db->clock, last_ms) != w->number)
        return ERR_CORRUPT; /* beyond the ends of int64 */
    if (s->state.newest.serial != 0 && first_ms <= s->state.newest_ms)
        return ERR_CORRUPT;
    struct series_writer sw = store_writer(db, times);
    version_lock(&s->version);
    int err = series_change_chunk(&sw, s, w, in->block != NULL ? change_block : change_tail, in);
    if (err == 0) {
        words_store(&s->state.newest_ms, &last_ms, sizeof(last_ms));
        window_count(w, n, first_ms, last_ms);
        clock_restored(&db->clock, last_ms);
    }
    version_unlock(&s->version);
    return err;
}

static int to_tail(struct restore *r, const struct dump_tail *in, struct times_cache *times,
                   struct chunk_tail *ret, uint32_t *ret_first, uint32_t *ret_last)
{
    uint32_t t[BLOCK_SAMPLES_MAX];
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
    *ret_first = t[0];
    *ret_last = t[in->n - 1];
    return are_times(r, t, in->n) ? 0 : ERR_CORRUPT;
}

/* A block or a tail, whichever `in` has. */
static int restore_samples(struct restored *in, uint32_t series)
{
    struct restore *r = in->r;
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache own, *times = times_of(r, &own, items);
    uint32_t first, last, n = in->block != NULL ? in->block->n_samples : in->tail->n;
    struct window *w = enter(r);
    int err = ERR_TOO_OLD;
    if (w != NULL)
        err = in->block != NULL ? to_block(r, in->block, times, &in->b, &first, &last)
                                : to_tail(r, in->tail, times, in->t, &first, &last);
    if (err == 0)
        err = change_chunk(in, w, series, first, last, n, times);
    leave(r);
    return err;
}

int restore_block(struct restore *r, uint32_t series, const struct dump_block *block)
{
    struct restored in = {.r = r, .block = block};
    return restore_samples(&in, series);
}

int restore_tail(struct restore *r, uint32_t series, const struct dump_tail *tail)
{
    struct chunk_tail t;
    struct restored in = {.r = r, .tail = tail, .t = &t};
    return restore_samples(&in, series);
}

void restore_end(struct restore *r)
{
    struct tsdb *db = r->db;
    restore_pause(r);
    db->slots.is_alone = false;
    table_release(db->arena, &r->timelines);
    table_release(db->arena, &r->shared);
    if (r->items != NULL)
        arena_span_put(db->arena, db->owner, r->items, RESTORE_TIMES * sizeof(*r->items));
    r->items = NULL;
    pthread_rwlock_wrlock(&db->lock);
    while (store_sweep_locked(db, EXPIRE_SLICE_SERIES))
        ;
    for (uint64_t id = 1; id < db->series.next_id; id++) {
        slot at = series_of_id(db->arena, &db->series, (uint32_t)id);
        if (at != 0 && series_at(db->arena, at)->state.newest.serial == 0)
            store_remove_series_locked(db, at);
    }
    if (db->windows.n_live > 0)
        clock_distrust(&db->clock);
    pthread_rwlock_unlock(&db->lock);
    slots_drain(&db->slots);
}
