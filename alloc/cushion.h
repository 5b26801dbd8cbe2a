/* libc's heap for code that has no answer to a refusal (RE2), with a cushion below: what the heap
 * refuses comes from a part of the address space that is set aside and costs nothing until then.
 * Who calls such code asks before whether the cushion has room, and afterwards whether it was
 * used: that is the refusal, and what was made is given back.
 *
 * Threads: any. */
#ifndef HG_ALLOC_CUSHION_H
#define HG_ALLOC_CUSHION_H

#include "alloc/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CUSHION_BYTES = 64 << 20,
    /* What must be free before anything that may need it begins: some MiB for each of the queries
     * that run at once. */
    CUSHION_ROOM_BYTES = 32 << 20,
};

/* Never NULL: a heap and a cushion without room end the process. Aligned for any type. */
void *cushion_alloc(size_t bytes);
void cushion_free(void *at); /* accepts NULL */

bool cushion_has_room(void);

/* How often this thread was given of the cushion. */
unsigned long cushion_uses(void);

#ifdef __cplusplus
}
#endif
#endif
