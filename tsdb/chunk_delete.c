/* Taking samples out of a chunk, for good.
 *
 * An interval leaves of a chunk what is before it and what is behind it. What has a place in a
 * timeline keeps it: a run, and so a constant, is cut by its places alone, a column is encoded anew
 * without what is gone, and both sides of a cut become blocks of their own. What has times of its
 * own stays together. Sheaves within the interval go unread; at most two have a block to be cut,
 * and are written anew as they are for a late sample. Blocks outside of the interval stay as they
 * are.
 *
 * A chunk can have more slots than a change, so it is done in steps, from the end: a chunk that
 * goes whole, or from some time on, then gives up the end of its directory each time, which costs a
 * leaf of it. Only where something stays behind the interval are its items copied, at each step.
 *
 * Rejected: marks of what is deleted, beside the samples (every read, the snapshot and the journal
 * would have to know them, and they would need memory for as long as the samples that nobody
 * wants); and one change for a whole chunk, which would hold up its series, and the lock of slots,
 * for however long it is.
 */
#include "tsdb/chunk_work.h"

#include <string.h>

enum {
    STEP_SLOTS = CHANGE_SLOTS_MAX / 4, /* of sheaves that a step gives up, more or less: others of
                                          the change are for the directory */
    WHOLE_SHEAVES = 16,                /* a sealed chunk of so many has fewer slots than a change */
};

_Static_assert(WHOLE_SHEAVES *(SHEAF_BYTES_MAX / SIZE_CLASS_BYTES_MAX + 2) + 2 < CHANGE_SLOTS_MAX,
               "the largest slots, one of a smaller class and one for the end; a directory");

struct interval {
    uint32_t min, max; /* times, inclusive */
};

struct cut { /* samples [0, before) and [behind, n) of a row of them stay */
    uint32_t before, behind;
};

static bool is_nothing(const struct cut *c)
{
    return c->before == c->behind;
}

/* ---- runs: by place ---- */

/* How many of n samples, from a place on, are earlier than a time. */
static uint32_t places_before(const struct work *k, slot timeline, uint32_t first, uint32_t n,
                              uint64_t time)
{
    uint32_t from = 0, to = n;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        if (chunk_work_time(k, timeline, first + mid) < time)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static struct cut cut_places(const struct work *k, slot timeline, uint32_t first, uint32_t n,
                             const struct interval *i)
{
    return (struct cut){.before = places_before(k, timeline, first, n, i->min),
                        .behind = places_before(k, timeline, first, n, (uint64_t)i->max + 1)};
}

static struct cut cut_times(const uint32_t *times, uint32_t n, const struct interval *i)
{
    struct cut c = {0};
    while (c.before < n && times[c.before] < i->min)
        c.before++;
    c.behind = c.before;
    while (c.behind < n && times[c.behind] <= i->max)
        c.behind++;
    return c;
}

/* Closes the gap in an array of n items. */
static void close_gap(const struct cut *c, uint32_t n, uint32_t *times, uint64_t *values)
{
    memmove(&times[c->before], &times[c->behind], (n - c->behind) * sizeof(*times));
    memmove(&values[c->before], &values[c->behind], (n - c->behind) * sizeof(*values));
}

/* ---- constants ---- */

/* Cuts a constant at one of its ends; false when it is to be cut in the middle. */
static bool cut_constant(struct work *k, const struct interval *i)
{
    struct chunk *c = &k->c;
    uint32_t n = c->n_samples;
    struct cut cut = cut_places(k, c->timeline, c->place, n, i);
    if (is_nothing(&cut))
        return true;
    if (cut.before > 0 && cut.behind < n)
        return false;
    c->n_samples = n - (cut.behind - cut.before);
    if (cut.before > 0) { /* the marker is the last sample */
        c->is_stale = 0;
    } else if (c->n_samples > 0) {
        c->place = (c->place + cut.behind) & TIMELINE_TIMES_MAX;
        if (c->is_stale && c->n_samples == 1) {
            c->value = STALE_BITS;
            c->is_stale = 0;
        }
    } else {
        *c = (struct chunk){0};
    }
    return true;
}

/* ---- the tail ---- */

/* The tail becomes a run of n samples. */
static void tail_of_run(struct work *k, slot timeline, uint32_t first, uint32_t n, uint64_t value)
{
    struct tail *t = &k->h.tail;
    tail_start(t, timeline, first, value);
    t->n_samples = n;
    t->run = n - 1;
    t->last = first + t->run;
}

/* A tail without bytes: of any length in a timeline, of one sample otherwise. */
static void cut_tail_of_run(struct work *k, const struct interval *i)
{
    const struct tail t = k->h.tail;
    struct cut c = cut_places(k, t.timeline, t.first, t.n_samples, i);
    uint32_t n_behind = t.n_samples - c.behind;
    if (is_nothing(&c))
        return;
    k->c.n_samples -= c.behind - c.before;
    if (c.before > 0)
        tail_of_run(k, t.timeline, t.first, c.before, t.first_value);
    else
        chunk_tail_drop(&k->change, &k->h);
    if (c.before > 0 && n_behind > 0)
        chunk_work_finish_tail(k);
    if (is_good(k) && n_behind > 0)
        tail_of_run(k, t.timeline, t.first + c.behind, n_behind, t.first_value);
}

static void cut_tail_of_bytes(struct work *k, const struct interval *i)
{
    struct chunk_tail t = {.timeline = k->h.tail.timeline, .n = k->h.tail.n_samples};
    uint32_t times[BLOCK_SAMPLES_MAX];
    chunk_tail_decode(arena_of(k), &k->h, t.places, t.values);
    chunk_tail_times(arena_of(k), k->w->times, &t, times);
    struct cut c = cut_times(times, t.n, i);
    uint32_t n_behind = t.n - c.behind, n = c.before + n_behind;
    if (is_nothing(&c))
        return;
    k->c.n_samples -= c.behind - c.before;
    bool has_gap = c.before > 0 && n_behind > 0;
    slot timeline = has_gap ? 0 : t.timeline;
    uint32_t *places = timeline != 0 ? t.places : times;
    close_gap(&c, t.n, places, t.values);
    if (n == 0)
        chunk_tail_drop(&k->change, &k->h);
    else if (!chunk_tail_rewrite(&k->change, &k->h, timeline, places, t.values, n))
        k->change.has_failed = true;
}

static void cut_tail(struct work *k, const struct interval *i)
{
    const struct tail *t = &k->h.tail;
    if (t->n_samples == 0 || chunk_work_time(k, t->timeline, t->first) > i->max ||
        chunk_work_time(k, t->timeline, t->last) < i->min)
        return;
    if (t->n_bytes == 0)
        cut_tail_of_run(k, i);
    else
        cut_tail_of_bytes(k, i);
}

/* ---- blocks ---- */

struct rest { /* what stays of a sheaf's blocks: a cut in the middle makes one more */
    struct block blocks[SHEAF_BLOCKS_MAX + 1];
    uint32_t n, n_parts;
    uint32_t n_gone; /* samples */
    uint8_t old_bytes[SHEAF_BYTES_MAX];
    uint8_t values_bytes[2][COLUMN_BYTES_MAX]; /* of parts: at each end of the interval one */
    uint8_t times_bytes[2][BLOCK_TIMES_BYTES_MAX];
};

/* Samples [from, from + n) of a run. */
static void keep_run(struct rest *r, const struct block *b, uint32_t from, uint32_t n)
{
    if (n == 0)
        return;
    struct block *part = &r->blocks[r->n++];
    *part = *b;
    part->first += b->times == BLOCK_AT ? from : from * b->step;
    part->n_samples = n;
}

static void cut_run(struct work *k, struct rest *r, const struct block *b, const struct interval *i)
{
    struct cut c = {0};
    if (b->times == BLOCK_AT) {
        c = cut_places(k, b->timeline, b->first, b->n_samples, i);
    } else { /* equidistant: one sample, as we write them */
        uint32_t time = b->first;
        for (; c.before < b->n_samples && time < i->min; time += b->step)
            c.before++;
        for (c.behind = c.before; c.behind < b->n_samples && time <= i->max; time += b->step)
            c.behind++;
    }
    keep_run(r, b, 0, c.before);
    keep_run(r, b, c.behind, b->n_samples - c.behind);
    r->n_gone += c.behind - c.before;
}

/* A block of n of a column's values, which are its own even if the column was shared. */
static struct block *keep_values(struct rest *r, const uint64_t *values, uint32_t n)
{
    struct block *part = &r->blocks[r->n++];
    ENSURE(r->n_parts < ARRAY_LEN(r->values_bytes));
    *part = (struct block){0};
    block_encode_values(part, values, n, r->values_bytes[r->n_parts]);
    return part;
}

/* The part of a column from place `from` of its timeline on. */
static void keep_part(struct rest *r, const struct block *b, const uint64_t *values, uint32_t from,
                      uint32_t n)
{
    if (n == 0)
        return;
    struct block *part = keep_values(r, values + from, n);
    part->times = BLOCK_AT;
    part->timeline = b->timeline;
    part->first = b->first + from;
    r->n_parts++;
}

static void cut_column(struct work *k, struct rest *r, const struct block *b,
                       const struct interval *i)
{
    uint32_t times[BLOCK_SAMPLES_MAX], n = b->n_samples;
    uint64_t values[BLOCK_SAMPLES_MAX];
    bool is_whole = block_times(arena_of(k), k->w->times, b, 0, n, times);
    ENSURE(is_whole);
    block_values_kept(b, 0, n, values);
    struct cut c = cut_times(times, n, i);
    r->n_gone += c.behind - c.before;
    if (b->times == BLOCK_AT) {
        keep_part(r, b, values, 0, c.before);
        keep_part(r, b, values, c.behind, n - c.behind);
        return;
    }
    close_gap(&c, n, times, values);
    n -= c.behind - c.before;
    struct block *part = keep_values(r, values, n);
    block_own_times(part, times, n, r->times_bytes[r->n_parts++]);
}

static void cut_block(struct work *k, struct rest *r, const struct block *b,
                      const struct interval *i)
{
    uint32_t first, last;
    block_span(arena_of(k), k->w->times, b, &first, &last);
    if (last < i->min || first > i->max)
        r->blocks[r->n++] = *b;
    else if (first >= i->min && last <= i->max)
        r->n_gone += b->n_samples;
    else if (b->encoding == BLOCK_RUN)
        cut_run(k, r, b, i);
    else
        cut_column(k, r, b, i);
}

/* ---- sheaves ---- */

/* Item `at` of a head's sheaves: those of the directory, then the last one. */
static const struct sheaf *sheaf_at(const struct work *k, const struct row *row, uint32_t at)
{
    return at < row->n ? row_at(arena_of(k), row, sizeof(struct sheaf), at) : &k->h.last;
}

struct new_sheaves { /* what a sheaf that is cut becomes */
    struct new_sheaf items[2];
    uint32_t n;
    bool is_same; /* nothing of it is in the interval: the sheaf stays as it is */
};

static void cut_sheaf(struct work *k, uint32_t at, const struct interval *i,
                      struct new_sheaves *ret)
{
    bool is_last = at == k->h.sheaves.n;
    const struct sheaf old = *sheaf_at(k, &k->h.sheaves, at);
    const struct sheaf_end *end = is_last ? &k->h.end : NULL;
    struct sheaf_reader reader;
    struct block b;
    struct rest r;
    r.n = r.n_parts = r.n_gone = 0;
    sheaf_gather(arena_of(k), &old, end, r.old_bytes);
    sheaf_reader_init(&reader, arena_of(k), &old, r.old_bytes);
    while (sheaf_next(&reader, &b))
        cut_block(k, &r, &b, i);
    ret->n = 0;
    ret->is_same = r.n_gone == 0;
    if (ret->is_same)
        return;
    uint32_t n = r.n > SHEAF_BLOCKS_MAX ? r.n / 2 : r.n;
    if (n > 0)
        chunk_work_sheaf(k, r.blocks, n, is_last && n == r.n, &ret->items[ret->n++]);
    if (n < r.n && is_good(k))
        chunk_work_sheaf(k, &r.blocks[n], r.n - n, is_last, &ret->items[ret->n++]);
    k->c.n_samples -= r.n_gone;
    sheaf_replace(&k->change, &old, end);
}

static void drop_sheaf(struct work *k, uint32_t at)
{
    const struct sheaf *s = sheaf_at(k, &k->h.sheaves, at);
    k->c.n_samples -= s->n_samples;
    sheaf_replace(&k->change, s, at == k->h.sheaves.n ? &k->h.end : NULL);
}

/* ---- the head's sheaves, with some of them replaced ---- */

struct splice { /* items [from, to] go, and up to two new ones stand in for the first and the last
                 */
    uint32_t from, to;
    struct new_sheaves first, last; /* of the same item: only first */
};

/* Puts a sheaf behind the others: the one that was last goes to the directory. */
static void push_sheaf(struct work *k, const struct new_sheaf *s)
{
    struct chunk_head *h = &k->h;
    if (!is_good(k))
        return;
    if (h->last.n_blocks > 0 && row_append(&k->change, &h->sheaves, sizeof(h->last), &h->last))
        k->change.payload += (int64_t)sizeof(h->last);
    h->last = s->s;
    h->end = s->end;
}

/* A last sheaf that is gone is the last of the directory from now on: a chunk that is sealed with a
 * single one has no directory. */
static void pull_sheaf(struct work *k)
{
    struct chunk_head *h = &k->h;
    if (!is_good(k) || h->last.n_blocks > 0 || h->sheaves.n == 0)
        return;
    h->last = *sheaf_at(k, &h->sheaves, h->sheaves.n - 1); /* which is closed */
    if (row_cut(&k->change, &h->sheaves, sizeof(h->last), h->sheaves.n - 1))
        k->change.payload -= (int64_t)sizeof(h->last);
}

static void push_new(struct work *k, const struct new_sheaves *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        push_sheaf(k, &s->items[i]);
}

static void splice(struct work *k, const struct splice *p)
{
    struct chunk_head *h = &k->h;
    const struct row old = h->sheaves;
    const struct new_sheaf last = {h->last, h->end};
    bool has_last = last.s.n_blocks > 0;
    uint32_t n = old.n + has_last, kept = p->from;
    if (kept < old.n) {
        k->change.payload -= (int64_t)((old.n - kept) * sizeof(struct sheaf));
        if (!row_cut(&k->change, &h->sheaves, sizeof(struct sheaf), kept))
            return;
    }
    h->last = (struct sheaf){0};
    h->end = (struct sheaf_end){0};
    push_new(k, &p->first);
    push_new(k, &p->last);
    for (uint32_t at = p->to + 1; at < n && is_good(k); at++) {
        struct new_sheaf s = {0};
        if (at < old.n)
            s.s = *(const struct sheaf *)row_at(arena_of(k), &old, sizeof(s.s), at);
        else
            s = last;
        push_sheaf(k, &s);
    }
    pull_sheaf(k);
}

/* The sheaves that may have samples in the interval, [*ret_from, *ret_to]; false when none has. */
static bool find_sheaves(const struct work *k, const struct interval *i, uint32_t *ret_from,
                         uint32_t *ret_to)
{
    const struct chunk_head *h = &k->h;
    uint32_t n = h->sheaves.n + (h->last.n_blocks > 0);
    if (n == 0 || sheaf_at(k, &h->sheaves, 0)->first_time > i->max)
        return false;
    *ret_from = chunk_find_sheaf(arena_of(k), h, i->min);
    *ret_to = chunk_find_sheaf(arena_of(k), h, i->max);
    return true;
}

/* Takes out what of the interval is in blocks, from the end, as much as one change can; true when
 * there is more. */
static bool cut_sheaves(struct work *k, const struct interval *i)
{
    struct splice p = {0};
    uint32_t from, to;
    if (!is_good(k) || !find_sheaves(k, i, &from, &to))
        return false;
    p.to = p.from = to;
    cut_sheaf(k, to, i, to == from ? &p.first : &p.last);
    uint32_t most = k->change.n_replaced + STEP_SLOTS;
    while (is_good(k) && p.from > from + 1 && k->change.n_replaced < most)
        drop_sheaf(k, --p.from);
    if (is_good(k) && p.from == from + 1 && k->change.n_replaced < most) {
        p.from--;
        cut_sheaf(k, from, i, &p.first);
    }
    bool has_more = p.from > from;
    /* those at the ends may have nothing in it */
    if (to > from && p.last.is_same)
        p.to--;
    if (p.from == from && p.first.is_same)
        p.from++;
    if (is_good(k) && p.from <= p.to)
        splice(k, &p);
    return has_more;
}

/* ---- the door ---- */

/* A sealed chunk that is short and within the interval goes without being opened: so old windows
 * are emptied even when there is no slot for a head. */
static bool drop_sealed(struct work *k, const struct interval *i)
{
    struct chunk *c = &k->c;
    struct chunk_view v = {.c = *c};
    uint32_t first, last;
    if (c->kind == CHUNK_HEAD || (c->kind == CHUNK_ROW && c->sheaves.n > WHOLE_SHEAVES))
        return false;
    chunk_view_head(arena_of(k), &v);
    chunk_span(arena_of(k), k->w->times, &v, &first, &last);
    if (first < i->min || last > i->max)
        return false;
    if (c->kind == CHUNK_SHEAF) {
        struct sheaf only = chunk_only_sheaf(c);
        sheaf_replace(&k->change, &only, NULL);
    } else {
        for (uint32_t at = 0; at < c->sheaves.n; at++)
            sheaf_replace(&k->change, sheaf_at(k, &c->sheaves, at), NULL);
        k->change.payload -= (int64_t)(c->sheaves.n * sizeof(struct sheaf));
        struct row row = c->sheaves;
        if (!row_cut(&k->change, &row, sizeof(struct sheaf), 0))
            return true;
    }
    *c = (struct chunk){0};
    return true;
}

/* A chunk without samples gives back its head; false when it has some. */
static bool drop_if_empty(struct work *k)
{
    if (k->c.n_samples > 0)
        return false;
    k->change.open_payload -= (int64_t)chunk_tail_payload(&k->h);
    change_replace_open(&k->change, k->c.at);
    k->c = (struct chunk){0};
    return true;
}

/* Cuts what is not a constant, or not one any more; true when there is more to do. */
static bool cut_chunk(struct work *k, const struct interval *i)
{
    bool was_sealed = k->c.kind == CHUNK_SHEAF || k->c.kind == CHUNK_ROW;
    if (was_sealed && drop_sealed(k, i))
        return false;
    chunk_work_have_head(k);
    if (is_good(k))
        cut_tail(k, i);
    bool has_more = cut_sheaves(k, i);
    if (is_good(k) && !drop_if_empty(k) && (was_sealed || !k->w->is_open))
        chunk_work_seal(k);
    return has_more;
}

int chunk_delete(const struct chunk_writer *w, struct chunk *chunk, uint32_t min_time,
                 uint32_t max_time, uint64_t *io_deleted)
{
    struct work k;
    const struct interval i = {min_time, max_time};
    uint32_t n = chunk->n_samples;
    bool has_more = false;
    chunk_work_begin(&k, w, chunk);
    if (k.c.kind != CHUNK_CONSTANT || !cut_constant(&k, &i))
        has_more = cut_chunk(&k, &i);
    uint32_t n_left = k.c.n_samples;
    if (is_good(&k) && n_left == n) {
        change_undo(&k.change);
        return 0;
    }
    int err = chunk_work_publish(&k, chunk);
    if (err != 0)
        return err;
    *io_deleted += n - n_left;
    return has_more;
}
