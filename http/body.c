#include "http/body.h"

#include <string.h>

void body_init(struct body *b, struct arena *a, unsigned owner)
{
    *b = (struct body){.arena = a, .owner = owner};
}

void body_release(struct body *b)
{
    if (b->capacity > 0)
        arena_span_put(b->arena, b->owner, b->bytes, b->capacity);
    body_init(b, b->arena, b->owner);
}

size_t body_capacity(size_t bytes)
{
    size_t capacity = BODY_FIRST_BYTES;
    if (bytes > SIZE_MAX / 2)
        return SIZE_MAX;
    while (capacity < bytes)
        capacity *= 2;
    return bytes > 0 ? capacity : 0;
}

static bool grow(struct body *b, size_t bytes)
{
    struct body larger = *b;
    larger.capacity = body_capacity(bytes);
    larger.bytes = arena_span_get(b->arena, b->owner, larger.capacity);
    if (larger.bytes == NULL)
        return false;
    if (b->n > 0)
        memcpy(larger.bytes, b->bytes, b->n);
    body_release(b);
    *b = larger;
    return true;
}

bool body_append(struct body *b, const char *bytes, size_t n)
{
    size_t total;
    if (add_overflows(b->n, n, &total))
        return false;
    if (total > b->capacity && !grow(b, total))
        return false;
    if (n > 0)
        memcpy(b->bytes + b->n, bytes, n);
    b->n = total;
    return true;
}
