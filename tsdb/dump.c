#include "tsdb/dump.h"
#include "tsdb/store.h"

enum { SLICE_ITEMS = 512 }; /* label sets, blocks or tails handed out under one hold of the lock */

uint64_t dump_series_end(struct tsdb *db)
{
    pthread_rwlock_rdlock(&db->lock);
    uint64_t end = db->series.next_id;
    pthread_rwlock_unlock(&db->lock);
    return end;
}

/* ---- out: label sets ---- */

static int visit_label_set(struct tsdb *db, uint32_t id, dump_series_visit visit, void *ctx)
{
    slot at = series_of_id(db->arena, &db->series, id);
    if (at == 0)
        return 0;
    const struct series *s = series_at(db->arena, at);
    struct label items[LABELS_PER_SERIES_MAX];
    for (uint32_t i = 0; i < s->n_pairs; i++)
        items[i] = series_label(db->arena, &db->labels, s, i);
    struct labels ls = {items, s->n_pairs};
    return visit(ctx, id, &ls);
}

int dump_series(struct tsdb *db, struct dump_cursor *cursor, uint64_t end, dump_series_visit visit,
                void *ctx)
{
    int rc = 0;
    while (rc == 0 && cursor->next_series < end) {
        pthread_rwlock_rdlock(&db->lock);
        for (int i = 0; rc == 0 && i < SLICE_ITEMS && cursor->next_series < end; i++)
            rc = visit_label_set(db, (uint32_t)cursor->next_series++, visit, ctx);
        pthread_rwlock_unlock(&db->lock);
    }
    return rc > 0 ? 1 : rc;
}

/* ---- out: one window ---- */

struct window_dump {
    struct tsdb *db;
    const struct window *window;
    struct dump_cursor *cursor;
    const struct dump_visitor *visitor;
    void *ctx;
    int n_left; /* of this slice */
};

static void next_series(struct dump_cursor *cursor)
{
    cursor->next_series++;
    cursor->is_inside = false;
}

static int visit_blocks(struct window_dump *d, uint32_t id, const struct chunk *c)
{
    slot next;
    for (slot at = c->first_block; at != 0; at = next) {
        struct block b = chunk_block(d->db->arena, at, &next);
        if (d->cursor->is_inside && b.first_ms <= d->cursor->after_ms)
            continue;
        if (d->n_left-- <= 0)
            return 0;
        struct dump_block out = {.first_ms = b.first_ms,
                                 .last_ms = b.last_ms,
                                 .n_samples = b.n_samples,
                                 .n_bytes = b.n_bytes,
                                 .encoding = b.encoding,
                                 .bytes = b.bytes};
        int rc = d->visitor->block(d->ctx, id, &out);
        if (rc < 0)
            return rc;
        d->cursor->is_inside = true;
        d->cursor->after_ms = b.last_ms;
        if (rc > 0)
            return rc;
    }
    return 0;
}

static int visit_tail(struct window_dump *d, uint32_t id, const struct chunk *c)
{
    struct sample samples[BLOCK_SAMPLES_MAX];
    size_t n = chunk_tail(d->db->arena, c, samples), from = 0;
    while (d->cursor->is_inside && from < n && samples[from].t_ms <= d->cursor->after_ms)
        from++;
    return from < n ? d->visitor->tail(d->ctx, id, &samples[from], n - from) : 0;
}

static int visit_chunk(struct window_dump *d)
{
    uint32_t id = (uint32_t)d->cursor->next_series;
    struct tsdb *db = d->db;
    slot series = series_of_id(db->arena, &db->series, id);
    slot at = series != 0
                  ? series_chunk(db->arena, &db->windows, series_at(db->arena, series), d->window)
                  : 0;
    if (at != 0) {
        const struct chunk *c = chunk_at(db->arena, at);
        int rc = visit_blocks(d, id, c);
        if (rc != 0 || d->n_left < 0)
            return rc;
        rc = visit_tail(d, id, c);
        if (rc < 0)
            return rc;
        next_series(d->cursor);
        return rc;
    }
    next_series(d->cursor);
    return 0;
}

int dump_window(struct tsdb *db, int64_t window, struct dump_cursor *cursor, uint64_t end,
                const struct dump_visitor *v, void *ctx)
{
    int rc = 0;
    while (rc == 0 && cursor->next_series < end) {
        pthread_rwlock_rdlock(&db->lock);
        struct window_dump d = {.db = db,
                                .window = window_of_number(&db->windows, window),
                                .cursor = cursor,
                                .visitor = v,
                                .ctx = ctx,
                                .n_left = SLICE_ITEMS};
        if (d.window == NULL)
            cursor->next_series = end;
        for (; rc == 0 && d.n_left > 0 && cursor->next_series < end; d.n_left--)
            rc = visit_chunk(&d);
        pthread_rwlock_unlock(&db->lock);
    }
    return rc > 0 ? 1 : rc;
}

/* ---- in ---- */

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

int restore_series(struct tsdb *db, const struct labels *ls, uint32_t *ret_series)
{
    if (!is_normalised(ls))
        return ERR_CORRUPT;
    uint64_t hash = labels_hash(ls);
    pthread_rwlock_wrlock(&db->lock);
    slot at = series_find(db->arena, &db->series, &db->labels, ls, hash);
    if (at == 0) {
        at = series_new(db->arena, &db->series, &db->labels, ls, hash);
        db->series_created += at != 0;
    }
    if (at != 0)
        *ret_series = series_at(db->arena, at)->id;
    pthread_rwlock_unlock(&db->lock);
    return at != 0 ? 0 : ERR_NO_MEMORY;
}

struct place { /* where restored samples go */
    struct series *series;
    struct window *window;
    slot chunk;
};

/* Finds the place for samples from first_ms to last_ms, behind all that the series has. */
static int find_place(struct tsdb *db, uint32_t id, int64_t first_ms, int64_t last_ms,
                      struct place *ret)
{
    store_make_room_locked(db);
    slot at = series_of_id(db->arena, &db->series, id);
    int64_t number = clock_window_of(&db->clock, first_ms);
    if (at == 0 || clock_window_of(&db->clock, last_ms) != number)
        return ERR_CORRUPT;
    struct series *s = series_at(db->arena, at);
    if (window_of_serial(&db->windows, s->newest_serial) != NULL && first_ms <= s->newest_ms)
        return ERR_CORRUPT;
    struct windows *ws = &db->windows;
    int64_t newest = ws->n_live > 0 ? window_live(ws, ws->n_live - 1)->number : number;
    if (newest - number >= (int64_t)db->options.n_windows + 1)
        return ERR_TOO_OLD;
    ret->series = s;
    ret->window = store_window_locked(db, number);
    ret->chunk = ret->window != NULL ? store_chunk_locked(db, s, ret->window) : 0;
    return ret->chunk != 0 ? 0 : ERR_NO_MEMORY;
}

/* A chunk that was made for a block which then found no memory must not stay empty. It is the
 * newest of its series and window. */
static void undo_place(struct tsdb *db, const struct place *p)
{
    const struct chunk *c = chunk_at(db->arena, p->chunk);
    p->series->newest_chunk = c->prev;
    p->series->newest_serial = c->prev_serial;
    chunk_undo_new(db->arena, p->window, p->chunk);
    db->chunks_created--;
}

static void restored(struct tsdb *db, struct series *s, int64_t last_ms)
{
    struct windows *ws = &db->windows;
    s->newest_ms = last_ms;
    if (db->options.clock == CLOCK_SAMPLES)
        clock_sample(&db->clock, last_ms);
    while (ws->n_live > 0 && window_live(ws, ws->n_live - 1)->number - window_live(ws, 0)->number >
                                 (int64_t)db->options.n_windows)
        window_expire(ws, window_live(ws, 0));
}

int restore_block(struct tsdb *db, uint32_t series, const struct dump_block *in)
{
    int64_t t_ms[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    struct block b = {.first_ms = in->first_ms,
                      .last_ms = in->last_ms,
                      .n_samples = in->n_samples,
                      .n_bytes = in->n_bytes,
                      .encoding = in->encoding,
                      .bytes = in->bytes};
    if (!block_decode(&b, t_ms, values))
        return ERR_CORRUPT;
    struct place p;
    pthread_rwlock_wrlock(&db->lock);
    int err = find_place(db, series, b.first_ms, b.last_ms, &p);
    if (err == 0 && chunk_at(db->arena, p.chunk)->tail.n_samples > 0)
        err = ERR_CORRUPT;
    if (err == 0) {
        err = chunk_append_block(db->arena, p.window, p.chunk, &b);
        if (err == 0)
            restored(db, p.series, b.last_ms);
        else if (chunk_samples(chunk_at(db->arena, p.chunk)) == 0)
            undo_place(db, &p);
    }
    pthread_rwlock_unlock(&db->lock);
    return err;
}

static bool is_ascending(const struct sample *samples, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (samples[i].t_ms <= samples[i - 1].t_ms)
            return false;
    return n >= 1 && n <= BLOCK_SAMPLES_MAX;
}

int restore_tail(struct tsdb *db, uint32_t series, const struct sample *samples, size_t n)
{
    struct place p;
    if (!is_ascending(samples, n))
        return ERR_CORRUPT;
    pthread_rwlock_wrlock(&db->lock);
    int err = find_place(db, series, samples[0].t_ms, samples[n - 1].t_ms, &p);
    for (size_t i = 0; err == 0 && i < n; i++) {
        err = chunk_append(db->arena, p.window, p.chunk, &samples[i]);
        if (err == 0)
            restored(db, p.series, samples[i].t_ms);
    }
    pthread_rwlock_unlock(&db->lock);
    return err;
}

void restore_end(struct tsdb *db)
{
    pthread_rwlock_wrlock(&db->lock);
    while (store_sweep_locked(db, EXPIRE_SLICE_SERIES))
        ;
    for (uint64_t id = 1; id < db->series.next_id; id++) {
        slot at = series_of_id(db->arena, &db->series, (uint32_t)id);
        if (at != 0 && series_at(db->arena, at)->newest_serial == 0)
            store_remove_series_locked(db, at);
    }
    if (db->windows.n_live > 0)
        clock_distrust(&db->clock);
    pthread_rwlock_unlock(&db->lock);
}
