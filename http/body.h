/* The bytes of a request's body while it arrives, in a span of the arena (which keeps what comes
 * back for the next request).
 *
 * A body grows by doubling with what has really come, never by what a sender declares.
 * Threads: a body belongs to one thread at a time. */
#ifndef HG_HTTP_BODY_H
#define HG_HTTP_BODY_H

#include "alloc/arena.h"

enum { BODY_FIRST_BYTES = 64 * 1024 };

struct body {
    struct arena *arena; /* borrowed */
    unsigned owner;      /* of the budget */
    char *bytes;         /* NULL while there are none */
    size_t n, capacity;
};

/* Takes no memory yet. a is borrowed for the body's life. */
void body_init(struct body *b, struct arena *a, unsigned owner);

/* False when memory is exhausted; the body is then as it was. */
bool body_append(struct body *b, const char *bytes, size_t n) WARN_UNUSED;

/* What a body of so many bytes takes from the budget; 0 for none. */
size_t body_capacity(size_t bytes);

/* Empties the body; it can be used again. Accepts a zeroed body. */
void body_release(struct body *b);

#endif
