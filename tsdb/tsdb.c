/* The store as a whole: its life, the turning of windows, its figures.
 *
 * The turn. Time leaves a window behind; store_turn_locked takes it out of sight, which is a matter
 * of moving one entry. Its memory is still needed for one thing: its list of chunks names the
 * series that may have had nothing else. store_sweep_locked walks that list in slices, removes the
 * series that are dead, and returns the pages when it is through. So neither writers nor queries
 * wait longer than for one slice.
 */
#include "tsdb/store.h"

#include <string.h>

int tsdb_new(const struct tsdb_options *o, struct arena *a, struct tsdb **ret)
{
    ENSURE(o->window_ms >= 1000 && o->n_windows >= WINDOWS_MIN && o->n_windows <= WINDOWS_MAX);
    struct budget *b = a->budget;
    unsigned owner = budget_owner(b, "store");
    struct tsdb *db = arena_span_get(a, owner, sizeof(*db));
    if (db == NULL)
        return ERR_NO_MEMORY;
    memset(db, 0, sizeof(*db));
    db->options = *o;
    db->arena = a;
    db->owner = owner;
    unsigned tables = budget_owner(b, "tables");
    windows_init(&db->windows, budget_owner(b, "chunks"));
    series_index_init(&db->series, budget_owner(b, "series"), tables);
    const struct label_index_owners owners = {.symbols = budget_owner(b, "symbols"),
                                              .pairs = budget_owner(b, "pairs"),
                                              .postings = budget_owner(b, "postings"),
                                              .tables = tables};
    label_index_init(&db->labels, &owners);
    clock_init(&db->clock, &db->options);
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&db->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    *ret = db;
    return 0;
}

static void drop_kind(struct arena *a, struct kind *k)
{
    for (unsigned i = 0; i < KIND_POOLS; i++)
        pool_drop(a, &k->pools[i]);
}

void tsdb_free(struct tsdb *db)
{
    if (db == NULL)
        return;
    struct arena *a = db->arena;
    while (db->windows.n_live > 0)
        window_expire(&db->windows, window_live(&db->windows, 0));
    for (struct window *w; (w = window_expiring(&db->windows)) != NULL;)
        window_free(a, &db->windows, w);
    hash_release(a, &db->series.by_labels);
    table_release(a, &db->series.by_id);
    table_release(a, &db->series.live);
    drop_kind(a, &db->series.records);
    label_index_release(a, &db->labels);
    pthread_rwlock_destroy(&db->lock);
    arena_span_put(a, db->owner, db, sizeof(*db));
}

const struct tsdb_options *tsdb_options(const struct tsdb *db)
{
    return &db->options;
}

struct arena *tsdb_arena(const struct tsdb *db)
{
    return db->arena;
}

int64_t tsdb_now_ms(struct tsdb *db)
{
    pthread_rwlock_rdlock(&db->lock);
    int64_t now = clock_now_ms(&db->clock);
    pthread_rwlock_unlock(&db->lock);
    return now;
}

int64_t tsdb_window_of(const struct tsdb *db, int64_t t_ms)
{
    return clock_window_of(&db->clock, t_ms);
}

/* ---- windows ---- */

void store_make_room_locked(struct tsdb *db)
{
    while (!store_has_room_locked(db))
        (void)store_sweep_locked(db, SIZE_MAX);
}

struct window *store_window_locked(struct tsdb *db, int64_t number)
{
    struct window *w = window_of_number(&db->windows, number);
    if (w != NULL)
        return w;
    /* More windows than the kept ones are rare (a clock that jumps); when there are no places left,
     * the oldest must go. */
    if (db->windows.n_live >= WINDOWS_MAX + 2) {
        if (window_live(&db->windows, 0)->number > number)
            return NULL;
        window_expire(&db->windows, window_live(&db->windows, 0));
    }
    return window_make(&db->windows, number);
}

slot store_chunk_locked(struct tsdb *db, struct series *s, struct window *w)
{
    slot c = series_chunk(db->arena, &db->windows, s, w);
    if (c != 0)
        return c;
    c = chunk_new(db->arena, w, s->id, s->node.hash);
    if (c == 0)
        return 0;
    series_link_chunk(db->arena, &db->windows, s, c, w);
    db->chunks_created++;
    return c;
}

void store_turn_locked(struct tsdb *db)
{
    while (db->windows.n_live > 0) {
        struct window *oldest = window_live(&db->windows, 0);
        if (!clock_may_drop(&db->clock, oldest->number))
            return;
        window_expire(&db->windows, oldest);
    }
}

void store_remove_series_locked(struct tsdb *db, slot series)
{
    series_remove(db->arena, &db->series, &db->labels, series);
    db->series_removed++;
}

bool store_sweep_locked(struct tsdb *db, size_t n_max)
{
    struct window *w = window_expiring(&db->windows);
    if (w == NULL)
        return false;
    for (; n_max > 0 && w->first_chunk != 0; n_max--) {
        const struct chunk *c = chunk_at(db->arena, w->first_chunk);
        slot at = series_of_id(db->arena, &db->series, c->series);
        w->first_chunk = c->next_of_window;
        if (at != 0 && series_at(db->arena, at)->newest_serial == w->serial)
            store_remove_series_locked(db, at);
    }
    if (w->first_chunk == 0) {
        db->chunks_removed += w->n_chunks;
        window_free(db->arena, &db->windows, w);
    }
    return db->windows.n_expiring > 0;
}

void tsdb_tick(struct tsdb *db)
{
    bool has_more = true;
    while (has_more) {
        pthread_rwlock_wrlock(&db->lock);
        store_turn_locked(db);
        has_more = store_sweep_locked(db, EXPIRE_SLICE_SERIES);
        if (label_index_compact(db->arena, &db->labels, COMPACT_SLICE_RECORDS) > 0)
            has_more = true;
        pthread_rwlock_unlock(&db->lock);
    }
}

/* ---- figures ---- */

static void window_figures(const struct tsdb *db, const struct window *w,
                           struct tsdb_window_stats *ret)
{
    *ret = (struct tsdb_window_stats){
        .number = w->number,
        .start_ms = clock_window_start(&db->clock, w->number),
        .series = w->n_chunks,
        .chunks = w->n_chunks,
        .samples = w->n_samples,
        .bytes = window_page_bytes(w),
        .payload_bytes = w->payload_bytes,
    };
    for (unsigned c = 0; c < SIZE_CLASSES; c++) {
        ret->classes[c].pages = w->classes[c].n_pages;
        ret->classes[c].used = w->classes[c].n_used;
    }
}

static void add_pool_waste(const struct window *w, struct tsdb_stats *ret)
{
    uint64_t used_bytes = 0;
    for (unsigned c = 0; c < SIZE_CLASSES; c++) {
        const struct pool *p = &w->classes[c];
        used_bytes += (uint64_t)p->n_used * p->slot_bytes;
        ret->free_slot_bytes +=
            (uint64_t)p->n_pages * ARENA_PAGE_BYTES - (uint64_t)p->n_used * p->slot_bytes;
    }
    ret->slack_bytes += used_bytes - w->payload_bytes;
}

static void live_window_figures(struct tsdb *db, struct tsdb_stats *ret)
{
    for (uint32_t i = 0; i < db->windows.n_live; i++) {
        const struct window *w = window_live(&db->windows, i);
        if (w->n_chunks == 0)
            continue;
        window_figures(db, w, &ret->windows[ret->n_windows++]);
        add_pool_waste(w, ret);
        ret->samples += w->n_samples;
        ret->chunks += w->n_chunks;
        ret->min_ms = i64_min(ret->min_ms, w->min_ms);
        ret->max_ms = i64_max(ret->max_ms, w->max_ms);
    }
}

void tsdb_stats(struct tsdb *db, struct tsdb_stats *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->min_ms = INT64_MAX;
    ret->max_ms = INT64_MIN;
    pthread_rwlock_rdlock(&db->lock);
    live_window_figures(db, ret);
    ret->series = db->series.n;
    ret->series_created = db->series_created;
    ret->series_removed = db->series_removed;
    ret->chunks_created = db->chunks_created;
    ret->chunks_removed = db->chunks_removed;
    ret->samples_appended = db->samples_appended;
    ret->samples_late = db->samples_late;
    ret->samples_duplicate = db->samples_duplicate;
    ret->refused_too_old = db->refused_too_old;
    ret->refused_too_far_ahead = db->refused_too_far_ahead;
    ret->refused_out_of_order = db->refused_out_of_order;
    ret->refused_duplicate = db->refused_duplicate;
    ret->refused_limit = db->refused_limit;
    ret->refused_memory = db->refused_memory;
    ret->symbols = db->labels.symbols.n;
    ret->pairs = db->labels.pairs.n;
    ret->free_slot_bytes +=
        kind_free_bytes(&db->series.records) + label_index_free_bytes(&db->labels);
    pthread_rwlock_unlock(&db->lock);
}

static bool has_footprint(const struct window *w, const struct chunk_footprint *f)
{
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        if (w->classes[c].n_used != f->slots[c])
            return false;
    return w->payload_bytes == f->payload_bytes;
}

static bool check_window(struct tsdb *db, const struct window *w)
{
    struct chunk_footprint footprint = {0};
    uint64_t n_chunks = 0, n_samples = 0;
    for (slot c = w->first_chunk; c != 0; c = chunk_at(db->arena, c)->next_of_window) {
        const struct chunk *head = chunk_at(db->arena, c);
        slot s = series_of_id(db->arena, &db->series, head->series);
        if (!chunk_check(db->arena, c) || s == 0 ||
            series_chunk(db->arena, &db->windows, series_at(db->arena, s), w) != c)
            return false;
        if (chunk_samples(head) > 0 &&
            (clock_window_of(&db->clock, chunk_first_ms(db->arena, head)) != w->number ||
             clock_window_of(&db->clock, chunk_last_ms(db->arena, head)) != w->number))
            return false;
        n_chunks++;
        n_samples += chunk_samples(head);
        chunk_add_footprint(db->arena, head, &footprint);
    }
    return n_chunks == w->n_chunks && n_samples == w->n_samples && has_footprint(w, &footprint);
}

bool tsdb_check(struct tsdb *db)
{
    pthread_rwlock_rdlock(&db->lock);
    bool is_good = windows_check(db->arena, &db->windows) &&
                   series_index_check(db->arena, &db->series, &db->labels);
    for (uint32_t i = 0; is_good && i < db->windows.n_live; i++)
        is_good = check_window(db, window_live(&db->windows, i));
    pthread_rwlock_unlock(&db->lock);
    return is_good;
}
