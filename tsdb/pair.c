#include "tsdb/pair.h"

struct pair_key {
    slot name, value;
};

static bool has_symbols(const void *ctx, const struct hash_node *record)
{
    const struct pair_key *key = ctx;
    const struct pair *pair = (const struct pair *)record;
    return pair->name == key->name && pair->value == key->value;
}

static uint32_t hash_of(slot name, slot value)
{
    struct pair_key key = {name, value};
    return (uint32_t)bytes_hash(&key, sizeof(key), 0);
}

void pairs_init(struct pairs *p, unsigned owner_records, unsigned owner_postings,
                unsigned owner_tables)
{
    *p = (struct pairs){0};
    hash_init(&p->by_symbols, owner_tables);
    kind_init(&p->records, owner_records);
    kind_init(&p->postings, owner_postings);
}

static void link_to_name(struct arena *a, slot made)
{
    struct pair *pair = pair_at(a, made);
    struct symbol *name = symbol_at(a, pair->name);
    pair->next = name->first_pair;
    if (pair->next != 0)
        pair_at(a, pair->next)->prev = made;
    name->first_pair = made;
    name->n_pairs++;
}

static void unlink_from_name(struct arena *a, const struct pair *pair)
{
    struct symbol *name = symbol_at(a, pair->name);
    if (pair->prev != 0)
        pair_at(a, pair->prev)->next = pair->next;
    else
        name->first_pair = pair->next;
    if (pair->next != 0)
        pair_at(a, pair->next)->prev = pair->prev;
    name->n_pairs--;
}

/* Makes the pair of two symbols, whose references it takes over; 0 (and the references stay the
 * caller's) without memory. */
static slot pair_new(struct arena *a, struct pairs *p, slot name, slot value)
{
    slot made = kind_get(a, &p->records, sizeof(struct pair));
    if (made == 0)
        return 0;
    *pair_at(a, made) = (struct pair){.name = name, .value = value};
    if (!hash_insert(a, &p->by_symbols, made, hash_of(name, value))) {
        kind_put(a, &p->records, made, sizeof(struct pair));
        return 0;
    }
    link_to_name(a, made);
    p->n++;
    return made;
}

slot pair_intern(struct arena *a, struct pairs *p, struct symbols *s, const struct label *l)
{
    slot name = symbol_intern(a, s, l->name, l->name_len);
    slot value = name != 0 ? symbol_intern(a, s, l->value, l->value_len) : 0;
    slot found = 0;
    if (value != 0) {
        struct pair_key key = {name, value};
        found = hash_find(a, &p->by_symbols, hash_of(name, value), has_symbols, &key);
        if (found == 0) {
            slot made = pair_new(a, p, name, value);
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

slot pair_find(const struct arena *a, const struct pairs *p, const struct symbols *s,
               const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct pair_key key = {symbol_find(a, s, name, name_len), symbol_find(a, s, value, value_len)};
    if (key.name == 0 || key.value == 0)
        return 0;
    return hash_find(a, &p->by_symbols, hash_of(key.name, key.value), has_symbols, &key);
}

void pair_drop_if_unused(struct arena *a, struct pairs *p, struct symbols *s, slot at)
{
    struct pair *pair = pair_at(a, at);
    if (pair->postings.n > 0)
        return;
    slot name = pair->name, value = pair->value;
    unlink_from_name(a, pair);
    hash_remove(a, &p->by_symbols, at);
    kind_put(a, &p->records, at, sizeof(struct pair));
    symbol_drop(a, s, value);
    symbol_drop(a, s, name);
    p->n--;
}

struct label pair_label(const struct arena *a, slot at)
{
    const struct pair *pair = pair_at(a, at);
    const struct symbol *name = symbol_at(a, pair->name), *value = symbol_at(a, pair->value);
    return (struct label){name->bytes, value->bytes, name->n_bytes, value->n_bytes};
}

bool pairs_check(const struct arena *a, const struct pairs *p)
{
    return p->n == p->by_symbols.n_items && hash_check(a, &p->by_symbols) &&
           kind_check(a, &p->records) && kind_check(a, &p->postings);
}
