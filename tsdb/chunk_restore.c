/* What a snapshot brings back.
 *
 * A chunk comes as the blocks and the tail that it was. To add them one by one would write a chunk
 * as it was written in life: its head and the end of its last sheaf in the pool `open`, copied with
 * each block and given back when the series moves on. Most chunks of a snapshot were sealed long
 * ago and are here as a whole, so their sheaves are cut into slots at once, of the sizes that life
 * would have cut; a chunk that is one sheaf comes as its bytes. Whatever else it may be goes the
 * long way, in one change for all its parts. */
#include "tsdb/chunk_work.h"
#include "tsdb/err.h"

/* Whether a run is a constant chunk, or the stale marker that ends one. */
static bool restore_constant(const struct chunk_writer *w, struct chunk *c, const struct block *b)
{
    uint64_t value;
    bool is_value = block_values(b, 0, 1, &value);
    ENSURE(is_value);
    if (c->serial == 0) {
        *c = (struct chunk){.serial = w->window->serial,
                            .n_samples = b->n_samples,
                            .timeline = b->timeline,
                            .place = b->first & TIMELINE_TIMES_MAX,
                            .kind = CHUNK_CONSTANT,
                            .value = value};
        return true;
    }
    if (c->kind != CHUNK_CONSTANT || c->is_stale || b->timeline != c->timeline ||
        b->first != c->place + c->n_samples || b->n_samples != 1 || value != STALE_BITS)
        return false;
    c->is_stale = 1;
    c->n_samples++;
    return true;
}

static void restore_run(struct work *k, const struct block *b)
{
    uint64_t value;
    struct tail *t = &k->h.tail;
    bool is_value = block_values(b, 0, 1, &value);
    ENSURE(is_value);
    tail_start(t, b->timeline, b->first, value);
    t->n_samples = b->n_samples;
    t->run = b->n_samples - 1;
    t->last = b->first + t->run;
    k->c.n_samples += b->n_samples;
}

/* Brings a head into being for what comes behind the samples that are there. A constant that is
 * followed by something was written while it ceased to be one; a chunk that was sealed, before all
 * of it was read. */
static void restored_head(struct work *k)
{
    if (k->c.serial == 0 && chunk_work_make_head(k)) {
        k->c.serial = k->w->window->serial;
        k->c.n_samples = 0;
    } else if (k->c.kind == CHUNK_CONSTANT) {
        chunk_work_have_head(k);
        if (is_good(k) && k->h.tail.n_samples > 0)
            chunk_work_finish_tail(k);
    } else if (k->c.serial != 0) {
        chunk_work_have_head(k);
    }
    if (is_good(k) && k->h.tail.n_samples > 0)
        k->err = ERR_CORRUPT;
}

/* Blocks from i on that make one sheaf, or the end of one that has n_before. */
static uint32_t sheaf_length(const struct chunk_parts *in, uint32_t i, uint32_t n_before)
{
    uint32_t n = 1;
    while (i + n < in->n && in->parts[i + n] == PART_BLOCK && n_before + n < SHEAF_BLOCKS_MAX)
        n++;
    return n;
}

/* Part i, with those behind it that are of the same sheaf; returns how many. */
static uint32_t restore_part(struct work *k, const struct chunk_parts *in, uint32_t i)
{
    struct chunk_head *h = &k->h;
    const struct block *b = &in->blocks[i];
    if (in->parts[i] == PART_RUN && b->times == BLOCK_AT && restore_constant(k->w, &k->c, b))
        return 1;
    restored_head(k);
    if (!is_good(k))
        return 1;
    if (in->parts[i] == PART_RUN) {
        restore_run(k, b);
        return 1;
    }
    bool begins = in->parts[i] == PART_SHEAF || !chunk_head_is_open(h);
    bool is_over = h->last.n_blocks > 0 && (begins || h->last.n_blocks >= SHEAF_BLOCKS_MAX);
    if (is_over && !chunk_work_move_on(k))
        return 1;
    uint32_t n = sheaf_length(in, i, h->last.n_blocks), n_samples = h->last.n_samples;
    bool is_first = h->last.n_blocks == 0;
    if (sheaf_append_many(&k->change, &h->last, &h->end, b, n,
                          is_first ? chunk_work_first(k, b) : 0))
        k->c.n_samples += h->last.n_samples - (is_first ? 0 : n_samples);
    return n;
}

static void restore_tail(struct work *k, const struct chunk_tail *t)
{
    restored_head(k);
    if (is_good(k) &&
        chunk_tail_rewrite(&k->change, &k->h, t->timeline, t->places, t->values, t->n))
        k->c.n_samples += t->n;
}

/* ---- a chunk that was sealed ---- */

static bool is_all_blocks(const struct chunk_parts *in)
{
    for (uint32_t i = 0; i < in->n; i++)
        if (in->parts[i] == PART_RUN)
            return false;
    return in->n > 0 && in->tail == NULL;
}

/* A row of them, or the only one. */
static void restore_sealed(struct work *k, const struct chunk_parts *in)
{
    struct sheaf s;
    struct row row = {0};
    struct chunk *c = &k->c;
    *c = (struct chunk){.serial = k->w->window->serial};
    for (uint32_t i = 0, n; i < in->n && is_good(k); i += n) {
        const struct block *blocks = &in->blocks[i];
        n = sheaf_length(in, i, 0);
        if (!sheaf_make(&k->change, &s, blocks, n, chunk_work_first(k, blocks)))
            return;
        c->n_samples += s.n_samples;
        if (n == in->n)
            break;
        if (!row_append(&k->change, &row, sizeof(s), &s))
            return;
        k->change.payload += (int64_t)sizeof(s);
    }
    if (row.n == 0) {
        chunk_work_only_sheaf(c, &s);
    } else {
        c->kind = CHUNK_ROW;
        c->sheaves = row;
    }
}

int chunk_restore(const struct chunk_writer *w, struct chunk *chunk, const struct chunk_parts *in)
{
    struct chunk made = {0};
    if (chunk->serial == 0 && in->n == 1 && in->tail == NULL && in->parts[0] == PART_RUN &&
        in->blocks[0].times == BLOCK_AT && restore_constant(w, &made, &in->blocks[0])) {
        words_store(chunk, &made, sizeof(made));
        return 0;
    }
    struct work k;
    chunk_work_begin(&k, w, chunk);
    if (in->is_sealed && k.c.serial == 0 && is_all_blocks(in)) {
        restore_sealed(&k, in);
        return chunk_work_publish(&k, chunk);
    }
    for (uint32_t i = 0; i < in->n && is_good(&k);)
        i += restore_part(&k, in, i);
    if (in->tail != NULL && is_good(&k))
        restore_tail(&k, in->tail);
    if (in->is_sealed && is_good(&k) && k.c.kind == CHUNK_HEAD)
        chunk_work_seal(&k);
    return chunk_work_publish(&k, chunk);
}

/* ---- a chunk of one sheaf ---- */

static void restore_open_sheaf(struct work *k, const struct chunk_whole *in)
{
    struct chunk_head *h = &k->h;
    struct block_context start = in->start;
    restored_head(k);
    if (!is_good(k) || !sheaf_begin_whole(&k->change, &h->last, &h->end, in->bytes, in->outline,
                                          start, chunk_work_time(k, start.timeline, start.place)))
        return;
    k->c.n_samples += in->outline->n_samples;
    if (in->tail != NULL)
        restore_tail(k, in->tail);
    if (in->is_sealed && is_good(k))
        chunk_work_seal(k);
}

static void restore_closed_sheaf(struct work *k, const struct chunk_whole *in)
{
    struct sheaf s;
    k->c.serial = k->w->window->serial;
    k->c.n_samples = in->outline->n_samples;
    if (sheaf_make_whole(&k->change, &s, in->bytes, in->outline, in->start))
        chunk_work_only_sheaf(&k->c, &s);
}

int chunk_restore_sheaf(const struct chunk_writer *w, struct chunk *chunk,
                        const struct chunk_whole *in)
{
    struct work k;
    bool is_closed = in->is_sealed && in->tail == NULL;
    chunk_work_begin(&k, w, chunk);
    ENSURE(k.c.serial == 0);
    (is_closed ? restore_closed_sheaf : restore_open_sheaf)(&k, in);
    return chunk_work_publish(&k, chunk);
}
