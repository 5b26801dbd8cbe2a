/* Slots of one size in slabs of one page.
 *
 * A slab's description lies outside it, in the page's metadata: two links, how many slots are in
 * use, how many were ever used (what is above was never touched) and the first freed slot. So a
 * slab of 128-byte slots holds 128 of them and one of 2 KiB eight, and finding the slab of a slot
 * is a shift. Partly used slabs are in one list, full ones in another, both doubly linked, so that
 * moving between them and dropping the whole pool cost nothing to search. A slab that is leaving is
 * in a third list, from the moment when it is chosen until its last slot is put, which can be long
 * after the last record was moved: readers may still see the old copies.
 *
 * After Bonwick's slab allocator (1994), without its colouring and constructors; freeing into the
 * list's front keeps the partly used slabs few. Rejected: bitmaps (a search per get), headers
 * inside the slab (a slot less, and odd alignment).
 */
#include "alloc/pool.h"

#include <string.h>

struct slab { /* in the page's metadata */
    page_no next, prev;
    uint16_t n_used;
    uint16_t n_touched;  /* slots below were handed out at least once */
    uint16_t first_free; /* index + 1 of a freed slot, 0 = none */
    uint16_t slot_bytes;
    uint16_t refused_in; /* the round in which a record would not move, 0 = none */
    bool is_leaving;
};

_Static_assert(sizeof(struct slab) <= ARENA_META_BYTES, "a slab's description fits the metadata");
_Static_assert(ARENA_PAGE_BYTES % 16 == 0, "slots are named in units of 16 bytes");

enum { UNITS_PER_PAGE = ARENA_PAGE_BYTES / 16 };

static struct slab *slab_of(const struct arena *a, page_no page)
{
    return arena_meta(a, page);
}

static void list_push(const struct arena *a, page_no *head, page_no page)
{
    struct slab *s = slab_of(a, page);
    s->prev = 0;
    s->next = *head;
    if (*head != 0)
        slab_of(a, *head)->prev = page;
    *head = page;
}

static void list_remove(const struct arena *a, page_no *head, page_no page)
{
    struct slab *s = slab_of(a, page);
    if (s->prev != 0)
        slab_of(a, s->prev)->next = s->next;
    else
        *head = s->next;
    if (s->next != 0)
        slab_of(a, s->next)->prev = s->prev;
}

void pool_init(struct pool *p, size_t slot_bytes, unsigned owner)
{
    ENSURE(slot_bytes >= POOL_SLOT_BYTES_MIN && slot_bytes <= POOL_SLOT_BYTES_MAX &&
           slot_bytes % POOL_SLOT_ALIGN == 0);
    *p = (struct pool){
        .slot_bytes = (uint16_t)slot_bytes,
        .slots_per_page = (uint16_t)(ARENA_PAGE_BYTES / slot_bytes),
        .owner = (uint16_t)owner,
        .round = 1,
    };
}

/* Makes sure that the partial list has a slab in front. */
static bool have_partial(struct arena *a, struct pool *p)
{
    if (p->partial != 0)
        return true;
    page_no page = arena_page_get(a, p->owner);
    if (page == 0)
        return false;
    p->n_pages++;
    *slab_of(a, page) = (struct slab){.slot_bytes = p->slot_bytes};
    list_push(a, &p->partial, page);
    p->is_stuck = false;
    return true;
}

static char *slot_address(const struct arena *a, const struct pool *p, page_no page, unsigned index)
{
    return (char *)arena_page(a, page) + (size_t)index * p->slot_bytes;
}

slot pool_get(struct arena *a, struct pool *p)
{
    if (!have_partial(a, p))
        return 0;
    page_no page = p->partial;
    struct slab *s = slab_of(a, page);
    unsigned index;
    if (s->first_free != 0) {
        index = s->first_free - 1u;
        memcpy(&s->first_free, slot_address(a, p, page, index), sizeof(s->first_free));
    } else {
        index = s->n_touched++;
    }
    s->n_used++;
    p->n_used++;
    if (s->n_used == p->slots_per_page) {
        list_remove(a, &p->partial, page);
        list_push(a, &p->full, page);
    }
    return pool_slot_name(p, page, index);
}

/* Takes a slab off the list of those that leave. */
static void leave_no_more(struct arena *a, struct pool *p, page_no page)
{
    struct slab *s = slab_of(a, page);
    if (page == p->leaving)
        p->is_vacating = false;
    list_remove(a, &p->leaving, page);
    s->is_leaving = false;
    p->n_leaving--;
    p->n_leaving_free -= (uint32_t)p->slots_per_page - s->n_used;
}

static void retire_empty(struct arena *a, struct pool *p, page_no page)
{
    if (slab_of(a, page)->is_leaving)
        leave_no_more(a, p, page);
    else
        list_remove(a, &p->partial, page);
    p->n_pages--;
    arena_page_put(a, p->owner, page);
}

void pool_put(struct arena *a, struct pool *p, slot at)
{
    page_no page = pool_slot_page(at);
    struct slab *s = slab_of(a, page);
    unsigned index = pool_slot_index(p, at);
    assert(s->slot_bytes == p->slot_bytes && s->n_used > 0 && index < s->n_touched);
    if (s->n_used == p->slots_per_page) {
        list_remove(a, &p->full, page);
        list_push(a, &p->partial, page);
        p->is_stuck = false;
    }
    memcpy(slot_address(a, p, page, index), &s->first_free, sizeof(s->first_free));
    s->first_free = (uint16_t)(index + 1);
    s->n_used--;
    p->n_used--;
    p->n_leaving_free += s->is_leaving;
    if (s->n_used == 0)
        retire_empty(a, p, page);
}

size_t pool_drop_some(struct arena *a, struct pool *p, size_t max_pages)
{
    page_no *const lists[] = {&p->partial, &p->full, &p->leaving};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (page_no page; n < max_pages && (page = *lists[i]) != 0; n++) {
            *lists[i] = slab_of(a, page)->next;
            p->n_pages--;
            p->n_used -= slab_of(a, page)->n_used;
            arena_page_put(a, p->owner, page);
        }
    if (n < max_pages)
        pool_init(p, p->slot_bytes, p->owner);
    return n;
}

void pool_drop(struct arena *a, struct pool *p)
{
    (void)pool_drop_some(a, p, SIZE_MAX);
}

size_t pool_slot_bytes_at(const struct arena *a, slot s)
{
    return slab_of(a, pool_slot_page(s))->slot_bytes;
}

slot pool_slot_name(const struct pool *p, page_no page, unsigned index)
{
    return page * UNITS_PER_PAGE + (slot)(index * p->slot_bytes / 16u);
}

page_no pool_slot_page(slot s)
{
    return s / UNITS_PER_PAGE;
}

unsigned pool_slot_index(const struct pool *p, slot s)
{
    return s % UNITS_PER_PAGE * 16u / p->slot_bytes;
}

/* ---- vacating ---- */

bool pool_can_shrink(const struct pool *p)
{
    return pool_free_slots(p) - p->n_leaving_free >= p->slots_per_page;
}

page_no pool_emptiest(const struct arena *a, struct pool *p)
{
    page_no best = 0;
    page_no page = p->partial;
    for (int i = 0; i < POOL_SCAN_MAX && page != 0; i++, page = slab_of(a, page)->next) {
        const struct slab *s = slab_of(a, page);
        if (s->refused_in != p->round && (best == 0 || s->n_used < slab_of(a, best)->n_used))
            best = page;
    }
    p->is_stuck = best == 0;
    return best;
}

void pool_vacate(struct arena *a, struct pool *p, page_no page)
{
    struct slab *s = slab_of(a, page);
    assert(!p->is_vacating && !s->is_leaving && s->n_used < p->slots_per_page);
    list_remove(a, &p->partial, page);
    list_push(a, &p->leaving, page);
    s->is_leaving = true;
    p->is_vacating = true;
    p->n_leaving++;
    p->n_leaving_free += (uint32_t)p->slots_per_page - s->n_used;
}

void pool_vacated(struct pool *p)
{
    assert(p->is_vacating);
    p->is_vacating = false;
}

void pool_readmit(struct arena *a, struct pool *p, bool is_refused)
{
    assert(p->is_vacating);
    page_no page = p->leaving;
    leave_no_more(a, p, page);
    list_push(a, &p->partial, page);
    if (is_refused)
        slab_of(a, page)->refused_in = p->round;
}

void pool_forget_refusals(struct pool *p)
{
    p->round = p->round == UINT16_MAX ? 1 : (uint16_t)(p->round + 1);
    p->is_stuck = false;
}

void pool_used_slots(const struct arena *a, const struct pool *p, page_no page,
                     struct slot_set *ret_used)
{
    const struct slab *s = slab_of(a, page);
    memset(ret_used, 0, sizeof(*ret_used));
    for (unsigned i = 0; i < s->n_touched; i++)
        ret_used->bits[i / 64] |= UINT64_C(1) << i % 64;
    for (uint16_t f = s->first_free; f != 0;) {
        unsigned i = f - 1u;
        ret_used->bits[i / 64] &= ~(UINT64_C(1) << i % 64);
        memcpy(&f, slot_address(a, p, page, i), sizeof(f));
    }
}

/* ---- checking ---- */

enum list { PARTIAL, FULL, LEAVING };

struct recount {
    uint32_t pages, used, leaving, leaving_free;
};

static bool slab_is_good(const struct pool *p, const struct slab *s, enum list list)
{
    return s->slot_bytes == p->slot_bytes && s->n_used <= s->n_touched &&
           s->n_touched <= p->slots_per_page && s->n_used != 0 &&
           (s->n_used == p->slots_per_page) == (list == FULL) && s->is_leaving == (list == LEAVING);
}

static bool free_chain_is_good(const struct arena *a, const struct pool *p, page_no page)
{
    const struct slab *s = slab_of(a, page);
    unsigned n_free = 0;
    for (uint16_t f = s->first_free; f != 0; n_free++) {
        if (f > s->n_touched || n_free > p->slots_per_page)
            return false;
        memcpy(&f, slot_address(a, p, page, f - 1u), sizeof(f));
    }
    return n_free == (unsigned)(s->n_touched - s->n_used);
}

/* Recounts one list; false when a slab in it is not what the list says. */
static bool count_list(const struct arena *a, const struct pool *p, page_no page, enum list list,
                       struct recount *sum)
{
    page_no prev = 0;
    for (; page != 0; prev = page, page = slab_of(a, page)->next) {
        const struct slab *s = slab_of(a, page);
        if (s->prev != prev || ++sum->pages > p->n_pages || !slab_is_good(p, s, list) ||
            !free_chain_is_good(a, p, page))
            return false;
        sum->used += s->n_used;
        if (list == LEAVING) {
            sum->leaving++;
            sum->leaving_free += (uint32_t)p->slots_per_page - s->n_used;
        }
    }
    return true;
}

bool pool_check(const struct arena *a, const struct pool *p)
{
    struct recount sum = {0};
    return count_list(a, p, p->partial, PARTIAL, &sum) && count_list(a, p, p->full, FULL, &sum) &&
           count_list(a, p, p->leaving, LEAVING, &sum) && sum.pages == p->n_pages &&
           sum.used == p->n_used && sum.leaving == p->n_leaving &&
           sum.leaving_free == p->n_leaving_free && !(p->is_vacating && p->leaving == 0);
}
