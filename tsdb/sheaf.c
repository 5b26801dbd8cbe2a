#include "tsdb/sheaf.h"

#include <string.h>

enum { LINK_BYTES = sizeof(slot) };

static slot *link_of(const struct arena *a, slot piece)
{
    return slot_ptr(a, piece);
}

static uint8_t *bytes_of(const struct arena *a, slot piece)
{
    return (uint8_t *)slot_ptr(a, piece) + LINK_BYTES;
}

/* Room for `rest` more bytes, or a part of them, behind the last slot. */
static bool add_piece(struct change *c, struct sheaf *s, struct sheaf_end *e, size_t rest)
{
    slot made = change_take(c, size_min(rest + LINK_BYTES, SIZE_CLASS_BYTES_MAX));
    if (made == 0)
        return false;
    *link_of(c->slots->arena, made) = 0;
    if (e->piece != 0)
        *link_of(c->slots->arena, e->piece) = made;
    else
        s->piece = made;
    e->piece = made;
    e->n_used = LINK_BYTES;
    c->payload += LINK_BYTES;
    return true;
}

static bool append_bytes(struct change *c, struct sheaf *s, struct sheaf_end *e,
                         const uint8_t *bytes, size_t n)
{
    const struct arena *a = c->slots->arena;
    c->payload += (int64_t)n;
    s->n_bytes = (uint16_t)(s->n_bytes + n);
    while (n > 0) {
        size_t room = e->piece != 0 ? pool_slot_bytes_at(a, e->piece) - e->n_used : 0;
        if (room == 0) {
            if (!add_piece(c, s, e, n))
                return false;
            continue;
        }
        size_t part = size_min(n, room);
        memcpy((uint8_t *)slot_ptr(a, e->piece) + e->n_used, bytes, part);
        e->n_used += (uint32_t)part;
        bytes += part;
        n -= part;
    }
    return true;
}

bool sheaf_append(struct change *c, struct sheaf *s, struct sheaf_end *e, const struct block *b,
                  uint32_t first_time)
{
    uint8_t bytes[BLOCK_STORED_MAX];
    if (s->n_blocks == 0) {
        *s = (struct sheaf){.first_time = first_time};
        *e = (struct sheaf_end){0};
        if (b->times == BLOCK_AT)
            s->start = e->context = (struct block_context){b->timeline, b->first};
    }
    s->n_samples += b->n_samples;
    s->n_blocks++;
    return append_bytes(c, s, e, bytes, block_put(b, &e->context, bytes));
}

void sheaf_gather(const struct arena *a, const struct sheaf *s, uint8_t out[SHEAF_BYTES_MAX])
{
    size_t n = s->n_bytes;
    for (slot piece = s->piece;;) {
        size_t part = size_min(n, pool_slot_bytes_at(a, piece) - LINK_BYTES);
        memcpy(out, bytes_of(a, piece), part);
        out += part;
        n -= part;
        if (n == 0)
            return;
        piece = *link_of(a, piece);
    }
}

void sheaf_reader_init(struct sheaf_reader *r, const struct sheaf *s, const uint8_t *bytes)
{
    *r = (struct sheaf_reader){bytes, bytes + s->n_bytes, s->start};
}

bool sheaf_next(struct sheaf_reader *r, struct block *ret)
{
    if (r->at == r->end)
        return false;
    bool is_block = block_get(&r->at, r->end, &r->context, ret);
    ENSURE(is_block);
    return true;
}

void sheaf_find_end(const struct arena *a, const struct sheaf *s, const uint8_t *bytes,
                    struct sheaf_end *ret)
{
    struct sheaf_reader r;
    struct block b;
    sheaf_reader_init(&r, s, bytes);
    while (sheaf_next(&r, &b))
        ;
    size_t n = s->n_bytes;
    slot piece = s->piece;
    for (;;) {
        size_t room = pool_slot_bytes_at(a, piece) - LINK_BYTES;
        if (n <= room)
            break;
        n -= room;
        piece = *link_of(a, piece);
    }
    *ret = (struct sheaf_end){piece, (uint32_t)(LINK_BYTES + n), r.context};
}

uint32_t sheaf_each_slot(const struct arena *a, const struct sheaf *s,
                         void (*visit)(void *ctx, slot s), void *ctx)
{
    uint32_t count = 0;
    size_t n = s->n_bytes;
    slot piece = s->piece;
    while (n > 0) {
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

size_t sheaf_payload(const struct arena *a, const struct sheaf *s)
{
    return s->n_bytes + sheaf_each_slot(a, s, NULL, NULL) * (size_t)LINK_BYTES;
}
