/* A snapshot's way out.
 *
 * The walk stops wherever the visitor says so, and the store goes on meanwhile: when the walk comes
 * back, a constant may have become a head, a tail a block, a block two. So the cursor does not name
 * an item but a time: what the series has behind it is still to come. Nothing is behind a tail (or
 * a run that stands for one) but what was appended since, so the walk goes on with the next series
 * there. A block may begin before the time and end behind it, when what was handed out, or not, has
 * become part of a longer one: then the rest of it is handed out as a block of its own.
 */
#include "tsdb/dump.h"
#include "tsdb/store.h"

#include <string.h>

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
    if (series_of_id(db->arena, &db->series, id) == 0)
        return 0;
    struct label items[LABELS_PER_SERIES_MAX];
    struct label_row row;
    series_row(db->arena, &db->series, id, &row);
    for (uint32_t i = 0; i < row.n; i++)
        items[i] = label_index_label(db->arena, &db->labels, row.pairs[i]);
    struct labels ls = {items, row.n};
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

static int visit_members_locked(struct tsdb *db, const struct window *w, struct dump_cursor *cursor,
                                uint64_t end, dump_series_visit visit, void *ctx)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < SLICE_ITEMS && !cursor->is_done; i++) {
        uint64_t id = slots_next_member(&db->slots, w, cursor->next_series, end);
        cursor->is_done = id == UINT64_MAX;
        if (cursor->is_done)
            break;
        cursor->next_series = id + 1;
        rc = visit_label_set(db, (uint32_t)id, visit, ctx);
    }
    return rc;
}

int dump_members(struct tsdb *db, int64_t window, struct dump_cursor *cursor, uint64_t end,
                 dump_series_visit visit, void *ctx)
{
    int rc = 0;
    while (rc == 0 && !cursor->is_done) {
        pthread_rwlock_rdlock(&db->lock);
        const struct window *w = window_of_number(&db->windows, window);
        if (w != NULL)
            rc = visit_members_locked(db, w, cursor, end, visit, ctx);
        else
            cursor->is_done = true;
        pthread_rwlock_unlock(&db->lock);
    }
    return rc > 0 ? 1 : rc;
}

void dump_note_change(struct tsdb *db, int64_t window)
{
    pthread_rwlock_rdlock(&db->lock);
    struct window *w = window_of_number(&db->windows, window);
    if (w != NULL)
        atomic_fetch_add_explicit(&w->n_changes, 1, memory_order_release);
    pthread_rwlock_unlock(&db->lock);
}

/* ---- out: one window ---- */

struct window_dump {
    struct tsdb *db;
    uint32_t dump;
    const struct window *window;
    struct times_cache *times;
    struct dump_cursor *cursor;
    const struct dump_visitor *visitor;
    void *ctx;
    uint32_t series;    /* the one that is being visited, */
    struct chunk chunk; /* its chunk */
    int n_left;         /* of this slice */
};

enum { SLICE_IS_OVER = INT32_MAX }; /* goes on after a breath */

uint32_t dump_begin(struct tsdb *db)
{
    return atomic_fetch_add_explicit(&db->n_dumps, 1, memory_order_relaxed) + 1;
}

/* Hands out the timeline's times up to place `end`, if they were not yet. */
static int visit_times(struct window_dump *d, slot timeline, uint32_t end)
{
    const struct arena *a = d->db->arena;
    struct timeline *t = timeline_at(a, timeline);
    uint64_t dumped = atomic_load_explicit(&t->dumped, memory_order_relaxed);
    uint32_t done = dumped >> 32 == d->dump ? (uint32_t)dumped : 0;
    while (done < end) {
        struct dump_times out = {.timeline = t->number, .from = done};
        out.n = (uint32_t)size_min(timeline_times(a, timeline) - done, DUMP_TIMES_MAX);
        timeline_read(a, d->times, timeline, done, out.n, out.times);
        int rc = d->visitor->times(d->ctx, &out);
        if (rc < 0)
            return rc;
        done += out.n;
        atomic_store_explicit(&t->dumped, (uint64_t)d->dump << 32 | done, memory_order_relaxed);
        if (rc > 0)
            return rc;
    }
    return 0;
}

/* Hands out shared values, if they were not yet. */
static int visit_shared(struct window_dump *d, slot at)
{
    struct shared *s = shared_at(d->db->arena, at);
    if (atomic_load_explicit(&s->dumped, memory_order_relaxed) == d->dump)
        return 0;
    const struct dump_shared out = {s->number, s->n_bytes, shared_bytes(d->db->arena, at)};
    int rc = d->visitor->shared(d->ctx, &out);
    if (rc >= 0)
        atomic_store_explicit(&s->dumped, d->dump, memory_order_relaxed);
    return rc;
}

static bool was_handed_out(const struct window_dump *d, uint32_t time)
{
    return d->cursor->is_inside && time <= d->cursor->after_time;
}

/* is_end: nothing of the series comes behind it. */
static void move_on(struct window_dump *d, uint32_t last, bool is_end)
{
    d->cursor->is_inside = !is_end;
    d->cursor->after_time = last;
    d->cursor->next_series = (uint64_t)d->series + is_end;
}

/* ---- a block of which a part was handed out ---- */

struct rest {
    struct block block;
    uint8_t times_bytes[BLOCK_TIMES_BYTES_MAX], values_bytes[COLUMN_BYTES_MAX];
};

/* A run is equal values from a place on, however long. */
static void rest_of_run(struct window_dump *d, struct block *b)
{
    uint32_t before = 0, to = b->n_samples; /* samples that were handed out */
    while (before < to) {
        uint32_t mid = before + (to - before) / 2, at;
        bool is_there = block_times(d->db->arena, d->times, b, mid, 1, &at);
        ENSURE(is_there);
        if (was_handed_out(d, at))
            before = mid + 1;
        else
            to = mid;
    }
    b->first += b->times == BLOCK_AT ? before : before * b->step;
    b->n_samples -= before;
}

static void rest_of_block(struct window_dump *d, const struct block *b, struct rest *ret)
{
    uint32_t times[BLOCK_SAMPLES_MAX], n = b->n_samples, before = 0;
    uint64_t values[BLOCK_SAMPLES_MAX];
    ret->block = *b;
    if (b->encoding == BLOCK_RUN) {
        rest_of_run(d, &ret->block);
        return;
    }
    bool is_good = block_times(d->db->arena, d->times, b, 0, n, times);
    ENSURE(is_good);
    block_values_kept(b, 0, n, values);
    while (was_handed_out(d, times[before]))
        before++;
    block_encode_values(&ret->block, &values[before], n - before, ret->values_bytes);
    if (b->times == BLOCK_AT)
        ret->block.first += before;
    else
        block_own_times(&ret->block, &times[before], n - before, ret->times_bytes);
}

/* ---- items ---- */

static int hand_out_block(struct window_dump *d, enum chunk_part part, const struct block *b)
{
    bool has_timeline = b->times == BLOCK_AT, is_shared = b->shared != 0;
    struct dump_block out = {
        .part = (enum dump_part)part,
        .times = (enum dump_place)b->times,
        .encoding = b->encoding,
        .timeline = has_timeline ? timeline_at(d->db->arena, b->timeline)->number : 0,
        .first = b->first,
        .step = b->step,
        .n_samples = b->n_samples,
        .n_times_bytes = b->n_times_bytes,
        .is_shared = is_shared,
        .shared = is_shared ? shared_at(d->db->arena, b->shared)->number : 0,
        .n_values_bytes = is_shared ? 0 : b->n_values_bytes,
        .times_bytes = b->times_bytes,
        .values = is_shared ? NULL : b->values,
    };
    return d->visitor->block(d->ctx, d->series, &out);
}

/* Whether nothing can come behind the run. */
static bool is_end(const struct window_dump *d, enum chunk_part part, const struct block *b)
{
    if (part != PART_RUN)
        return false;
    bool has_stale = d->chunk.kind == CHUNK_CONSTANT && d->chunk.is_stale;
    return !has_stale || b->first != d->chunk.place;
}

static int visit_block(void *ctx, enum chunk_part part, const struct block *b)
{
    struct window_dump *d = ctx;
    uint32_t first, last;
    struct rest rest;
    block_span(d->db->arena, d->times, b, &first, &last);
    if (was_handed_out(d, last) || (part == PART_RUN && was_handed_out(d, first)))
        return 0; /* or it has only grown longer since */
    if (d->n_left-- <= 0)
        return SLICE_IS_OVER;
    if (was_handed_out(d, first)) {
        rest_of_block(d, b, &rest);
        b = &rest.block;
    }
    int rc = b->times == BLOCK_AT ? visit_times(d, b->timeline, b->first + b->n_samples) : 0;
    if (rc == 0 && b->shared != 0)
        rc = visit_shared(d, b->shared);
    if (rc != 0)
        return rc;
    rc = hand_out_block(d, part, b);
    if (rc >= 0)
        move_on(d, last, is_end(d, part, b));
    return rc;
}

/* ---- a sheaf as one ---- */

static slot shared_slot(const uint8_t *bytes, const struct sheaf_outline *o, uint32_t block)
{
    slot at;
    memcpy(&at, bytes + o->ends[block] - sizeof(at), sizeof(at));
    return at;
}

/* What its blocks refer to. */
static int visit_references(struct window_dump *d, const struct sheaf *s, const uint8_t *bytes,
                            const struct sheaf_outline *o)
{
    int rc = visit_times(d, s->start.timeline, s->start.place + o->n_samples);
    for (uint32_t i = 0; rc == 0 && i < o->n_blocks; i++)
        if (o->shared >> i & 1)
            rc = visit_shared(d, shared_slot(bytes, o, i));
    return rc;
}

/* Handles mean something in this process only. */
static void put_numbers(const struct arena *a, uint8_t *bytes, const struct sheaf_outline *o)
{
    for (uint32_t i = 0; i < o->n_blocks; i++) {
        if (!(o->shared >> i & 1))
            continue;
        uint32_t number = shared_at(a, shared_slot(bytes, o, i))->number + 1;
        memcpy(bytes + o->ends[i] - sizeof(number), &number, sizeof(number));
    }
}

/* One of which a part was handed out comes as blocks, and so does one that is not that simple. */
static int visit_sheaf(void *ctx, const struct sheaf *s, uint8_t *bytes)
{
    struct window_dump *d = ctx;
    const struct arena *a = d->db->arena;
    struct sheaf_outline o;
    if (d->visitor->sheaf == NULL || s->start.timeline == 0 || !sheaf_look(bytes, s->n_bytes, &o))
        return VISIT_BLOCKS;
    uint32_t end = s->start.place + o.n_samples;
    uint32_t last = timeline_time(a, d->times, s->start.timeline, end - 1);
    if (was_handed_out(d, last))
        return 0;
    if (was_handed_out(d, timeline_time(a, d->times, s->start.timeline, s->start.place)))
        return VISIT_BLOCKS;
    if (d->n_left-- <= 0)
        return SLICE_IS_OVER;
    int rc = visit_references(d, s, bytes, &o);
    if (rc != 0)
        return rc;
    put_numbers(a, bytes, &o);
    const struct dump_sheaf out = {
        .timeline = timeline_at(a, s->start.timeline)->number,
        .first = s->start.place,
        .n_blocks = o.n_blocks,
        .n_samples = o.n_samples,
        .n_bytes = s->n_bytes,
        .bytes = bytes,
    };
    rc = d->visitor->sheaf(d->ctx, d->series, &out);
    if (rc >= 0)
        move_on(d, last, false);
    return rc;
}

void dump_sheaf_init(struct dump_sheaf_reader *r, const struct dump_sheaf *sheaf)
{
    static const slot any = 1; /* what is in a timeline has one */
    *r = (struct dump_sheaf_reader){.at = sheaf->bytes,
                                    .end = sheaf->bytes + sheaf->n_bytes,
                                    .context = {any, sheaf->first},
                                    .timeline = sheaf->timeline};
}

int dump_sheaf_next(struct dump_sheaf_reader *r, struct dump_block *ret)
{
    const uint8_t *before = r->at;
    struct block_outline outline;
    struct block b;
    if (r->at == r->end)
        return 0;
    if (!block_skip(&r->at, r->end, &outline))
        return ERR_CORRUPT;
    bool is_block = block_get(&before, r->at, &r->context, &b);
    if (!is_block || before != r->at)
        return ERR_CORRUPT;
    *ret = (struct dump_block){
        .part = r->has_first ? DUMP_BLOCK : DUMP_SHEAF,
        .times = DUMP_AT,
        .encoding = b.encoding,
        .timeline = r->timeline,
        .first = b.first,
        .n_samples = b.n_samples,
        .is_shared = outline.is_shared,
        .shared = outline.is_shared ? b.shared - 1 : 0,
        .n_values_bytes = b.n_values_bytes,
        .values = b.values,
    };
    r->has_first = true;
    return 1;
}

static int visit_tail(void *ctx, const struct chunk_tail *t)
{
    struct window_dump *d = ctx;
    uint32_t times[BLOCK_SAMPLES_MAX], from = 0;
    if (t->timeline != 0)
        timeline_read(d->db->arena, d->times, t->timeline, t->places[0], t->n, times);
    else
        memcpy(times, t->places, t->n * sizeof(*times));
    while (from < t->n && was_handed_out(d, times[from]))
        from++;
    if (from == t->n)
        return 0;
    int rc = t->timeline != 0 ? visit_times(d, t->timeline, t->places[0] + t->n) : 0;
    if (rc != 0)
        return rc;
    struct dump_tail out = {.has_timeline = t->timeline != 0, .n = t->n - from};
    out.timeline = out.has_timeline ? timeline_at(d->db->arena, t->timeline)->number : 0;
    memcpy(out.places, &t->places[from], out.n * sizeof(*out.places));
    memcpy(out.values, &t->values[from], out.n * sizeof(*out.values));
    rc = d->visitor->tail(d->ctx, d->series, &out);
    if (rc >= 0)
        move_on(d, times[t->n - 1], true);
    return rc;
}

static int visit_chunk(struct window_dump *d)
{
    struct tsdb *db = d->db;
    struct chunk_view v;
    slot at = series_of_id(db->arena, &db->series, d->series);
    if (at == 0 || !series_view(db->arena, series_at(db->arena, at), d->window->serial, &v))
        return 0;
    d->chunk = v.c;
    const struct chunk_visitor visitor = {visit_block, visit_tail, d, visit_sheaf};
    return chunk_visit(db->arena, &v, d->cursor->is_inside ? d->cursor->after_time : 0, &visitor);
}

/* Hands out what no chunk refers to (any more), so that a restart finds the same slots in use. */
static int visit_rest(struct window_dump *d)
{
    const struct arena *a = d->db->arena;
    slot t = atomic_load_explicit(&d->window->last_timeline, memory_order_acquire);
    int rc = 0;
    for (; rc == 0 && t != 0; t = timeline_at(a, t)->before)
        rc = visit_times(d, t, timeline_times(a, t));
    slot s = atomic_load_explicit(&d->window->last_shared, memory_order_acquire);
    for (; rc == 0 && s != 0; s = shared_at(a, s)->before)
        rc = visit_shared(d, s);
    return rc;
}

/* Visits members of the window as long as the slice lasts. */
static int visit_slice(struct window_dump *d, uint64_t end)
{
    while (d->n_left > 0) {
        uint64_t id = slots_next_member(&d->db->slots, d->window, d->cursor->next_series, end);
        if (id == UINT64_MAX) {
            int rest = visit_rest(d);
            d->cursor->next_series = end;
            d->cursor->is_done = rest == 0;
            return rest;
        }
        if (id != d->cursor->next_series)
            d->cursor->is_inside = false;
        d->cursor->next_series = id;
        d->series = (uint32_t)id;
        int rc = visit_chunk(d);
        if (rc != 0)
            return rc == SLICE_IS_OVER ? 0 : rc;
        d->cursor->next_series = id + 1;
        d->cursor->is_inside = false;
        d->n_left--;
    }
    return 0;
}

int dump_window(struct tsdb *db, uint32_t dump, int64_t window, struct dump_cursor *cursor,
                uint64_t end, const struct dump_visitor *v, void *ctx)
{
    int rc = 0;
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache times;
    while (rc == 0 && !cursor->is_done) {
        times_cache_init(&times, items, TIMES_CACHE_WRITER);
        pthread_rwlock_rdlock(&db->lock);
        unsigned place = slots_enter(&db->slots);
        struct window_dump d = {.db = db,
                                .dump = dump,
                                .window = window_of_number(&db->windows, window),
                                .times = &times,
                                .cursor = cursor,
                                .visitor = v,
                                .ctx = ctx,
                                .n_left = SLICE_ITEMS};
        if (d.window == NULL)
            cursor->is_done = true;
        else
            rc = visit_slice(&d, end);
        slots_leave(&db->slots, place);
        pthread_rwlock_unlock(&db->lock);
    }
    return rc > 0 ? 1 : rc;
}
