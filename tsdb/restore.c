/* A snapshot's way in: see dump.h. Nothing that comes is believed. Here are series, windows, times
 * and shared values; restore_chunk.c has what refers to them. */
#include "tsdb/restore_inside.h"

#include <string.h>

/* Segments of all timelines of a window that many targets' scrapes make: 64 KiB a restorer. Blocks
 * begin at 64 different places, so a few segments would be unpacked again and again. */
enum { RESTORE_TIMES = 128 };

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
    atomic_store(&db->readable_from_ms, INT64_MAX);
}

void restore_begin_part(struct restore *r, const struct restore *whole)
{
    init(r, whole->db, whole->open_from, true);
    r->n_windows = whole->n_windows;
}

/* ---- in and out ---- */

static void tell_tally(struct restore *r)
{
    const struct restored_tally *t = &r->tally;
    if (t->n_chunks > 0)
        store_count(r->db, N_CHUNKS_CREATED, t->n_chunks);
    if (t->n_samples > 0)
        window_count(r->live, t->n_samples, t->min_ms, t->max_ms);
    r->tally = (struct restored_tally){0};
}

void restore_leave_now(struct restore *r)
{
    if (r->n_left == 0)
        return;
    r->n_left = 0;
    tell_tally(r);
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

void restore_expect_series(struct restore *r, uint64_t n)
{
    struct tsdb *db = r->db;
    pthread_rwlock_wrlock(&db->lock);
    series_expect(db->arena, &db->series, n);
    pthread_rwlock_unlock(&db->lock);
}

int restore_series(struct restore *r, const struct labels *ls, uint32_t *ret_series)
{
    struct tsdb *db = r->db;
    if (!labels_are_normal(ls))
        return ERR_CORRUPT;
    struct series_key key = series_key_of_labels(&db->series.hash, ls);
    int err = restore_flush(r, false);
    if (err != 0)
        return err;
    restore_leave_now(r);
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
    restore_leave_now(r);
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
    int err = restore_flush(r, true);
    if (err != 0)
        return err;
    restore_finish_chunk(r);
    restore_leave_now(r);
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

int restore_times(struct restore *r, const struct dump_times *times)
{
    if (!restore_are_times(r, times->times, times->n))
        return ERR_CORRUPT;
    struct window *w = restore_enter(r);
    int err = w != NULL ? restore_timeline(r, w, times) : ERR_TOO_OLD;
    restore_leave(r);
    return err;
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
    struct window *w = restore_enter(r);
    int err = w != NULL ? keep_shared(r, w, shared) : ERR_TOO_OLD;
    restore_leave(r);
    return err;
}

void restore_finish(struct restore *r)
{
    (void)!restore_flush(r, true); /* whoever holds has paused, and been told */
    restore_finish_chunk(r);
    restore_leave_now(r);
    r->is_held = false;
}

int64_t restore_let_read(struct restore *r, int64_t window)
{
    struct tsdb *db = r->db;
    bool is_first = window <= clock_window_of(&db->clock, INT64_MIN); /* it begins before that */
    int64_t from_ms = is_first ? INT64_MIN : clock_window_start(&db->clock, window);
    slots_let_read(&db->slots, true);
    atomic_store(&db->readable_from_ms, from_ms);
    return from_ms;
}

void restore_end_part(struct restore *r)
{
    struct tsdb *db = r->db;
    restore_finish(r);
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
    pthread_rwlock_wrlock(&db->lock);
    if (db->slots.has_readers)
        slots_wait(&db->slots); /* for those inside; new ones need the lock */
    slots_let_read(&db->slots, false);
    db->slots.is_alone = false;
    series_expect_none(db->arena, &db->series);
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
    atomic_store(&db->readable_from_ms, r->is_abandoned ? INT64_MAX : INT64_MIN);
    pthread_rwlock_unlock(&db->lock);
    slots_drain(&db->slots);
}
