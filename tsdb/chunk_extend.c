/* The usual sample.
 *
 * Nearly every sample goes to the end of a chunk that has room for it, at a time that another
 * series of its scrape has already brought: a constant or a run counts it, any other tail takes a
 * few bytes where they have a place. Nothing is taken, replaced or made for that, so it needs no
 * change (slots.h) and none of the copies that let a change fail; a few words of the record and the
 * head are stored, each sample's before the next is looked at. Everything else says no here and is
 * chunk_write.c's: a value that ends a run or a constant, a tail that becomes full or needs a slot,
 * a time that is not the next one.
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

/* Where the words begin that have the inline bytes in them. */
enum { INLINE_AT = offsetof(struct chunk_head, inline_bytes) / sizeof(word) * sizeof(word) };

_Static_assert(offsetof(struct chunk_head, tail) % sizeof(word) == 0 &&
                   sizeof(struct tail) % sizeof(word) == 0,
               "a tail is whole words of its head");
_Static_assert(sizeof(struct chunk_head) % sizeof(word) == 0, "and so is what is behind INLINE_AT");

/* Whether one more sample leaves the tail a tail. */
static bool has_room(const struct chunk_writer *w, const struct chunk_head *h, bool is_repeat)
{
    const struct tail *t = &h->tail;
    bool is_run = t->n_bytes == 0;
    if (is_run && is_repeat)
        return t->n_samples + 1 < BLOCK_RUN_MAX;
    return t->n_samples + 1 < chunk_tail_max(h, w->phase) && !(is_run && t->n_samples >= RUN_MIN);
}

/* Makes the run at a tail's end one longer. The numbers are stored each by itself: a copy of all
 * would be written in halves and read back in words, which wait for each other. */
static void repeat(struct tail *t)
{
    __atomic_store_n(&t->last, t->last + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&t->n_samples, t->n_samples + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&t->run, t->run + 1, __ATOMIC_RELEASE);
}

/* Puts n of these bytes behind the first `from` of the tail, in a piece or in the head, if there is
 * a place for them. What they are followed by there is nobody's yet. */
static bool put_bytes(const struct chunk_writer *w, struct chunk_head *h, size_t from,
                      const uint8_t bytes[TAIL_STEP_BYTES_MAX], size_t n)
{
    if (from + n <= CHUNK_INLINE_BYTES) {
        uint8_t now[sizeof(*h) - INLINE_AT + TAIL_STEP_BYTES_MAX] __attribute__((aligned(8)));
        memcpy(now, (const char *)h + INLINE_AT, sizeof(*h) - INLINE_AT);
        memcpy(&now[offsetof(struct chunk_head, inline_bytes) - INLINE_AT + from], bytes,
               TAIL_STEP_BYTES_MAX);
        words_store((char *)h + INLINE_AT, now, sizeof(*h) - INLINE_AT);
        return true;
    }
    uint8_t *room = chunk_tail_room(w->slots->arena, h, from, n);
    if (room != NULL)
        memcpy(room, bytes, n);
    return room != NULL;
}

static bool step(const struct chunk_writer *w, struct chunk_head *h, uint32_t time, uint64_t value)
{
    struct tail *t = &h->tail;
    bool is_repeat = tail_repeats(t, t->last + 1, value);
    if (!times_memo_has(w->memo, t->timeline, t->last + 1, time) || !has_room(w, h, is_repeat))
        return false;
    if (is_repeat) {
        repeat(t);
        return true;
    }
    uint8_t bytes[TAIL_STEP_BYTES_MAX] = {0};
    struct tail now = *t;
    size_t n = tail_step(&now, t->last + 1, value, bytes);
    if (!put_bytes(w, h, t->n_bytes, bytes, n))
        return false;
    *w->open_payload += (int64_t)n;
    words_store(t, &now, sizeof(now));
    return true;
}

static size_t extend_tail(const struct chunk_writer *w, struct chunk *c, const uint32_t *times,
                          const uint64_t *values, size_t n)
{
    struct chunk_head *h = chunk_head_at(w->slots->arena, c->at);
    size_t done = 0;
    if (h->tail.n_samples == 0 || h->tail.timeline == 0)
        return 0;
    while (done < n && step(w, h, times[done], values[done]))
        done++;
    if (done > 0)
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
