#include "tsdb/window.h"

#include <string.h>

_Static_assert(WINDOW_SLOTS >= WINDOWS_MAX + 2 && (WINDOW_SLOTS & (WINDOW_SLOTS - 1)) == 0,
               "room for every kept window, the next one and some that expire");

void windows_init(struct windows *ws, int64_t window_ms, unsigned owner, unsigned owner_tables)
{
    memset(ws, 0, sizeof(*ws));
    ws->window_ms = window_ms;
    ws->owner = owner;
    ws->owner_tables = owner_tables;
}

struct window *window_of_number(struct windows *ws, int64_t number)
{
    for (uint32_t i = ws->n_live; i-- > 0;) { /* nearly always the newest */
        struct window *w = window_live(ws, i);
        if (w->number <= number)
            return w->number == number ? w : NULL;
    }
    return NULL;
}

struct window *window_of_serial(struct windows *ws, uint32_t serial)
{
    struct window *w = &ws->items[serial % WINDOW_SLOTS];
    return serial != 0 && w->serial == serial && w->state == WINDOW_LIVE ? w : NULL;
}

static uint32_t free_place(const struct windows *ws)
{
    for (uint32_t i = 0; i < WINDOW_SLOTS; i++)
        if (ws->items[i].state == WINDOW_FREE)
            return i;
    return WINDOW_SLOTS;
}

struct window *window_make(struct windows *ws, int64_t number)
{
    assert(window_of_number(ws, number) == NULL);
    uint32_t place = free_place(ws);
    if (place == WINDOW_SLOTS)
        return NULL;
    struct window *w = &ws->items[place];
    memset(w, 0, sizeof(*w));
    w->number = number;
    w->start_ms = (int64_t)((uint64_t)number * (uint64_t)ws->window_ms);
    w->serial = ++ws->generation * WINDOW_SLOTS + place;
    w->state = WINDOW_LIVE;
    w->min_ms = INT64_MAX;
    w->max_ms = INT64_MIN;
    table_init(&w->members, sizeof(uint64_t), ws->owner_tables);
    for (unsigned c = 1; c <= SIZE_CLASSES; c++)
        pool_init(&w->classes[c - 1], size_class_bytes(c), ws->owner);
    for (unsigned c = 0; c < CRUMB_SIZES; c++)
        pool_init(&w->crumbs[c], (c + 1) * (size_t)CRUMB_STEP_BYTES, ws->owner);
    uint32_t at = ws->n_live++;
    for (; at > 0 && window_live(ws, at - 1)->number > number; at--)
        ws->live[at] = ws->live[at - 1];
    ws->live[at] = (uint8_t)place;
    return w;
}

void window_expire(struct windows *ws, struct window *w)
{
    assert(w->state == WINDOW_LIVE);
    uint32_t at = 0;
    while (window_live(ws, at) != w)
        at++;
    ws->n_live--;
    memmove(&ws->live[at], &ws->live[at + 1], ws->n_live - at);
    w->state = WINDOW_EXPIRING;
    ws->n_expiring++;
}

bool window_free_some(struct arena *a, struct windows *ws, struct window *w, size_t max_pages)
{
    assert(w->state == WINDOW_EXPIRING);
    for (unsigned c = 0; c < SIZE_CLASSES && max_pages > 0; c++)
        max_pages -= pool_drop_some(a, &w->classes[c], max_pages);
    for (unsigned c = 0; c < CRUMB_SIZES && max_pages > 0; c++)
        max_pages -= pool_drop_some(a, &w->crumbs[c], max_pages);
    if (max_pages == 0)
        return false;
    table_release(a, &w->members);
    w->state = WINDOW_FREE;
    ws->n_expiring--;
    return true;
}

void window_count(struct window *w, uint64_t n, int64_t min_ms, int64_t max_ms)
{
    atomic_fetch_add_explicit(&w->n_samples, n, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->n_changes, 1, memory_order_release);
    int64_t was = atomic_load_explicit(&w->min_ms, memory_order_relaxed);
    while (min_ms < was && !atomic_compare_exchange_weak(&w->min_ms, &was, min_ms))
        ;
    was = atomic_load_explicit(&w->max_ms, memory_order_relaxed);
    while (max_ms > was && !atomic_compare_exchange_weak(&w->max_ms, &was, max_ms))
        ;
}

void window_uncount(struct window *w, uint64_t n)
{
    atomic_fetch_sub_explicit(&w->n_samples, n, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->n_changes, 1, memory_order_release);
}

/* There is one writer at a time; others read meanwhile. */
static void store_bits(uint64_t *bits, uint64_t members)
{
    __atomic_store_n(bits, members, __ATOMIC_RELAXED);
}

bool window_add_member(struct arena *a, struct window *w, uint32_t series)
{
    uint64_t *bits = table_at(a, &w->members, series / MEMBER_BITS);
    if (bits == NULL)
        bits = table_make(a, &w->members, series / MEMBER_BITS);
    if (bits == NULL)
        return false;
    store_bits(bits, *bits | (uint64_t)1 << series % MEMBER_BITS);
    return true;
}

/* Neighbours have their bits in the same word. */
bool window_add_members(struct arena *a, struct window *w, const uint32_t *series, uint32_t n)
{
    for (uint32_t i = 0, next; i < n; i = next) {
        uint32_t word = series[i] / MEMBER_BITS;
        uint64_t *bits = table_make(a, &w->members, word), added = 0;
        for (next = i; next < n && series[next] / MEMBER_BITS == word; next++)
            added |= (uint64_t)1 << series[next] % MEMBER_BITS;
        if (bits == NULL) {
            while (i-- > 0)
                window_drop_member(a, w, series[i]);
            return false;
        }
        store_bits(bits, *bits | added);
    }
    return true;
}

void window_drop_member(const struct arena *a, struct window *w, uint32_t series)
{
    uint64_t *bits = table_at(a, &w->members, series / MEMBER_BITS);
    store_bits(bits, *bits & ~((uint64_t)1 << series % MEMBER_BITS));
}

uint64_t window_next_member(const struct arena *a, const struct window *w, uint64_t from,
                            uint64_t end)
{
    for (uint64_t at = from / MEMBER_BITS; at * MEMBER_BITS < end;) {
        const uint64_t *bits = table_at(a, &w->members, at);
        if (bits == NULL) {
            at = (at / w->members.per_leaf + 1) * w->members.per_leaf;
            continue;
        }
        uint64_t rest = __atomic_load_n(bits, __ATOMIC_RELAXED);
        if (at == from / MEMBER_BITS)
            rest &= UINT64_MAX << from % MEMBER_BITS;
        if (rest != 0) {
            uint64_t found = at * MEMBER_BITS + (unsigned)__builtin_ctzll(rest);
            return found < end ? found : UINT64_MAX;
        }
        at++;
    }
    return UINT64_MAX;
}

void window_free(struct arena *a, struct windows *ws, struct window *w)
{
    bool is_free = window_free_some(a, ws, w, SIZE_MAX);
    ENSURE(is_free);
}

struct window *window_expiring(struct windows *ws)
{
    for (uint32_t i = 0; ws->n_expiring > 0 && i < WINDOW_SLOTS; i++)
        if (ws->items[i].state == WINDOW_EXPIRING)
            return &ws->items[i];
    return NULL;
}

struct pool *window_pool(struct window *w, size_t slot_bytes)
{
    if (slot_bytes <= CRUMB_BYTES_MAX)
        return &w->crumbs[(slot_bytes - 1) / CRUMB_STEP_BYTES];
    return &w->classes[size_class_of(slot_bytes) - 1];
}

uint64_t window_page_bytes(const struct window *w)
{
    uint64_t pages = 0;
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        pages += w->classes[c].n_pages;
    for (unsigned c = 0; c < CRUMB_SIZES; c++)
        pages += w->crumbs[c].n_pages;
    return pages * ARENA_PAGE_BYTES;
}

bool windows_check(const struct arena *a, struct windows *ws)
{
    uint32_t n[3] = {0};
    for (uint32_t i = 0; i < WINDOW_SLOTS; i++) {
        struct window *w = &ws->items[i];
        n[w->state]++;
        for (unsigned c = 0; c < SIZE_CLASSES && w->state != WINDOW_FREE; c++)
            if (!pool_check(a, &w->classes[c]))
                return false;
        for (unsigned c = 0; c < CRUMB_SIZES && w->state != WINDOW_FREE; c++)
            if (!pool_check(a, &w->crumbs[c]))
                return false;
    }
    for (uint32_t i = 1; i < ws->n_live; i++)
        if (window_live(ws, i - 1)->number >= window_live(ws, i)->number)
            return false;
    return n[WINDOW_LIVE] == ws->n_live && n[WINDOW_EXPIRING] == ws->n_expiring;
}
