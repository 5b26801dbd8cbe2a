#include "tsdb/window.h"

#include <string.h>

_Static_assert(WINDOW_SLOTS >= WINDOWS_MAX + 2 && (WINDOW_SLOTS & (WINDOW_SLOTS - 1)) == 0,
               "room for every kept window, the next one and some that expire");

void windows_init(struct windows *ws, unsigned owner)
{
    memset(ws, 0, sizeof(*ws));
    ws->owner = owner;
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
    *w = (struct window){
        .number = number,
        .serial = ++ws->generation * WINDOW_SLOTS + place,
        .state = WINDOW_LIVE,
        .min_ms = INT64_MAX,
        .max_ms = INT64_MIN,
    };
    for (unsigned c = 1; c <= SIZE_CLASSES; c++)
        pool_init(&w->classes[c - 1], size_class_bytes(c), ws->owner);
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

void window_free(struct arena *a, struct windows *ws, struct window *w)
{
    assert(w->state == WINDOW_EXPIRING);
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        pool_drop(a, &w->classes[c]);
    w->state = WINDOW_FREE;
    ws->n_expiring--;
}

struct window *window_expiring(struct windows *ws)
{
    for (uint32_t i = 0; ws->n_expiring > 0 && i < WINDOW_SLOTS; i++)
        if (ws->items[i].state == WINDOW_EXPIRING)
            return &ws->items[i];
    return NULL;
}

uint64_t window_page_bytes(const struct window *w)
{
    uint64_t pages = 0;
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        pages += w->classes[c].n_pages;
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
    }
    for (uint32_t i = 1; i < ws->n_live; i++)
        if (window_live(ws, i - 1)->number >= window_live(ws, i)->number)
            return false;
    return n[WINDOW_LIVE] == ws->n_live && n[WINDOW_EXPIRING] == ws->n_expiring;
}
