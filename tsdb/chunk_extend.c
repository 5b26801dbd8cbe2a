/* The usual sample.
 *
 * Nearly every sample goes to the end of a chunk that has room for it, at a time that another
 * series of its scrape has already brought: a constant or a run counts it, any other tail takes a
 * few bytes where they have a place. Nothing is taken, replaced or made for that, so it needs no
 * change (slots.h) and none of the copies that let a change fail; a few words of the record and the
 * head are stored. Everything else says no here and is chunk_write.c's: a value that ends a run or
 * a constant, a tail that becomes full or needs a slot, a time that is not the next one.
 */
#include "tsdb/chunk_tail.h"

#include <string.h>

_Static_assert(offsetof(struct chunk, n_samples) == 4, "the count is the upper half of a word");

/* In a register: what was stored as a half and is read back as a word waits for memory. */
static inline void count_samples(struct chunk *chunk, size_t n)
{
    word *first = (word *)(void *)chunk;
    __atomic_store_n(first, *first + ((word)n << 32), __ATOMIC_RELEASE);
}

static size_t extend_constant(const struct chunk_writer *w, struct chunk *c, const uint32_t *times,
                              const uint64_t *values, size_t n)
{
    size_t done = 0, most = size_min(n, BLOCK_RUN_MAX - c->n_samples);
    uint32_t place = c->place + c->n_samples;
    while (done < most && !c->is_stale && values[done] == c->value &&
           times_memo_has(w->memo, c->timeline, place + (uint32_t)done, times[done]))
        done++;
    if (done > 0)
        count_samples(c, done);
    return done;
}

enum {
    TAIL_AT = offsetof(struct chunk_head, tail),
    INLINE_AT = offsetof(struct chunk_head, inline_bytes) / sizeof(word) * sizeof(word),
};

_Static_assert(TAIL_AT % sizeof(word) == 0 && sizeof(struct tail) % sizeof(word) == 0,
               "a tail is whole words of its head");

/* Whether one more sample leaves the tail a tail. */
static bool has_room(const struct chunk_writer *w, const struct chunk_head *h, uint64_t value)
{
    const struct tail *t = &h->tail;
    bool is_run = t->n_bytes == 0;
    if (is_run && tail_repeats(t, t->last + 1, value))
        return t->n_samples + 1 < BLOCK_RUN_MAX;
    return t->n_samples + 1 < chunk_tail_max(h, w->phase) && !(is_run && t->n_samples >= RUN_MIN);
}

/* Puts bytes behind the first `from` of the tail, in a piece or in the copy of the head, if there
 * is a place for them. */
static bool put_bytes(const struct chunk_writer *w, struct chunk_head *now, size_t from,
                      const uint8_t *bytes, size_t n)
{
    if (from + n <= CHUNK_INLINE_BYTES) {
        memcpy(&now->inline_bytes[from], bytes, n);
        return true;
    }
    uint8_t *room = chunk_tail_room(w->slots->arena, now, from, n);
    if (room != NULL)
        memcpy(room, bytes, n);
    return room != NULL;
}

static bool step(const struct chunk_writer *w, struct chunk_head *now, uint32_t time,
                 uint64_t value)
{
    struct tail *t = &now->tail;
    uint8_t bytes[TAIL_STEP_BYTES_MAX];
    if (!times_memo_has(w->memo, t->timeline, t->last + 1, time) || !has_room(w, now, value))
        return false;
    struct tail before = *t;
    size_t n = tail_step(t, t->last + 1, value, bytes);
    if (n == 0 || put_bytes(w, now, before.n_bytes, bytes, n))
        return true;
    *t = before;
    return false;
}

static size_t extend_tail(const struct chunk_writer *w, struct chunk *c, const uint32_t *times,
                          const uint64_t *values, size_t n)
{
    struct chunk_head *h = chunk_head_at(w->slots->arena, c->at), now = *h;
    size_t done = 0;
    if (now.tail.n_samples == 0 || now.tail.timeline == 0)
        return 0;
    while (done < n && step(w, &now, times[done], values[done]))
        done++;
    if (done == 0)
        return 0;
    size_t n_bytes = now.tail.n_bytes - (size_t)h->tail.n_bytes;
    *w->open_payload += (int64_t)n_bytes;
    if (n_bytes > 0)
        words_store((char *)h + INLINE_AT, (char *)&now + INLINE_AT, sizeof(*h) - INLINE_AT);
    words_store((char *)h + TAIL_AT, &now.tail, sizeof(now.tail));
    count_samples(c, done);
    return done;
}

size_t chunk_extend(const struct chunk_writer *w, struct chunk *chunk, const uint32_t *times,
                    const uint64_t *values, size_t n)
{
    if (w->memo == NULL)
        return 0;
    if (chunk->kind == CHUNK_CONSTANT)
        return extend_constant(w, chunk, times, values, n);
    return chunk->kind == CHUNK_HEAD ? extend_tail(w, chunk, times, values, n) : 0;
}
