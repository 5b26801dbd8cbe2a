#include "http/refusals.h"

#include "tsdb/varint.h"

#include <string.h>

enum { NOTES_FIRST = 64 };

void refusals_init(struct refusals *r, struct region *region)
{
    *r = (struct refusals){.region = region};
}

void refusals_note(void *ctx, const struct sample *sample)
{
    struct refusals *r = ctx;
    if (r->n == r->max) {
        size_t max = size_max(2 * r->max, NOTES_FIRST);
        const struct sample **more = region_alloc(r->region, max * sizeof(*more));
        if (!more) {
            r->is_lost = true;
            return;
        }
        if (r->n > 0)
            memcpy(more, r->items, r->n * sizeof(*more));
        r->items = more;
        r->max = max;
    }
    r->items[r->n++] = sample;
}

/* Runs on their way into bytes; without `to` they are only counted. */
struct run_writer {
    uint8_t *to;
    size_t n;
    uint64_t n_before, n_refused; /* of the run that is being made */
};

static void put_run(struct run_writer *w)
{
    uint8_t bytes[2 * VARINT_BYTES_MAX];
    if (w->n_refused == 0)
        return;
    size_t n = varint_put(bytes, w->n_before);
    n += varint_put(bytes + n, w->n_refused);
    if (w->to)
        memcpy(w->to + w->n, bytes, n);
    w->n += n;
    w->n_before = w->n_refused = 0;
}

static void put_samples(struct run_writer *w, uint64_t n, bool are_refused)
{
    if (n == 0)
        return;
    if (!are_refused) {
        put_run(w);
        w->n_before += n;
    } else {
        w->n_refused += n;
    }
}

/* io_at: the notes that were used, which come in the order of the entries. */
static void put_entry(struct run_writer *w, const struct refusals *r, const struct append_entry *e,
                      size_t *io_at)
{
    uint32_t from = 0;
    if (tsdb_err_is_about_labels(e->err)) {
        put_samples(w, e->n_samples, true);
        return;
    }
    for (; *io_at < r->n; (*io_at)++) {
        uintptr_t offset = (uintptr_t)r->items[*io_at] - (uintptr_t)e->samples;
        uint64_t place = offset / sizeof(*e->samples);
        if (place >= e->n_samples)
            break;
        put_samples(w, place - from, false);
        put_samples(w, 1, true);
        from = (uint32_t)place + 1;
    }
    put_samples(w, e->n_samples - from, false);
}

/* False when a note is of no entry. */
static bool put_body(struct run_writer *w, const struct refusals *r, const struct write_body *body)
{
    size_t at = 0;
    for (const struct write_block *b = body->first; b; b = b->next)
        for (size_t i = 0; i < b->n; i++)
            put_entry(w, r, &b->entries[i], &at);
    put_run(w);
    return at == r->n;
}

bool refusals_encode(struct refusals *r, const struct write_body *body, const uint8_t **ret,
                     size_t *ret_n)
{
    struct run_writer count = {0};
    *ret = NULL;
    *ret_n = 0;
    if (r->is_lost || !put_body(&count, r, body))
        return false;
    if (count.n == 0)
        return true;
    struct run_writer w = {.to = region_alloc(r->region, count.n)};
    if (!w.to || !put_body(&w, r, body))
        return false;
    *ret = w.to;
    *ret_n = w.n;
    return true;
}

/* The next run that is in the meta. */
struct run_reader {
    const uint8_t *at, *end;
    uint64_t n_before, n_refused;
    bool is_bad;
};

static void next_run(struct run_reader *m)
{
    m->n_before = UINT64_MAX; /* no sample is refused any more */
    m->n_refused = 0;
    if (m->at == m->end)
        return;
    if (!varint_get(&m->at, m->end, &m->n_before) || !varint_get(&m->at, m->end, &m->n_refused) ||
        m->n_refused == 0)
        m->is_bad = true;
}

/* The samples lie in the walk's own blocks, which are nobody else's. */
static void apply_to(struct run_reader *m, struct append_entry *e)
{
    struct sample *samples = (struct sample *)(uintptr_t)e->samples;
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->n_samples && !m->is_bad; i++) {
        if (m->n_before == 0) {
            if (--m->n_refused == 0)
                next_run(m);
            continue;
        }
        m->n_before--;
        samples[n++] = samples[i];
    }
    e->n_samples = n;
}

bool refusals_apply(const uint8_t *meta, size_t n, struct write_body *body)
{
    struct run_reader m = {.at = meta, .end = meta + n};
    if (n == 0)
        return true;
    next_run(&m);
    for (struct write_block *b = body->first; b && !m.is_bad; b = b->next)
        for (size_t i = 0; i < b->n && !m.is_bad; i++)
            apply_to(&m, &b->entries[i]);
    return !m.is_bad && m.n_refused == 0;
}

/* Whether the next sample is one that is stored. */
static bool next_is_stored(struct run_reader *m)
{
    if (m->n_before > 0) {
        m->n_before--;
        return true;
    }
    if (--m->n_refused == 0)
        next_run(m);
    return false;
}

bool refusals_each(const uint8_t *meta, size_t n, const struct write_body *body,
                   void (*visit)(void *ctx, int64_t t_ms, bool is_stored), void *ctx)
{
    struct run_reader m = {.at = meta, .end = meta + n};
    next_run(&m);
    for (const struct write_block *b = body->first; b && !m.is_bad; b = b->next)
        for (size_t i = 0; i < b->n; i++)
            for (uint32_t k = 0; k < b->entries[i].n_samples && !m.is_bad; k++) {
                bool is_stored = next_is_stored(&m);
                visit(ctx, b->entries[i].samples[k].t_ms, is_stored);
            }
    return !m.is_bad && m.n_refused == 0;
}

struct narrowing {
    struct run_writer writer;
    bool (*is_wanted)(const void *ctx, int64_t t_ms);
    const void *ctx;
};

static void narrow_sample(void *ctx, int64_t t_ms, bool is_stored)
{
    struct narrowing *w = ctx;
    put_samples(&w->writer, 1, !is_stored || !w->is_wanted(w->ctx, t_ms));
}

bool refusals_narrow(const uint8_t *meta, size_t n, const struct write_body *body,
                     bool (*is_wanted)(const void *ctx, int64_t t_ms), const void *ctx,
                     struct region *r, const uint8_t **ret, size_t *ret_n)
{
    struct narrowing count = {.is_wanted = is_wanted, .ctx = ctx};
    *ret = NULL;
    *ret_n = 0;
    if (!refusals_each(meta, n, body, narrow_sample, &count))
        return false;
    put_run(&count.writer);
    if (count.writer.n == 0)
        return true;
    struct narrowing w = {
        .writer = {.to = region_alloc(r, count.writer.n)}, .is_wanted = is_wanted, .ctx = ctx};
    if (!w.writer.to || !refusals_each(meta, n, body, narrow_sample, &w))
        return false;
    put_run(&w.writer);
    *ret = w.writer.to;
    *ret_n = w.writer.n;
    return true;
}
