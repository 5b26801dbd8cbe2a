#include "snapshot/number_map.h"

#include "tsdb/err.h"

void number_map_init(struct number_map *m, struct arena *a, unsigned owner)
{
    *m = (struct number_map){.arena = a};
    table_init(&m->pairs, sizeof(struct number_pair), owner);
}

void number_map_release(struct number_map *m)
{
    table_release(m->arena, &m->pairs);
    m->n = m->at = 0;
    m->pair = NULL;
    m->has_last = false;
}

static inline const struct number_pair *pair_at(const struct number_map *m, uint64_t i)
{
    assert(i < m->n);
    return table_at(m->arena, &m->pairs, i);
}

int number_map_add(struct number_map *m, uint32_t number, uint32_t series)
{
    if (m->n > 0 && number <= m->newest)
        return ERR_CORRUPT;
    struct number_pair *p = table_make(m->arena, &m->pairs, m->n);
    if (!p)
        return ERR_NO_MEMORY;
    *p = (struct number_pair){number, series};
    m->newest = number;
    m->n++;
    return 0;
}

/* The first pair whose number is not below. */
static uint64_t lower_bound(const struct number_map *m, uint32_t number)
{
    uint64_t low = 0, high = m->n;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (pair_at(m, middle)->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The pair behind the last one, or NULL. */
static const struct number_pair *pair_behind(const struct number_map *m)
{
    uint64_t next = m->at + 1;
    if (next >= m->n)
        return NULL;
    bool is_beside = m->pair != NULL && (next & (m->pairs.per_leaf - 1u)) != 0;
    return is_beside ? m->pair + 1 : pair_at(m, next);
}

bool number_map_seek(struct number_map *m, uint32_t number)
{
    const struct number_pair *p = pair_behind(m);
    if (p != NULL && p->number == number) {
        m->at++;
    } else {
        m->at = lower_bound(m, number);
        p = m->at < m->n ? pair_at(m, m->at) : NULL;
    }
    m->pair = p;
    m->has_last = p != NULL && p->number == number;
    if (m->has_last)
        m->last = *p;
    return m->has_last;
}

bool number_map_check(const struct number_map *m)
{
    for (uint64_t i = 1; i < m->n; i++)
        if (pair_at(m, i - 1)->number >= pair_at(m, i)->number)
            return false;
    return true;
}
