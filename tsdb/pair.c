#include "tsdb/pair.h"
#include "tsdb/store_limits.h"
#include "tsdb/text.h"

#include <stddef.h>
#include <string.h>

struct pair_key {
    uint32_t name;
    const char *value;
    size_t n;
};

/* The text starts where the last field ends, not where the padded struct does. */
static size_t record_bytes(size_t n_value)
{
    return offsetof(struct pair, value) + n_value;
}

size_t pair_slot_bytes(const struct pair *p)
{
    return kind_slot_bytes(record_bytes(p->n_bytes));
}

_Static_assert(offsetof(struct pair, value) + LABEL_VALUE_BYTES_MAX <= KIND_BYTES_MAX,
               "the longest fits");
_Static_assert(LABEL_VALUE_BYTES_MAX <= UINT16_MAX, "a length fits its field");
_Static_assert(offsetof(struct pair, value) > 16, "32 bytes or more: POSTINGS_OF_NAME");

static bool has_key(const void *ctx, const struct hash_node *record)
{
    const struct pair_key *key = ctx;
    const struct pair *pair = (const struct pair *)record;
    return pair->name == key->name && pair->n_bytes == key->n &&
           texts_are_equal(pair->value, key->value, key->n);
}

static uint32_t hash_of(const struct pair_key *key)
{
    return (uint32_t)text_hash(key->value, key->n, key->name);
}

void pairs_init(struct pairs *p, unsigned owner_records, unsigned owner_postings,
                unsigned owner_tables)
{
    *p = (struct pairs){0};
    hash_init(&p->by_label, owner_tables);
    id_table_init(&p->ids, owner_tables);
    label_names_init(&p->names, owner_records, owner_tables);
    kind_init(&p->records, owner_records);
    table_init(&p->sets, sizeof(struct postings), owner_postings);
    kind_init(&p->postings, owner_postings);
}

void pairs_release(struct arena *a, struct pairs *p)
{
    hash_release(a, &p->by_label);
    id_table_release(a, &p->ids);
    label_names_release(a, &p->names);
    table_release(a, &p->sets);
    kind_drop(a, &p->records);
    kind_drop(a, &p->postings);
    p->n = 0;
    p->n_text_bytes = 0;
}

static uint32_t find_key(const struct arena *a, const struct pairs *p, const struct pair_key *key)
{
    slot found = hash_find(a, &p->by_label, hash_of(key), has_key, key);
    return found != 0 ? ((const struct pair *)slot_ptr(a, found))->id : 0;
}

/* Makes a pair, which takes over the reference to its name; 0 (and the reference stays the
 * caller's) without memory. */
static uint32_t pair_new(struct arena *a, struct pairs *p, const struct pair_key *key)
{
    slot made = kind_get(a, &p->records, record_bytes(key->n));
    if (made == 0)
        return 0;
    uint32_t id = id_table_get(a, &p->ids, made);
    if (id == 0)
        goto put_record;
    struct pair *pair = slot_ptr(a, made);
    pair->id = id;
    pair->name = key->name;
    pair->n_bytes = (uint16_t)key->n;
    memcpy(pair->value, key->value, key->n);
    if (table_hold(a, &p->sets, id) == NULL)
        goto put_id;
    if (!hash_insert(a, &p->by_label, made, hash_of(key)))
        goto drop_set;
    if (!label_name_add(a, &p->names, &p->postings, POSTINGS_OF_NAME | key->name, key->name, id))
        goto leave_hash;
    p->n++;
    p->n_text_bytes += key->n;
    return id;
leave_hash:
    hash_remove(a, &p->by_label, made);
drop_set:
    table_drop(a, &p->sets, id);
put_id:
    id_table_put(a, &p->ids, id);
put_record:
    kind_put(a, &p->records, made, record_bytes(key->n));
    return 0;
}

uint32_t pair_intern(struct arena *a, struct pairs *p, struct symbols *s, const struct label *l)
{
    assert(l->value_len <= LABEL_VALUE_BYTES_MAX);
    struct pair_key key = {symbol_intern(a, s, l->name, l->name_len), l->value, l->value_len};
    if (key.name == 0)
        return 0;
    uint32_t found = find_key(a, p, &key);
    if (found == 0) {
        uint32_t made = pair_new(a, p, &key);
        if (made != 0)
            return made;
    }
    symbol_drop(a, s, key.name);
    return found;
}

uint32_t pair_find(const struct arena *a, const struct pairs *p, const struct symbols *s,
                   const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct pair_key key = {symbol_find(a, s, name, name_len), value, value_len};
    return key.name != 0 ? find_key(a, p, &key) : 0;
}

void pair_drop_if_unused(struct arena *a, struct pairs *p, struct symbols *s, uint32_t id)
{
    slot at = id_table_at(a, &p->ids, id);
    const struct pair *pair = slot_ptr(a, at);
    if (pair_postings(a, p, id)->n > 0)
        return;
    uint32_t name = pair->name;
    p->n--;
    p->n_text_bytes -= pair->n_bytes;
    label_name_remove(a, &p->names, &p->postings, name, id);
    hash_remove(a, &p->by_label, at);
    table_drop(a, &p->sets, id);
    id_table_put(a, &p->ids, id);
    kind_put(a, &p->records, at, record_bytes(pair->n_bytes));
    symbol_drop(a, s, name);
}

bool pair_add_series(struct arena *a, struct pairs *p, uint32_t pair, uint32_t series)
{
    return postings_add(a, &p->postings, pair_postings(a, p, pair), pair, series);
}

void pair_remove_series(struct arena *a, struct pairs *p, uint32_t pair, uint32_t series)
{
    postings_remove(a, &p->postings, pair_postings(a, p, pair), series);
}

struct label pair_label(const struct arena *a, const struct pairs *p, const struct symbols *s,
                        uint32_t id)
{
    const struct pair *pair = pair_at(a, p, id);
    const struct symbol *name = symbol_at(a, s, pair->name);
    return (struct label){name->bytes, pair->value, name->n_bytes, pair->n_bytes};
}

bool pair_move(void *mover, slot from, slot to)
{
    const struct pair_mover *m = mover;
    const struct pair *moved = slot_ptr(m->arena, to);
    hash_replace(m->arena, &m->pairs->by_label, from, to);
    id_table_move(m->arena, &m->pairs->ids, moved->id, to);
    return true;
}

struct postings *pair_postings_of(const struct arena *a, const struct pairs *p, uint32_t owner)
{
    if ((owner & POSTINGS_OF_NAME) == 0)
        return pair_postings(a, p, owner);
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

static bool sets_are_good(const struct arena *a, const struct pairs *p)
{
    uint64_t n = 0;
    uint32_t n_leaves = 0;
    for (uint64_t first = 0; n_leaves < p->sets.n_pages && n < p->n && first <= UINT32_MAX;
         first += p->sets.per_leaf) {
        uint32_t n_held = table_held(a, &p->sets, first);
        n += n_held;
        n_leaves += n_held > 0;
    }
    return n == p->n;
}

bool pairs_check(const struct arena *a, const struct pairs *p, const struct symbols *s,
                 size_t all_bytes)
{
    if (p->n != p->by_label.n_items || !hash_check(a, &p->by_label) ||
        !kind_check(a, &p->records) || !kind_check(a, &p->postings) ||
        !label_names_check(a, &p->names) ||
        !id_table_check(a, &p->ids, &p->by_label, offsetof(struct pair, id)))
        return false;
    uint64_t n_refs = 0, n_text = 0;
    size_t bytes = all_bytes, records = 0;
    for (slot at = 0; (at = hash_next(a, &p->by_label, at)) != 0;) {
        const struct pair *pair = slot_ptr(a, at);
        const struct label_name *name = label_name_find(a, &p->names, pair->name);
        const struct pair_key key = {pair->name, pair->value, pair->n_bytes};
        if (pair->node.hash != hash_of(&key) || name == NULL ||
            !postings_contains(a, &name->pairs, pair->id) ||
            table_at(a, &p->sets, pair->id) == NULL ||
            !postings_check(a, pair_postings(a, p, pair->id), pair->id, &bytes))
            return false;
        n_refs++;
        n_text += pair->n_bytes;
        records += pair_slot_bytes(pair);
    }
    return names_are_good(a, p, &bytes) && sets_are_good(a, p) &&
           bytes == kind_used_bytes(&p->postings) && records == kind_used_bytes(&p->records) &&
           n_text == p->n_text_bytes && n_refs == symbols_refs(a, s);
}
