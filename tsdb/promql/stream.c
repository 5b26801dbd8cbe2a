/* Series that lose their names may become equal, which is an error or makes them one column. To
 * notice, a hash of each label set is kept, and not the label set: it may say "equal" of two that
 * are not, so then all is evaluated again, whole, and the labels themselves decide. */
#include "tsdb/promql/stream.h"

#include <string.h>

enum { FIRST_SLOTS = 64 };

struct stream *stream_of(const struct eval *e, const struct node *n)
{
    return e->stream && e->stream->node == n ? e->stream : NULL;
}

bool stream_is_ambiguous(const struct eval *e)
{
    const struct stream *s = e->stream;
    while (s && !s->is_ambiguous)
        s = s->around;
    return s && e->err->kind == PROMQL_ERR_NONE;
}

static void enter(struct stream *s, uint64_t hash)
{
    size_t i = hash & (s->n_slots - 1);
    while (s->hashes[i] != 0)
        i = (i + 1) & (s->n_slots - 1);
    s->hashes[i] = hash;
    s->n_hashes++;
}

/* Half full at most. */
static bool grow(struct eval *e, struct stream *s)
{
    if (s->n_hashes * 2 < s->n_slots)
        return true;
    struct stream old = *s;
    size_t n = s->n_slots ? s->n_slots * 4 : FIRST_SLOTS;
    uint64_t *hashes = eval_alloc(e, n, sizeof(*hashes));
    if (!hashes)
        return false;
    s->hashes = hashes;
    s->n_slots = n;
    s->n_hashes = 0;
    for (size_t i = 0; i < old.n_slots; i++)
        if (old.hashes[i] != 0)
            enter(s, old.hashes[i]);
    return true;
}

/* Takes the names from a column's labels; they are in the stream's row then. */
static int drop_names(struct eval *e, struct stream *s, struct column *c)
{
    if (!labelset_row_fit(e->region, &s->row, c->labels.n) || !grow(e, s))
        return eval_fail_memory(e);
    c->labels = labelset_drop_metadata_in(s->row.items, &c->labels);
    uint64_t hash = labels_hash(&c->labels);
    hash += hash == 0;
    for (size_t i = hash & (s->n_slots - 1); s->hashes[i] != 0; i = (i + 1) & (s->n_slots - 1)) {
        if (s->hashes[i] == hash) {
            s->is_ambiguous = true;
            return -1;
        }
    }
    enter(s, hash);
    return 0;
}

int stream_put(struct eval *e, struct stream *s, struct column *c, bool drops_names)
{
    s->n_columns++;
    s->n_points += column_points(c, e->steps.n);
    if (drops_names && eval_delays_names(e))
        c->drops_name = true;
    else if (drops_names && drop_names(e, s, c) != 0)
        return -1;
    if (s->visitor->visit(s->visitor->ctx, c) != 0)
        return -1;
    memset(c->present, 0, (e->steps.n + 63) / 64 * sizeof(*c->present));
    c->drops_name = false;
    return 0;
}

static int visit_all(struct eval *e, const struct vector *v, const struct stream_visitor *visitor)
{
    for (size_t i = 0; i < v->n; i++)
        if (visitor->visit(visitor->ctx, &v->items[i]) != 0 || eval_poll(e, 1) != 0)
            return -1;
    return 0;
}

int stream_each(struct eval *e, const struct node *n, bool is_whole,
                const struct stream_visitor *visitor, bool *ret_is_ambiguous)
{
    struct stream s = {
        .node = is_whole ? NULL : node_unwrap(n), .visitor = visitor, .around = e->stream};
    const struct promql_result counts = *e->counts;
    const uint64_t n_samples = e->n_samples;
    struct vector v;
    e->stream = &s;
    int err = eval_vector(e, n, &v);
    e->stream = s.around;
    *ret_is_ambiguous = err != 0 && s.is_ambiguous && e->err->kind == PROMQL_ERR_NONE;
    if (*ret_is_ambiguous) {
        *e->counts = counts;
        e->n_samples = n_samples;
        return 0;
    }
    return err == 0 && !s.is_used ? visit_all(e, &v, visitor) : err;
}
