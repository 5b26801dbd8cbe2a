#include "tsdb/growth.h"

void growth_note(struct growth *g, int64_t boot_ms, uint64_t next_id)
{
    int64_t slice = boot_ms / GROWTH_SLICE_MS + GROWTH_SLICES; /* none before it is below 0 */
    int64_t from = g->is_begun ? g->slice + 1 : slice - GROWTH_SLICES + 1;
    for (int64_t s = i64_max(from, slice - GROWTH_SLICES + 1); s <= slice; s++)
        g->next_ids[(uint64_t)s % GROWTH_SLICES] = next_id;
    g->slice = slice;
    g->is_begun = true;
}

uint32_t growth_first_id(const struct growth *g)
{
    uint64_t first = g->next_ids[(uint64_t)(g->slice + 1) % GROWTH_SLICES];
    return g->is_begun && first < UINT32_MAX ? (uint32_t)first : UINT32_MAX;
}
