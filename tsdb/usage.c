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
    SHARE_SHIFT = 20,        /* shares of symbols are in 1 / 2^20 of a byte */
};

struct pass {
    struct tsdb *db;
    const atomic_bool *cancel;
    struct region *region;
    struct usage *usage;
    struct table bytes; /* of uint64_t: what the series of a pair hold, by the pair's id */
    uint64_t end;       /* ids of series below were there when the pass began */
};

static bool is_canceled(const struct pass *p)
{
    return p->cancel != NULL && atomic_load_explicit(p->cancel, memory_order_relaxed);
}

/* ---- series ---- */

struct slice {
    const struct series *series[SLICE_SERIES]; /* valid inside the epoch */
    uint32_t ids[SLICE_SERIES], n;
    uint32_t windows[WINDOW_SLOTS], n_windows; /* serials */
};

static void look_up_locked(struct pass *p, uint32_t from, struct slice *ret)
{
    struct tsdb *db = p->db;
    ret->n_windows = db->windows.n_live;
    for (uint32_t i = 0; i < ret->n_windows; i++)
        ret->windows[i] = window_live(&db->windows, i)->serial;
    ret->n = postings_slice(db->arena, &db->labels.all, from, ret->ids, SLICE_SERIES);
    for (uint32_t i = 0; i < ret->n; i++)
        ret->series[i] = series_at(db->arena, series_of_id(db->arena, &db->series, ret->ids[i]));
}

static bool have_counter(struct pass *p, uint32_t pair, uint64_t **ret)
{
    size_t bytes = (size_t)p->bytes.n_pages * ARENA_PAGE_BYTES;
    *ret = table_at(p->db->arena, &p->bytes, pair);
    if (*ret == NULL && bytes + ARENA_PAGE_BYTES <= p->region->limit_bytes - p->region->taken_bytes)
        *ret = table_make(p->db->arena, &p->bytes, pair);
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

static bool count_series(struct pass *p, const struct slice *slice, const struct series *s)
{
    struct series_bytes held = {0};
    series_add_bytes(p->db->arena, s, slice->windows, slice->n_windows, &held);
    uint64_t bytes = held.record + held.history + held.chunks + held.open, *counter;
    for (uint32_t i = 0; i < s->n_pairs; i++) {
        if (!have_counter(p, s->pairs[i], &counter))
            return false;
        *counter += bytes;
    }
    p->usage->series_bytes += bytes;
    return true;
}

/* Counts series from *io_next on, which moves behind the last of them; to p->end when that was the
 * last of all. */
static int count_slice(struct pass *p, uint64_t *io_next)
{
    struct slice slice;
    struct tsdb *db = p->db;
    bool is_counted = true;
    uint64_t n_samples = 0;
    uint32_t i = 0;
    pthread_rwlock_rdlock(&db->lock);
    unsigned place = slots_enter(&db->slots);
    look_up_locked(p, (uint32_t)*io_next, &slice);
    pthread_rwlock_unlock(&db->lock);
    *io_next = slice.n > 0 ? *io_next : p->end;
    for (; i < slice.n && n_samples < SLICE_SAMPLES && is_counted; i++) {
        *io_next = (uint64_t)slice.ids[i] + 1;
        if (*io_next > p->end)
            break;
        n_samples += samples_of(db->arena, slice.series[i]);
        is_counted = count_series(p, &slice, slice.series[i]);
    }
    slots_leave(&db->slots, place);
    return is_counted ? 0 : ERR_NO_MEMORY;
}

static int count_all_series(struct pass *p)
{
    int err = 0;
    for (uint64_t next = 0; err == 0 && next < p->end;)
        err = is_canceled(p) ? ERR_CANCELED : count_slice(p, &next);
    return err;
}

/* ---- label names and their pairs ---- */

struct name_sum {
    char text[LABEL_NAME_BYTES_MAX];
    uint32_t n_text, symbol;
    bool is_metric;
    uint64_t n_values, text_bytes;
    uint64_t held; /* in 1 / 2^SHARE_SHIFT of a byte */
};

static uint64_t whole(uint64_t bytes)
{
    return bytes << SHARE_SHIFT;
}

static uint64_t share(const struct symbol *s)
{
    return whole(symbol_slot_bytes(s)) / s->n_refs;
}

/* A text in Prometheus' label sets: its length takes one byte, or four from 255 on. */
static uint64_t stored_bytes(uint32_t n)
{
    return n + (n < 255 ? 1 : 4);
}

static uint64_t series_bytes_of(const struct pass *p, uint32_t pair, const struct postings *set)
{
    uint32_t first = 0;
    const uint64_t *counter = table_at(p->db->arena, &p->bytes, pair);
    bool is_old = postings_slice(p->db->arena, set, 0, &first, 1) > 0 && first < p->end;
    return is_old && counter != NULL ? *counter : 0;
}

static bool add_pair_locked(struct pass *p, struct name_sum *sum, const struct symbol *name,
                            uint32_t id)
{
    struct tsdb *db = p->db;
    struct usage *u = p->usage;
    const struct pair *pair = store_pair(db, id);
    const struct symbol *value = symbol_at(db->arena, &db->labels.symbols, pair->value);
    uint64_t n_series = pair->postings.n, bytes = series_bytes_of(p, id, &pair->postings);
    sum->n_values++;
    sum->text_bytes += (stored_bytes(name->n_bytes) + stored_bytes(value->n_bytes)) * n_series;
    sum->held += whole(kind_slot_bytes(sizeof(*pair))) + share(name) + share(value) +
                 whole(postings_bytes(db->arena, &pair->postings));
    if (sum->is_metric &&
        (!top_offer(&u->series_by_metric, n_series, value->bytes, value->n_bytes, NULL, 0) ||
         !top_offer(&u->bytes_by_metric, bytes, value->bytes, value->n_bytes, NULL, 0)))
        return false;
    return top_offer(&u->series_by_pair, n_series, sum->text, sum->n_text, value->bytes,
                     value->n_bytes) &&
           top_offer(&u->bytes_by_pair, bytes, sum->text, sum->n_text, value->bytes,
                     value->n_bytes);
}

/* The name of sum->symbol, if there still is one and it is the same as before. */
static const struct label_name *find_name_locked(struct pass *p, struct name_sum *sum)
{
    struct tsdb *db = p->db;
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
    sum->held = whole(kind_slot_bytes(sizeof(*name)) + postings_bytes(db->arena, &name->pairs));
    return name;
}

/* Counts pairs of the name from *io_next on; *io_next is 0 after the last. */
static int count_pairs(struct pass *p, struct name_sum *sum, uint32_t *io_next)
{
    struct tsdb *db = p->db;
    uint32_t ids[SLICE_PAIRS], n = 0;
    int err = 0;
    pthread_rwlock_rdlock(&db->lock);
    const struct label_name *name = find_name_locked(p, sum);
    if (name != NULL)
        n = postings_slice(db->arena, &name->pairs, *io_next, ids, SLICE_PAIRS);
    for (uint32_t i = 0; i < n && err == 0; i++) {
        const struct symbol *text = symbol_at(db->arena, &db->labels.symbols, sum->symbol);
        err = add_pair_locked(p, sum, text, ids[i]) ? 0 : ERR_NO_MEMORY;
    }
    pthread_rwlock_unlock(&db->lock);
    *io_next = n == SLICE_PAIRS ? ids[n - 1] + 1 : 0;
    return err;
}

static int count_name(struct pass *p, uint32_t symbol)
{
    struct name_sum sum = {.symbol = symbol};
    struct usage *u = p->usage;
    uint32_t next = 0;
    int err;
    do
        err = is_canceled(p) ? ERR_CANCELED : count_pairs(p, &sum, &next);
    while (err == 0 && next != 0);
    if (err != 0 || sum.n_values == 0)
        return err;
    uint64_t held = (sum.held + whole(1) / 2) >> SHARE_SHIFT;
    u->label_bytes += held;
    bool is_in = top_offer(&u->values_by_name, sum.n_values, sum.text, sum.n_text, NULL, 0) &&
                 top_offer(&u->text_bytes_by_name, sum.text_bytes, sum.text, sum.n_text, NULL, 0) &&
                 top_offer(&u->bytes_by_name, held, sum.text, sum.n_text, NULL, 0);
    return is_in ? 0 : ERR_NO_MEMORY;
}

/* The symbols of all label names; false without memory. */
static bool list_names(struct pass *p, uint32_t **ret, size_t *ret_n)
{
    struct tsdb *db = p->db;
    const struct label_names *names = &db->labels.pairs.names;
    *ret_n = 0;
    pthread_rwlock_rdlock(&db->lock);
    *ret = region_alloc(p->region, names->n * sizeof(**ret));
    for (slot at = 0; *ret != NULL && (at = hash_next(db->arena, &names->by_symbol, at)) != 0;)
        (*ret)[(*ret_n)++] = ((const struct label_name *)slot_ptr(db->arena, at))->symbol;
    pthread_rwlock_unlock(&db->lock);
    return *ret != NULL;
}

static int count_all_names(struct pass *p)
{
    uint32_t *symbols;
    size_t n;
    int err = list_names(p, &symbols, &n) ? 0 : ERR_NO_MEMORY;
    for (size_t i = 0; err == 0 && i < n; i++)
        err = count_name(p, symbols[i]);
    return err;
}

/* ---- the tables ---- */

static int read_all(struct pass *p, size_t max)
{
    struct usage *u = p->usage;
    struct top *const tables[] = {
        &u->series_by_metric, &u->values_by_name, &u->text_bytes_by_name, &u->series_by_pair,
        &u->bytes_by_metric,  &u->bytes_by_name,  &u->bytes_by_pair,
    };
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        top_init(tables[i], p->region, max);
    int err = count_all_series(p);
    if (err == 0)
        err = count_all_names(p);
    for (size_t i = 0; err == 0 && i < ARRAY_LEN(tables); i++)
        top_finish(tables[i]);
    return err;
}

int usage_read(struct tsdb *db, size_t max, const atomic_bool *cancel, struct region *r,
               struct usage *ret)
{
    struct pass p = {.db = db, .cancel = cancel, .region = r, .usage = ret};
    *ret = (struct usage){0};
    table_init(&p.bytes, sizeof(uint64_t), r->owner);
    pthread_rwlock_rdlock(&db->lock);
    p.end = db->series.next_id;
    pthread_rwlock_unlock(&db->lock);
    int err = read_all(&p, max);
    table_release(db->arena, &p.bytes);
    return err;
}
