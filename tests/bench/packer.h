/*
 * Snappy's block format around bytes that will change. A request body differs from the one of the
 * scrape before in values and times only; when those always stand as literals, or as copies of a
 * literal that changes with them, the packed body can be patched in place and nothing is packed
 * anew. (Format: google/snappy, format_description.txt.)
 *
 * A patch names a place of the plain bytes that will be overwritten with others of equal length:
 *   PACKER_VALUE  PACKER_VALUE_BYTES bytes that are nobody else's: always a literal
 *   PACKER_TIME   PACKER_TIME_BYTES bytes that equal those of other PACKER_TIME patches exactly
 *                 when their content at packing time is equal; a literal or a whole copy
 */
#ifndef TESTS_BENCH_PACKER_H
#define TESTS_BENCH_PACKER_H

#include <stddef.h>
#include <stdint.h>

enum packer_kind { PACKER_PLAIN, PACKER_VALUE, PACKER_TIME };

enum {
    PACKER_VALUE_BYTES = 8,
    PACKER_TIME_BYTES = 7,         /* a tag and a varint of six bytes: 2^35 to 2^42 ms */
    PACKER_NOWHERE = 0x7fffffff,   /* the place of a patch that became a copy */
    PACKER_PLAIN_MAX = 0x10000000, /* bytes of one body */
};

struct packer_patch {
    uint32_t at; /* in: offset in the plain bytes; out: in the packed ones or PACKER_NOWHERE */
    enum packer_kind kind;
};

/* Bytes that packer_pack may need at most for n plain ones. */
size_t packer_bound(size_t n);

/* Packs n (at most PACKER_PLAIN_MAX) bytes to `out`, which has packer_bound(n) bytes, and turns
 * the patches, ascending and apart from each other, to places in `out`. Returns the packed length.
 * Not thread-safe (a table of its own is static). */
size_t packer_pack(const uint8_t *plain, size_t n, struct packer_patch *patches, size_t n_patches,
                   uint8_t *out);

#endif
