#include "tsdb/series_history.h"

#include <string.h>

_Static_assert((size_t)LABEL_ROW_BYTES_MAX <= STRINGS_BYTES_MAX, "every row can be stored");

void series_index_init(struct series_index *x, unsigned owner_records, unsigned owner_rows,
                       unsigned owner_tables)
{
    *x = (struct series_index){.next_id = 1};
    lines_init(&x->by_key, LINES_TRUSTED, owner_tables);
    lines_init(&x->by_alias, LINES_TRUSTED, owner_tables);
    series_hash_init(&x->hash, (const uint8_t[SERIES_HASH_KEY_BYTES]){0});
    kind_init(&x->records, owner_records);
    kind_init(&x->histories, owner_records);
    strings_init(&x->rows, owner_rows, owner_tables);
    table_init(&x->by_id, sizeof(slot), owner_tables);
}

void series_index_release(struct arena *a, struct series_index *x)
{
    lines_release(a, &x->by_key);
    lines_release(a, &x->by_alias);
    kind_drop(a, &x->records);
    kind_drop(a, &x->histories);
    strings_release(a, &x->rows);
    table_release(a, &x->by_id);
    x->n = 0;
}

/* ---- finding ---- */

void series_row(const struct arena *a, const struct series_index *x, uint32_t id,
                struct label_row *ret)
{
    bool is_good = label_row_get(strings_at(a, &x->rows, id), ret);
    ENSURE(is_good);
}

size_t series_row_bytes(const struct arena *a, const struct series_index *x, uint32_t id)
{
    return strings_at(a, &x->rows, id).n + 1;
}

static bool put_row(struct arena *a, struct series_index *x, uint32_t id,
                    const struct label_row *row)
{
    uint8_t bytes[LABEL_ROW_BYTES_MAX];
    size_t n = label_row_put(row, bytes);
    return strings_put(a, &x->rows, id, bytes, n);
}

/* ---- making: five indexes, entered one after the other and left in the opposite order ---- */

static bool enter_id(struct arena *a, struct series_index *x, slot series, uint32_t id)
{
    slot *entry = table_hold(a, &x->by_id, id);
    if (entry != NULL)
        *entry = series;
    return entry != NULL;
}

static void leave_postings(struct arena *a, struct label_index *li, uint32_t id,
                           const struct label_row *row, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        pair_remove_series(a, &li->pairs, row->pairs[i], id);
}

static bool enter_postings(struct arena *a, struct label_index *li, uint32_t id,
                           const struct series_pairs *pairs)
{
    const struct label_row *row = &pairs->row;
    for (uint32_t i = 0; i < row->n; i++) {
        if (!pair_add_series(a, &li->pairs, row->pairs[i], pairs->sets[i], id)) {
            leave_postings(a, li, id, row, i);
            return false;
        }
    }
    return true;
}

static bool enter(struct arena *a, struct series_index *x, struct label_index *li, slot made,
                  const struct series_pairs *pairs, struct series_key key)
{
    uint32_t id = series_at(a, made)->id;
    if (!put_row(a, x, id, &pairs->row))
        return false;
    if (!enter_id(a, x, made, id))
        goto leave_row;
    if (!series_enter_key(a, x, key, id))
        goto leave_id;
    if (!label_index_add_series(a, li, id))
        goto leave_key;
    if (!enter_postings(a, li, id, pairs))
        goto leave_all;
    return true;
leave_all:
    label_index_remove_series(a, li, id);
leave_key:
    series_leave_key(a, x, key, id, 0);
leave_id:
    table_drop(a, &x->by_id, id);
leave_row:
    strings_remove(a, &x->rows, id);
    return false;
}

static void drop_pairs(struct arena *a, struct label_index *li, const struct label_row *row)
{
    for (uint32_t i = 0; i < row->n; i++)
        pair_drop_if_unused(a, &li->pairs, &li->symbols, row->pairs[i]);
}

void series_pairs_drop(struct arena *a, struct label_index *li, const struct series_pairs *p)
{
    drop_pairs(a, li, &p->row);
}

/* The pairs of the labels, those that are new made; false without memory, when ret has those that
 * are there. */
static bool make_pairs(struct arena *a, struct label_index *li, const struct labels *ls,
                       struct series_pairs *ret)
{
    series_pairs_init(ret);
    for (uint32_t i = 0; i < ls->n; i++) {
        struct made_pair pair;
        if (!known_pair_get(&li->known, a, &li->pairs, &li->symbols, i, &ls->items[i], &pair))
            return false;
        series_pairs_add(ret, &pair);
    }
    return true;
}

slot series_new(struct slots *sl, struct series_index *x, struct label_index *li,
                const struct labels *ls, struct series_key key)
{
    struct series_pairs pairs;
    if (make_pairs(sl->arena, li, ls, &pairs))
        return series_new_of(sl, x, li, &pairs, key);
    series_pairs_drop(sl->arena, li, &pairs);
    return 0;
}

/* A record that is in no index, or 0. */
static slot record_new(struct slots *sl, struct series_index *x)
{
    if (x->next_id > POSTINGS_ID_MAX)
        return 0;
    slot made = slots_kind_get(sl, &x->records, sizeof(struct series));
    if (made != 0)
        *series_at(sl->arena, made) = (struct series){.id = (uint32_t)x->next_id};
    return made;
}

slot series_new_of(struct slots *sl, struct series_index *x, struct label_index *li,
                   const struct series_pairs *pairs, struct series_key key)
{
    struct arena *a = sl->arena;
    slot made = record_new(sl, x);
    if (made == 0 || !enter(a, x, li, made, pairs, key)) {
        series_pairs_drop(a, li, pairs);
        if (made != 0)
            slots_kind_put(sl, &x->records, made, sizeof(struct series));
        return 0;
    }
    series_at(a, made)->state.phase = (uint8_t)pairs->hash;
    x->next_id++;
    x->n++;
    return made;
}

/* Gives back a slot that readers may see; without memory to note it, waits for them. */
static void retire(struct slots *sl, struct kind *k, slot at, size_t bytes)
{
    if (slots_promise(sl, 1)) {
        slots_kind_retire(sl, k, at, bytes);
        return;
    }
    slots_wait(sl);
    slots_kind_put(sl, k, at, bytes);
}

/* Gives back the head and tail of a chunk. */
static void retire_open(struct slots *sl, const struct chunk *c)
{
    slot items[CHUNK_OPEN_SLOTS_MAX];
    if (c->serial == 0 || c->kind != CHUNK_HEAD)
        return;
    uint32_t n = chunk_open_slots(sl->arena, c->at, items);
    size_t payload = chunk_open_payload(sl->arena, c->at);
    if (!slots_promise(sl, n)) {
        slots_wait(sl);
        slots_open_put(sl, items, n, payload);
        return;
    }
    slots_open_retire(sl, items, n, payload);
}

static struct series_key key_of_row(const struct arena *a, const struct series_index *x,
                                    const struct label_index *li, const struct label_row *row)
{
    struct label items[LABELS_PER_SERIES_MAX];
    struct labels ls = {items, row->n};
    for (uint32_t i = 0; i < ls.n; i++)
        items[i] = label_index_label(a, li, row->pairs[i]);
    return series_key_of_labels(&x->hash, &ls);
}

void series_remove(struct slots *sl, struct series_index *x, struct label_index *li, slot series)
{
    struct arena *a = sl->arena;
    struct series *s = series_at(a, series);
    struct label_row row;
    series_row(a, x, s->id, &row);
    struct series_key key = key_of_row(a, x, li, &row);
    leave_postings(a, li, s->id, &row, row.n);
    label_index_remove_series(a, li, s->id);
    table_drop(a, &x->by_id, s->id);
    series_leave_key(a, x, key, s->id, s->state.n_aliases);
    strings_remove(a, &x->rows, s->id);
    drop_pairs(a, li, &row);
    slot history = s->state.history;
    uint32_t room = history_room(a, s);
    retire_open(sl, &s->state.newest);
    for (uint32_t i = 0; i < s->state.n_history; i++)
        retire_open(sl, &history_at(a, history)->items[i]);
    retire(sl, &x->records, series, sizeof(struct series));
    if (history != 0)
        retire(sl, &x->histories, history, history_bytes(room));
    x->n--;
}

/* ---- chunks: reading ---- */

uint32_t series_chunks(const struct arena *a, const struct series *s,
                       struct chunk ret[SERIES_CHUNKS_MAX])
{
    struct series_state state;
    for (;;) {
        uint32_t begun = version_begin(&s->version), n = 0;
        words_load(&state, &s->state, sizeof(state));
        if (!version_is(&s->version, begun))
            continue;
        if (state.newest.serial != 0)
            ret[n++] = state.newest;
        for (uint32_t i = state.n_history; i-- > 0; n++)
            words_load(&ret[n], &history_at(a, state.history)->items[i], sizeof(*ret));
        if (version_is(&s->version, begun))
            return n;
    }
}

bool series_is_empty(const struct series *s)
{
    struct chunk newest;
    words_load(&newest, &s->state.newest, sizeof(newest));
    return newest.serial == 0;
}

/* Loads the chunk of that serial; 1 = there, 0 = not there, -1 = somebody changed the series. */
static int try_view(const struct arena *a, const struct series *s, uint32_t begun, uint32_t serial,
                    struct chunk_view *ret)
{
    struct series_state state;
    words_load(&state, &s->state, sizeof(state));
    if (!version_is(&s->version, begun))
        return -1;
    ret->c = state.newest;
    for (uint32_t i = state.n_history; ret->c.serial != serial && i-- > 0;)
        words_load(&ret->c, &history_at(a, state.history)->items[i], sizeof(ret->c));
    if (!version_is(&s->version, begun))
        return -1;
    if (ret->c.serial != serial)
        return 0;
    chunk_view_head(a, ret);
    return version_is(&s->version, begun) ? 1 : -1;
}

bool series_view(const struct arena *a, const struct series *s, uint32_t serial,
                 struct chunk_view *ret)
{
    int rc;
    do
        rc = try_view(a, s, version_begin(&s->version), serial, ret);
    while (rc < 0);
    return rc > 0;
}

bool series_own_view(const struct arena *a, const struct series *s, uint32_t serial,
                     struct chunk_view *ret)
{
    ret->c = s->state.newest;
    for (uint32_t i = s->state.n_history; ret->c.serial != serial && i-- > 0;)
        ret->c = history_at(a, s->state.history)->items[i];
    chunk_view_head(a, ret);
    return ret->c.serial == serial;
}

struct chunk *series_own_chunk(const struct arena *a, struct series *s, uint32_t serial)
{
    if (s->state.newest.serial == serial)
        return &s->state.newest;
    for (uint32_t i = s->state.n_history; i-- > 0;)
        if (history_at(a, s->state.history)->items[i].serial == serial)
            return &history_at(a, s->state.history)->items[i];
    return NULL;
}

static bool has_serial(const uint32_t *serials, uint32_t n, uint32_t serial)
{
    while (n > 0 && serials[n - 1] != serial)
        n--;
    return n > 0;
}

void series_add_bytes(const struct arena *a, const struct series *s, const uint32_t *windows,
                      uint32_t n_windows, struct series_bytes *io)
{
    struct chunk chunks[SERIES_CHUNKS_MAX];
    struct chunk_footprint f = {0};
    struct chunk_view v;
    uint32_t n = series_chunks(a, s, chunks);
    for (uint32_t i = 0; i < n; i++) {
        if (chunks[i].kind == CHUNK_CONSTANT || !series_view(a, s, chunks[i].serial, &v))
            continue;
        if (has_serial(windows, n_windows, v.c.serial))
            chunk_add_footprint(a, &v, &f);
        else
            chunk_add_open_footprint(&v, &f);
    }
    io->record += kind_slot_bytes(sizeof(*s));
    io->history += n > 1 ? kind_slot_bytes(history_bytes(n - 1)) : 0;
    io->chunks += chunk_footprint_bytes(&f);
    io->open += f.open_slots * SIZE_CLASS_STEP_BYTES;
}

/* ---- chunks: writing ---- */

/* The state and its history: what is live of the old one, in the order of the windows, and perhaps
 * one more chunk. */
struct new_state {
    struct series_state state;
    struct chunk items[SERIES_CHUNKS_MAX];
    uint32_t n;
    bool is_newest;
    slot stale_heads[SERIES_CHUNKS_MAX]; /* of chunks whose window has gone */
    uint32_t n_stale_heads;
};

/* w: of the chunk that is added, NULL = none is. */
static void plan_chunk(const struct series_writer *sw, const struct series *s,
                       const struct window *w, struct new_state *ret)
{
    const struct arena *a = sw->chunk.slots->arena;
    ret->state = s->state;
    ret->n = ret->n_stale_heads = 0;
    ret->is_newest = w != NULL;
    for (uint32_t i = 0; i <= s->state.n_history; i++) {
        const struct chunk *c =
            i < s->state.n_history ? &history_at(a, s->state.history)->items[i] : &s->state.newest;
        const struct window *of = window_of_serial(sw->windows, c->serial);
        if (of == NULL) {
            if (c->serial != 0 && c->kind == CHUNK_HEAD)
                ret->stale_heads[ret->n_stale_heads++] = c->at;
            continue;
        }
        if (ret->is_newest && of->number > w->number) {
            ret->is_newest = false;
            ret->items[ret->n++] = (struct chunk){0}; /* the new one's place */
        }
        ret->items[ret->n++] = *c;
    }
    if (ret->is_newest)
        ret->items[ret->n++] = (struct chunk){0};
}

/* Makes the plan the truth; a new chunk is in it. history: a slot for n - 1 items, or 0 to use
 * the one that is there. */
static void enter_chunk(struct series_writer *sw, struct series *s, struct new_state *p,
                        slot history)
{
    struct slots *sl = sw->chunk.slots;
    uint32_t n = p->n - 1;
    p->state.newest = p->items[n];
    p->state.n_history = (uint16_t)n;
    bool is_moved = history != 0 || n == 0;
    slot old = is_moved ? s->state.history : 0;
    uint32_t old_room = history_room(sl->arena, s);
    if (is_moved)
        p->state.history = history;
    if (history != 0) {
        struct history *h = history_at(sl->arena, history);
        *h = (struct history){.series = s->id, .room = n};
        memcpy(h->items, p->items, n * sizeof(p->items[0]));
    } else if (n > 0) {
        words_store(history_at(sl->arena, s->state.history)->items, p->items,
                    n * sizeof(p->items[0]));
    }
    words_store(&s->state, &p->state, sizeof(p->state));
    if (old != 0)
        slots_kind_retire(sl, sw->histories, old, history_bytes(old_room));
    for (uint32_t i = 0; i < p->n_stale_heads; i++) {
        slot items[CHUNK_OPEN_SLOTS_MAX];
        uint32_t n_items = chunk_open_slots(sl->arena, p->stale_heads[i], items);
        slots_open_retire(sl, items, n_items, chunk_open_payload(sl->arena, p->stale_heads[i]));
        slots_unpromise(sl, CHUNK_OPEN_SLOTS_MAX - n_items);
    }
}

void series_seal_newest(const struct series_writer *sw, struct series *s, struct window *w)
{
    struct chunk_writer of_old = sw->chunk;
    of_old.window = w;
    of_old.is_open = false;
    if (w->number >= sw->seal_from)
        (void)chunk_seal(&of_old, &s->state.newest);
}

/* The first chunk of a series, which has no history: there is nothing to plan. */
static int add_first_chunk(struct series_writer *sw, struct series *s, struct window *w,
                           chunk_change change, void *ctx)
{
    struct slots *sl = sw->chunk.slots;
    struct series_state state = s->state;
    if (!slots_add_member(sl, w, s->id))
        return ERR_NO_MEMORY;
    int err = change(ctx, &sw->chunk, &state.newest);
    if (err != 0) {
        slots_drop_member(sl, w, s->id);
        return err;
    }
    words_store(&s->state, &state, sizeof(state));
    atomic_fetch_add_explicit(&w->n_chunks, 1, memory_order_relaxed);
    return 0;
}

/* The chunks that the series had stay where they are until the new one is certain. */
static int add_chunk(struct series_writer *sw, struct series *s, struct window *w,
                     chunk_change change, void *ctx)
{
    struct slots *sl = sw->chunk.slots;
    struct new_state p;
    slot history = 0;
    struct window *newest = window_of_serial(sw->windows, s->state.newest.serial);
    if (newest != NULL && newest->number < w->number)
        series_seal_newest(sw, s, newest);
    plan_chunk(sw, s, w, &p);
    bool needs_new = p.n > 1 && p.n - 1 != history_room(sl->arena, s);
    bool leaves_old = s->state.history != 0 && (needs_new || p.n == 1);
    uint32_t n_leaving = leaves_old + p.n_stale_heads * CHUNK_OPEN_SLOTS_MAX;
    if (n_leaving > 0 && !slots_promise(sl, n_leaving))
        return ERR_NO_MEMORY;
    if (needs_new)
        history = slots_kind_get(sl, sw->histories, history_bytes(p.n - 1));
    bool has_room = history != 0 || !needs_new,
         is_member = has_room && slots_add_member(sl, w, s->id);
    int err = is_member ? 0 : ERR_NO_MEMORY;
    sw->chunk.is_open = p.is_newest;
    for (uint32_t i = 0; err == 0 && i < p.n; i++)
        if (p.items[i].serial == 0)
            err = change(ctx, &sw->chunk, &p.items[i]);
    if (err == 0) {
        enter_chunk(sw, s, &p, history);
        atomic_fetch_add_explicit(&w->n_chunks, 1, memory_order_relaxed);
        return 0;
    }
    if (is_member)
        slots_drop_member(sl, w, s->id);
    if (history != 0)
        slots_kind_put(sl, sw->histories, history, history_bytes(p.n - 1));
    if (n_leaving > 0)
        slots_unpromise(sl, n_leaving);
    return err;
}

int series_change_chunk(struct series_writer *sw, struct series *s, struct window *w,
                        chunk_change change, void *ctx)
{
    const struct arena *a = sw->chunk.slots->arena;
    sw->chunk.window = w;
    sw->chunk.phase = s->state.phase;
    sw->chunk.is_open = true;
    struct chunk *c = series_own_chunk(a, s, w->serial);
    bool is_fresh = s->state.newest.serial == 0 && s->state.history == 0;
    if (c == NULL)
        return is_fresh ? add_first_chunk(sw, s, w, change, ctx) : add_chunk(sw, s, w, change, ctx);
    sw->chunk.is_open = c == &s->state.newest;
    return change(ctx, &sw->chunk, c);
}

void series_drop_gone(struct series_writer *sw, struct series *s)
{
    struct slots *sl = sw->chunk.slots;
    struct new_state p;
    plan_chunk(sw, s, NULL, &p);
    uint32_t n_leaving = 1 + p.n_stale_heads * CHUNK_OPEN_SLOTS_MAX;
    if (p.n == 0 || p.n == s->state.n_history + 1u || !slots_promise(sl, n_leaving))
        return;
    slot history = p.n > 1 ? slots_kind_get(sl, sw->histories, history_bytes(p.n - 1)) : 0;
    if (p.n > 1 && history == 0)
        slots_unpromise(sl, n_leaving);
    else
        enter_chunk(sw, s, &p, history);
}

/* ---- chunks: deleting ---- */

/* The newest chunk has gone: the one before it is the newest now. Its place stays, as that of a
 * chunk whose window has gone does: this needs no memory. */
static void promote(const struct series_writer *sw, struct series *s)
{
    const struct arena *a = sw->chunk.slots->arena;
    static const struct chunk none;
    for (uint32_t i = s->state.n_history; i-- > 0;) {
        struct chunk *c = &history_at(a, s->state.history)->items[i];
        if (window_of_serial(sw->windows, c->serial) == NULL)
            continue;
        words_store(&s->state.newest, c, sizeof(*c));
        words_store(c, &none, sizeof(*c));
        return;
    }
}

static void find_newest_ms(const struct series_writer *sw, struct series *s)
{
    const struct arena *a = sw->chunk.slots->arena;
    const struct window *w = window_of_serial(sw->windows, s->state.newest.serial);
    struct chunk_view v = {.c = s->state.newest};
    uint32_t first, last;
    if (w == NULL)
        return;
    chunk_view_head(a, &v);
    chunk_span(a, sw->chunk.times, &v, &first, &last);
    int64_t newest_ms = window_ms_of(w, last);
    words_store(&s->state.newest_ms, &newest_ms, sizeof(newest_ms));
}

int series_delete(struct series_writer *sw, struct series *s, struct window *w, uint32_t min_time,
                  uint32_t max_time, struct series_deleted *io)
{
    struct chunk *c = series_own_chunk(sw->chunk.slots->arena, s, w->serial);
    uint64_t n = 0;
    if (c == NULL)
        return 0;
    bool is_newest = c == &s->state.newest;
    sw->chunk.window = w;
    sw->chunk.phase = s->state.phase;
    sw->chunk.is_open = is_newest;
    int rc = chunk_delete(&sw->chunk, c, min_time, max_time, &n);
    if (rc < 0 || n == 0)
        return rc;
    io->n_samples += n;
    window_uncount(w, n);
    if (c->serial == 0) {
        io->n_chunks++;
        atomic_fetch_sub_explicit(&w->n_chunks, 1, memory_order_relaxed);
        slots_drop_member(sw->chunk.slots, w, s->id);
        if (is_newest)
            promote(sw, s);
    } else if (c->kind == CHUNK_HEAD) {
        window_reopen(w, s->id); /* it may have had no head before */
    }
    if (is_newest)
        find_newest_ms(sw, s);
    return rc;
}

/* ---- moving ---- */

struct move {
    struct arena *arena;
    struct series_index *index;
};

static bool move_record(void *ctx, slot from, slot to)
{
    const struct move *m = ctx;
    const struct series *s = series_at(m->arena, to);
    (void)from;
    *(slot *)table_at(m->arena, &m->index->by_id, s->id) = to;
    return true;
}

static bool move_history(void *ctx, slot from, slot to)
{
    const struct move *m = ctx;
    slot at = series_of_id(m->arena, m->index, history_at(m->arena, to)->series);
    struct series *s = series_at(m->arena, at);
    ENSURE(at != 0 && s->state.history == from);
    s->state.history = to;
    return true;
}

size_t series_index_compact(struct slots *sl, struct series_index *x, size_t max_records)
{
    struct move m = {sl->arena, x};
    struct strings_mover rows = {sl->arena, &x->rows}; /* nobody reads them without the lock */
    size_t n = kind_compact(sl->arena, &x->rows.slots, NULL, strings_move, &rows, max_records);
    if (n > 0)
        return n;
    pthread_mutex_lock(&sl->lock);
    bool is_wanted = kind_wants_compaction(&x->records) || kind_wants_compaction(&x->histories);
    pthread_mutex_unlock(&sl->lock);
    if (!is_wanted)
        return 0;
    /* A reader of a record that moved would not see what its writers do from then on. Nobody comes
     * in without the lock, so those inside are gone soon; but one who unpacks long series is not,
     * and everybody else waits for the lock. */
    if (!slots_wait_briefly(sl, COMPACT_WAIT_US))
        return 0;
    slots_drain(sl);
    pthread_mutex_lock(&sl->lock);
    n = kind_compact(sl->arena, &x->records, NULL, move_record, &m, max_records);
    n += kind_compact(sl->arena, &x->histories, NULL, move_history, &m, max_records);
    pthread_mutex_unlock(&sl->lock);
    return n;
}

/* Its row is good, and it is found by all that is in it. */
static bool is_found(const struct arena *a, const struct series_index *x,
                     const struct label_index *li, slot at)
{
    const struct series *s = series_at(a, at);
    struct label_row row;
    if (!postings_contains(a, &li->all, s->id) || !strings_has(a, &x->rows, s->id) ||
        !label_row_get(strings_at(a, &x->rows, s->id), &row))
        return false;
    for (uint32_t i = 0; i < row.n; i++) {
        const struct postings *set = pair_postings(a, &li->pairs, row.pairs[i]);
        if (set == NULL || !postings_contains(a, set, s->id))
            return false;
    }
    return series_find(a, x, key_of_row(a, x, li, &row)) == at;
}

bool series_index_check(const struct arena *a, const struct series_index *x,
                        const struct label_index *li)
{
    if (x->n != li->all.n || !series_check_keys(a, x) || !kind_check(a, &x->records) ||
        !kind_check(a, &x->histories) || x->rows.n != x->n || !strings_check(a, &x->rows) ||
        !label_index_check(a, li))
        return false;
    uint32_t n = 0;
    for (uint64_t id = 1; id < x->next_id; id++) {
        slot at = series_of_id(a, x, (uint32_t)id);
        if (at == 0)
            continue;
        if (series_at(a, at)->id != id || !is_found(a, x, li, at))
            return false;
        n++;
    }
    return n == x->n;
}
