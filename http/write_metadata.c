#include "http/write_metadata.h"

#include "http/wire.h"

/* fields of WriteRequest and of MetricMetadata */
enum { REQUEST_METADATA = 3 };
enum { TYPE = 1, FAMILY = 2, HELP = 4, UNIT = 5 };

static struct metadata_text text_of(const struct wire_field *f)
{
    return (struct metadata_text){(const char *)f->bytes, (uint32_t)f->n};
}

static enum metadata_type type_of(const struct wire_field *f)
{
    uint64_t number = wire_varint(f);
    return number <= METADATA_STATE_SET ? (enum metadata_type)number : METADATA_UNKNOWN;
}

/* Of what comes more than once the last counts; what is missing is empty, or unknown. */
static bool read_item(const struct wire_field *metadata, struct metadata_item *ret)
{
    struct wire w = {metadata->bytes, metadata->bytes + metadata->n};
    struct wire_field f;
    *ret = (struct metadata_item){.type = METADATA_UNKNOWN};
    while (w.at != w.end) {
        if (!wire_next(&w, &f))
            return false;
        if (f.number == TYPE && f.type == WIRE_VARINT)
            ret->type = type_of(&f);
        else if (f.number == FAMILY && f.type == WIRE_BYTES)
            ret->family = text_of(&f);
        else if (f.number == HELP && f.type == WIRE_BYTES)
            ret->help = text_of(&f);
        else if (f.number == UNIT && f.type == WIRE_BYTES)
            ret->unit = text_of(&f);
    }
    return true;
}

uint64_t write_metadata_keep(struct metadata *m, const void *message, size_t n, int64_t now_ms)
{
    struct wire w = {message, (const uint8_t *)message + n};
    struct wire_field f;
    struct metadata_item item;
    uint64_t n_refused = 0;
    while (w.at != w.end && wire_next(&w, &f))
        if (f.number == REQUEST_METADATA && f.type == WIRE_BYTES)
            n_refused += !read_item(&f, &item) || !metadata_put(m, &item, now_ms);
    return n_refused;
}
