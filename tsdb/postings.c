#include "tsdb/postings.h"

#include <string.h>

enum {
    ARRAY_MAX = 4096, /* members; beyond, the bitmap is not larger */
    BITMAP_BYTES = 8192,
    BITMAP_WORDS = BITMAP_BYTES / 8,
    CAPACITY_BITMAP = UINT16_MAX,
    KEY_SHIFT = 16,
};

struct container {
    slot next;
    slot data;
    uint32_t n;        /* members, 1 .. 65,536 */
    uint16_t key;      /* the upper half of its ids */
    uint16_t capacity; /* of the array, or CAPACITY_BITMAP */
};

_Static_assert(ARRAY_MAX * sizeof(uint16_t) <= (size_t)KIND_BYTES_MAX,
               "the longest array fits a slot");
_Static_assert((size_t)BITMAP_BYTES <= KIND_BYTES_MAX, "a bitmap fits a slot");

static struct container *container_at(const struct arena *a, slot s)
{
    return slot_ptr(a, s);
}

static size_t data_bytes(const struct container *c)
{
    return c->capacity == CAPACITY_BITMAP ? BITMAP_BYTES : c->capacity * sizeof(uint16_t);
}

/* ---- one container ---- */

/* The place of `low` in the array, or where it belongs. */
static uint32_t array_place(const uint16_t *items, uint32_t n, uint16_t low)
{
    uint32_t from = 0, to = n;
    if (n > 0 && items[n - 1] < low)
        return n; /* ids come ascending: mostly here */
    while (from < to) {
        uint32_t mid = (from + to) / 2;
        if (items[mid] < low)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static bool container_contains(const struct arena *a, const struct container *c, uint16_t low)
{
    if (c->capacity == CAPACITY_BITMAP) {
        const uint64_t *words = slot_ptr(a, c->data);
        return (words[low / 64] >> low % 64 & 1) != 0;
    }
    const uint16_t *items = slot_ptr(a, c->data);
    uint32_t at = array_place(items, c->n, low);
    return at < c->n && items[at] == low;
}

/* Gives the container data of another form or length; the members stay. */
static bool container_recast(struct arena *a, struct kind *k, struct container *c,
                             uint16_t capacity)
{
    struct container now = *c;
    now.capacity = capacity;
    now.data = kind_get(a, k, data_bytes(&now));
    if (now.data == 0)
        return false;
    const uint16_t *old_items = slot_ptr(a, c->data);
    const uint64_t *old_words = slot_ptr(a, c->data);
    uint16_t *items = slot_ptr(a, now.data);
    uint64_t *words = slot_ptr(a, now.data);
    if (c->capacity != CAPACITY_BITMAP && capacity != CAPACITY_BITMAP) {
        memcpy(items, old_items, c->n * sizeof(*items));
    } else if (capacity == CAPACITY_BITMAP) {
        memset(words, 0, BITMAP_BYTES);
        for (uint32_t i = 0; i < c->n; i++)
            words[old_items[i] / 64] |= (uint64_t)1 << old_items[i] % 64;
    } else {
        uint32_t n = 0;
        for (uint32_t w = 0; w < BITMAP_WORDS; w++)
            for (uint64_t rest = old_words[w]; rest != 0; rest &= rest - 1)
                items[n++] = (uint16_t)(w * 64 + (unsigned)__builtin_ctzll(rest));
    }
    kind_put(a, k, c->data, data_bytes(c));
    *c = now;
    return true;
}

/* Slots grow by a fifth or so (kind.h), so the array does. */
static uint16_t capacity_for(uint32_t n)
{
    if (n > ARRAY_MAX)
        return CAPACITY_BITMAP;
    size_t bytes = kind_slot_bytes(n * sizeof(uint16_t));
    return (uint16_t)size_min(bytes / sizeof(uint16_t), ARRAY_MAX);
}

static bool container_add(struct arena *a, struct kind *k, struct container *c, uint16_t low)
{
    if (c->capacity != CAPACITY_BITMAP && c->n == c->capacity)
        if (!container_recast(a, k, c, capacity_for(c->n + 1)))
            return false;
    if (c->capacity == CAPACITY_BITMAP) {
        uint64_t *words = slot_ptr(a, c->data);
        words[low / 64] |= (uint64_t)1 << low % 64;
    } else {
        uint16_t *items = slot_ptr(a, c->data);
        uint32_t at = array_place(items, c->n, low);
        memmove(&items[at + 1], &items[at], (c->n - at) * sizeof(*items));
        items[at] = low;
    }
    c->n++;
    return true;
}

/* Shrinks data that has become much too large; without memory for the smaller copy it simply stays.
 */
static void container_trim(struct arena *a, struct kind *k, struct container *c)
{
    bool is_bitmap = c->capacity == CAPACITY_BITMAP;
    if (is_bitmap ? c->n <= ARRAY_MAX * 3 / 4 : c->n > 0 && c->n <= c->capacity / 2u)
        if (capacity_for(c->n) != c->capacity)
            (void)container_recast(a, k, c, capacity_for(c->n));
}

static void container_remove(struct arena *a, struct kind *k, struct container *c, uint16_t low)
{
    assert(container_contains(a, c, low));
    if (c->capacity == CAPACITY_BITMAP) {
        uint64_t *words = slot_ptr(a, c->data);
        words[low / 64] &= ~((uint64_t)1 << low % 64);
    } else {
        uint16_t *items = slot_ptr(a, c->data);
        uint32_t at = array_place(items, c->n, low);
        memmove(&items[at], &items[at + 1], (c->n - at - 1) * sizeof(*items));
    }
    c->n--;
    container_trim(a, k, c);
}

static void container_list(const struct arena *a, const struct container *c, uint32_t *ret_ids)
{
    uint32_t high = (uint32_t)c->key << KEY_SHIFT;
    if (c->capacity != CAPACITY_BITMAP) {
        const uint16_t *items = slot_ptr(a, c->data);
        for (uint32_t i = 0; i < c->n; i++)
            ret_ids[i] = high | items[i];
        return;
    }
    const uint64_t *words = slot_ptr(a, c->data);
    for (uint32_t w = 0; w < BITMAP_WORDS; w++)
        for (uint64_t rest = words[w]; rest != 0; rest &= rest - 1)
            *ret_ids++ = high | (w * 64 + (unsigned)__builtin_ctzll(rest));
}

/* ---- the chain of containers ---- */

static slot container_new(struct arena *a, struct kind *k, uint32_t id, slot next)
{
    slot made = kind_get(a, k, sizeof(struct container));
    if (made == 0)
        return 0;
    struct container *c = container_at(a, made);
    *c = (struct container){
        .next = next, .n = 1, .key = (uint16_t)(id >> KEY_SHIFT), .capacity = capacity_for(1)};
    c->data = kind_get(a, k, data_bytes(c));
    if (c->data == 0) {
        kind_put(a, k, made, sizeof(struct container));
        return 0;
    }
    *(uint16_t *)slot_ptr(a, c->data) = (uint16_t)id;
    return made;
}

static void container_free(struct arena *a, struct kind *k, slot s)
{
    struct container *c = container_at(a, s);
    kind_put(a, k, c->data, data_bytes(c));
    kind_put(a, k, s, sizeof(struct container));
}

/* The container of an id, or 0; *ret_before is the one before its place (0 = none). */
static slot find_container(const struct arena *a, const struct postings *p, uint32_t id,
                           slot *ret_before)
{
    uint16_t key = (uint16_t)(id >> KEY_SHIFT);
    *ret_before = 0;
    if (p->last != 0 && container_at(a, p->last)->key < key) {
        *ret_before = p->last;
        return 0;
    }
    slot s = p->first;
    while (s != 0 && container_at(a, s)->key < key) {
        *ret_before = s;
        s = container_at(a, s)->next;
    }
    return s != 0 && container_at(a, s)->key == key ? s : 0;
}

static bool add_to_chain(struct arena *a, struct kind *k, struct postings *p, uint32_t id)
{
    slot before;
    if (p->last != 0 && container_at(a, p->last)->key == id >> KEY_SHIFT)
        return container_add(a, k, container_at(a, p->last), (uint16_t)id);
    slot found = find_container(a, p, id, &before);
    if (found != 0)
        return container_add(a, k, container_at(a, found), (uint16_t)id);
    slot next = before != 0 ? container_at(a, before)->next : p->first;
    slot made = container_new(a, k, id, next);
    if (made == 0)
        return false;
    if (before != 0)
        container_at(a, before)->next = made;
    else
        p->first = made;
    if (next == 0)
        p->last = made;
    return true;
}

bool postings_add(struct arena *a, struct kind *k, struct postings *p, uint32_t id)
{
    if (p->n == 0) {
        *p = (struct postings){.n = 1, .only = id};
        return true;
    }
    if (p->n == 1) { /* the lone id moves into a container first */
        struct postings chain = {0};
        if (!add_to_chain(a, k, &chain, p->only))
            return false;
        if (!add_to_chain(a, k, &chain, id)) {
            container_free(a, k, chain.first);
            return false;
        }
        chain.n = 2;
        *p = chain;
        return true;
    }
    if (!add_to_chain(a, k, p, id))
        return false;
    p->n++;
    return true;
}

static void unlink_container(struct arena *a, struct kind *k, struct postings *p, slot s,
                             slot before)
{
    slot next = container_at(a, s)->next;
    if (before != 0)
        container_at(a, before)->next = next;
    else
        p->first = next;
    if (p->last == s)
        p->last = before;
    container_free(a, k, s);
}

void postings_remove(struct arena *a, struct kind *k, struct postings *p, uint32_t id)
{
    assert(p->n > 0);
    if (p->n == 1) {
        assert(p->only == id);
        *p = (struct postings){0};
        return;
    }
    slot before;
    slot s = find_container(a, p, id, &before);
    ENSURE(s != 0);
    if (container_at(a, s)->n == 1)
        unlink_container(a, k, p, s, before);
    else
        container_remove(a, k, container_at(a, s), (uint16_t)id);
    if (--p->n == 1) { /* back to the lone id */
        uint32_t only;
        container_list(a, container_at(a, p->first), &only);
        container_free(a, k, p->first);
        *p = (struct postings){.n = 1, .only = only};
    }
}

bool postings_contains(const struct arena *a, const struct postings *p, uint32_t id)
{
    if (p->n <= 1)
        return p->n == 1 && p->only == id;
    slot before;
    slot s = find_container(a, p, id, &before);
    return s != 0 && container_contains(a, container_at(a, s), (uint16_t)id);
}

void postings_list(const struct arena *a, const struct postings *p, uint32_t *ret_ids)
{
    if (p->n == 1)
        ret_ids[0] = p->only;
    for (slot s = p->first; s != 0; s = container_at(a, s)->next) {
        container_list(a, container_at(a, s), ret_ids);
        ret_ids += container_at(a, s)->n;
    }
}

static uint32_t count_members(const struct arena *a, const struct container *c)
{
    if (c->capacity != CAPACITY_BITMAP) {
        const uint16_t *items = slot_ptr(a, c->data);
        for (uint32_t i = 1; i < c->n; i++)
            if (items[i - 1] >= items[i])
                return 0;
        return c->n <= c->capacity ? c->n : 0;
    }
    const uint64_t *words = slot_ptr(a, c->data);
    uint32_t n = 0;
    for (uint32_t w = 0; w < BITMAP_WORDS; w++)
        n += (uint32_t)__builtin_popcountll(words[w]);
    return n;
}

bool postings_check(const struct arena *a, const struct postings *p)
{
    if (p->n <= 1)
        return p->first == 0 && p->last == 0;
    uint64_t n = 0;
    slot last = 0;
    for (slot s = p->first; s != 0; last = s, s = container_at(a, s)->next) {
        const struct container *c = container_at(a, s);
        if (last != 0 && container_at(a, last)->key >= c->key)
            return false;
        if (c->n == 0 || count_members(a, c) != c->n)
            return false;
        n += c->n;
    }
    return n == p->n && last == p->last;
}
