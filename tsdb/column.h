/* A column: the values of up to 128 samples in the form that takes the fewest bytes.
 * docs/column-format.md specifies the bytes.
 *
 * Values are the 64 bits of doubles and come back bit for bit: NaN payloads, -0, infinities. A
 * column knows neither its length nor its encoding; who keeps it keeps both.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_TSDB_COLUMN_H
#define HG_TSDB_COLUMN_H

#include "alloc/base.h"

enum {
    COLUMN_VALUES_MAX = 128,
    COLUMN_BYTES_MAX = COLUMN_VALUES_MAX * 8,
};

/* Below 15, so that it fits beside another half of a byte and leaves blocks the 15. 6 and 7 are
 * free. */
enum column_encoding {
    COLUMN_AS_CONSTANT = 0,           /* one value for all */
    COLUMN_AS_RAW = 1,                /* 8 bytes each */
    COLUMN_AS_WHOLE = 2,              /* whole numbers */
    COLUMN_AS_WHOLE_DIFFERENCES = 3,  /* the first, then the difference of each from the last */
    COLUMN_AS_SCALED = 4,             /* numbers that a scale makes whole: column.c */
    COLUMN_AS_SCALED_DIFFERENCES = 5, /* */
    COLUMN_ENDS_STALE = 8, /* a flag: after what the others say comes one stale marker more */
};

/* Encodes n (1 .. COLUMN_VALUES_MAX) values; always succeeds. Returns how many bytes, 1 or more. */
size_t column_encode(const uint64_t *values, uint32_t n, uint8_t out[COLUMN_BYTES_MAX],
                     uint8_t *ret_encoding);

/* Decodes n (1 .. COLUMN_VALUES_MAX) values. Reads nothing outside the bytes, whatever they hold;
 * false, with the values unspecified, for what column_encode does not write: an unknown encoding,
 * another length, filling that is not zero, numbers out of range. It does not ask whether another
 * encoding would have been shorter. */
bool column_decode(uint8_t encoding, const uint8_t *bytes, size_t n_bytes, uint32_t n,
                   uint64_t values[COLUMN_VALUES_MAX]) WARN_UNUSED;

/* Whether there is an encoding of that number, and columns of that length. What column_decode is
 * given besides does not matter to it. */
static inline bool column_is_possible(uint8_t encoding, size_t n_bytes)
{
    unsigned kind = encoding & ~(unsigned)COLUMN_ENDS_STALE;
    return encoding < 2 * COLUMN_ENDS_STALE && kind <= COLUMN_AS_SCALED_DIFFERENCES &&
           n_bytes >= 1 && n_bytes <= COLUMN_BYTES_MAX;
}

#endif
