/* Numbers into a buffer: little-endian integers, varints, zigzag. The buffer's owner sees to it
 * that there is room (format.h's record limits); running out of it is a programmer's error. */
#ifndef HG_SNAPSHOT_ENCODER_H
#define HG_SNAPSHOT_ENCODER_H

#include "tsdb/varint.h"

#include <string.h>

struct encoder {
    uint8_t *bytes; /* borrowed */
    size_t n;       /* written so far, <= capacity */
    size_t capacity;
};

static inline void encoder_init(struct encoder *e, uint8_t *bytes, size_t capacity)
{
    *e = (struct encoder){.bytes = bytes, .capacity = capacity};
}

static inline void encoder_bytes(struct encoder *e, const void *bytes, size_t n)
{
    ENSURE(n <= e->capacity - e->n);
    memcpy(e->bytes + e->n, bytes, n);
    e->n += n;
}

static inline void encoder_u8(struct encoder *e, uint8_t value)
{
    encoder_bytes(e, &value, 1);
}

static inline void encoder_varint(struct encoder *e, uint64_t value)
{
    uint8_t bytes[VARINT_BYTES_MAX];
    encoder_bytes(e, bytes, varint_put(bytes, value));
}

/* A difference modulo 2^64, read as signed. */
static inline void encoder_zigzag(struct encoder *e, uint64_t value)
{
    encoder_varint(e, zigzag((int64_t)value));
}

static inline void encoder_u64(struct encoder *e, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        encoder_u8(e, (uint8_t)(value >> (8 * i)));
}

#endif
