/* Slots of one size in slabs of one page.
 *
 * A slab's description lies outside it, in the page's metadata: two links, how many slots are in
 * use, how many were ever used (what is above was never touched) and the first freed slot. So a
 * slab of 128-byte slots holds 128 of them and one of 2 KiB eight, and finding the slab of a slot
 * is a shift. Partly used slabs are in one list, full ones in another, both doubly linked, so that
 * moving between them and dropping the whole pool cost nothing to search.
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
    uint16_t slot_bytes; /* for checks */
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
    return page * UNITS_PER_PAGE + (slot)(index * p->slot_bytes / 16u);
}

static void retire_empty(struct arena *a, struct pool *p, page_no page)
{
    list_remove(a, &p->partial, page);
    p->n_pages--;
    arena_page_put(a, p->owner, page);
}

void pool_put(struct arena *a, struct pool *p, slot at)
{
    page_no page = at / UNITS_PER_PAGE;
    struct slab *s = slab_of(a, page);
    unsigned index = at % UNITS_PER_PAGE * 16u / p->slot_bytes;
    assert(s->slot_bytes == p->slot_bytes && s->n_used > 0 && index < s->n_touched);
    if (s->n_used == p->slots_per_page) {
        list_remove(a, &p->full, page);
        list_push(a, &p->partial, page);
    }
    memcpy(slot_address(a, p, page, index), &s->first_free, sizeof(s->first_free));
    s->first_free = (uint16_t)(index + 1);
    s->n_used--;
    p->n_used--;
    if (s->n_used == 0)
        retire_empty(a, p, page);
}

static void drop_list(struct arena *a, struct pool *p, page_no page)
{
    while (page != 0) {
        page_no next = slab_of(a, page)->next;
        arena_page_put(a, p->owner, page);
        page = next;
    }
}

void pool_drop(struct arena *a, struct pool *p)
{
    drop_list(a, p, p->partial);
    drop_list(a, p, p->full);
    pool_init(p, p->slot_bytes, p->owner);
}

/* Recounts one list; false when a slab in it is not what the list says. */
static bool count_list(const struct arena *a, const struct pool *p, page_no page, bool is_full,
                       uint32_t *pages, uint32_t *used)
{
    page_no prev = 0;
    for (; page != 0; prev = page, page = slab_of(a, page)->next) {
        const struct slab *s = slab_of(a, page);
        if (s->prev != prev || s->slot_bytes != p->slot_bytes || s->n_used > s->n_touched ||
            s->n_touched > p->slots_per_page || s->n_used == 0 ||
            (s->n_used == p->slots_per_page) != is_full || ++*pages > p->n_pages)
            return false;
        unsigned n_free = 0;
        for (uint16_t f = s->first_free; f != 0; n_free++) {
            if (f > s->n_touched || n_free > p->slots_per_page)
                return false;
            memcpy(&f, slot_address(a, p, page, f - 1u), sizeof(f));
        }
        if (n_free != (unsigned)(s->n_touched - s->n_used))
            return false;
        *used += s->n_used;
    }
    return true;
}

bool pool_check(const struct arena *a, const struct pool *p)
{
    uint32_t pages = 0, used = 0;
    return count_list(a, p, p->partial, false, &pages, &used) &&
           count_list(a, p, p->full, true, &pages, &used) && pages == p->n_pages &&
           used == p->n_used;
}

size_t pool_slot_bytes_at(const struct arena *a, slot s)
{
    return slab_of(a, s / UNITS_PER_PAGE)->slot_bytes;
}
