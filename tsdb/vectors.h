/* Whether loops that have a twin in vector instructions take it. The twins (packed_avx2.c,
 * scale_avx2.c) give equal verdicts and equal bits; which of them runs is decided once, before
 * main, by what the processor has.
 *
 * Threads: vectors_in_use from any; vectors_use only while nobody else decodes (tests, the bench).
 */
#ifndef HG_TSDB_VECTORS_H
#define HG_TSDB_VECTORS_H

#include "alloc/base.h"

#if defined(__x86_64__)
#define VECTORS_AVX2 1
#else
#define VECTORS_AVX2 0
#endif

extern bool vectors_on; /* read it through vectors_in_use */

static inline bool vectors_in_use(void)
{
    return VECTORS_AVX2 && vectors_on;
}

/* Whether this processor has them. */
bool vectors_are_there(void);

/* Takes the vector loops, or the portable ones. Returns what is in use now: never the vector loops
 * where they are not there. */
bool vectors_use(bool on);

#endif
