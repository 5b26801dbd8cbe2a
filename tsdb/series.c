#include "tsdb/series.h"

#include <string.h>

_Static_assert(sizeof(struct series) + LABELS_PER_SERIES_MAX * sizeof(uint32_t) <= KIND_BYTES_MAX,
               "a series with all its labels fits a slot");

static size_t record_bytes(uint32_t n_pairs)
{
    return sizeof(struct series) + n_pairs * sizeof(uint32_t);
}

void series_index_init(struct series_index *x, unsigned owner_records, unsigned owner_tables)
{
    *x = (struct series_index){.next_id = 1};
    hash_init(&x->by_labels, owner_tables);
    kind_init(&x->records, owner_records);
    table_init(&x->by_id, sizeof(slot), owner_tables);
    table_init(&x->live, sizeof(uint32_t), owner_tables);
}

/* ---- finding ---- */

struct labels_key {
    const struct arena *arena;
    const struct label_index *index;
    const struct labels *labels;
};

static bool symbol_is(const struct labels_key *key, uint32_t symbol, const char *text, uint32_t n)
{
    const struct symbol *s = symbol_at(key->arena, &key->index->symbols, symbol);
    return s->n_bytes == n && memcmp(s->bytes, text, n) == 0;
}

static bool has_labels(const void *ctx, const struct hash_node *record)
{
    const struct labels_key *key = ctx;
    const struct series *s = (const struct series *)record;
    if (s->n_pairs != key->labels->n)
        return false;
    for (uint32_t i = 0; i < s->n_pairs; i++) {
        const struct label *l = &key->labels->items[i];
        const struct pair *pair = pair_at(key->arena, &key->index->pairs, s->pairs[i]);
        if (!symbol_is(key, pair->value, l->value, l->value_len) ||
            !symbol_is(key, pair->name, l->name, l->name_len))
            return false;
    }
    return true;
}

slot series_find(const struct arena *a, const struct series_index *x, const struct label_index *li,
                 const struct labels *ls, uint64_t hash)
{
    struct labels_key key = {a, li, ls};
    return hash_find(a, &x->by_labels, (uint32_t)hash, has_labels, &key);
}

slot series_of_id(const struct arena *a, const struct series_index *x, uint32_t id)
{
    const slot *entry = table_at(a, &x->by_id, id);
    return entry != NULL ? *entry : 0;
}

/* ---- making: four indexes, entered one after the other and left in the opposite order ---- */

static bool enter_id(struct arena *a, struct series_index *x, slot series, uint32_t id)
{
    slot *entry = table_make(a, &x->by_id, id);
    uint32_t *live = table_make(a, &x->live, id / x->by_id.per_leaf);
    if (entry == NULL || live == NULL) {
        if (entry != NULL && (live == NULL || *live == 0))
            table_clear_leaf(a, &x->by_id, id);
        return false;
    }
    *entry = series;
    (*live)++;
    return true;
}

static void leave_id(struct arena *a, struct series_index *x, uint32_t id)
{
    *(slot *)table_at(a, &x->by_id, id) = 0;
    uint32_t *live = table_at(a, &x->live, id / x->by_id.per_leaf);
    if (--*live == 0)
        table_clear_leaf(a, &x->by_id, id);
}

static void leave_postings(struct arena *a, struct label_index *li, const struct series *s,
                           uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        pair_remove_series(a, &li->pairs, s->pairs[i], s->id);
}

static bool enter_postings(struct arena *a, struct label_index *li, const struct series *s)
{
    for (uint32_t i = 0; i < s->n_pairs; i++) {
        if (!pair_add_series(a, &li->pairs, s->pairs[i], s->id)) {
            leave_postings(a, li, s, i);
            return false;
        }
    }
    return true;
}

static bool enter(struct arena *a, struct series_index *x, struct label_index *li, slot made,
                  uint64_t hash)
{
    struct series *s = series_at(a, made);
    if (!hash_insert(a, &x->by_labels, made, (uint32_t)hash))
        return false;
    if (!enter_id(a, x, made, s->id))
        goto leave_hash;
    if (!label_index_add_series(a, li, s->id))
        goto leave_id;
    if (!enter_postings(a, li, s))
        goto leave_all;
    return true;
leave_all:
    label_index_remove_series(a, li, s->id);
leave_id:
    leave_id(a, x, s->id);
leave_hash:
    hash_remove(a, &x->by_labels, made);
    return false;
}

static void drop_pairs(struct arena *a, struct label_index *li, const uint32_t *pairs, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        pair_drop_if_unused(a, &li->pairs, &li->symbols, pairs[i]);
}

slot series_new(struct arena *a, struct series_index *x, struct label_index *li,
                const struct labels *ls, uint64_t hash)
{
    assert(ls->n <= LABELS_PER_SERIES_MAX);
    if (x->next_id > POSTINGS_ID_MAX)
        return 0;
    slot made = kind_get(a, &x->records, record_bytes(ls->n));
    if (made == 0)
        return 0;
    struct series *s = series_at(a, made);
    *s = (struct series){.id = (uint32_t)x->next_id, .n_pairs = ls->n};
    uint32_t n = 0;
    for (; n < ls->n; n++) {
        s->pairs[n] = pair_intern(a, &li->pairs, &li->symbols, &ls->items[n]);
        if (s->pairs[n] == 0)
            break;
    }
    if (n < ls->n || !enter(a, x, li, made, hash)) {
        drop_pairs(a, li, s->pairs, n);
        kind_put(a, &x->records, made, record_bytes(ls->n));
        return 0;
    }
    x->next_id++;
    x->n++;
    return made;
}

void series_remove(struct arena *a, struct series_index *x, struct label_index *li, slot series)
{
    struct series *s = series_at(a, series);
    leave_postings(a, li, s, s->n_pairs);
    label_index_remove_series(a, li, s->id);
    leave_id(a, x, s->id);
    hash_remove(a, &x->by_labels, series);
    drop_pairs(a, li, s->pairs, s->n_pairs);
    kind_put(a, &x->records, series, record_bytes(s->n_pairs));
    x->n--;
}

/* ---- chunks ---- */

slot series_newest_chunk(struct windows *ws, const struct series *s, struct window **ret)
{
    *ret = window_of_serial(ws, s->newest_serial);
    return *ret != NULL ? s->newest_chunk : 0;
}

slot chunk_before(const struct arena *a, struct windows *ws, slot chunk, struct window **ret)
{
    const struct chunk *c = chunk_at(a, chunk);
    *ret = window_of_serial(ws, c->prev_serial);
    return *ret != NULL ? c->prev : 0;
}

slot series_chunk(const struct arena *a, struct windows *ws, const struct series *s,
                  const struct window *w)
{
    struct window *at;
    for (slot c = series_newest_chunk(ws, s, &at); c != 0; c = chunk_before(a, ws, c, &at)) {
        if (at == w)
            return c;
        if (at->number < w->number)
            return 0;
    }
    return 0;
}

void series_link_chunk(struct arena *a, struct windows *ws, struct series *s, slot chunk,
                       const struct window *w)
{
    struct window *at;
    slot newer = 0, older = series_newest_chunk(ws, s, &at);
    while (older != 0 && at->number > w->number) {
        newer = older;
        older = chunk_before(a, ws, older, &at);
    }
    struct chunk *c = chunk_at(a, chunk);
    c->prev = older;
    c->prev_serial = older != 0 ? at->serial : 0;
    if (newer != 0) {
        chunk_at(a, newer)->prev = chunk;
        chunk_at(a, newer)->prev_serial = w->serial;
    } else {
        s->newest_chunk = chunk;
        s->newest_serial = w->serial;
    }
}

bool series_index_check(const struct arena *a, const struct series_index *x,
                        const struct label_index *li)
{
    if (x->n != x->by_labels.n_items || x->n != li->all.n || !hash_check(a, &x->by_labels) ||
        !kind_check(a, &x->records) || !label_index_check(a, li))
        return false;
    uint32_t n = 0;
    for (uint64_t id = 1; id < x->next_id; id++) {
        slot at = series_of_id(a, x, (uint32_t)id);
        if (at == 0)
            continue;
        const struct series *s = series_at(a, at);
        if (s->id != id || !postings_contains(a, &li->all, s->id))
            return false;
        for (uint32_t i = 0; i < s->n_pairs; i++)
            if (!postings_contains(a, &pair_at(a, &li->pairs, s->pairs[i])->postings, s->id))
                return false;
        n++;
    }
    return n == x->n;
}
