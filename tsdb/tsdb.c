/* The store as a whole: its life, the turning of windows, its figures.
 *
 * The turn. Time leaves a window behind; store_turn_locked takes it out of sight, which is a matter
 * of moving one entry. Its memory is still needed for one thing: its list of chunks names the
 * series that may have had nothing else. store_sweep_locked walks that list in slices, removes the
 * series that are dead, shortens the histories of those that are silent, and returns the pages when
 * it is through. So neither writers nor queries wait longer than for one slice.
 */
#include "tsdb/store.h"

#include <string.h>

int tsdb_new(const struct tsdb_options *o, struct arena *a, struct tsdb **ret)
{
    ENSURE(o->window_ms >= WINDOW_MS_MIN && o->window_ms <= WINDOW_MS_MAX &&
           o->n_windows >= WINDOWS_MIN && o->n_windows <= WINDOWS_MAX);
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
    windows_init(&db->windows, o->window_ms, budget_owner(b, "chunks"), tables);
    atomic_init(&db->readable_from_ms, INT64_MIN);
    slots_init(&db->slots, a, budget_owner(b, "tails"), budget_owner(b, "retired"));
    series_index_init(&db->series, budget_owner(b, "series"), budget_owner(b, "labels"), tables);
    series_hash_init(&db->series.hash, o->hash_key);
    const struct label_index_owners owners = {.symbols = budget_owner(b, "symbols"),
                                              .pairs = budget_owner(b, "pairs"),
                                              .postings = budget_owner(b, "postings"),
                                              .tables = tables};
    label_index_init(&db->labels, &owners);
    exemplars_init(&db->exemplars, a, budget_owner(b, "exemplars"), o->max_exemplars);
    clock_init(&db->clock, &db->options);
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&db->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    *ret = db;
    return 0;
}

void tsdb_free(struct tsdb *db)
{
    if (db == NULL)
        return;
    struct arena *a = db->arena;
    slots_release(&db->slots);
    while (db->windows.n_live > 0)
        window_expire(&db->windows, window_live(&db->windows, 0));
    for (struct window *w; (w = window_expiring(&db->windows)) != NULL;)
        window_free(a, &db->windows, w);
    series_index_release(a, &db->series);
    label_index_release(a, &db->labels);
    exemplars_release(&db->exemplars);
    pthread_rwlock_destroy(&db->lock);
    arena_span_put(a, db->owner, db, sizeof(*db));
}

const struct tsdb_options *tsdb_options(const struct tsdb *db)
{
    return &db->options;
}

const struct series_hash *tsdb_series_hash(const struct tsdb *db)
{
    return &db->series.hash;
}

struct exemplars *tsdb_exemplars(struct tsdb *db)
{
    return &db->exemplars;
}

struct arena *tsdb_arena(const struct tsdb *db)
{
    return db->arena;
}

int64_t tsdb_now_ms(struct tsdb *db)
{
    return clock_now_ms(&db->clock);
}

int64_t tsdb_window_of(const struct tsdb *db, int64_t t_ms)
{
    return clock_window_of(&db->clock, t_ms);
}

/* ---- windows ---- */

void store_make_room_locked(struct tsdb *db)
{
    while (!store_has_room_locked(db)) {
        (void)store_sweep_locked(db, SIZE_MAX);
        slots_wait(&db->slots);
    }
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

struct series_writer store_writer(struct tsdb *db, struct times_cache *times)
{
    return (struct series_writer){
        .windows = &db->windows,
        .histories = &db->series.histories,
        .chunk = {.slots = &db->slots,
                  .recent = &db->recent,
                  .shared = &db->shared,
                  .times = times},
        .seal_from = INT64_MIN,
    };
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

bool tsdb_drop_oldest(struct tsdb *db, struct tsdb_dropped *ret)
{
    pthread_rwlock_wrlock(&db->lock);
    struct window *oldest = db->windows.n_live > 0 ? window_live(&db->windows, 0) : NULL;
    int64_t present = clock_window_of(&db->clock, clock_now_ms(&db->clock));
    bool is_free_to_go = oldest != NULL && db->windows.n_expiring == 0 && oldest->number < present;
    if (is_free_to_go) {
        *ret = (struct tsdb_dropped){
            .start_ms = oldest->start_ms,
            .samples = oldest->n_samples,
            .bytes = window_page_bytes(oldest),
        };
        clock_raise_floor(&db->clock, oldest->number + 1);
        window_expire(&db->windows, oldest);
    }
    pthread_rwlock_unlock(&db->lock);
    return is_free_to_go;
}

void store_remove_series_locked(struct tsdb *db, slot series)
{
    series_remove(&db->slots, &db->series, &db->labels, series);
    store_count(db, N_SERIES_REMOVED, 1);
}

void store_unmake_series_locked(struct tsdb *db, slot series)
{
    series_remove(&db->slots, &db->series, &db->labels, series);
    atomic_fetch_sub_explicit(&db->counters[N_SERIES_CREATED], 1, memory_order_relaxed);
}

/* Whether nothing came to the series in the newest window and the one before. One that is written
 * to moves on soon, and drops what has gone then. */
static bool is_silent(struct tsdb *db, const struct series *s)
{
    struct windows *ws = &db->windows;
    for (uint32_t n = 1; n <= 2 && n <= ws->n_live; n++)
        if (window_live(ws, ws->n_live - n)->serial == s->state.newest.serial)
            return false;
    return true;
}

/* Removes what died with the window, and shortens what is silent, n_max members at most; true when
 * it is through. */
static bool sweep_members(struct tsdb *db, struct window *w, size_t n_max)
{
    struct series_writer sw = store_writer(db, NULL);
    for (; n_max > 0; n_max--) {
        uint64_t id = window_next_member(db->arena, w, w->next_member, db->series.next_id);
        if (id == UINT64_MAX)
            return true;
        slot at = series_of_id(db->arena, &db->series, (uint32_t)id);
        struct series *s = at != 0 ? series_at(db->arena, at) : NULL;
        if (s != NULL && s->state.newest.serial == w->serial) {
            store_remove_series_locked(db, at);
        } else if (s != NULL && is_silent(db, s)) {
            version_lock(&s->version);
            series_drop_gone(&sw, s);
            version_unlock(&s->version);
        }
        w->next_member = id + 1;
    }
    return false;
}

bool store_sweep_locked(struct tsdb *db, size_t n_max)
{
    struct window *w = window_expiring(&db->windows);
    if (w == NULL)
        return false;
    if (!w->is_swept) {
        w->is_swept = sweep_members(db, w, n_max);
        if (!w->is_swept)
            return true;
        slots_drain(&db->slots); /* what waits of the window must carry an earlier stamp */
        w->left_epoch = epoch_stamp(&db->slots.epoch);
    }
    if (epoch_oldest(&db->slots.epoch) <= w->left_epoch)
        return false; /* a reader may still see its chunks */
    slots_drain(&db->slots);
    uint64_t n_chunks = w->n_chunks;
    if (!window_free_some(db->arena, &db->windows, w, n_max))
        return true;
    store_count(db, N_CHUNKS_REMOVED, n_chunks);
    return db->windows.n_expiring > 0;
}

static void seal_newest(struct tsdb *db, struct series *s, struct window *w,
                        struct times_cache *times)
{
    struct series_writer sw = store_writer(db, times);
    sw.chunk.window = w;
    sw.chunk.is_open = false;
    version_lock(&s->version);
    if (s->state.newest.serial == w->serial)
        (void)chunk_seal(&sw.chunk, &s->state.newest); /* without memory it only stays larger */
    version_unlock(&s->version);
}

/* A window with series to look at, or NULL. The newest one is never. */
static struct window *window_to_seal(struct tsdb *db)
{
    int64_t now_ms = clock_now_ms(&db->clock);
    for (uint32_t i = 0; i + 1 < db->windows.n_live; i++) {
        struct window *w = window_live(&db->windows, i);
        int64_t due_ms;
        if (w->next_to_seal == UINT64_MAX ||
            __builtin_add_overflow(w->start_ms, db->options.window_ms, &due_ms) ||
            __builtin_add_overflow(due_ms, db->options.out_of_order_ms, &due_ms))
            continue;
        if (now_ms >= due_ms)
            return w;
    }
    return NULL;
}

bool store_seal_silent(struct tsdb *db, size_t n_max)
{
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache times;
    times_cache_init(&times, items, TIMES_CACHE_WRITER);
    pthread_rwlock_rdlock(&db->lock);
    unsigned place = slots_enter(&db->slots);
    struct window *w = window_to_seal(db);
    for (; w != NULL && n_max > 0; n_max--) {
        uint64_t from = w->next_to_seal;
        uint64_t id = slots_next_member(&db->slots, w, from, db->series.next_id);
        uint64_t next = id == UINT64_MAX ? id : id + 1;
        /* a series that came back meanwhile has set it back, and is looked at again */
        atomic_compare_exchange_strong(&w->next_to_seal, &from, next);
        if (id == UINT64_MAX)
            break;
        slot at = series_of_id(db->arena, &db->series, (uint32_t)id);
        if (at != 0)
            seal_newest(db, series_at(db->arena, at), w, &times);
    }
    slots_leave(&db->slots, place);
    pthread_rwlock_unlock(&db->lock);
    slots_drain(&db->slots);
    return w != NULL;
}

void tsdb_tick(struct tsdb *db)
{
    for (int n = 0; n < SEAL_SLICES_MAX && store_seal_silent(db, EXPIRE_SLICE_SERIES); n++)
        ; /* the rest at the next tick: somebody may write to ended windows all the time */
    bool has_more = true;
    while (has_more) {
        pthread_rwlock_wrlock(&db->lock);
        growth_note(&db->growth, clock_running_ms(&db->clock), db->series.next_id);
        store_turn_locked(db);
        has_more = store_sweep_locked(db, EXPIRE_SLICE_SERIES);
        if (label_index_compact(db->arena, &db->labels, COMPACT_SLICE_RECORDS) > 0)
            has_more = true;
        if (series_index_compact(&db->slots, &db->series, COMPACT_SLICE_RECORDS) > 0)
            has_more = true;
        pthread_rwlock_unlock(&db->lock);
        slots_drain(&db->slots);
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
        .changes = atomic_load_explicit(&w->n_changes, memory_order_acquire),
        .bytes = window_page_bytes(w),
        .payload_bytes = w->payload_bytes,
        .shared = w->n_shared,
    };
    for (unsigned c = 0; c < SIZE_CLASSES; c++) {
        ret->classes[c].pages = w->classes[c].n_pages;
        ret->classes[c].used = w->classes[c].n_used;
    }
    for (unsigned c = 0; c < CRUMB_SIZES; c++) {
        ret->classes[SIZE_CLASSES + c].pages = w->crumbs[c].n_pages;
        ret->classes[SIZE_CLASSES + c].used = w->crumbs[c].n_used;
    }
}

static uint64_t add_pool_waste(const struct pool *p, struct tsdb_stats *ret)
{
    uint64_t used_bytes = (uint64_t)p->n_used * p->slot_bytes;
    ret->free_slot_bytes += (uint64_t)p->n_pages * ARENA_PAGE_BYTES - used_bytes;
    return used_bytes;
}

static void add_window_waste(const struct window *w, struct tsdb_stats *ret)
{
    uint64_t used_bytes = 0;
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        used_bytes += add_pool_waste(&w->classes[c], ret);
    for (unsigned c = 0; c < CRUMB_SIZES; c++)
        used_bytes += add_pool_waste(&w->crumbs[c], ret);
    ret->slack_bytes += used_bytes - w->payload_bytes;
}

static void live_window_figures(struct tsdb *db, struct tsdb_stats *ret)
{
    for (uint32_t i = 0; i < db->windows.n_live; i++) {
        const struct window *w = window_live(&db->windows, i);
        if (w->n_chunks == 0)
            continue;
        struct tsdb_window_stats *figures = &ret->windows[ret->n_windows++];
        window_figures(db, w, figures);
        figures->samples = (uint64_t)i64_max((int64_t)figures->samples, 0); /* window_uncount */
        add_window_waste(w, ret);
        ret->samples += figures->samples;
        ret->chunks += w->n_chunks;
        ret->min_ms = i64_min(ret->min_ms, w->min_ms);
        ret->max_ms = i64_max(ret->max_ms, w->max_ms);
    }
}

static void add_open_figures(const struct tsdb *db, struct tsdb_stats *ret)
{
    const struct pool *p = &db->slots.open;
    ret->open.pages = p->n_pages;
    ret->open.used = p->n_used;
    /* batches that are under way count some of theirs at their end */
    int64_t payload = (int64_t)atomic_load_explicit(&db->slots.open_payload, memory_order_relaxed);
    ret->open_payload_bytes = (uint64_t)i64_max(payload, 0);
    ret->slack_bytes += add_pool_waste(p, ret) - ret->open_payload_bytes;
}

static void add_record_figures(const struct tsdb *db, struct tsdb_stats *ret)
{
    struct label_index_bytes labels = label_index_free_bytes(&db->labels);
    ret->free_series_bytes =
        kind_free_bytes(&db->series.records) + kind_free_bytes(&db->series.histories);
    ret->free_label_bytes = kind_free_bytes(&db->series.rows.slots);
    ret->free_symbol_bytes = labels.symbols;
    ret->free_pair_bytes = labels.pairs;
    ret->free_posting_bytes = labels.postings;
    ret->free_slot_bytes += ret->free_series_bytes + ret->free_label_bytes + labels.symbols +
                            labels.pairs + labels.postings;
}

static void counter_figures(struct tsdb *db, struct tsdb_stats *ret)
{
    uint64_t *const to[STORE_COUNTERS] = {
        [N_SERIES_CREATED] = &ret->series_created,
        [N_SERIES_REMOVED] = &ret->series_removed,
        [N_CHUNKS_CREATED] = &ret->chunks_created,
        [N_CHUNKS_REMOVED] = &ret->chunks_removed,
        [N_SAMPLES_APPENDED] = &ret->samples_appended,
        [N_SAMPLES_LATE] = &ret->samples_late,
        [N_SAMPLES_DUPLICATE] = &ret->samples_duplicate,
        [N_SAMPLES_DELETED] = &ret->samples_deleted,
        [N_REFUSED_TOO_OLD] = &ret->refused_too_old,
        [N_REFUSED_TOO_FAR_AHEAD] = &ret->refused_too_far_ahead,
        [N_REFUSED_OUT_OF_ORDER] = &ret->refused_out_of_order,
        [N_REFUSED_DUPLICATE] = &ret->refused_duplicate,
        [N_REFUSED_LIMIT] = &ret->refused_limit,
        [N_REFUSED_MEMORY] = &ret->refused_memory,
        [N_REFUSED_ROOM] = &ret->refused_room,
    };
    for (unsigned i = 0; i < STORE_COUNTERS; i++)
        *to[i] = atomic_load_explicit(&db->counters[i], memory_order_relaxed);
}

static uint64_t index_bytes(struct budget *b)
{
    static const char *const rows[] = {"series", "symbols", "pairs", "postings", "tables"};
    uint64_t bytes = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        bytes += atomic_load(&b->rows[budget_owner(b, rows[i])].bytes);
    return bytes;
}

void tsdb_stats(struct tsdb *db, struct tsdb_stats *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->min_ms = INT64_MAX;
    ret->max_ms = INT64_MIN;
    slots_drain(&db->slots);
    pthread_rwlock_rdlock(&db->lock);
    pthread_mutex_lock(&db->slots.lock);
    live_window_figures(db, ret);
    add_open_figures(db, ret);
    ret->series = db->series.n;
    ret->index_bytes = index_bytes(db->arena->budget);
    counter_figures(db, ret);
    ret->symbols = db->labels.symbols.n;
    ret->pairs = db->labels.pairs.n;
    add_record_figures(db, ret);
    pthread_mutex_unlock(&db->slots.lock);
    pthread_rwlock_unlock(&db->lock);
}

static bool has_footprint(const struct window *w, const struct chunk_footprint *f)
{
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        if (w->classes[c].n_used != f->slots[c])
            return false;
    for (unsigned c = 0; c < CRUMB_SIZES; c++)
        if (w->crumbs[c].n_used != f->crumbs[c])
            return false;
    return w->payload_bytes == f->payload_bytes;
}

/* One series' chunk in a window, recounted. */
static bool check_chunk(struct tsdb *db, const struct window *w, const struct series *s,
                        struct times_cache *times, struct chunk_footprint *io, uint64_t *io_samples)
{
    struct chunk_view v;
    uint32_t first, last;
    if (!series_view(db->arena, s, w->serial, &v) || !chunk_check(db->arena, times, &v))
        return false;
    chunk_span(db->arena, times, &v, &first, &last);
    chunk_add_footprint(db->arena, &v, io);
    *io_samples += v.c.n_samples;
    return last < db->options.window_ms;
}

static bool check_shared(const struct tsdb *db, const struct window *w, struct chunk_footprint *io)
{
    uint32_t n = 0;
    for (slot s = w->last_shared; s != 0; s = shared_at(db->arena, s)->before, n++) {
        if (!shared_check(db->arena, s, w->serial))
            return false;
        shared_add_footprint(db->arena, s, io);
    }
    return n == w->n_shared;
}

static bool check_window(struct tsdb *db, const struct window *w, struct chunk_footprint *io_open)
{
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache times;
    struct chunk_footprint footprint = {0};
    uint64_t n_chunks = 0, n_samples = 0;
    times_cache_init(&times, items, TIMES_CACHE_WRITER);
    for (uint64_t id = 0;; id++) {
        id = window_next_member(db->arena, w, id, db->series.next_id);
        if (id == UINT64_MAX)
            break;
        slot at = series_of_id(db->arena, &db->series, (uint32_t)id);
        if (at == 0)
            return false;
        if (!check_chunk(db, w, series_at(db->arena, at), &times, &footprint, &n_samples))
            return false;
        n_chunks++;
    }
    uint32_t n_timelines = 0;
    for (slot t = w->last_timeline; t != 0; t = timeline_at(db->arena, t)->before, n_timelines++) {
        if (!timeline_check(db->arena, t))
            return false;
        timeline_add_footprint(db->arena, t, &footprint);
    }
    io_open->open_slots += footprint.open_slots;
    io_open->open_payload_bytes += footprint.open_payload_bytes;
    return check_shared(db, w, &footprint) && n_chunks == w->n_chunks &&
           n_samples == w->n_samples && n_timelines == w->n_timelines &&
           has_footprint(w, &footprint);
}

/* Every chunk of a series is noted as one of a member, and in the order of the windows. Adds the
 * heads of those whose window has gone. */
static bool check_series(struct tsdb *db, const struct series *s, struct chunk_footprint *io_open)
{
    struct chunk chunks[SERIES_CHUNKS_MAX];
    uint32_t n = series_chunks(db->arena, s, chunks);
    int64_t before = INT64_MAX;
    for (uint32_t i = 0; i < n; i++) {
        const struct window *w = window_of_serial(&db->windows, chunks[i].serial);
        if (w == NULL) {
            if (chunks[i].kind == CHUNK_HEAD) {
                slot items[CHUNK_OPEN_SLOTS_MAX];
                io_open->open_slots += chunk_open_slots(db->arena, chunks[i].at, items);
                io_open->open_payload_bytes += chunk_open_payload(db->arena, chunks[i].at);
            }
            continue;
        }
        if (w->number >= before || window_next_member(db->arena, w, s->id, s->id + 1) != s->id)
            return false;
        before = w->number;
    }
    return true;
}

bool tsdb_check(struct tsdb *db)
{
    struct chunk_footprint open = {0};
    slots_drain(&db->slots);
    pthread_rwlock_wrlock(&db->lock);
    bool is_good = windows_check(db->arena, &db->windows) && limbo_is_empty(&db->slots.limbo) &&
                   db->slots.n_promised == 0 &&
                   series_index_check(db->arena, &db->series, &db->labels);
    for (uint32_t i = 0; is_good && i < db->windows.n_live; i++)
        is_good = check_window(db, window_live(&db->windows, i), &open);
    for (uint64_t id = 1; is_good && id < db->series.next_id; id++) {
        slot at = series_of_id(db->arena, &db->series, (uint32_t)id);
        is_good = at == 0 || check_series(db, series_at(db->arena, at), &open);
    }
    is_good = is_good && pool_check(db->arena, &db->slots.open) &&
              open.open_slots == db->slots.open.n_used &&
              open.open_payload_bytes == db->slots.open_payload;
    pthread_rwlock_unlock(&db->lock);
    return is_good;
}
