/* The bytes of a request's body while it arrives, and the store that lends them out: spans of the
 * arena, given back for the next request instead of to the kernel when they are of ordinary size.
 *
 * A buffer grows by doubling with what has really come, never by what a sender declares.
 * Threads: the store from any thread; a body belongs to one thread at a time. */
#ifndef HG_HTTP_BODY_H
#define HG_HTTP_BODY_H

#include "alloc/arena.h"

enum {
    BODY_FIRST_BYTES = 64 * 1024,
    BODY_KEPT_BYTES_MAX = 512 * 1024, /* larger buffers go back to the arena at once */
    BODY_KEPT_MAX = 8,
};

struct body {
    char *bytes;
    size_t n, capacity;
};

struct body_store {
    struct arena *arena; /* borrowed */
    unsigned owner;
    pthread_mutex_t lock;
    struct body kept[BODY_KEPT_MAX];
    unsigned n_kept;
};

void body_store_init(struct body_store *s, struct arena *a, unsigned owner);
void body_store_release(struct body_store *s);

/* False when memory is exhausted; the body is then as it was. */
bool body_append(struct body_store *s, struct body *b, const char *bytes, size_t n) WARN_UNUSED;

/* Empties the body and takes its memory back. Accepts a zeroed body. */
void body_release(struct body_store *s, struct body *b);

#endif
