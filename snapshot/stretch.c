#include "snapshot/stretch.h"

#include "snapshot/decoder.h"

enum { WINDOW_BEGIN_BYTES = 20 }; /* of a payload: two varints, the window's length and number */

struct search {
    const struct frame_reader *r;
    uint16_t version;
    uint64_t at; /* of the next header */
    uint32_t number;
    struct stretches *ret;
};

/* The header of the next frame and what its payload begins with; false when it is not there. */
static bool read_header(const struct search *s, struct frame_header *ret,
                        uint8_t bytes[FRAME_HEADER_BYTES + WINDOW_BEGIN_BYTES], size_t *ret_n)
{
    size_t most = FRAME_HEADER_BYTES + WINDOW_BEGIN_BYTES;
    if (io_read_full(s->r->io, s->r->handle, bytes, most, s->at, ret_n) < 0 ||
        *ret_n < FRAME_HEADER_BYTES || !frame_header_decode_as(s->r->kind, bytes, ret))
        return false;
    return ret->file_id == s->r->file_id && ret->number == s->number && ret->version == s->version;
}

static struct stretch here(const struct search *s, const struct frame_header *h, int64_t window)
{
    return (struct stretch){
        .window = window,
        .from = s->at,
        .to = s->at + FRAME_HEADER_BYTES + h->payload_bytes,
        .number = h->number,
        .next_number = h->number + 1,
    };
}

/* The frame belongs to the last stretch, or begins the next one. */
static bool add_frame(struct search *s, const struct frame_header *h, const uint8_t *begin,
                      size_t n_begin)
{
    struct stretches *ret = s->ret;
    struct decoder d;
    decoder_init(&d, begin, size_min(n_begin, h->payload_bytes));
    (void)decoder_varint_max(&d, INT64_MAX);
    struct stretch found = here(s, h, (int64_t)decoder_zigzag(&d));
    struct stretch *last = ret->n > 0 ? &ret->items[ret->n - 1] : NULL;
    if (d.is_bad || (last != NULL && found.window < last->window))
        return false;
    ret->payload_max = h->payload_bytes > ret->payload_max ? h->payload_bytes : ret->payload_max;
    if (last != NULL && found.window == last->window) {
        last->to = found.to;
        last->next_number = found.next_number;
        return true;
    }
    if (ret->n == HEAD_WINDOWS_MAX)
        return false;
    ret->items[ret->n++] = found;
    return true;
}

bool stretches_find(const struct frame_reader *r, const struct frame *first, struct stretches *ret)
{
    struct search s = {r, first->header.version, first->offset, first->header.number, ret};
    uint8_t bytes[FRAME_HEADER_BYTES + WINDOW_BEGIN_BYTES];
    struct frame_header h;
    size_t n = 0;
    ret->n = ret->payload_max = 0;
    ret->digest = first->digest_before;
    while (read_header(&s, &h, bytes, &n)) {
        if (h.type == FRAME_END) {
            ret->end = here(&s, &h, 0);
            return true;
        }
        if (h.type != FRAME_WINDOW ||
            !add_frame(&s, &h, bytes + FRAME_HEADER_BYTES, n - FRAME_HEADER_BYTES))
            return false;
        ret->digest = frame_digest(ret->digest, bytes);
        s.at += FRAME_HEADER_BYTES + h.payload_bytes;
        s.number++;
    }
    return false;
}
