/* A queue of {pool, slot, stamp} in a chain of pages.
 *
 *     first            newest           last
 *     [..oooooooo] -> [oooouu....] -> [..........]        o stamped, u not yet, . room
 *        ^ first_at
 *
 * Positions count from the start of the first page, so the oldest entry is at first_at, the next
 * one to be written at first_at + n_waiting, and the room is what is left of n_pages. Only the
 * chain needs links; they lie in the pages' metadata.
 *
 * One stamp for a batch is cheap for everybody: a stamp writes the one line that all readers read.
 * It is written to each entry when the batch is sealed. Rejected: a stamp at each add; a short ring
 * of stamps beside entries of 16 bytes, which has to merge batches when a reader stays long and
 * then makes early slots wait for late readers.
 */
#include "alloc/limbo.h"

struct entry {
    int64_t pool;   /* its distance from the arena's base in bytes */
    uint64_t stamp; /* once it is sealed */
    slot s;
};

enum { PER_PAGE = ARENA_PAGE_BYTES / sizeof(struct entry) };

struct link { /* in the page's metadata */
    page_no next;
};

_Static_assert(sizeof(struct link) <= ARENA_META_BYTES, "the link fits the metadata");

static page_no *next_of(const struct limbo *l, page_no page)
{
    return &((struct link *)arena_meta(l->arena, page))->next;
}

static struct entry *entry_at(const struct limbo *l, page_no page, size_t position)
{
    return (struct entry *)arena_page(l->arena, page) + position % PER_PAGE;
}

static size_t room(const struct limbo *l)
{
    return (size_t)l->n_pages * PER_PAGE - l->first_at - l->n_waiting;
}

/* The page that comes after `before` in the chain, 0 = before all. */
static page_no *link_after(struct limbo *l, page_no before)
{
    return before != 0 ? next_of(l, before) : &l->first;
}

static void remove_after(struct limbo *l, page_no before)
{
    page_no *link = link_after(l, before);
    page_no page = *link;
    *link = *next_of(l, page);
    if (page == l->last)
        l->last = before;
    l->n_pages--;
    arena_page_put(l->arena, l->owner, page);
}

/* Returns pages that hold nothing and are not promised. */
static void return_spare(struct limbo *l)
{
    while (room(l) >= PER_PAGE + l->n_promised)
        remove_after(l, l->newest);
}

static struct pool *pool_of(const struct limbo *l, const struct entry *e)
{
    return (struct pool *)((intptr_t)l->arena->base + (intptr_t)e->pool);
}

void limbo_init(struct limbo *l, struct arena *a, struct epoch *e, unsigned owner)
{
    *l = (struct limbo){.arena = a, .epoch = e, .owner = owner};
}

void limbo_release(struct limbo *l)
{
    while (l->n_pages > 0)
        remove_after(l, 0);
    limbo_init(l, l->arena, l->epoch, l->owner);
}

bool limbo_reserve(struct limbo *l, size_t n)
{
    while (room(l) < n) {
        page_no page = arena_page_get(l->arena, l->owner);
        if (page == 0) {
            return_spare(l);
            return false;
        }
        *next_of(l, page) = 0;
        *link_after(l, l->last) = page;
        l->last = page;
        l->n_pages++;
    }
    l->n_promised = size_max(l->n_promised, n);
    return true;
}

void limbo_add(struct limbo *l, struct pool *p, slot s)
{
    ENSURE(l->n_promised > 0);
    assert(pool_slot_bytes_at(l->arena, s) == p->slot_bytes);
    l->n_promised--;
    size_t position = l->first_at + l->n_waiting;
    if (position % PER_PAGE == 0)
        l->newest = *link_after(l, l->newest);
    if (l->n_unstamped == 0)
        l->unstamped = l->newest;
    int64_t distance = (int64_t)((intptr_t)p - (intptr_t)l->arena->base);
    *entry_at(l, l->newest, position) = (struct entry){.pool = distance, .s = s};
    l->n_waiting++;
    l->n_unstamped++;
}

static void stamp_all(struct limbo *l)
{
    if (l->n_unstamped == 0)
        return;
    uint64_t stamp = epoch_stamp(l->epoch);
    size_t end = l->first_at + l->n_waiting;
    page_no page = l->unstamped;
    for (size_t position = end - l->n_unstamped; position < end; position++) {
        entry_at(l, page, position)->stamp = stamp;
        if ((position + 1) % PER_PAGE == 0)
            page = *next_of(l, page);
    }
    l->n_unstamped = 0;
}

void limbo_seal(struct limbo *l)
{
    stamp_all(l);
    l->n_promised = 0;
    return_spare(l);
}

/* Goes on to the entry behind the oldest. */
static void forget_oldest(struct limbo *l)
{
    l->first_at++;
    l->n_waiting--;
    if (l->n_waiting == 0) {
        l->first_at = 0;
        l->newest = 0;
    } else if (l->first_at == PER_PAGE) {
        l->first_at = 0;
        remove_after(l, 0);
    }
}

void limbo_drain(struct limbo *l)
{
    if (l->n_waiting == 0)
        return;
    stamp_all(l);
    uint64_t oldest = epoch_oldest(l->epoch);
    while (l->n_waiting > 0) {
        struct entry e = *entry_at(l, l->first, l->first_at);
        if (e.stamp >= oldest)
            break;
        forget_oldest(l);
        pool_put(l->arena, pool_of(l, &e), e.s);
    }
    return_spare(l);
}

bool limbo_is_empty(const struct limbo *l)
{
    return l->n_waiting == 0;
}

size_t limbo_waiting(const struct limbo *l)
{
    return l->n_waiting;
}

void limbo_subtract(const struct limbo *l, const struct pool *p, page_no page,
                    struct slot_set *slots)
{
    page_no at = l->first;
    size_t end = l->first_at + l->n_waiting;
    for (size_t position = l->first_at; position < end; position++) {
        const struct entry *e = entry_at(l, at, position);
        if (pool_slot_page(e->s) == page) {
            unsigned i = pool_slot_index(p, e->s);
            slots->bits[i / 64] &= ~(UINT64_C(1) << i % 64);
        }
        if ((position + 1) % PER_PAGE == 0)
            at = *next_of(l, at);
    }
}

/* The chain has n_pages, ends at `last`, and the newest entry's page is where the count says. */
static bool chain_is_good(const struct limbo *l)
{
    page_no page = l->first, last = 0, newest = 0, unstamped = 0;
    size_t end = l->first_at + l->n_waiting;
    uint32_t n = 0;
    for (; page != 0 && n < l->n_pages; last = page, page = *next_of(l, page), n++) {
        size_t begins = (size_t)n * PER_PAGE;
        if (l->n_waiting > 0 && begins < end)
            newest = page;
        if (begins <= end - l->n_unstamped)
            unstamped = page;
    }
    return page == 0 && n == l->n_pages && last == l->last && newest == l->newest &&
           (l->n_unstamped == 0 || unstamped == l->unstamped);
}

bool limbo_check(const struct limbo *l)
{
    size_t end = l->first_at + l->n_waiting;
    if (l->n_unstamped > l->n_waiting || l->first_at >= PER_PAGE ||
        end + l->n_promised > (size_t)l->n_pages * PER_PAGE || !chain_is_good(l))
        return false;
    uint64_t before = 0, now = atomic_load(&l->epoch->now);
    page_no page = l->first;
    for (size_t position = l->first_at; position < end; position++) {
        const struct entry *e = entry_at(l, page, position);
        bool is_stamped = position < end - l->n_unstamped;
        if (is_stamped && (e->stamp < before || e->stamp >= now))
            return false;
        if (pool_slot_bytes_at(l->arena, e->s) != pool_of(l, e)->slot_bytes)
            return false;
        before = is_stamped ? e->stamp : before;
        if ((position + 1) % PER_PAGE == 0)
            page = *next_of(l, page);
    }
    return true;
}
