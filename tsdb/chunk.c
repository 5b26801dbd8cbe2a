/* Reading chunks.
 *
 * Whatever form a chunk has, its samples come as blocks and at most one tail: a constant is a block
 * that is one run (and one more for its stale marker), and so is a tail that never changed. The
 * rest of this file, and the snapshot, see nothing else.
 */
#include "tsdb/chunk.h"
#include "tsdb/chunk_tail.h"

#include <string.h>

_Static_assert(sizeof(struct chunk) == 24, "as the header says");
_Static_assert(sizeof(struct chunk_head) == SIZE_CLASS_STEP_BYTES, "a head fills its slot");

static bool has_directory(const struct chunk_view *v)
{
    return (v->c.kind == CHUNK_HEAD || v->c.kind == CHUNK_ROW) && v->head.sheaves.n > 0;
}

/* ---- visiting ---- */

struct run { /* a block that is one value, not stored as a block */
    struct block block;
    uint8_t bytes[RUN_BYTES_MAX];
};

static int visit_run(const struct chunk_visitor *visitor, slot timeline, uint32_t first,
                     uint32_t step, uint32_t n, uint64_t value)
{
    struct run r;
    block_of_run(&r.block, timeline, first, n, value, r.bytes);
    r.block.step = step;
    return visitor->block(visitor->ctx, PART_RUN, &r.block);
}

static int visit_constant(const struct chunk *c, const struct chunk_visitor *visitor)
{
    uint32_t n = c->n_samples - c->is_stale;
    int rc = visit_run(visitor, c->timeline, c->place, 0, n, c->value);
    if (rc == 0 && c->is_stale)
        rc = visit_run(visitor, c->timeline, c->place + n, 0, 1, STALE_BITS);
    return rc;
}

static int visit_sheaf(const struct arena *a, const struct sheaf *s, const struct sheaf_end *e,
                       const struct chunk_visitor *visitor)
{
    uint8_t bytes[SHEAF_BYTES_MAX];
    struct sheaf_reader r;
    struct block b;
    enum chunk_part part = PART_SHEAF;
    sheaf_gather(a, s, e, bytes);
    int whole = visitor->sheaf != NULL ? visitor->sheaf(visitor->ctx, s, bytes) : VISIT_BLOCKS;
    if (whole != VISIT_BLOCKS)
        return whole;
    sheaf_reader_init(&r, a, s, bytes);
    for (int rc; sheaf_next(&r, &b); part = PART_BLOCK)
        if ((rc = visitor->block(visitor->ctx, part, &b)) != 0)
            return rc;
    return 0;
}

static int visit_tail(const struct arena *a, const struct chunk_head *h,
                      const struct chunk_visitor *visitor)
{
    const struct tail *t = &h->tail;
    if (t->n_samples == 0)
        return 0;
    if (t->n_bytes == 0)
        return visit_run(visitor, t->timeline, t->first, t->step, t->n_samples, t->first_value);
    struct chunk_tail out = {.timeline = t->timeline, .n = t->n_samples};
    chunk_tail_decode(a, h, out.places, out.values);
    return visitor->tail(visitor->ctx, &out);
}

struct sheaf chunk_only_sheaf(const struct chunk *c)
{
    return (struct sheaf){.start = {c->timeline, c->place},
                          .piece = c->at,
                          .n_samples = c->n_samples,
                          .n_bytes = c->n_bytes,
                          .n_blocks = c->n_blocks};
}

uint32_t chunk_find_sheaf(const struct arena *a, const struct chunk_head *h, uint32_t time)
{
    if (h->last.n_blocks > 0 && h->last.first_time <= time)
        return h->sheaves.n;
    uint32_t from = 0, to = h->sheaves.n; /* items before `from` begin at or before time */
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        const struct sheaf *s = row_at(a, &h->sheaves, sizeof(*s), mid);
        if (s->first_time <= time)
            from = mid + 1;
        else
            to = mid;
    }
    return from > 0 ? from - 1 : 0;
}

int chunk_visit(const struct arena *a, const struct chunk_view *v, uint32_t min_time,
                const struct chunk_visitor *visitor)
{
    const struct chunk_head *h = &v->head;
    int rc = 0;
    switch (v->c.kind) {
    case CHUNK_CONSTANT:
        return visit_constant(&v->c, visitor);
    case CHUNK_SHEAF: {
        struct sheaf only = chunk_only_sheaf(&v->c);
        return visit_sheaf(a, &only, NULL, visitor);
    }
    case CHUNK_ROW:
    case CHUNK_HEAD:
        for (uint32_t i = chunk_find_sheaf(a, h, min_time); rc == 0 && i < h->sheaves.n; i++)
            rc = visit_sheaf(a, row_at(a, &h->sheaves, sizeof(struct sheaf), i), NULL, visitor);
        if (rc == 0 && h->last.n_blocks > 0)
            rc = visit_sheaf(a, &h->last, &h->end, visitor);
        return rc == 0 ? visit_tail(a, h, visitor) : rc;
    default:
        return 0;
    }
}

/* ---- columns ---- */

enum { PAST_THE_END = 1, TIMES_GROUP = 8 };

struct column_reader {
    const struct arena *a;
    struct times_cache *times;
    uint32_t min, max;
    int64_t start_ms;
    int64_t *t_ms;
    uint64_t *values;
    size_t n;
};

/* Writes n times; a group at a time, so that the compiler takes vectors. */
static void take_times(struct column_reader *r, const uint32_t *times, uint32_t n)
{
    uint64_t start = (uint64_t)r->start_ms;
    int64_t *out = &r->t_ms[r->n];
    uint32_t i = 0;
    for (; i + TIMES_GROUP <= n; i += TIMES_GROUP)
        for (uint32_t k = 0; k < TIMES_GROUP; k++)
            out[i + k] = (int64_t)(start + times[i + k]);
    for (; i < n; i++)
        out[i] = (int64_t)(start + times[i]);
}

/* Takes those of up to 128 samples that are in the range. */
static int take(struct column_reader *r, const uint32_t *times, const uint64_t *values, uint32_t n)
{
    uint32_t from = 0, to = n;
    while (from < n && times[from] < r->min)
        from++;
    while (to > from && times[to - 1] > r->max)
        to--;
    take_times(r, times + from, to - from);
    memcpy(&r->values[r->n], values + from, (to - from) * sizeof(*values));
    r->n += to - from;
    return to < n ? PAST_THE_END : 0;
}

/* Of a block samples [from, from + n). A whole column that is in the range needs no copy: decoding
 * fills all that it may fill. */
static int take_part(struct column_reader *r, const struct block *b, uint32_t from, uint32_t n)
{
    uint32_t room[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    const uint32_t *times = block_lend_times(r->a, r->times, b, from, n, room);
    if (times[n - 1] < r->min)
        return 0;
    if (times[0] > r->max)
        return PAST_THE_END;
    bool is_whole = n == BLOCK_SAMPLES_MAX && times[0] >= r->min && times[n - 1] <= r->max;
    block_values_kept(b, from, n, is_whole ? &r->values[r->n] : values);
    if (!is_whole)
        return take(r, times, values, n);
    take_times(r, times, n);
    r->n += n;
    return 0;
}

static int take_block(void *ctx, enum chunk_part part, const struct block *b)
{
    struct column_reader *r = ctx;
    (void)part;
    for (uint32_t from = block_first_part(r->a, r->times, b, r->min); from < b->n_samples;
         from += BLOCK_SAMPLES_MAX) {
        int rc = take_part(r, b, from, (uint32_t)size_min(BLOCK_SAMPLES_MAX, b->n_samples - from));
        if (rc != 0)
            return rc;
    }
    return 0;
}

void chunk_tail_times(const struct arena *a, struct times_cache *t, const struct chunk_tail *tail,
                      uint32_t *ret)
{
    if (tail->timeline != 0)
        timeline_read(a, t, tail->timeline, tail->places[0], tail->n, ret);
    else
        memcpy(ret, tail->places, tail->n * sizeof(*ret));
}

static int take_tail(void *ctx, const struct chunk_tail *tail)
{
    struct column_reader *r = ctx;
    uint32_t times[BLOCK_SAMPLES_MAX];
    chunk_tail_times(r->a, r->times, tail, times);
    return take(r, times, tail->values, tail->n);
}

size_t chunk_read(const struct arena *a, struct times_cache *t, const struct chunk_view *v,
                  uint32_t min_time, uint32_t max_time, int64_t start_ms, int64_t *ret_t_ms,
                  uint64_t *ret_values)
{
    struct column_reader r = {a, t, min_time, max_time, start_ms, ret_t_ms, ret_values, 0};
    const struct chunk_visitor visitor = {.block = take_block, .tail = take_tail, .ctx = &r};
    (void)chunk_visit(a, v, min_time, &visitor);
    return r.n;
}

size_t chunk_room(const struct arena *a, const struct chunk_view *v, uint32_t min_time,
                  uint32_t max_time)
{
    const struct chunk_head *h = &v->head;
    if (!has_directory(v))
        return v->c.n_samples;
    size_t n = h->tail.n_samples;
    for (uint32_t i = chunk_find_sheaf(a, h, min_time); i < h->sheaves.n; i++) {
        const struct sheaf *s = row_at(a, &h->sheaves, sizeof(*s), i);
        if (s->first_time > max_time)
            break;
        n += s->n_samples;
    }
    return h->last.n_blocks > 0 && h->last.first_time <= max_time ? n + h->last.n_samples : n;
}

bool chunk_find(const struct arena *a, struct times_cache *t, const struct chunk_view *v,
                uint32_t time, uint64_t *ret_value)
{
    int64_t t_ms;
    return chunk_read(a, t, v, time, time, 0, &t_ms, ret_value) == 1;
}

/* ---- first and last ---- */

struct span_reader {
    const struct arena *a;
    struct times_cache *times;
    uint32_t first, last;
    bool has_first;
};

static int span_block(void *ctx, enum chunk_part part, const struct block *b)
{
    struct span_reader *r = ctx;
    uint32_t first;
    (void)part;
    block_span(r->a, r->times, b, &first, &r->last);
    if (!r->has_first)
        r->first = first;
    r->has_first = true;
    return 0;
}

static int span_tail(void *ctx, const struct chunk_tail *tail)
{
    struct span_reader *r = ctx;
    uint32_t times[BLOCK_SAMPLES_MAX];
    chunk_tail_times(r->a, r->times, tail, times);
    r->last = times[tail->n - 1];
    if (!r->has_first)
        r->first = times[0];
    return 0;
}

void chunk_span(const struct arena *a, struct times_cache *t, const struct chunk_view *v,
                uint32_t *ret_first, uint32_t *ret_last)
{
    struct span_reader r = {.a = a, .times = t};
    const struct chunk_visitor visitor = {.block = span_block, .tail = span_tail, .ctx = &r};
    (void)chunk_visit(a, v, UINT32_MAX, &visitor);
    if (has_directory(v))
        r.first = ((const struct sheaf *)row_at(a, &v->head.sheaves, sizeof(struct sheaf), 0))
                      ->first_time;
    *ret_first = r.first;
    *ret_last = r.last;
}

/* ---- recounting ---- */

void chunk_footprint_add(struct chunk_footprint *io, size_t slot_bytes, size_t payload_bytes)
{
    if (slot_bytes <= CRUMB_BYTES_MAX)
        io->crumbs[(slot_bytes - 1) / CRUMB_STEP_BYTES]++;
    else
        io->slots[size_class_of(slot_bytes) - 1]++;
    io->payload_bytes += payload_bytes;
}

struct footprint_walk {
    const struct arena *a;
    struct chunk_footprint *io;
};

static void count_slot(void *ctx, slot s)
{
    struct footprint_walk *f = ctx;
    chunk_footprint_add(f->io, pool_slot_bytes_at(f->a, s), 0);
}

static void add_sheaf(struct footprint_walk *f, const struct sheaf *s, const struct sheaf_end *e)
{
    sheaf_each_slot(f->a, s, e, count_slot, f);
    f->io->payload_bytes += sheaf_payload(f->a, s, e);
}

void chunk_add_open_footprint(const struct chunk_view *v, struct chunk_footprint *io)
{
    const struct chunk_head *h = &v->head;
    if (v->c.kind != CHUNK_HEAD)
        return;
    io->open_payload_bytes += chunk_tail_payload(h) + h->end.n_rest;
    io->open_slots += 1 + chunk_tail_pieces(&h->tail) + (h->end.rest != 0);
}

uint64_t chunk_footprint_bytes(const struct chunk_footprint *f)
{
    uint64_t bytes = 0;
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        bytes += f->slots[c] * size_class_bytes(c + 1);
    for (unsigned c = 0; c < CRUMB_SIZES; c++)
        bytes += f->crumbs[c] * (c + 1) * CRUMB_STEP_BYTES;
    return bytes;
}

void chunk_add_footprint(const struct arena *a, const struct chunk_view *v,
                         struct chunk_footprint *io)
{
    struct footprint_walk f = {a, io};
    const struct chunk_head *h = &v->head;
    if (v->c.kind == CHUNK_SHEAF) {
        struct sheaf only = chunk_only_sheaf(&v->c);
        add_sheaf(&f, &only, NULL);
    }
    chunk_add_open_footprint(v, io);
    if (v->c.kind != CHUNK_HEAD && v->c.kind != CHUNK_ROW)
        return;
    row_each_slot(a, &h->sheaves, sizeof(struct sheaf), count_slot, &f);
    io->payload_bytes += h->sheaves.n * sizeof(struct sheaf);
    for (uint32_t i = 0; i < h->sheaves.n; i++)
        add_sheaf(&f, row_at(a, &h->sheaves, sizeof(struct sheaf), i), NULL);
    if (h->last.n_blocks > 0)
        add_sheaf(&f, &h->last, &h->end);
}

struct checker {
    const struct arena *a;
    struct times_cache *times;
    uint32_t serial; /* of the chunk's window */
    int64_t before;
    uint64_t n;
};

static int check_times(struct checker *k, const uint32_t *times, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++, k->n++) {
        if (times[i] <= k->before)
            return 1;
        k->before = times[i];
    }
    return 0;
}

static int check_block(void *ctx, enum chunk_part part, const struct block *b)
{
    struct checker *k = ctx;
    uint32_t times[BLOCK_SAMPLES_MAX];
    (void)part;
    if (b->times == BLOCK_AT &&
        (uint64_t)b->first + b->n_samples > timeline_times(k->a, b->timeline))
        return 1;
    if (b->shared != 0 && !shared_check(k->a, b->shared, k->serial))
        return 1;
    if (!block_may_be_kept(b))
        return 1;
    for (uint32_t from = 0; from < b->n_samples; from += BLOCK_SAMPLES_MAX) {
        uint32_t n = (uint32_t)size_min(BLOCK_SAMPLES_MAX, b->n_samples - from);
        if (!block_times(k->a, k->times, b, from, n, times) || check_times(k, times, n) != 0)
            return 1;
    }
    return 0;
}

static int check_tail(void *ctx, const struct chunk_tail *tail)
{
    struct checker *k = ctx;
    uint32_t times[BLOCK_SAMPLES_MAX];
    if (tail->timeline != 0 &&
        (uint64_t)tail->places[0] + tail->n > timeline_times(k->a, tail->timeline))
        return 1;
    chunk_tail_times(k->a, k->times, tail, times);
    return check_times(k, times, tail->n);
}

struct sheaf_sum {
    struct checker *k;
    struct sheaf s;
};

static int add_to_sum(void *ctx, enum chunk_part part, const struct block *b)
{
    struct sheaf_sum *sum = ctx;
    uint32_t first, last;
    block_span(sum->k->a, sum->k->times, b, &first, &last);
    if (part == PART_SHEAF)
        sum->s.first_time = first;
    sum->s.n_blocks++;
    sum->s.n_samples += b->n_samples;
    return 0;
}

/* Whether a sheaf, whose blocks are good, is what it says. */
static bool sheaf_is_good(struct checker *k, const struct sheaf *s, const struct sheaf_end *e)
{
    struct sheaf_sum sum = {.k = k};
    const struct chunk_visitor visitor = {.block = add_to_sum, .tail = NULL, .ctx = &sum};
    (void)visit_sheaf(k->a, s, e, &visitor);
    return sum.s.first_time == s->first_time && sum.s.n_blocks == s->n_blocks &&
           sum.s.n_samples == s->n_samples;
}

static bool sheaves_are_good(struct checker *k, const struct chunk_head *h)
{
    for (uint32_t i = 0; i < h->sheaves.n; i++)
        if (!sheaf_is_good(k, row_at(k->a, &h->sheaves, sizeof(struct sheaf), i), NULL))
            return false;
    return h->last.n_blocks == 0 || sheaf_is_good(k, &h->last, &h->end);
}

bool chunk_check(const struct arena *a, struct times_cache *t, const struct chunk_view *v)
{
    struct checker k = {.a = a, .times = t, .serial = v->c.serial, .before = -1};
    const struct chunk_visitor visitor = {.block = check_block, .tail = check_tail, .ctx = &k};
    return chunk_visit(a, v, 0, &visitor) == 0 && k.n == v->c.n_samples && k.n > 0 &&
           (!has_directory(v) || sheaves_are_good(&k, &v->head));
}
