/* Reading: everything that a query needs is copied out, slice by slice.
 *
 * Ids are resolved against the index once, under one hold of the lock. Then a slice of series at a
 * time is looked up again by id (one that has gone in the meantime is skipped: ids are never
 * reused) and its labels and samples are copied to the caller's region. So a query over a hundred
 * thousand series makes a writer wait for one slice, and computes on memory that nobody else
 * touches.
 */
#include "tsdb/read.h"
#include "tsdb/id_set.h"
#include "tsdb/store.h"

#include <stdlib.h>
#include <string.h>

enum {
    SLICE_SERIES = 64,   /* of samples: a millisecond or so */
    SLICE_LABELS = 1024, /* of label sets alone */
};

static bool is_canceled(const struct read_options *o)
{
    return o->cancel != NULL && atomic_load_explicit(o->cancel, memory_order_relaxed);
}

/* ---- copies ---- */

static bool copy_label(struct region *r, const struct label *from, struct label *to)
{
    char *bytes = region_alloc(r, (size_t)from->name_len + from->value_len);
    if (bytes == NULL)
        return false;
    memcpy(bytes, from->name, from->name_len);
    memcpy(bytes + from->name_len, from->value, from->value_len);
    *to = (struct label){bytes, bytes + from->name_len, from->name_len, from->value_len};
    return true;
}

static bool copy_labels(const struct tsdb *db, const struct series *s, struct region *r,
                        struct labels *ret)
{
    struct label *items = region_alloc(r, s->n_pairs * sizeof(*items));
    if (items == NULL)
        return false;
    for (uint32_t i = 0; i < s->n_pairs; i++) {
        struct label l = series_label(db->arena, &db->labels, s, i);
        if (!copy_label(r, &l, &items[i]))
            return false;
    }
    *ret = (struct labels){items, s->n_pairs};
    return true;
}

/* The series' chunks, oldest first; returns how many. */
static uint32_t list_chunks(struct tsdb *db, const struct series *s, slot ret[WINDOW_SLOTS])
{
    uint32_t n = 0;
    struct window *w;
    for (slot c = series_newest_chunk(&db->windows, s, &w); c != 0;
         c = chunk_before(db->arena, &db->windows, c, &w))
        ret[n++] = c;
    for (uint32_t i = 0; i < n / 2; i++) {
        slot swap = ret[i];
        ret[i] = ret[n - 1 - i];
        ret[n - 1 - i] = swap;
    }
    return n;
}

bool store_series_overlaps_locked(struct tsdb *db, const struct series *s, int64_t min_ms,
                                  int64_t max_ms)
{
    struct window *w;
    for (slot at = series_newest_chunk(&db->windows, s, &w); at != 0;
         at = chunk_before(db->arena, &db->windows, at, &w)) {
        const struct chunk *c = chunk_at(db->arena, at);
        if (chunk_last_ms(db->arena, c) < min_ms)
            return false;
        if (chunk_first_ms(db->arena, c) <= max_ms)
            return true;
    }
    return false;
}

/* ---- samples ---- */

struct selection {
    struct tsdb *db;
    const struct read_options *options;
    struct region *region;
    struct read_set set;
    uint64_t n_samples;
};

static int copy_samples(struct selection *sel, const struct series *s, struct read_series *ret)
{
    const struct read_options *o = sel->options;
    const struct arena *a = sel->db->arena;
    slot chunks[WINDOW_SLOTS];
    uint32_t n_chunks = list_chunks(sel->db, s, chunks);
    size_t room = 0;
    for (uint32_t i = 0; i < n_chunks; i++)
        room += chunk_samples_between(a, chunk_at(a, chunks[i]), o->min_ms, o->max_ms);
    ret->n = 0;
    if (room == 0)
        return 0;
    ret->t_ms = region_alloc(sel->region, room * sizeof(*ret->t_ms));
    ret->values = region_alloc(sel->region, room * sizeof(*ret->values));
    if (ret->t_ms == NULL || ret->values == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < n_chunks; i++)
        ret->n += chunk_read(a, chunk_at(a, chunks[i]), o->min_ms, o->max_ms, &ret->t_ms[ret->n],
                             &ret->values[ret->n]);
    sel->n_samples += ret->n;
    if (o->max_samples != 0 && sel->n_samples > o->max_samples)
        return ERR_TOO_MANY_SAMPLES;
    return 0;
}

static int copy_series(struct selection *sel, uint32_t id)
{
    slot at = series_of_id(sel->db->arena, &sel->db->series, id);
    if (at == 0)
        return 0;
    const struct series *s = series_at(sel->db->arena, at);
    struct read_series *out = &sel->set.series[sel->set.n];
    int err = copy_samples(sel, s, out);
    if (err != 0 || out->n == 0)
        return err;
    if (!copy_labels(sel->db, s, sel->region, &out->labels))
        return ERR_NO_MEMORY;
    sel->set.n++;
    return 0;
}

static int copy_slice(struct selection *sel, const uint32_t *ids, size_t n)
{
    int err = 0;
    pthread_rwlock_rdlock(&sel->db->lock);
    for (size_t i = 0; err == 0 && i < n; i++)
        err = copy_series(sel, ids[i]);
    pthread_rwlock_unlock(&sel->db->lock);
    return err;
}

int read_select(struct tsdb *db, const struct matcher_set *set, const struct read_options *o,
                struct region *r, struct read_set *ret)
{
    struct selection sel = {.db = db, .options = o, .region = r};
    uint32_t *ids = NULL;
    size_t n = 0;
    pthread_rwlock_rdlock(&db->lock);
    int err = store_select_locked(db, set, r, &ids, &n);
    pthread_rwlock_unlock(&db->lock);
    if (err != 0)
        return err;
    sel.set.series = region_alloc(r, n * sizeof(*sel.set.series));
    if (sel.set.series == NULL)
        return ERR_NO_MEMORY;
    for (size_t from = 0; err == 0 && from < n; from += SLICE_SERIES)
        err = is_canceled(o) ? ERR_CANCELED
                             : copy_slice(&sel, &ids[from], size_min(SLICE_SERIES, n - from));
    if (err == 0)
        *ret = sel.set;
    return err;
}

/* ---- label sets, names, values: one walk over the series, three things to do with each ---- */

struct walk {
    struct tsdb *db;
    const struct read_options *options;
    struct region *region;
    int (*visit)(struct walk *w, const struct series *s);
    struct labels *sets; /* read_label_sets */
    size_t n_sets;
    const char *name; /* read_label_values */
    size_t name_len;
    struct text_set *texts;
};

static int list_ids(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                    struct region *r, uint32_t **ret, size_t *ret_n)
{
    static const struct matcher_set everything = {NULL, 0};
    if (n_sets <= 1)
        return store_select_locked(db, n_sets == 0 ? &everything : sets, r, ret, ret_n);
    struct id_set ids;
    if (!id_set_init(&ids, r, db->series.next_id))
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < n_sets; i++) {
        struct region_mark mark = region_mark(r);
        uint32_t *some = NULL;
        size_t n = 0;
        int err = store_select_locked(db, &sets[i], r, &some, &n);
        if (err != 0)
            return err;
        for (size_t k = 0; k < n; k++)
            id_set_add(&ids, some[k]);
        region_rewind(r, mark);
    }
    *ret_n = ids.n;
    return id_set_list(&ids, r, ret) ? 0 : ERR_NO_MEMORY;
}

static int walk_slice(struct walk *w, const uint32_t *ids, size_t n)
{
    int err = 0;
    pthread_rwlock_rdlock(&w->db->lock);
    for (size_t i = 0; err == 0 && i < n; i++) {
        slot at = series_of_id(w->db->arena, &w->db->series, ids[i]);
        if (at == 0)
            continue;
        const struct series *s = series_at(w->db->arena, at);
        if (store_series_overlaps_locked(w->db, s, w->options->min_ms, w->options->max_ms))
            err = w->visit(w, s);
    }
    pthread_rwlock_unlock(&w->db->lock);
    return err;
}

/* ids: found before, or NULL to find them here. */
static int walk_series(struct walk *w, const uint32_t *ids, size_t n)
{
    int err = 0;
    for (size_t from = 0; err == 0 && from < n; from += SLICE_LABELS)
        err = is_canceled(w->options) ? ERR_CANCELED
                                      : walk_slice(w, &ids[from], size_min(SLICE_LABELS, n - from));
    return err;
}

static int find_ids(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                    struct region *r, uint32_t **ret, size_t *ret_n)
{
    pthread_rwlock_rdlock(&db->lock);
    int err = list_ids(db, sets, n_sets, r, ret, ret_n);
    pthread_rwlock_unlock(&db->lock);
    return err;
}

static int visit_label_set(struct walk *w, const struct series *s)
{
    if (!copy_labels(w->db, s, w->region, &w->sets[w->n_sets]))
        return ERR_NO_MEMORY;
    w->n_sets++;
    return 0;
}

static int label_set_order(const void *a, const void *b)
{
    return labels_compare(a, b);
}

int read_label_sets(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                    const struct read_options *o, struct region *r, struct labels **ret,
                    size_t *ret_n)
{
    struct walk w = {.db = db, .options = o, .region = r, .visit = visit_label_set};
    uint32_t *ids = NULL;
    size_t n = 0;
    int err = find_ids(db, sets, n_sets, r, &ids, &n);
    if (err != 0)
        return err;
    w.sets = region_alloc(r, n * sizeof(*w.sets));
    if (w.sets == NULL)
        return ERR_NO_MEMORY;
    err = walk_series(&w, ids, n);
    if (err != 0)
        return err;
    if (w.n_sets > 1)
        qsort(w.sets, w.n_sets, sizeof(*w.sets), label_set_order);
    *ret = w.sets;
    *ret_n = w.n_sets;
    return 0;
}

/* Distinct texts: open addressing in the region, half full at most. Texts are copied at first
 * sight, because a symbol may go between two slices. */
struct text_set {
    struct region *region;
    struct read_text *slots; /* bytes == NULL: empty */
    size_t n_slots;          /* a power of two */
    size_t n;
};

enum { TEXT_SET_FIRST = 256 };

static struct read_text *text_place(const struct text_set *set, const char *bytes, uint32_t len)
{
    size_t at = (size_t)bytes_hash(bytes, len, 0) & (set->n_slots - 1);
    while (set->slots[at].bytes != NULL &&
           bytes_compare(set->slots[at].bytes, set->slots[at].len, bytes, len) != 0)
        at = (at + 1) & (set->n_slots - 1);
    return &set->slots[at];
}

static bool text_set_grow(struct text_set *set)
{
    struct text_set bigger = *set;
    bigger.n_slots = set->n_slots == 0 ? TEXT_SET_FIRST : set->n_slots * 4;
    bigger.slots = region_calloc(set->region, bigger.n_slots, sizeof(*bigger.slots));
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < set->n_slots; i++)
        if (set->slots[i].bytes != NULL)
            *text_place(&bigger, set->slots[i].bytes, set->slots[i].len) = set->slots[i];
    *set = bigger;
    return true;
}

static int text_set_add(struct text_set *set, const struct symbol *s)
{
    if (set->n * 2 >= set->n_slots && !text_set_grow(set))
        return ERR_NO_MEMORY;
    struct read_text *place = text_place(set, s->bytes, s->n_bytes);
    if (place->bytes != NULL)
        return 0;
    place->bytes = region_copy(set->region, s->bytes, s->n_bytes);
    place->len = s->n_bytes;
    if (place->bytes == NULL)
        return ERR_NO_MEMORY;
    set->n++;
    return 0;
}

static int visit_names(struct walk *w, const struct series *s)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < s->n_pairs; i++) {
        const struct pair *pair = store_pair(w->db, s->pairs[i]);
        err = text_set_add(w->texts, symbol_at(w->db->arena, &w->db->labels.symbols, pair->name));
    }
    return err;
}

static int visit_value(struct walk *w, const struct series *s)
{
    for (uint32_t i = 0; i < s->n_pairs; i++) {
        const struct pair *pair = store_pair(w->db, s->pairs[i]);
        const struct symbol *name = symbol_at(w->db->arena, &w->db->labels.symbols, pair->name);
        if (bytes_compare(name->bytes, name->n_bytes, w->name, w->name_len) == 0)
            return text_set_add(w->texts,
                                symbol_at(w->db->arena, &w->db->labels.symbols, pair->value));
    }
    return 0;
}

static int text_order(const void *a, const void *b)
{
    const struct read_text *x = a, *y = b;
    return bytes_compare(x->bytes, x->len, y->bytes, y->len);
}

static int walk_texts(struct walk *w, const uint32_t *ids, size_t n, struct read_text **ret,
                      size_t *ret_n)
{
    struct text_set set = {.region = w->region};
    w->texts = &set;
    int err = walk_series(w, ids, n);
    struct read_text *list = err == 0 ? region_alloc(w->region, set.n * sizeof(*list)) : NULL;
    if (list == NULL)
        return err != 0 ? err : ERR_NO_MEMORY;
    size_t n_listed = 0;
    for (size_t i = 0; i < set.n_slots; i++)
        if (set.slots[i].bytes != NULL)
            list[n_listed++] = set.slots[i];
    if (n_listed > 1)
        qsort(list, n_listed, sizeof(*list), text_order);
    *ret = list;
    *ret_n = n_listed;
    return 0;
}

int read_label_names(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                     const struct read_options *o, struct region *r, struct read_text **ret,
                     size_t *ret_n)
{
    struct walk w = {.db = db, .options = o, .region = r, .visit = visit_names};
    uint32_t *ids = NULL;
    size_t n = 0;
    int err = find_ids(db, sets, n_sets, r, &ids, &n);
    return err != 0 ? err : walk_texts(&w, ids, n, ret, ret_n);
}

int read_label_values(struct tsdb *db, const char *name, size_t name_len,
                      const struct matcher_set *sets, size_t n_sets, const struct read_options *o,
                      struct region *r, struct read_text **ret, size_t *ret_n)
{
    struct walk w = {.db = db,
                     .options = o,
                     .region = r,
                     .visit = visit_value,
                     .name = name,
                     .name_len = name_len};
    uint32_t *ids = NULL;
    size_t n = 0;
    int err = find_ids(db, sets, n_sets, r, &ids, &n);
    return err != 0 ? err : walk_texts(&w, ids, n, ret, ret_n);
}
