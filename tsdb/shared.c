#include "tsdb/shared.h"
#include "tsdb/chunk.h"
#include "tsdb/labels.h"

#include <string.h>

_Static_assert((SHARED_SEEN_SETS & (SHARED_SEEN_SETS - 1)) == 0, "a set is some bits of a hash");
_Static_assert((SHARED_KEPT_SETS & (SHARED_KEPT_SETS - 1)) == 0, "a set is some bits of a hash");
_Static_assert((int)COLUMN_BYTES_MAX <= (int)SIZE_CLASS_BYTES_MAX, "a column fits a slot");
_Static_assert(sizeof(struct shared) <= CRUMB_STEP_BYTES, "a record is the smallest slot");

enum { COUNT_MASK = 3, WAY_SHIFT = 48, TAG_SHIFT = 32 };

_Static_assert(SHARED_SIGHTS >= 1 && SHARED_SIGHTS <= (int)COUNT_MASK, "two bits count them");

/* ---- what was seen ---- */

/* The newest stands first, the last one is forgotten. */
static void note_seen(_Atomic uint32_t *set, uint32_t entry)
{
    for (unsigned i = SHARED_WAYS - 1; i > 0; i--) {
        uint32_t before = atomic_load_explicit(&set[i - 1], memory_order_relaxed);
        atomic_store_explicit(&set[i], before, memory_order_relaxed);
    }
    atomic_store_explicit(&set[0], entry, memory_order_relaxed);
}

/* Counts a sight; whether there were SHARED_SIGHTS before, which are forgotten then: if the shared
 * values are forgotten too, the next ones wait for as many again. */
static bool is_frequent(struct recent_shared *r, uint64_t hash)
{
    _Atomic uint32_t *set = r->seen[hash & (SHARED_SEEN_SETS - 1)];
    uint32_t tag = (uint32_t)(hash >> TAG_SHIFT) & ~(uint32_t)COUNT_MASK;
    for (unsigned i = 0; i < SHARED_WAYS; i++) {
        uint32_t entry = atomic_load_explicit(&set[i], memory_order_relaxed);
        uint32_t count = entry & COUNT_MASK;
        if (count == 0 || entry - count != tag)
            continue;
        bool is_over = count >= SHARED_SIGHTS;
        atomic_store_explicit(&set[i], is_over ? 0 : entry + 1, memory_order_relaxed);
        return is_over;
    }
    note_seen(set, tag | 1);
    return false;
}

/* ---- what is shared ---- */

static slot find_kept(struct recent_shared *r, const struct slots *sl, uint32_t serial,
                      uint64_t hash, const uint8_t *bytes, uint32_t n)
{
    _Atomic uint64_t *set = r->kept[hash & (SHARED_KEPT_SETS - 1)];
    for (unsigned i = 0; i < SHARED_WAYS; i++) {
        uint64_t entry = atomic_load_explicit(&set[i], memory_order_acquire);
        slot s = (slot)entry;
        if (entry >> 32 == serial && shared_at(sl->arena, s)->n_bytes == n &&
            memcmp(shared_bytes(sl->arena, s), bytes, n) == 0)
            return s;
    }
    return 0;
}

/* In an empty place, in that of another window's, or of any. */
static void note_kept(struct recent_shared *r, uint32_t serial, uint64_t hash, slot s)
{
    _Atomic uint64_t *set = r->kept[hash & (SHARED_KEPT_SETS - 1)];
    unsigned way = (unsigned)(hash >> WAY_SHIFT) % SHARED_WAYS;
    for (unsigned i = 0; i < SHARED_WAYS; i++) {
        uint64_t entry = atomic_load_explicit(&set[i], memory_order_relaxed);
        if (entry >> 32 != serial)
            way = i;
        if (entry == 0)
            break;
    }
    atomic_store_explicit(&set[way], (uint64_t)serial << 32 | s, memory_order_release);
}

slot shared_find(struct recent_shared *r, struct slots *sl, struct window *w, const uint8_t *bytes,
                 uint32_t n)
{
    if (n < SHARED_BYTES_MIN)
        return 0;
    uint64_t hash = bytes_hash(bytes, n, w->serial);
    slot s = find_kept(r, sl, w->serial, hash, bytes, n);
    if (s != 0 || !is_frequent(r, hash))
        return s;
    s = shared_new(sl, w, bytes, n);
    if (s != 0)
        note_kept(r, w->serial, hash, s);
    return s;
}

slot shared_new(struct slots *sl, struct window *w, const uint8_t *bytes, uint32_t n)
{
    struct change c;
    change_init(&c, sl, w);
    slot made = change_take_crumb(&c, sizeof(struct shared)), at = 0;
    if (made != 0)
        at = n <= CRUMB_BYTES_MAX ? change_take_crumb(&c, n) : change_take(&c, n);
    if (!change_prepare(&c))
        return 0;
    memcpy(slot_ptr(sl->arena, at), bytes, n);
    struct shared *s = shared_at(sl->arena, made);
    *s = (struct shared){
        .number = atomic_fetch_add_explicit(&w->n_shared, 1, memory_order_relaxed),
        .serial = w->serial,
        .bytes = at,
        .n_bytes = n,
    };
    c.payload += (int64_t)(sizeof(*s) + n);
    change_finish(&c);
    s->before = atomic_load_explicit(&w->last_shared, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&w->last_shared, &s->before, made,
                                                  memory_order_release, memory_order_relaxed))
        ;
    return made;
}

/* ---- recounting ---- */

void shared_add_footprint(const struct arena *a, slot s, struct chunk_footprint *io)
{
    const struct shared *h = shared_at(a, s);
    chunk_footprint_add(io, pool_slot_bytes_at(a, s), sizeof(*h));
    chunk_footprint_add(io, pool_slot_bytes_at(a, h->bytes), h->n_bytes);
}

bool shared_check(const struct arena *a, slot s, uint32_t serial)
{
    const struct shared *h = shared_at(a, s);
    return h->serial == serial && h->n_bytes >= 1 && h->n_bytes <= COLUMN_BYTES_MAX &&
           h->bytes != 0 && h->n_bytes <= pool_slot_bytes_at(a, h->bytes);
}
