/* A message of remote write has an element for each nine of its bytes, and which kind comes next is
 * nothing that a processor could guess. So elements of both kinds take the same steps: what one
 * says comes out of a table, both have a place where their bytes are, and as many are copied
 * however many count, for the next element writes over the rest. libsnappy 1.1.9 calls memmove for
 * each of them, as its distributions build it.
 *
 * What the table does not know (long runs, places that lie so near that what is copied has yet to
 * be written), and the last bytes of both sides, are taken with a look at each bound. */
#include "http/snappy_block.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read as they stand");

enum kind { LITERAL = 0, COPY_NEAR = 1, COPY_16 = 2, COPY_32 = 3 }; /* low bits of a tag */

enum {
    PIECE = 16,              /* bytes that are copied together */
    USUAL_PIECES = 32,       /* bytes of them in each step */
    ELEMENT_MAX = 64,        /* bytes that a step of the table makes */
    REACH = 1 + ELEMENT_MAX, /* how far behind its tag a step reads */
    LITERAL_SHORT = 60,      /* bytes; the length of longer ones is behind the tag */
};

struct unpacking {
    const uint8_t *at, *end;
    uint8_t *begin, *to, *to_end;
};

/* --- the usual elements ----------------------------------------------------------------------- */

/* What follows from a tag. An element is taken by it when its distance is at least PIECE and leads
 * to what has been written; a literal has one for which that always holds. */
struct step {
    uint8_t n;     /* bytes that it makes */
    uint8_t skip;  /* to the next tag */
    uint16_t far;  /* to add to the distance behind the tag */
    uint32_t mask; /* of that */
};

#define STEP_LITERAL(i)                                                                            \
    {                                                                                              \
        (i) < LITERAL_SHORT ? (i) + 1 : 0, (i) < LITERAL_SHORT ? (i) + 2 : 0,                      \
            (i) < LITERAL_SHORT ? PIECE : 0, 0                                                     \
    }
#define STEPS(i)                                                                                   \
    STEP_LITERAL(i), {((i)&7) + 4, 2, ((i) >> 3) << 8, 0xff}, {(i) + 1, 3, 0, 0xffff},             \
    {                                                                                              \
        0, 0, 0, 0                                                                                 \
    }
#define STEPS_4(i)  STEPS(i), STEPS((i) + 1), STEPS((i) + 2), STEPS((i) + 3)
#define STEPS_16(i) STEPS_4(i), STEPS_4((i) + 4), STEPS_4((i) + 8), STEPS_4((i) + 12)

static const struct step steps[256] = {STEPS_16(0), STEPS_16(16), STEPS_16(32), STEPS_16(48)};

static inline void copy_piece(uint8_t *to, const uint8_t *from)
{
    uint8_t piece[PIECE];
    memcpy(piece, from, PIECE);
    memcpy(to, piece, PIECE);
}

/* As many elements as the table knows, one after the other, while both sides have room for any. */
static void take_usual(struct unpacking *u)
{
    const uint8_t *at = u->at, *begin = u->begin;
    uint8_t *to = u->to;
    if (u->end - at < REACH || u->to_end - to < ELEMENT_MAX || to - begin < PIECE)
        return;
    const uint8_t *at_last = u->end - REACH, *to_last = u->to_end - ELEMENT_MAX;
    while (at <= at_last && to <= to_last) {
        const struct step s = steps[*at];
        uint32_t behind;
        memcpy(&behind, at + 1, sizeof(behind));
        size_t distance = (behind & s.mask) + s.far;
        if (distance - PIECE > (size_t)(to - begin) - PIECE)
            break;
        const uint8_t *from = s.mask == 0 ? at + 1 : to - distance;
        copy_piece(to, from);
        copy_piece(to + PIECE, from + PIECE);
        if (s.n > USUAL_PIECES) {
            copy_piece(to + 2 * PIECE, from + 2 * PIECE);
            copy_piece(to + 3 * PIECE, from + 3 * PIECE);
        }
        to += s.n;
        at += s.skip;
    }
    u->at = at;
    u->to = to;
}

/* --- any -------------------------------------------------------------------------------------- */

/* Takes n bytes of a number, at most 4; false when they are not there. */
static bool take_number(struct unpacking *u, size_t n, uint32_t *ret)
{
    if (n > (size_t)(u->end - u->at))
        return false;
    *ret = 0;
    memcpy(ret, u->at, n);
    u->at += n;
    return true;
}

static bool take_literal(struct unpacking *u, size_t n_less_one)
{
    if (n_less_one >= LITERAL_SHORT) {
        uint32_t number;
        if (!take_number(u, n_less_one - LITERAL_SHORT + 1, &number))
            return false;
        n_less_one = number;
    }
    size_t n = n_less_one + 1;
    if (n > (size_t)(u->end - u->at) || n > (size_t)(u->to_end - u->to))
        return false;
    memcpy(u->to, u->at, n);
    u->at += n;
    u->to += n;
    return true;
}

static bool copy(struct unpacking *u, size_t distance, size_t n)
{
    if (distance == 0 || distance > (size_t)(u->to - u->begin) || n > (size_t)(u->to_end - u->to))
        return false;
    for (; n > 0; n--, u->to++)
        *u->to = *(u->to - distance);
    return true;
}

/* The next element; false when it is damaged. */
static bool take_any(struct unpacking *u)
{
    uint8_t tag = *u->at++;
    uint32_t distance;
    switch ((enum kind)(tag & 3)) {
    case LITERAL:
        return take_literal(u, tag >> 2);
    case COPY_NEAR:
        return take_number(u, 1, &distance) &&
               copy(u, distance | (uint32_t)(tag >> 5) << 8, (tag >> 2 & 7) + 4U);
    case COPY_16:
        return take_number(u, 2, &distance) && copy(u, distance, (tag >> 2) + 1U);
    default:
        return take_number(u, 4, &distance) && copy(u, distance, (tag >> 2) + 1U);
    }
}

/* --- blocks ----------------------------------------------------------------------------------- */

/* The length at the begin and how many bytes it takes, 0 = it is damaged. */
static size_t read_length(const uint8_t *bytes, size_t n, size_t *ret)
{
    enum { LENGTH_MAX = 5, BITS = 7 };
    uint64_t length = 0;
    for (size_t i = 0; i < n && i < LENGTH_MAX; i++) {
        length |= (uint64_t)(bytes[i] & 0x7f) << (BITS * i);
        if (bytes[i] <= 0x7f) {
            *ret = length;
            return length <= UINT32_MAX ? i + 1 : 0;
        }
    }
    return 0;
}

bool snappy_block_length(const void *block, size_t n, size_t *ret)
{
    size_t length;
    if (read_length(block, n, &length) == 0)
        return false;
    *ret = length;
    return true;
}

bool snappy_block_unpack(const void *block, size_t n, void *out)
{
    const uint8_t *bytes = block;
    uint8_t *to = out;
    size_t length, head = read_length(bytes, n, &length);
    if (head == 0)
        return false;
    struct unpacking u = {bytes + head, bytes + n, to, to, to + length};
    while (u.at < u.end) {
        take_usual(&u);
        if (u.at < u.end && !take_any(&u))
            return false;
    }
    return u.to == u.to_end;
}
