/* Numbers out of bytes that nobody vouches for; the reverse of encoder.h. Every read is checked
 * against the end. The first one that fails sets is_bad for good and yields 0, so that a record is
 * read in one go and judged once. */
#ifndef HG_SNAPSHOT_DECODER_H
#define HG_SNAPSHOT_DECODER_H

#include "tsdb/varint.h"

struct decoder {
    const uint8_t *at; /* borrowed; at <= end */
    const uint8_t *end;
    bool is_bad;
};

static inline void decoder_init(struct decoder *d, const uint8_t *bytes, size_t n)
{
    *d = (struct decoder){.at = bytes, .end = bytes + n};
}

/* True when everything was read; also when a read failed. */
static inline bool decoder_is_done(const struct decoder *d)
{
    return d->is_bad || d->at == d->end;
}

static inline size_t decoder_left(const struct decoder *d)
{
    return (size_t)(d->end - d->at);
}

/* n bytes in place, or NULL. */
static inline const uint8_t *decoder_bytes(struct decoder *d, size_t n)
{
    if (d->is_bad || n > decoder_left(d)) {
        d->is_bad = true;
        return NULL;
    }
    d->at += n;
    return d->at - n;
}

static inline uint8_t decoder_u8(struct decoder *d)
{
    const uint8_t *b = decoder_bytes(d, 1);
    return b ? *b : 0;
}

static inline uint64_t decoder_varint(struct decoder *d)
{
    uint64_t value = 0;
    if (!d->is_bad && varint_get(&d->at, d->end, &value))
        return value;
    d->is_bad = true;
    return 0;
}

/* The same, faster for numbers of many bytes. */
static inline uint64_t decoder_long_varint(struct decoder *d)
{
    uint64_t value = 0;
    if (!d->is_bad && varint_get_long(&d->at, d->end, &value))
        return value;
    d->is_bad = true;
    return 0;
}

/* Refuses what is above max. */
static inline uint64_t decoder_varint_max(struct decoder *d, uint64_t max)
{
    uint64_t value = decoder_varint(d);
    if (value <= max)
        return value;
    d->is_bad = true;
    return 0;
}

static inline uint64_t decoder_zigzag(struct decoder *d)
{
    return (uint64_t)unzigzag(decoder_varint(d));
}

static inline uint64_t decoder_u64(struct decoder *d)
{
    const uint8_t *b = decoder_bytes(d, 8);
    uint64_t value = 0;
    for (int i = 0; b && i < 8; i++)
        value |= (uint64_t)b[i] << (8 * i);
    return value;
}

#endif
