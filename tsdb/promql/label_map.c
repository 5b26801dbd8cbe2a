#include "tsdb/promql/label_map.h"

#include "tsdb/promql/labelset.h"

#include <string.h>

enum { FIRST_KEYS = 16 };

void label_map_init(struct label_map *m, struct region *r)
{
    *m = (struct label_map){.region = r};
}

static void enter(struct label_map *m, uint32_t number)
{
    size_t i = m->keys[number].hash & (m->n_slots - 1);
    while (m->slots[i] != 0)
        i = (i + 1) & (m->n_slots - 1);
    m->slots[i] = number + 1;
}

/* Room for one more key; there are two slots for each. */
static bool grow(struct label_map *m)
{
    if (m->n < m->cap)
        return true;
    uint32_t cap = m->cap ? m->cap * 2 : FIRST_KEYS;
    size_t n_slots = (size_t)cap * 2;
    struct label_map_key *keys = region_calloc(m->region, cap, sizeof(*keys));
    uint32_t *slots = region_calloc(m->region, n_slots, sizeof(*slots));
    if (!keys || !slots)
        return false;
    if (m->n > 0)
        memcpy(keys, m->keys, m->n * sizeof(*keys));
    m->keys = keys;
    m->cap = cap;
    m->slots = slots;
    m->n_slots = n_slots;
    for (uint32_t i = 0; i < m->n; i++)
        enter(m, i);
    return true;
}

static bool find(const struct label_map *m, const struct labels *ls, uint64_t hash,
                 uint32_t *ret_number)
{
    size_t i = m->n_slots ? hash & (m->n_slots - 1) : 0;
    for (; m->n_slots && m->slots[i] != 0; i = (i + 1) & (m->n_slots - 1)) {
        const struct label_map_key *key = &m->keys[m->slots[i] - 1];
        if (key->hash == hash && labels_compare(&key->labels, ls) == 0) {
            *ret_number = m->slots[i] - 1;
            return true;
        }
    }
    return false;
}

bool label_map_has(const struct label_map *m, const struct labels *ls)
{
    uint32_t number;
    return find(m, ls, labels_hash(ls), &number);
}

bool label_map_put(struct label_map *m, const struct labels *ls, uint32_t *ret_number,
                   bool *ret_is_new)
{
    uint64_t hash = labels_hash(ls);
    *ret_is_new = false;
    if (find(m, ls, hash, ret_number))
        return true;
    if (!grow(m))
        return false;
    m->keys[m->n] = (struct label_map_key){hash, *ls};
    if (m->keeps != LABEL_MAP_BORROWS &&
        !labelset_copy(m->region, ls, m->keeps == LABEL_MAP_COPIES_TEXTS, &m->keys[m->n].labels))
        return false;
    enter(m, m->n);
    *ret_number = m->n++;
    *ret_is_new = true;
    return true;
}
