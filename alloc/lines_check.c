/* Recounts a table: the invariants that lines.c and lines.h name, entry by entry. */
#include "alloc/lines_inside.h"

/* Whether all lines from an entry's home to its own are full. */
static bool is_in_reach(const struct arena *a, const struct lines *l, const struct lines_segment *s,
                        uint32_t home, uint32_t line)
{
    for (; home != line; home = next_line(s, home))
        if (!is_full(l, line_at(a, s, home)))
            return false;
    return true;
}

static bool check_entry(const struct arena *a, const struct lines *l, const struct lines_segment *s,
                        uint32_t line, struct entry e)
{
    struct lines_key kept = stored(l, e.key);
    return kept.high == e.key.high && prefix_of(e.key, s->depth) == s->prefix &&
           is_in_reach(a, l, s, home_of(s, e.key), line);
}

static bool check_segment(const struct arena *a, const struct lines *l,
                          const struct lines_segment *s, lines_has_key has_key, const void *ctx)
{
    uint32_t n = 0;
    if (s->depth > l->depth || s->n_pages > LINES_SEGMENT_PAGES || s->prefix >> s->depth != 0 ||
        s->n > s->n_pages * page_entries(l))
        return false;
    for (uint32_t number = 0; number < n_lines(s); number++) {
        const void *line = line_at(a, s, number);
        unsigned i = 0;
        for (; i < per_line(l) && id_at(l, line, i) != 0; i++, n++) {
            struct entry e = entry_at(l, line, i);
            if (!check_entry(a, l, s, number, e) || (has_key != NULL && !has_key(ctx, e.id, e.key)))
                return false;
        }
        for (; i < per_line(l); i++)
            if (id_at(l, line, i) != 0)
                return false;
    }
    return n == s->n;
}

static bool check_directory(const struct arena *a, const struct lines *l)
{
    const uint16_t *entries = directory(a, l);
    uint32_t n_covered = 0;
    for (uint32_t i = 0; i < 1u << l->depth; i++) {
        if (entries[i] >= l->n_segments)
            return false;
        const struct lines_segment *s = segment_at(a, l, entries[i]);
        if (s->depth > l->depth || i >> (l->depth - s->depth) != s->prefix)
            return false;
    }
    for (uint32_t i = 0; i < l->n_segments; i++)
        n_covered += 1u << (l->depth - segment_at(a, l, i)->depth);
    return n_covered == 1u << l->depth;
}

bool lines_check(const struct arena *a, const struct lines *l, lines_has_key has_key,
                 const void *ctx)
{
    uint32_t n = l->only.n, n_pages = l->only.n_pages;
    if ((l->depth == 0) != (l->directory == 0) || (l->depth == 0) != (l->n_segments == 0) ||
        l->depth > LINES_DEPTH_MAX || !check_segment(a, l, &l->only, has_key, ctx))
        return false;
    if (l->depth > 0 && (n_pages > 0 || !check_directory(a, l)))
        return false;
    for (uint32_t i = 0; i < l->n_segments; i++) {
        const struct lines_segment *s = segment_at(a, l, i);
        if (s->n_pages == 0 || !check_segment(a, l, s, has_key, ctx))
            return false;
        n += s->n;
        n_pages += s->n_pages;
    }
    return n == l->n && n_pages == l->n_pages &&
           (l->n > 0 || l->is_reserved || lines_bytes(l) == 0);
}
