#include "tsdb/sheaf.h"

#include <string.h>

enum {
    LINK_BYTES = sizeof(slot),
    REST_MAX = SIZE_CLASS_STEP_BYTES - LINK_BYTES - 1, /* one more fills a slot */
};

static slot *link_of(const struct arena *a, slot piece)
{
    return slot_ptr(a, piece);
}

static uint8_t *bytes_of(const struct arena *a, slot piece)
{
    return (uint8_t *)slot_ptr(a, piece) + LINK_BYTES;
}

/* Writes n bytes into a slot behind the last one. Whoever reads an older copy of the sheaf goes
 * from its last slot to the rest and does not see the link. */
static void add_piece(struct change *c, struct sheaf *s, struct sheaf_end *e, slot made,
                      const uint8_t *bytes, size_t n)
{
    const struct arena *a = c->slots->arena;
    *link_of(a, made) = 0;
    memcpy(bytes_of(a, made), bytes, n);
    if (e->piece != 0)
        *link_of(a, e->piece) = made;
    else
        s->piece = made;
    e->piece = made;
    c->payload += (int64_t)(LINK_BYTES + n);
}

/* Writes the bytes that fill slots; returns how many, or -1 without memory. */
static ptrdiff_t fill_pieces(struct change *c, struct sheaf *s, struct sheaf_end *e,
                             const uint8_t *bytes, size_t n)
{
    size_t done = 0;
    while (n - done > REST_MAX) {
        size_t classes = (n - done + LINK_BYTES) / SIZE_CLASS_STEP_BYTES;
        size_t slot_bytes = size_min(classes, SIZE_CLASSES) * SIZE_CLASS_STEP_BYTES;
        slot made = change_take(c, slot_bytes);
        if (made == 0)
            return -1;
        add_piece(c, s, e, made, bytes + done, slot_bytes - LINK_BYTES);
        done += slot_bytes - LINK_BYTES;
    }
    return (ptrdiff_t)done;
}

static void drop_rest(struct change *c, struct sheaf_end *e)
{
    if (e->rest != 0)
        change_replace_open(c, e->rest);
    c->open_payload -= (int64_t)e->n_rest;
    e->rest = 0;
    e->n_rest = 0;
}

/* Behind what is published of the rest, or in a new slot. */
static bool add_rest(struct change *c, struct sheaf_end *e, const uint8_t *bytes, size_t n)
{
    if (e->rest == 0 && n > 0 && (e->rest = change_take_open(c)) == 0)
        return false;
    memcpy((uint8_t *)slot_ptr(c->slots->arena, e->rest) + e->n_rest, bytes, n);
    e->n_rest += (uint32_t)n;
    c->open_payload += (int64_t)n;
    return true;
}

/* Blocks on their way into a sheaf: its rest and what comes behind it. */
struct load {
    size_t n, done; /* bytes; so many of them are in slots */
    uint8_t *bytes; /* with room for all, borrowed */
};

static void begin(struct sheaf *s, struct sheaf_end *e, const struct block *first,
                  uint32_t first_time)
{
    *s = (struct sheaf){.first_time = first_time};
    *e = (struct sheaf_end){0};
    if (first->times == BLOCK_AT)
        s->start = e->context = (struct block_context){first->timeline, first->first};
}

/* After each block the slots are filled that it would have filled alone. False without memory. */
static bool put_blocks(struct change *c, struct sheaf *s, struct sheaf_end *e,
                       const struct block *blocks, uint32_t n, struct load *l)
{
    size_t n_before = l->n;
    for (uint32_t i = 0; i < n; i++) {
        l->n += block_put(&blocks[i], &e->context, l->bytes + l->n);
        s->n_samples += blocks[i].n_samples;
        if (l->n - l->done <= REST_MAX)
            continue;
        ptrdiff_t filled = fill_pieces(c, s, e, l->bytes + l->done, l->n - l->done);
        if (filled < 0)
            return false;
        l->done += (size_t)filled;
    }
    s->n_blocks = (uint16_t)(s->n_blocks + n);
    s->n_bytes = (uint16_t)(s->n_bytes + l->n - n_before);
    return true;
}

static bool append(struct change *c, struct sheaf *s, struct sheaf_end *e,
                   const struct block *blocks, uint32_t n, uint32_t first_time, uint8_t *bytes)
{
    ENSURE(s->n_blocks == 0 || sheaf_is_open(e));
    if (s->n_blocks == 0)
        begin(s, e, blocks, first_time);
    size_t n_rest = e->n_rest;
    struct load l = {.n = n_rest, .bytes = bytes};
    if (n_rest > 0)
        memcpy(bytes, slot_ptr(c->slots->arena, e->rest), n_rest);
    if (!put_blocks(c, s, e, blocks, n, &l))
        return false;
    if (l.done == 0)
        return add_rest(c, e, bytes + n_rest, l.n - n_rest);
    drop_rest(c, e);
    return l.n == l.done || add_rest(c, e, bytes + l.done, l.n - l.done);
}

bool sheaf_append(struct change *c, struct sheaf *s, struct sheaf_end *e, const struct block *b,
                  uint32_t first_time)
{
    uint8_t bytes[REST_MAX + BLOCK_STORED_MAX];
    return append(c, s, e, b, 1, first_time, bytes);
}

bool sheaf_append_many(struct change *c, struct sheaf *s, struct sheaf_end *e,
                       const struct block *blocks, uint32_t n, uint32_t first_time)
{
    uint8_t bytes[REST_MAX + SHEAF_BYTES_MAX];
    ENSURE(n >= 1 && n <= SHEAF_BLOCKS_MAX + 2);
    return append(c, s, e, blocks, n, first_time, bytes);
}

/* The last n (1 .. REST_MAX) bytes of a sheaf. */
static bool add_last_piece(struct change *c, struct sheaf *s, struct sheaf_end *e,
                           const uint8_t *bytes, size_t n)
{
    size_t whole = LINK_BYTES + n;
    slot made = whole <= CRUMB_BYTES_MAX ? change_take_crumb(c, whole) : change_take(c, whole);
    if (made != 0)
        add_piece(c, s, e, made, bytes, n);
    return made != 0;
}

bool sheaf_make(struct change *c, struct sheaf *ret, const struct block *blocks, uint32_t n,
                uint32_t first_time)
{
    uint8_t bytes[SHEAF_BYTES_MAX];
    struct load l = {.bytes = bytes};
    struct sheaf_end e;
    begin(ret, &e, blocks, first_time);
    return put_blocks(c, ret, &e, blocks, n, &l) &&
           (l.n == l.done || add_last_piece(c, ret, &e, bytes + l.done, l.n - l.done));
}

bool sheaf_look(const uint8_t *bytes, size_t n, struct sheaf_outline *ret)
{
    const uint8_t *at = bytes, *end = bytes + n;
    uint64_t n_samples = 0;
    uint32_t i = 0;
    ret->shared = 0;
    if (n > SHEAF_BYTES_MAX)
        return false;
    for (struct block_outline b; at != end; i++) {
        if (i == SHEAF_BLOCKS_MAX || !block_skip(&at, end, &b))
            return false;
        ret->ends[i] = (uint16_t)(at - bytes);
        ret->shared |= (uint16_t)(b.is_shared << i);
        n_samples += b.n_samples;
    }
    ret->n_blocks = i;
    ret->n_samples = (uint32_t)n_samples;
    return i > 0 && n_samples <= TIMELINE_TIMES_MAX;
}

/* Fills slots block by block; returns how many bytes are in them, or -1 without memory. */
static ptrdiff_t put_whole(struct change *c, struct sheaf *s, struct sheaf_end *e,
                           const uint8_t *bytes, const struct sheaf_outline *outline)
{
    size_t done = 0;
    for (uint32_t i = 0; i < outline->n_blocks; i++) {
        if (outline->ends[i] - done <= REST_MAX)
            continue;
        ptrdiff_t filled = fill_pieces(c, s, e, bytes + done, outline->ends[i] - done);
        if (filled < 0)
            return -1;
        done += (size_t)filled;
    }
    return (ptrdiff_t)done;
}

static struct sheaf whole(const struct sheaf_outline *outline, struct block_context start)
{
    return (struct sheaf){.start = start,
                          .n_samples = outline->n_samples,
                          .n_bytes = outline->ends[outline->n_blocks - 1],
                          .n_blocks = (uint16_t)outline->n_blocks};
}

bool sheaf_make_whole(struct change *c, struct sheaf *ret, const uint8_t *bytes,
                      const struct sheaf_outline *outline, struct block_context start)
{
    struct sheaf_end e = {0};
    *ret = whole(outline, start);
    ptrdiff_t done = put_whole(c, ret, &e, bytes, outline);
    if (done < 0 || done == ret->n_bytes)
        return done > 0;
    return add_last_piece(c, ret, &e, bytes + done, (size_t)(ret->n_bytes - done));
}

bool sheaf_begin_whole(struct change *c, struct sheaf *ret, struct sheaf_end *ret_end,
                       const uint8_t *bytes, const struct sheaf_outline *outline,
                       struct block_context start, uint32_t first_time)
{
    *ret = whole(outline, start);
    ret->first_time = first_time;
    *ret_end = (struct sheaf_end){
        .context = {start.timeline, start.place + outline->n_samples},
    };
    ptrdiff_t done = put_whole(c, ret, ret_end, bytes, outline);
    if (done < 0 || done == ret->n_bytes)
        return done > 0;
    return add_rest(c, ret_end, bytes + done, (size_t)(ret->n_bytes - done));
}

bool sheaf_close(struct change *c, struct sheaf *s, struct sheaf_end *e)
{
    if (e->n_rest > 0 && !add_last_piece(c, s, e, slot_ptr(c->slots->arena, e->rest), e->n_rest))
        return false;
    drop_rest(c, e);
    *e = (struct sheaf_end){0};
    return true;
}

void sheaf_gather(const struct arena *a, const struct sheaf *s, const struct sheaf_end *e,
                  uint8_t out[SHEAF_BYTES_MAX])
{
    size_t n_rest = e != NULL ? e->n_rest : 0, n = s->n_bytes - n_rest;
    for (slot piece = s->piece; n > 0;) {
        size_t part = size_min(n, pool_slot_bytes_at(a, piece) - LINK_BYTES);
        memcpy(out, bytes_of(a, piece), part);
        out += part;
        n -= part;
        if (n > 0)
            piece = *link_of(a, piece);
    }
    if (n_rest > 0)
        memcpy(out, slot_ptr(a, e->rest), n_rest);
}

void sheaf_reader_init(struct sheaf_reader *r, const struct arena *a, const struct sheaf *s,
                       const uint8_t *bytes)
{
    *r = (struct sheaf_reader){a, bytes, bytes + s->n_bytes, s->start};
}

bool sheaf_next(struct sheaf_reader *r, struct block *ret)
{
    if (r->at == r->end)
        return false;
    bool is_block = block_get(&r->at, r->end, &r->context, ret);
    ENSURE(is_block);
    block_fetch(r->arena, ret);
    return true;
}

uint32_t sheaf_each_slot(const struct arena *a, const struct sheaf *s, const struct sheaf_end *e,
                         void (*visit)(void *ctx, slot s), void *ctx)
{
    uint32_t count = 0;
    size_t n = s->n_bytes - (e != NULL ? e->n_rest : 0);
    for (slot piece = s->piece; n > 0;) {
        size_t part = size_min(n, pool_slot_bytes_at(a, piece) - LINK_BYTES);
        n -= part;
        slot next = n > 0 ? *link_of(a, piece) : 0;
        if (visit != NULL)
            visit(ctx, piece);
        count++;
        piece = next;
    }
    return count;
}

size_t sheaf_payload(const struct arena *a, const struct sheaf *s, const struct sheaf_end *e)
{
    return s->n_bytes - (e != NULL ? e->n_rest : 0) +
           sheaf_each_slot(a, s, e, NULL, NULL) * (size_t)LINK_BYTES;
}

static void replace_slot(void *ctx, slot s)
{
    change_replace(ctx, s);
}

void sheaf_replace(struct change *c, const struct sheaf *s, const struct sheaf_end *e)
{
    c->payload -= (int64_t)sheaf_payload(c->slots->arena, s, e);
    sheaf_each_slot(c->slots->arena, s, e, replace_slot, c);
    if (e != NULL && e->rest != 0)
        change_replace_open(c, e->rest);
    if (e != NULL)
        c->open_payload -= (int64_t)e->n_rest;
}
