#include "tsdb/pair.h"

#include <stddef.h>

struct pair_key {
    uint32_t name, value;
};

_Static_assert(sizeof(struct pair) == 32, "two whole steps of the sizes of a kind");

static bool has_symbols(const void *ctx, const struct hash_node *record)
{
    const struct pair_key *key = ctx;
    const struct pair *pair = (const struct pair *)record;
    return pair->name == key->name && pair->value == key->value;
}

static uint32_t hash_of(uint32_t name, uint32_t value)
{
    struct pair_key key = {name, value};
    return (uint32_t)bytes_hash(&key, sizeof(key), 0);
}

void pairs_init(struct pairs *p, unsigned owner_records, unsigned owner_postings,
                unsigned owner_tables)
{
    *p = (struct pairs){0};
    hash_init(&p->by_symbols, owner_tables);
    id_table_init(&p->ids, owner_tables);
    label_names_init(&p->names, owner_records, owner_tables);
    kind_init(&p->records, owner_records);
    kind_init(&p->postings, owner_postings);
}

void pairs_release(struct arena *a, struct pairs *p)
{
    hash_release(a, &p->by_symbols);
    id_table_release(a, &p->ids);
    label_names_release(a, &p->names);
    for (unsigned i = 0; i < KIND_POOLS; i++) {
        pool_drop(a, &p->records.pools[i]);
        pool_drop(a, &p->postings.pools[i]);
    }
    p->n = 0;
}

static uint32_t find_key(const struct arena *a, const struct pairs *p, uint32_t name,
                         uint32_t value)
{
    struct pair_key key = {name, value};
    slot found = hash_find(a, &p->by_symbols, hash_of(name, value), has_symbols, &key);
    return found != 0 ? ((const struct pair *)slot_ptr(a, found))->id : 0;
}

/* Makes the pair of two symbols, whose references it takes over; 0 (and the references stay the
 * caller's) without memory. */
static uint32_t pair_new(struct arena *a, struct pairs *p, uint32_t name, uint32_t value)
{
    slot made = kind_get(a, &p->records, sizeof(struct pair));
    if (made == 0)
        return 0;
    uint32_t id = id_table_get(a, &p->ids, made);
    if (id == 0)
        goto put_record;
    *(struct pair *)slot_ptr(a, made) = (struct pair){.id = id, .name = name, .value = value};
    if (!hash_insert(a, &p->by_symbols, made, hash_of(name, value)))
        goto put_id;
    if (!label_name_add(a, &p->names, &p->postings, POSTINGS_OF_NAME | name, name, id))
        goto leave_hash;
    p->n++;
    return id;
leave_hash:
    hash_remove(a, &p->by_symbols, made);
put_id:
    id_table_put(a, &p->ids, id);
put_record:
    kind_put(a, &p->records, made, sizeof(struct pair));
    return 0;
}

uint32_t pair_intern(struct arena *a, struct pairs *p, struct symbols *s, const struct label *l)
{
    uint32_t name = symbol_intern(a, s, l->name, l->name_len);
    uint32_t value = name != 0 ? symbol_intern(a, s, l->value, l->value_len) : 0;
    uint32_t found = 0;
    if (value != 0) {
        found = find_key(a, p, name, value);
        if (found == 0) {
            uint32_t made = pair_new(a, p, name, value);
            if (made != 0)
                return made;
        }
    }
    if (value != 0)
        symbol_drop(a, s, value);
    if (name != 0)
        symbol_drop(a, s, name);
    return found;
}

uint32_t pair_find(const struct arena *a, const struct pairs *p, const struct symbols *s,
                   const char *name, size_t name_len, const char *value, size_t value_len)
{
    uint32_t n = symbol_find(a, s, name, name_len), v = symbol_find(a, s, value, value_len);
    return n != 0 && v != 0 ? find_key(a, p, n, v) : 0;
}

void pair_drop_if_unused(struct arena *a, struct pairs *p, struct symbols *s, uint32_t id)
{
    slot at = id_table_at(a, &p->ids, id);
    const struct pair *pair = slot_ptr(a, at);
    if (pair->postings.n > 0)
        return;
    uint32_t name = pair->name, value = pair->value;
    label_name_remove(a, &p->names, &p->postings, name, id);
    hash_remove(a, &p->by_symbols, at);
    id_table_put(a, &p->ids, id);
    kind_put(a, &p->records, at, sizeof(struct pair));
    symbol_drop(a, s, value);
    symbol_drop(a, s, name);
    p->n--;
}

bool pair_add_series(struct arena *a, struct pairs *p, uint32_t pair, uint32_t series)
{
    return postings_add(a, &p->postings, &pair_at(a, p, pair)->postings, pair, series);
}

void pair_remove_series(struct arena *a, struct pairs *p, uint32_t pair, uint32_t series)
{
    postings_remove(a, &p->postings, &pair_at(a, p, pair)->postings, series);
}

struct label pair_label(const struct arena *a, const struct pairs *p, const struct symbols *s,
                        uint32_t id)
{
    const struct pair *pair = pair_at(a, p, id);
    const struct symbol *name = symbol_at(a, s, pair->name), *value = symbol_at(a, s, pair->value);
    return (struct label){name->bytes, value->bytes, name->n_bytes, value->n_bytes};
}

bool pair_move(void *mover, slot from, slot to)
{
    const struct pair_mover *m = mover;
    const struct pair *moved = slot_ptr(m->arena, to);
    hash_replace(m->arena, &m->pairs->by_symbols, from, to);
    id_table_move(m->arena, &m->pairs->ids, moved->id, to);
    return true;
}

struct postings *pair_postings_of(const struct arena *a, const struct pairs *p, uint32_t owner)
{
    if ((owner & POSTINGS_OF_NAME) == 0)
        return &pair_at(a, p, owner)->postings;
    struct label_name *name = label_name_find(a, &p->names, owner & ~POSTINGS_OF_NAME);
    return name != NULL ? &name->pairs : NULL;
}

/* ---- the check ---- */

static bool names_are_good(const struct arena *a, const struct pairs *p, size_t *sum_bytes)
{
    uint64_t n = 0;
    for (slot at = 0; (at = hash_next(a, &p->names.by_symbol, at)) != 0;) {
        const struct label_name *name = slot_ptr(a, at);
        if (!postings_check(a, &name->pairs, POSTINGS_OF_NAME | name->symbol, sum_bytes))
            return false;
        n += name->pairs.n;
    }
    return n == p->n;
}

bool pairs_check(const struct arena *a, const struct pairs *p, const struct symbols *s,
                 size_t all_bytes)
{
    if (p->n != p->by_symbols.n_items || !hash_check(a, &p->by_symbols) ||
        !kind_check(a, &p->records) || !kind_check(a, &p->postings) ||
        !label_names_check(a, &p->names) ||
        !id_table_check(a, &p->ids, &p->by_symbols, offsetof(struct pair, id)) ||
        kind_used_bytes(&p->records) != p->n * sizeof(struct pair))
        return false;
    uint64_t n_refs = 0;
    size_t bytes = all_bytes;
    for (slot at = 0; (at = hash_next(a, &p->by_symbols, at)) != 0;) {
        const struct pair *pair = slot_ptr(a, at);
        const struct label_name *name = label_name_find(a, &p->names, pair->name);
        if (pair->node.hash != hash_of(pair->name, pair->value) || name == NULL ||
            !postings_contains(a, &name->pairs, pair->id) ||
            !postings_check(a, &pair->postings, pair->id, &bytes))
            return false;
        n_refs += 2;
    }
    return names_are_good(a, p, &bytes) && bytes == kind_used_bytes(&p->postings) &&
           n_refs == symbols_refs(a, s);
}
