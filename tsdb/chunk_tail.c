#include "tsdb/chunk_tail.h"

#include <string.h>

enum { PIECE_BYTES = SIZE_CLASS_STEP_BYTES - (int)sizeof(slot) };

struct piece {
    slot next;
    uint8_t bytes[PIECE_BYTES];
};

_Static_assert(CHUNK_OPEN_SLOTS_MAX >= 2 + (TAIL_BYTES_MAX + PIECE_BYTES - 1) / PIECE_BYTES,
               "a head, a rest and the pieces of the longest tail");
_Static_assert(sizeof(struct piece) == SIZE_CLASS_STEP_BYTES, "a piece fills its slot");

static struct piece *piece_at(const struct arena *a, slot s)
{
    return slot_ptr(a, s);
}

uint32_t chunk_tail_pieces(const struct tail *t)
{
    if (t->n_bytes <= CHUNK_INLINE_BYTES)
        return 0;
    return (uint32_t)(t->n_bytes - CHUNK_INLINE_BYTES + PIECE_BYTES - 1) / PIECE_BYTES;
}

size_t chunk_tail_payload(const struct chunk_head *h)
{
    return sizeof(*h) - CHUNK_INLINE_BYTES + h->tail.n_bytes +
           chunk_tail_pieces(&h->tail) * sizeof(slot);
}

void chunk_tail_decode(const struct arena *a, const struct chunk_head *h, uint32_t *ret_places,
                       uint64_t *ret_values)
{
    uint8_t bytes[TAIL_BYTES_MAX];
    size_t n = h->tail.n_bytes, part = size_min(n, CHUNK_INLINE_BYTES);
    memcpy(bytes, h->inline_bytes, part);
    for (slot s = h->first_piece; part < n;) {
        const struct piece *p = piece_at(a, s);
        size_t more = size_min(n - part, PIECE_BYTES);
        memcpy(bytes + part, p->bytes, more);
        part += more;
        if (part < n)
            s = p->next;
    }
    tail_decode(&h->tail, bytes, ret_places, ret_values);
}

uint32_t chunk_open_slots(const struct arena *a, slot at, slot ret[CHUNK_OPEN_SLOTS_MAX])
{
    const struct chunk_head *h = chunk_head_at(a, at);
    uint32_t n_pieces = chunk_tail_pieces(&h->tail), n = 0;
    for (slot s = h->first_piece; n < n_pieces; n++) {
        ret[n] = s;
        s = n + 1 < n_pieces ? piece_at(a, s)->next : 0;
    }
    ret[n++] = at;
    if (h->end.rest != 0)
        ret[n++] = h->end.rest;
    return n;
}

size_t chunk_open_payload(const struct arena *a, slot head)
{
    const struct chunk_head *h = chunk_head_at(a, head);
    return chunk_tail_payload(h) + h->end.n_rest;
}

static bool add_piece(struct change *c, struct chunk_head *h)
{
    slot made = change_take_open(c);
    if (made == 0)
        return false;
    if (h->first_piece == 0)
        h->first_piece = made;
    else
        piece_at(c->slots->arena, h->last_piece)->next = made;
    h->last_piece = made;
    return true;
}

/* Writes n bytes behind the first `from` of the tail, making slots as they are needed. */
static bool write_bytes(struct change *c, struct chunk_head *h, size_t from, const uint8_t *bytes,
                        size_t n)
{
    if (from < CHUNK_INLINE_BYTES) {
        size_t part = size_min(n, CHUNK_INLINE_BYTES - from);
        memcpy(&h->inline_bytes[from], bytes, part);
        from += part;
        bytes += part;
        n -= part;
    }
    while (n > 0) {
        size_t at = (from - CHUNK_INLINE_BYTES) % PIECE_BYTES;
        if (at == 0 && !add_piece(c, h))
            return false;
        size_t part = size_min(n, PIECE_BYTES - at);
        memcpy(&piece_at(c->slots->arena, h->last_piece)->bytes[at], bytes, part);
        from += part;
        bytes += part;
        n -= part;
    }
    return true;
}

uint8_t *chunk_tail_room(const struct arena *a, const struct chunk_head *h, size_t from, size_t n)
{
    if (from <= CHUNK_INLINE_BYTES)
        return NULL;
    size_t at = (from - CHUNK_INLINE_BYTES) % PIECE_BYTES;
    return at > 0 && at + n <= PIECE_BYTES ? &piece_at(a, h->last_piece)->bytes[at] : NULL;
}

bool chunk_tail_step(struct change *c, struct chunk_head *h, uint32_t place, uint64_t value)
{
    uint8_t bytes[TAIL_STEP_BYTES_MAX];
    size_t before = h->tail.n_bytes, payload = chunk_tail_payload(h);
    size_t n = tail_step(&h->tail, place, value, bytes);
    if (n == 0)
        return true;
    c->open_payload += (int64_t)chunk_tail_payload(h) - (int64_t)payload;
    return write_bytes(c, h, before, bytes, n);
}

void chunk_tail_drop(struct change *c, struct chunk_head *h)
{
    size_t payload = chunk_tail_payload(h);
    slot s = h->first_piece;
    for (uint32_t n = chunk_tail_pieces(&h->tail); n > 0; n--) {
        slot next = n > 1 ? piece_at(c->slots->arena, s)->next : 0;
        change_replace_open(c, s);
        s = next;
    }
    h->first_piece = h->last_piece = 0;
    h->tail = (struct tail){0};
    c->open_payload += (int64_t)chunk_tail_payload(h) - (int64_t)payload;
}

bool chunk_tail_rewrite(struct change *c, struct chunk_head *h, slot timeline,
                        const uint32_t *places, const uint64_t *values, uint32_t n)
{
    uint8_t bytes[TAIL_BYTES_MAX];
    chunk_tail_drop(c, h);
    size_t payload = chunk_tail_payload(h);
    size_t n_bytes = tail_of(&h->tail, timeline, places, values, n, bytes);
    c->open_payload += (int64_t)chunk_tail_payload(h) - (int64_t)payload;
    return write_bytes(c, h, 0, bytes, n_bytes);
}
