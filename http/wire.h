/* Protobuf's wire format, read where it lies: a cursor over the fields of one message, and checks.
 *
 * What is malformed, and what a value means, is as protobuf-c 1.4 has it, so that either may be
 * asked: a tag has at most 5 bytes and its first is not that of field 0; a length has at most 5 and
 * says at most WIRE_LENGTH_MAX; a number has at most 10, of which 64 bits count, and need not be
 * the shortest; groups and wire types 6 and 7 are refused. Field numbers have 32 bits.
 * (https://protobuf.dev/programming-guides/encoding/)
 *
 * Nothing is read outside of the bytes given and nothing is allocated. Threads: pure functions. */
#ifndef HG_HTTP_WIRE_H
#define HG_HTTP_WIRE_H

#include "alloc/base.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read as they stand");

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

enum { WIRE_LENGTH_MAX = INT32_MAX, WIRE_SHORT_MAX = 127 /* of a length of one byte */ };

/* What is left of a message. A message is over when at == end. */
struct wire {
    const uint8_t *at, *end;
};

struct wire_field {
    uint32_t number;
    enum wire_type type;
    const uint8_t *bytes; /* of the content, without tag and length; borrowed */
    size_t n;             /* 1 to 10 of a varint, else 8, 4, or 0 to WIRE_LENGTH_MAX */
};

/* The first byte of a field whose number is below 16. */
#define WIRE_TAG(number, type) ((uint8_t)((number) << 3 | (type)))

/* Takes the next field; w->at != w->end. False when it is malformed. */
bool wire_next(struct wire *w, struct wire_field *ret) WARN_UNUSED;

/* The number in the content of a varint. */
uint64_t wire_varint(const struct wire_field *f);

/* The bits in the content of a fixed64. */
static inline uint64_t wire_fixed64(const struct wire_field *f)
{
    uint64_t bits;
    memcpy(&bits, f->bytes, sizeof(bits));
    return bits;
}

/* A varint that takes exactly the first n bytes, 1 to 8, of 8 readable ones. False when it ends
 * elsewhere. */
static inline bool wire_varint_of(const uint8_t *bytes, size_t n, uint64_t *ret)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    uint64_t last = UINT64_C(0x80) << (8 * (n - 1));
    uint64_t tops = word & UINT64_C(0x8080808080808080) & (last | (last - 1));
    if (tops != (UINT64_C(0x8080808080808080) & (last - 1)))
        return false;
    word &= UINT64_C(0x7f7f7f7f7f7f7f7f) & (last - 1);
    word = (word & UINT64_C(0x007f007f007f007f)) | (word & UINT64_C(0x7f007f007f007f00)) >> 1;
    word = (word & UINT64_C(0x00003fff00003fff)) | (word & UINT64_C(0x3fff00003fff0000)) >> 2;
    *ret = (word & UINT64_C(0x0fffffff)) | (word & UINT64_C(0x0fffffff00000000)) >> 4;
    return true;
}

/* The varint that was read last. */
struct wire_memo {
    uint64_t word, mask; /* of its bytes; n: how many, 0 = none */
    uint64_t value;
    size_t n;
};

/* wire_varint_of where the same number comes again and again. */
static inline bool wire_varint_again(struct wire_memo *m, const uint8_t *bytes, size_t n,
                                     uint64_t *ret)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    if (n == m->n && ((word ^ m->word) & m->mask) == 0) {
        *ret = m->value;
        return true;
    }
    if (!wire_varint_of(bytes, n, ret))
        return false;
    *m = (struct wire_memo){word, UINT64_MAX >> (64 - 8 * n), *ret, n};
    return true;
}

/* The fields of a message that have to be of a certain type; any others are free. */
struct wire_shape {
    unsigned n;
    struct {
        uint32_t number;
        enum wire_type type;
    } fields[2];
};

/* Whether bytes are a message of that shape. What lies inside of its fields is not looked at. */
bool wire_has_shape(const uint8_t *bytes, size_t n, const struct wire_shape *shape);

#endif
