#include "http/body.h"

#include <string.h>

void body_store_init(struct body_store *s, struct arena *a, unsigned owner)
{
    memset(s, 0, sizeof(*s));
    s->arena = a;
    s->owner = owner;
    pthread_mutex_init(&s->lock, NULL);
}

void body_store_release(struct body_store *s)
{
    for (unsigned i = 0; i < s->n_kept; i++)
        arena_span_put(s->arena, s->owner, s->kept[i].bytes, s->kept[i].capacity);
    s->n_kept = 0;
    pthread_mutex_destroy(&s->lock);
}

/* The largest kept buffer of at least that size; capacity 0 when there is none. */
static struct body take_kept(struct body_store *s, size_t bytes)
{
    struct body found = {0};
    pthread_mutex_lock(&s->lock);
    unsigned best = s->n_kept;
    for (unsigned i = 0; i < s->n_kept; i++)
        if (s->kept[i].capacity >= bytes &&
            (best == s->n_kept || s->kept[i].capacity > s->kept[best].capacity))
            best = i;
    if (best < s->n_kept) {
        found = s->kept[best];
        s->kept[best] = s->kept[--s->n_kept];
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

static bool grow(struct body_store *s, struct body *b, size_t bytes)
{
    size_t capacity = b->capacity > 0 ? b->capacity : BODY_FIRST_BYTES;
    while (capacity < bytes)
        capacity *= 2;
    struct body larger = take_kept(s, capacity);
    if (larger.capacity == 0) {
        larger.bytes = arena_span_get(s->arena, s->owner, capacity);
        larger.capacity = capacity;
    }
    if (!larger.bytes)
        return false;
    if (b->n > 0)
        memcpy(larger.bytes, b->bytes, b->n);
    larger.n = b->n;
    body_release(s, b);
    *b = larger;
    return true;
}

bool body_append(struct body_store *s, struct body *b, const char *bytes, size_t n)
{
    size_t total;
    if (add_overflows(b->n, n, &total))
        return false;
    if (total > b->capacity && !grow(s, b, total))
        return false;
    memcpy(b->bytes + b->n, bytes, n);
    b->n = total;
    return true;
}

void body_release(struct body_store *s, struct body *b)
{
    if (b->capacity == 0)
        return;
    b->n = 0;
    pthread_mutex_lock(&s->lock);
    bool is_kept = b->capacity <= BODY_KEPT_BYTES_MAX && s->n_kept < BODY_KEPT_MAX;
    if (is_kept)
        s->kept[s->n_kept++] = *b;
    pthread_mutex_unlock(&s->lock);
    if (!is_kept)
        arena_span_put(s->arena, s->owner, b->bytes, b->capacity);
    memset(b, 0, sizeof(*b));
}
