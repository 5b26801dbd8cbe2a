/* Deleting, in slices.
 *
 * The ids of the series are found once. Then a slice of them at a time is looked up again under the
 * lock for reading, as a batch of appends does it, and the chunks of each are changed under the
 * series' version (chunk_delete.c). A chunk that is too long for one change ends its slice and is
 * gone on with in the next. Series that have lost all they had are taken out of the indexes between
 * two slices, which needs the lock for writing; a writer that came in between has saved his.
 */
#include "tsdb/delete.h"
#include "tsdb/store.h"

#include <string.h>

struct deletion {
    struct tsdb *db;
    const struct delete_options *options;
    struct delete_report *report;
    const uint32_t *ids;
    size_t n_ids, next;
    uint32_t n_changed;                  /* chunks, in this slice */
    uint32_t empty[DELETE_SLICE_SERIES]; /* series of this slice without samples */
    uint32_t n_empty;
};

/* Deletes in one window; 1 = there is more, and the slice is over. */
static int delete_in_window(struct deletion *d, struct series *s, const struct window_span *span,
                            struct times_cache *times)
{
    struct tsdb *db = d->db;
    struct series_writer sw = store_writer(db, times);
    struct series_deleted deleted = {0};
    struct window *w = window_of_serial(&db->windows, span->serial);
    version_lock(&s->version);
    int rc = series_delete(&sw, s, w, span->min_time, span->max_time, &deleted);
    version_unlock(&s->version);
    d->n_changed += deleted.n_samples > 0;
    d->report->samples += deleted.n_samples;
    d->report->chunks += deleted.n_chunks;
    store_count(db, N_SAMPLES_DELETED, deleted.n_samples);
    store_count(db, N_CHUNKS_REMOVED, deleted.n_chunks);
    return rc;
}

/* The newest window first, so that newest_ms is looked for in a chunk that stays, or not at all. */
static int delete_in_series(struct deletion *d, struct series *s, const struct window_span *spans,
                            uint32_t n_spans, struct times_cache *times)
{
    int rc = 0;
    for (uint32_t i = n_spans; rc == 0 && i-- > 0;)
        rc = delete_in_window(d, s, &spans[i], times);
    if (series_is_empty(s))
        d->empty[d->n_empty++] = s->id;
    return rc;
}

static int delete_slice(struct deletion *d)
{
    struct tsdb *db = d->db;
    struct window_span spans[WINDOW_SLOTS];
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache times;
    int rc = 0;
    times_cache_init(&times, items, TIMES_CACHE_WRITER);
    d->n_changed = d->n_empty = 0;
    pthread_rwlock_rdlock(&db->lock);
    unsigned place = slots_enter(&db->slots);
    uint32_t n_spans = store_spans_locked(db, d->options->min_ms, d->options->max_ms, spans);
    for (size_t n = 0; n < DELETE_SLICE_SERIES && d->n_changed < DELETE_SLICE_CHUNKS; n++) {
        if (d->next == d->n_ids)
            break;
        slot at = series_of_id(db->arena, &db->series, d->ids[d->next]);
        if (at != 0)
            rc = delete_in_series(d, series_at(db->arena, at), spans, n_spans, &times);
        if (rc != 0)
            break;
        d->next++;
    }
    slots_leave(&db->slots, place);
    pthread_rwlock_unlock(&db->lock);
    slots_drain(&db->slots);
    return rc < 0 ? rc : 0;
}

/* Nobody is inside who has samples that are not counted yet. */
static void forget_bounds(struct tsdb *db)
{
    for (uint32_t i = 0; i < db->windows.n_live; i++) {
        struct window *w = window_live(&db->windows, i);
        if (w->n_chunks > 0)
            continue;
        w->min_ms = INT64_MAX;
        w->max_ms = INT64_MIN;
    }
}

static void remove_empty(struct deletion *d)
{
    struct tsdb *db = d->db;
    if (d->n_empty == 0)
        return;
    pthread_rwlock_wrlock(&db->lock);
    for (uint32_t i = 0; i < d->n_empty; i++) {
        slot at = series_of_id(db->arena, &db->series, d->empty[i]);
        if (at == 0 || !series_is_empty(series_at(db->arena, at)))
            continue;
        store_remove_series_locked(db, at);
        d->report->series++;
    }
    forget_bounds(db);
    pthread_rwlock_unlock(&db->lock);
    slots_drain(&db->slots);
}

static bool is_canceled(const struct delete_options *o)
{
    return o->cancel != NULL && atomic_load_explicit(o->cancel, memory_order_relaxed);
}

static int delete_set(struct tsdb *db, const struct matcher_set *set,
                      const struct delete_options *o, struct region *r, struct delete_report *io)
{
    struct deletion d = {.db = db, .options = o, .report = io};
    uint32_t *ids = NULL;
    pthread_rwlock_rdlock(&db->lock);
    int err = store_select_locked(db, set, r, &ids, &d.n_ids);
    pthread_rwlock_unlock(&db->lock);
    d.ids = ids;
    while (err == 0 && d.next < d.n_ids) {
        err = is_canceled(o) ? ERR_CANCELED : delete_slice(&d);
        remove_empty(&d);
    }
    return err;
}

int delete_select(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                  const struct delete_options *o, struct region *r, struct delete_report *io)
{
    int err = 0;
    if (o->min_ms > o->max_ms)
        return 0;
    for (size_t i = 0; err == 0 && i < n_sets; i++) {
        struct region_mark mark = region_mark(r);
        err = delete_set(db, &sets[i], o, r, io);
        region_rewind(r, mark);
    }
    return err;
}
