#include "http/wire.h"

enum { TAG_BYTES_MAX = 5, LENGTH_BYTES_MAX = 5, VARINT_BYTES_MAX = 10 };

/* Number of bytes of the varint at the start, 0 when it does not end within max. */
static size_t varint_bytes(const struct wire *w, size_t max)
{
    size_t room = size_min((size_t)(w->end - w->at), max);
    for (size_t i = 0; i < room; i++)
        if (w->at[i] < 0x80)
            return i + 1;
    return 0;
}

static uint64_t varint_value(const uint8_t *bytes, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
    return value;
}

uint64_t wire_varint(const struct wire_field *f)
{
    return varint_value(f->bytes, f->n);
}

static bool take_tag(struct wire *w, struct wire_field *ret)
{
    size_t n = varint_bytes(w, TAG_BYTES_MAX);
    if (n == 0 || (w->at[0] & 0xf8) == 0)
        return false;
    uint64_t tag = varint_value(w->at, n);
    ret->number = (uint32_t)(tag >> 3);
    ret->type = tag & 7;
    w->at += n;
    return true;
}

/* Takes a length, which what is left can hold. */
static bool take_length(struct wire *w, size_t *ret)
{
    size_t n = varint_bytes(w, LENGTH_BYTES_MAX);
    *ret = varint_value(w->at, n);
    w->at += n;
    return n > 0 && *ret <= WIRE_LENGTH_MAX;
}

bool wire_next(struct wire *w, struct wire_field *ret)
{
    if (!take_tag(w, ret))
        return false;
    switch (ret->type) {
    case WIRE_VARINT:
        ret->n = varint_bytes(w, VARINT_BYTES_MAX);
        if (ret->n == 0)
            return false;
        break;
    case WIRE_FIXED64:
        ret->n = 8;
        break;
    case WIRE_FIXED32:
        ret->n = 4;
        break;
    case WIRE_BYTES:
        if (!take_length(w, &ret->n))
            return false;
        break;
    default:
        return false;
    }
    ret->bytes = w->at;
    if (ret->n > (size_t)(w->end - w->at))
        return false;
    w->at += ret->n;
    return true;
}

bool wire_has_shape(const uint8_t *bytes, size_t n, const struct wire_shape *shape)
{
    struct wire w = {bytes, bytes + n};
    struct wire_field f;
    while (w.at < w.end) {
        if (!wire_next(&w, &f))
            return false;
        for (unsigned i = 0; i < shape->n; i++)
            if (f.number == shape->fields[i].number && f.type != shape->fields[i].type)
                return false;
    }
    return true;
}
