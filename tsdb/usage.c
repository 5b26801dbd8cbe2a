/* Counting by pair, one pass over the series.
 *
 * A counter a pair is filled on the way through the series, and read on the way through the pairs
 * of each name. Ids of pairs are used again, and between two slices a pair may go and another one
 * take its id. But ids of series are not: a pair whose first series was there when the pass began
 * was there all the time, and its counter is its own; any other pair is new, and counts nothing.
 *
 * Rejected: asking the postings of each pair for its series (each series is then looked at once for
 * each of its labels, a dozen times); a hash of names instead of the array by id (the names of half
 * a million pairs are 20 MB).
 */
#include "tsdb/usage.h"
#include "tsdb/store.h"

#include <string.h>

enum {
    SLICE_SERIES = 1024, /* looked up under one hold of the lock */
    SLICE_PAIRS = 512,
    SLICE_SAMPLES = 1 << 24, /* about as many are counted in one stay inside the epoch */
};

/* ---- series ---- */

struct slice {
    const struct series *series[SLICE_SERIES]; /* valid inside the epoch */
    uint32_t ids[SLICE_SERIES], n;
    uint64_t bytes[SLICE_SERIES]; /* that each of the first n_counted holds beside its row */
    uint32_t n_counted;
    uint32_t windows[WINDOW_SLOTS], n_windows; /* serials */
};

static void look_up_locked(struct usage_walk *w, uint32_t from, struct slice *ret)
{
    struct tsdb *db = w->db;
    ret->n_windows = db->windows.n_live;
    for (uint32_t i = 0; i < ret->n_windows; i++)
        ret->windows[i] = window_live(&db->windows, i)->serial;
    ret->n = postings_slice(db->arena, &db->labels.all, from, ret->ids, SLICE_SERIES);
    for (uint32_t i = 0; i < ret->n; i++)
        ret->series[i] = series_at(db->arena, series_of_id(db->arena, &db->series, ret->ids[i]));
}

static bool have_counter(struct usage_walk *w, uint32_t pair, uint64_t **ret)
{
    size_t bytes = (size_t)w->bytes.n_pages * ARENA_PAGE_BYTES;
    *ret = table_at(w->db->arena, &w->bytes, pair);
    if (*ret == NULL &&
        bytes + ARENA_PAGE_BYTES <=
            w->region->limit_bytes - size_min(w->region->limit_bytes, w->region->taken_bytes))
        *ret = table_make(w->db->arena, &w->bytes, pair);
    return *ret != NULL;
}

static uint64_t samples_of(const struct arena *a, const struct series *s)
{
    struct chunk chunks[SERIES_CHUNKS_MAX];
    uint64_t n_samples = 0;
    for (uint32_t i = series_chunks(a, s, chunks); i-- > 0;)
        n_samples += chunks[i].kind != CHUNK_CONSTANT ? chunks[i].n_samples : 0;
    return n_samples;
}

static void count_chunks(const struct usage_walk *w, struct slice *slice)
{
    const struct arena *a = w->db->arena;
    uint64_t n_samples = 0;
    uint32_t i = 0;
    for (; i < slice->n && slice->ids[i] < w->end && n_samples < SLICE_SAMPLES; i++) {
        struct series_bytes held = {0};
        n_samples += samples_of(a, slice->series[i]);
        series_add_bytes(a, slice->series[i], slice->windows, slice->n_windows, &held);
        slice->bytes[i] = held.record + held.history + held.chunks + held.open;
    }
    slice->n_counted = i;
}

/* Adds a series that is still there to its pairs. */
static bool add_series_locked(struct usage_walk *w, uint32_t id, uint64_t bytes)
{
    const struct series_index *x = &w->db->series;
    struct label_row row;
    uint64_t *counter;
    if (series_of_id(w->db->arena, x, id) == 0)
        return true;
    bytes += series_row_bytes(w->db->arena, x, id);
    series_row(w->db->arena, x, id, &row);
    for (uint32_t i = 0; i < row.n; i++) {
        if (!have_counter(w, row.pairs[i], &counter))
            return false;
        *counter += bytes;
    }
    w->usage->series_bytes += bytes;
    return true;
}

/* Looks a slice up, counts of it what takes a while without the lock, and adds it to its pairs; the
 * next slice begins behind that. */
static int count_slice(struct usage_walk *w)
{
    struct slice slice;
    struct tsdb *db = w->db;
    bool is_counted = true;
    pthread_rwlock_rdlock(&db->lock);
    unsigned place = slots_enter(&db->slots);
    look_up_locked(w, (uint32_t)w->next_series, &slice);
    pthread_rwlock_unlock(&db->lock);
    count_chunks(w, &slice);
    slots_leave(&db->slots, place);
    pthread_rwlock_rdlock(&db->lock);
    for (uint32_t i = 0; i < slice.n_counted && is_counted; i++)
        is_counted = add_series_locked(w, slice.ids[i], slice.bytes[i]);
    pthread_rwlock_unlock(&db->lock);
    w->next_series = slice.n_counted > 0 ? slice.ids[slice.n_counted - 1] + UINT64_C(1) : w->end;
    return is_counted ? 0 : ERR_NO_MEMORY;
}

/* ---- label names and their pairs ---- */

/* A text in Prometheus' label sets: its length takes one byte, or four from 255 on. */
static uint64_t stored_bytes(uint32_t n)
{
    return n + (n < 255 ? 1 : 4);
}

static uint64_t series_bytes_of(const struct usage_walk *w, uint32_t pair,
                                const struct postings *set)
{
    uint32_t first = 0;
    const uint64_t *counter = table_at(w->db->arena, &w->bytes, pair);
    bool is_old = postings_slice(w->db->arena, set, 0, &first, 1) > 0 && first < w->end;
    return is_old && counter != NULL ? *counter : 0;
}

/* What grows: series that are new. */
static bool add_new_locked(struct usage_walk *w, const struct usage_name *sum,
                           const struct pair *pair, const struct postings *set)
{
    struct usage *u = w->usage;
    uint64_t n = postings_count_from(w->db->arena, set, w->first_new);
    if (n == 0)
        return true;
    u->n_new += sum->is_metric ? n : 0;
    if (sum->is_metric && !top_offer(&u->new_by_metric, n, pair->value, pair->n_bytes, NULL, 0))
        return false;
    return top_offer(&u->new_by_pair, n, sum->text, sum->n_text, pair->value, pair->n_bytes);
}

static bool add_pair_locked(struct usage_walk *w, struct usage_name *sum, const struct symbol *name,
                            uint32_t id)
{
    struct tsdb *db = w->db;
    struct usage *u = w->usage;
    const struct pair pair = store_pair(db, id);
    const struct postings *set = store_postings(db, id);
    uint64_t n_series = set->n, bytes = series_bytes_of(w, id, set);
    sum->n_values++;
    sum->text_bytes += (stored_bytes(name->n_bytes) + stored_bytes(pair.n_bytes)) * n_series;
    sum->held += pair_bytes(db->arena, &db->labels.pairs, id) + sizeof(*set) +
                 postings_bytes(db->arena, set);
    if (sum->is_metric &&
        (!top_offer(&u->series_by_metric, n_series, pair.value, pair.n_bytes, NULL, 0) ||
         !top_offer(&u->bytes_by_metric, bytes, pair.value, pair.n_bytes, NULL, 0)))
        return false;
    return add_new_locked(w, sum, &pair, set) &&
           top_offer(&u->series_by_pair, n_series, sum->text, sum->n_text, pair.value,
                     pair.n_bytes) &&
           top_offer(&u->bytes_by_pair, bytes, sum->text, sum->n_text, pair.value, pair.n_bytes);
}

/* The name of sum->symbol, if there still is one and it is the same as before. */
static const struct label_name *find_name_locked(struct usage_walk *w, struct usage_name *sum)
{
    struct tsdb *db = w->db;
    const struct label_name *name =
        label_name_find(db->arena, &db->labels.pairs.names, sum->symbol);
    if (name == NULL)
        return NULL;
    const struct symbol *s = symbol_at(db->arena, &db->labels.symbols, sum->symbol);
    if (sum->n_text > 0)
        return bytes_compare(s->bytes, s->n_bytes, sum->text, sum->n_text) == 0 ? name : NULL;
    memcpy(sum->text, s->bytes, s->n_bytes);
    sum->n_text = s->n_bytes;
    sum->is_metric =
        bytes_compare(s->bytes, s->n_bytes, LABEL_METRIC_NAME, strlen(LABEL_METRIC_NAME)) == 0;
    sum->held = symbol_slot_bytes(s) + kind_slot_bytes(sizeof(*name)) +
                postings_bytes(db->arena, &name->pairs);
    return name;
}

/* Counts a slice of the name's pairs. */
static int count_pairs(struct usage_walk *w, struct usage_name *sum)
{
    struct tsdb *db = w->db;
    uint32_t ids[SLICE_PAIRS], n = 0;
    int err = 0;
    pthread_rwlock_rdlock(&db->lock);
    const struct label_name *name = find_name_locked(w, sum);
    if (name != NULL)
        n = postings_slice(db->arena, &name->pairs, sum->next_pair, ids, SLICE_PAIRS);
    for (uint32_t i = 0; i < n && err == 0; i++) {
        const struct symbol *text = symbol_at(db->arena, &db->labels.symbols, sum->symbol);
        err = add_pair_locked(w, sum, text, ids[i]) ? 0 : ERR_NO_MEMORY;
    }
    pthread_rwlock_unlock(&db->lock);
    sum->is_over = n < SLICE_PAIRS;
    sum->next_pair = n > 0 ? ids[n - 1] + 1 : 0;
    return err;
}

static bool offer_name(struct usage_walk *w, const struct usage_name *sum)
{
    struct usage *u = w->usage;
    if (sum->n_values == 0)
        return true; /* gone before it was its turn */
    u->label_bytes += sum->held;
    return top_offer(&u->values_by_name, sum->n_values, sum->text, sum->n_text, NULL, 0) &&
           top_offer(&u->text_bytes_by_name, sum->text_bytes, sum->text, sum->n_text, NULL, 0) &&
           top_offer(&u->bytes_by_name, sum->held, sum->text, sum->n_text, NULL, 0);
}

static int count_name(struct usage_walk *w)
{
    if (w->name.is_over)
        w->name = (struct usage_name){0};
    w->name.symbol = w->names[w->next_name];
    int err = count_pairs(w, &w->name);
    if (err != 0 || !w->name.is_over)
        return err;
    w->next_name++;
    return offer_name(w, &w->name) ? 0 : ERR_NO_MEMORY;
}

/* The symbols of all label names; false without memory. */
static bool list_names(struct usage_walk *w)
{
    struct tsdb *db = w->db;
    const struct label_names *names = &db->labels.pairs.names;
    pthread_rwlock_rdlock(&db->lock);
    w->names = region_alloc(w->region, names->n * sizeof(*w->names));
    for (slot at = 0; w->names != NULL && (at = hash_next(db->arena, &names->by_symbol, at)) != 0;)
        w->names[w->n_names++] = ((const struct label_name *)slot_ptr(db->arena, at))->symbol;
    pthread_rwlock_unlock(&db->lock);
    return w->names != NULL;
}

/* ---- the walk ---- */

enum { TABLES = 9 };

static void list_tables(struct usage *u, struct top *ret[TABLES])
{
    struct top *tables[TABLES] = {
        &u->series_by_metric, &u->values_by_name,  &u->text_bytes_by_name,
        &u->series_by_pair,   &u->bytes_by_metric, &u->bytes_by_name,
        &u->bytes_by_pair,    &u->new_by_metric,   &u->new_by_pair,
    };
    memcpy(ret, tables, sizeof(tables));
}

void usage_walk_begin(struct usage_walk *w, struct tsdb *db, size_t max, struct region *r,
                      struct usage *ret)
{
    struct top *tables[TABLES];
    *ret = (struct usage){0};
    *w = (struct usage_walk){.db = db, .region = r, .usage = ret};
    table_init(&w->bytes, sizeof(uint64_t), r->owner);
    list_tables(ret, tables);
    for (size_t i = 0; i < TABLES; i++)
        top_init(tables[i], r, max);
    pthread_rwlock_rdlock(&db->lock);
    w->end = db->series.next_id;
    w->first_new = growth_first_id(&db->growth);
    pthread_rwlock_unlock(&db->lock);
}

int usage_walk_step(struct usage_walk *w)
{
    struct top *tables[TABLES];
    int err = 0;
    if (w->next_series < w->end)
        err = count_slice(w);
    else if (w->names == NULL)
        err = list_names(w) ? 0 : ERR_NO_MEMORY;
    else if (w->next_name < w->n_names)
        err = count_name(w);
    if (err != 0 || w->next_series < w->end || w->names == NULL || w->next_name < w->n_names)
        return err != 0 ? err : 1;
    list_tables(w->usage, tables);
    for (size_t i = 0; i < TABLES; i++)
        top_finish(tables[i]);
    return 0;
}

void usage_walk_end(struct usage_walk *w)
{
    table_release(w->db->arena, &w->bytes);
}

int usage_read(struct tsdb *db, size_t max, const atomic_bool *cancel, struct region *r,
               struct usage *ret)
{
    struct usage_walk w;
    int rc = 1;
    usage_walk_begin(&w, db, max, r, ret);
    while (rc == 1) {
        bool is_canceled = cancel != NULL && atomic_load_explicit(cancel, memory_order_relaxed);
        rc = is_canceled ? ERR_CANCELED : usage_walk_step(&w);
    }
    usage_walk_end(&w);
    return rc;
}
