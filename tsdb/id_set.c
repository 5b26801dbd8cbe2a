#include "tsdb/id_set.h"

bool id_set_init(struct id_set *s, struct region *r, uint64_t end)
{
    *s = (struct id_set){.n_words = (size_t)(end / 64 + 1)};
    s->words = region_calloc(r, s->n_words, sizeof(*s->words));
    return s->words != NULL;
}

void id_set_add(struct id_set *s, uint32_t id)
{
    uint64_t bit = (uint64_t)1 << id % 64;
    s->n += (s->words[id / 64] & bit) == 0;
    s->words[id / 64] |= bit;
}

bool id_set_list(const struct id_set *s, struct region *r, uint32_t **ret)
{
    uint32_t *ids = region_alloc(r, s->n * sizeof(*ids));
    if (ids == NULL)
        return false;
    *ret = ids;
    for (size_t w = 0; w < s->n_words; w++)
        for (uint64_t rest = s->words[w]; rest != 0; rest &= rest - 1)
            *ids++ = (uint32_t)(w * 64 + (unsigned)__builtin_ctzll(rest));
    return true;
}
