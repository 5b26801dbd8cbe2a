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
    m->has_last = false;
}

static const struct number_pair *pair_at(const struct number_map *m, uint64_t i)
{
    assert(i < m->n);
    return table_at(m->arena, &m->pairs, i);
}

int number_map_add(struct number_map *m, uint32_t number, uint32_t series)
{
    if (m->n > 0 && number <= pair_at(m, m->n - 1)->number)
        return ERR_CORRUPT;
    struct number_pair *p = table_make(m->arena, &m->pairs, m->n);
    if (!p)
        return ERR_NO_MEMORY;
    *p = (struct number_pair){number, series};
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

bool number_map_find(struct number_map *m, uint32_t number, uint32_t *ret_series)
{
    if (m->has_last && m->last.number == number) {
        *ret_series = m->last.series;
        return true;
    }
    if (m->at + 1 < m->n && pair_at(m, m->at + 1)->number == number)
        m->at++;
    else
        m->at = lower_bound(m, number);
    m->has_last = m->at < m->n && pair_at(m, m->at)->number == number;
    if (!m->has_last)
        return false;
    m->last = *pair_at(m, m->at);
    *ret_series = m->last.series;
    return true;
}

bool number_map_check(const struct number_map *m)
{
    for (uint64_t i = 1; i < m->n; i++)
        if (pair_at(m, i - 1)->number >= pair_at(m, i)->number)
            return false;
    return true;
}
