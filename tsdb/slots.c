#include "tsdb/slots.h"

#include <sched.h>
#include <time.h>

/* Of this thread: the slots whose lock it holds across calls, or NULL. */
static _Thread_local const struct slots *held;

static void lock(struct slots *s)
{
    if (held != s)
        pthread_mutex_lock(&s->lock);
}

static void unlock(struct slots *s)
{
    if (held != s)
        pthread_mutex_unlock(&s->lock);
}

/* What lies in a window's pools. While restorers are alone, each has windows that no other
 * touches. */
static void lock_window(struct slots *s)
{
    if (!s->is_alone)
        lock(s);
}

static void unlock_window(struct slots *s)
{
    if (!s->is_alone)
        unlock(s);
}

void slots_hold(struct slots *s)
{
    lock(s);
    held = s;
}

void slots_unhold(struct slots *s)
{
    held = NULL;
    unlock(s);
}

void slots_init(struct slots *s, struct arena *a, unsigned owner_open, unsigned owner_limbo)
{
    s->arena = a;
    pool_init(&s->open, SIZE_CLASS_STEP_BYTES, owner_open);
    pthread_mutex_init(&s->lock, NULL);
    epoch_init(&s->epoch);
    limbo_init(&s->limbo, a, &s->epoch, owner_limbo);
}

void slots_release(struct slots *s)
{
    limbo_release(&s->limbo);
    pool_drop(s->arena, &s->open);
    pthread_mutex_destroy(&s->lock);
}

void slots_drain(struct slots *s)
{
    lock(s);
    if (s->n_promised == 0)
        limbo_seal(&s->limbo);
    limbo_drain(&s->limbo);
    unlock(s);
}

void change_init(struct change *c, struct slots *s, struct window *w)
{
    c->slots = s;
    c->window = w;
    c->n_taken = c->n_replaced = 0;
    c->has_failed = false;
    c->payload = c->open_payload = 0;
}

static struct pool *pool_of(struct change *c, struct change_slot s)
{
    if (s.is_open)
        return &c->slots->open;
    return window_pool(c->window, pool_slot_bytes_at(c->slots->arena, s.s));
}

static slot take(struct change *c, struct pool *p, bool is_open)
{
    slot made = 0;
    if (!c->has_failed && c->n_taken < CHANGE_SLOTS_MAX) {
        (is_open ? lock : lock_window)(c->slots);
        made = pool_get(c->slots->arena, p);
        (is_open ? unlock : unlock_window)(c->slots);
    }
    if (made == 0)
        c->has_failed = true;
    else
        c->taken[c->n_taken++] = (struct change_slot){made, is_open};
    return made;
}

slot change_take(struct change *c, size_t bytes)
{
    return take(c, &c->window->classes[size_class_of(bytes) - 1], false);
}

slot change_take_crumb(struct change *c, size_t bytes)
{
    assert(bytes <= CRUMB_BYTES_MAX);
    return take(c, window_pool(c->window, bytes), false);
}

slot change_take_open(struct change *c)
{
    return take(c, &c->slots->open, true);
}

static void replace(struct change *c, slot s, bool is_open)
{
    if (c->n_replaced == CHANGE_SLOTS_MAX)
        c->has_failed = true;
    else
        c->replaced[c->n_replaced++] = (struct change_slot){s, is_open};
}

void change_replace(struct change *c, slot s)
{
    replace(c, s, false);
}

void change_replace_open(struct change *c, slot s)
{
    replace(c, s, true);
}

void change_undo(struct change *c)
{
    if (c->n_taken == 0)
        return;
    lock(c->slots);
    while (c->n_taken > 0) {
        struct change_slot s = c->taken[--c->n_taken];
        pool_put(c->slots->arena, pool_of(c, s), s.s);
    }
    unlock(c->slots);
}

static bool promise(struct slots *s, size_t n)
{
    lock(s);
    bool has_room = limbo_reserve(&s->limbo, s->n_promised + n);
    s->n_promised += has_room ? n : 0;
    unlock(s);
    return has_room;
}

/* Who is alone keeps nothing waiting, and nothing is promised. */
bool slots_promise(struct slots *s, size_t n)
{
    return s->is_alone || promise(s, n);
}

bool slots_promise_seen(struct slots *s)
{
    return promise(s, 1);
}

void slots_unpromise_seen(struct slots *s, size_t n)
{
    lock(s);
    s->n_promised -= n;
    unlock(s);
}

static void unpromise_locked(struct slots *s, size_t n)
{
    s->n_promised -= s->is_alone ? 0 : n;
}

void slots_unpromise(struct slots *s, size_t n)
{
    if (!s->is_alone)
        slots_unpromise_seen(s, n);
}

void slots_wait(struct slots *s)
{
    uint64_t stamp = epoch_stamp(&s->epoch);
    while (epoch_oldest(&s->epoch) <= stamp)
        sched_yield();
}

static int64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

bool slots_wait_briefly(struct slots *s, unsigned max_us)
{
    uint64_t stamp = epoch_stamp(&s->epoch);
    for (int64_t begun_us = now_us(); epoch_oldest(&s->epoch) <= stamp; sched_yield())
        if (now_us() - begun_us >= max_us)
            return false;
    return true;
}

bool change_prepare(struct change *c)
{
    if (!c->has_failed && (c->n_replaced == 0 || slots_promise(c->slots, c->n_replaced)))
        return true;
    change_undo(c);
    return false;
}

/* Where nobody reads, what is replaced can be used again at once; to wait with it for the end of a
 * hold of the lock would leave pages behind that the process before did not have. */
static void retire_locked(struct slots *s, struct pool *pool, slot at)
{
    if (s->is_alone)
        pool_put(s->arena, pool, at);
    else
        limbo_add(&s->limbo, pool, at);
}

void change_finish(struct change *c)
{
    struct slots *s = c->slots;
    if (c->n_replaced > 0) {
        lock(s);
        for (uint32_t i = 0; i < c->n_replaced; i++)
            retire_locked(s, pool_of(c, c->replaced[i]), c->replaced[i].s);
        unpromise_locked(s, c->n_replaced);
        unlock(s);
    }
    if (c->payload != 0)
        atomic_fetch_add_explicit(&c->window->payload_bytes, (uint64_t)c->payload,
                                  memory_order_relaxed);
    if (c->open_payload != 0)
        atomic_fetch_add_explicit(&s->open_payload, (uint64_t)c->open_payload,
                                  memory_order_relaxed);
}

void slots_open_retire(struct slots *s, const slot *items, uint32_t n, size_t payload)
{
    lock(s);
    for (uint32_t i = 0; i < n; i++)
        retire_locked(s, &s->open, items[i]);
    unpromise_locked(s, n);
    unlock(s);
    atomic_fetch_sub_explicit(&s->open_payload, payload, memory_order_relaxed);
}

void slots_count_open(struct slots *s, int64_t *io_payload)
{
    if (*io_payload != 0)
        atomic_fetch_add_explicit(&s->open_payload, (uint64_t)*io_payload, memory_order_relaxed);
    *io_payload = 0;
}

void slots_open_put(struct slots *s, const slot *items, uint32_t n, size_t payload)
{
    lock(s);
    for (uint32_t i = 0; i < n; i++)
        pool_put(s->arena, &s->open, items[i]);
    unlock(s);
    atomic_fetch_sub_explicit(&s->open_payload, payload, memory_order_relaxed);
}

slot slots_kind_get(struct slots *s, struct kind *k, size_t bytes)
{
    lock(s);
    slot made = kind_get(s->arena, k, bytes);
    unlock(s);
    return made;
}

void slots_kind_put(struct slots *s, struct kind *k, slot at, size_t bytes)
{
    lock(s);
    kind_put(s->arena, k, at, bytes);
    unlock(s);
}

void slots_kind_retire(struct slots *s, struct kind *k, slot at, size_t bytes)
{
    lock(s);
    retire_locked(s, kind_pool(k, bytes), at);
    unpromise_locked(s, 1);
    unlock(s);
}

void slots_let_read(struct slots *s, bool has_readers)
{
    lock(s);
    s->has_readers = has_readers;
    unlock(s);
}

/* Who comes in after the look finds what was published before it. */
void slots_kind_retire_seen(struct slots *s, struct kind *k, slot at, size_t bytes)
{
    lock(s);
    if (s->has_readers)
        limbo_add(&s->limbo, kind_pool(k, bytes), at);
    else
        kind_put(s->arena, k, at, bytes);
    s->n_promised--;
    unlock(s);
}

bool slots_add_member(struct slots *s, struct window *w, uint32_t series)
{
    lock_window(s);
    bool is_in = window_add_member(s->arena, w, series);
    unlock_window(s);
    return is_in;
}

bool slots_add_members(struct slots *s, struct window *w, const uint32_t *series, uint32_t n)
{
    lock_window(s);
    bool are_in = window_add_members(s->arena, w, series, n);
    unlock_window(s);
    return are_in;
}

void slots_drop_member(struct slots *s, struct window *w, uint32_t series)
{
    lock_window(s);
    window_drop_member(s->arena, w, series);
    unlock_window(s);
}

uint64_t slots_next_member(struct slots *s, const struct window *w, uint64_t from, uint64_t end)
{
    lock(s);
    uint64_t next = window_next_member(s->arena, w, from, end);
    unlock(s);
    return next;
}
