#include "tsdb/label_name.h"
#include "tsdb/labels.h"

static bool has_symbol(const void *ctx, const struct hash_node *record)
{
    return ((const struct label_name *)record)->symbol == *(const uint32_t *)ctx;
}

static uint32_t hash_of(uint32_t symbol)
{
    return (uint32_t)bytes_hash(&symbol, sizeof(symbol), 0);
}

void label_names_init(struct label_names *x, unsigned owner_records, unsigned owner_tables)
{
    *x = (struct label_names){0};
    hash_init(&x->by_symbol, owner_tables);
    kind_init(&x->records, owner_records);
}

void label_names_release(struct arena *a, struct label_names *x)
{
    hash_release(a, &x->by_symbol);
    kind_drop(a, &x->records);
    x->n = 0;
}

static slot find_slot(const struct arena *a, const struct label_names *x, uint32_t symbol)
{
    return hash_find(a, &x->by_symbol, hash_of(symbol), has_symbol, &symbol);
}

struct label_name *label_name_find(const struct arena *a, const struct label_names *x,
                                   uint32_t symbol)
{
    slot found = find_slot(a, x, symbol);
    return found != 0 ? slot_ptr(a, found) : NULL;
}

static slot name_new(struct arena *a, struct label_names *x, uint32_t symbol)
{
    slot made = kind_get(a, &x->records, sizeof(struct label_name));
    if (made == 0)
        return 0;
    *(struct label_name *)slot_ptr(a, made) = (struct label_name){.symbol = symbol};
    if (!hash_insert(a, &x->by_symbol, made, hash_of(symbol))) {
        kind_put(a, &x->records, made, sizeof(struct label_name));
        return 0;
    }
    x->n++;
    return made;
}

static void name_free(struct arena *a, struct label_names *x, slot at)
{
    hash_remove(a, &x->by_symbol, at);
    kind_put(a, &x->records, at, sizeof(struct label_name));
    x->n--;
}

bool label_name_add(struct arena *a, struct label_names *x, struct kind *k, uint32_t owner,
                    uint32_t symbol, uint32_t pair)
{
    slot at = find_slot(a, x, symbol);
    if (at == 0)
        at = name_new(a, x, symbol);
    if (at == 0)
        return false;
    struct label_name *name = slot_ptr(a, at);
    if (postings_add(a, k, &name->pairs, owner, pair))
        return true;
    if (name->pairs.n == 0)
        name_free(a, x, at);
    return false;
}

void label_name_remove(struct arena *a, struct label_names *x, struct kind *k, uint32_t symbol,
                       uint32_t pair)
{
    slot at = find_slot(a, x, symbol);
    ENSURE(at != 0);
    struct label_name *name = slot_ptr(a, at);
    postings_remove(a, k, &name->pairs, pair);
    if (name->pairs.n == 0)
        name_free(a, x, at);
}

bool label_name_move(void *mover, slot from, slot to)
{
    const struct label_name_mover *m = mover;
    hash_replace(m->arena, &m->names->by_symbol, from, to);
    return true;
}

bool label_names_check(const struct arena *a, const struct label_names *x)
{
    if (x->n != x->by_symbol.n_items || !hash_check(a, &x->by_symbol) ||
        !kind_check(a, &x->records) ||
        kind_used_bytes(&x->records) != x->n * kind_slot_bytes(sizeof(struct label_name)))
        return false;
    for (slot at = 0; (at = hash_next(a, &x->by_symbol, at)) != 0;) {
        const struct label_name *name = slot_ptr(a, at);
        if (name->pairs.n == 0 || name->node.hash != hash_of(name->symbol))
            return false;
    }
    return true;
}
