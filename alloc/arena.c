/* The arena: where every byte that grows with data comes from.
 *
 * The problem. A general allocator decides where things lie, so what expires together does not lie
 * together, and nobody can say what the process holds. Here one address range is reserved at start
 * and cut into pages of 16 KiB; who takes a page says for whom, the budget is asked first, and a
 * page that comes back is available to any class and any window.
 *
 * Pages. A free page is on one of two lists: retained (still committed, at most retain_pages of
 * them, so that a busy moment does not call the kernel for each page) or released (no memory behind
 * it). A fresh page, never used, comes from the high-water mark. The lists run through the pages'
 * metadata, so that a released page stays untouched.
 *
 * Spans. Bodies and query regions want contiguous memory of any length for a short time. They come
 * from the upper half of the range as address-ordered runs, first fit, merged with their free
 * neighbours when they come back. There are few of them at a time (requests in flight), so a list
 * does; their memory goes back to the kernel at once.
 *
 * Commit fills pages in at once (MADV_POPULATE_WRITE) instead of by faults: half the price, and the
 * ledger then equals RSS to the page. Rejected: mmap a block at a time (VMAs without end, and
 * addresses instead of handles); a buddy system (rounds spans up to powers of two).
 */
#include "alloc/arena.h"

#include <string.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE                                                                        \
    23 /* Linux 5.14; older kernels answer EINVAL and fault pages in one by one */
#endif

enum {
    META_PER_PAGE = ARENA_PAGE_BYTES / ARENA_META_BYTES,
    SPAN_NODES_PER_PAGE = 256,
};

struct arena_span {
    uint32_t first; /* page number within the whole range */
    uint32_t n_pages;
    bool is_used;
    struct arena_span *next; /* by address, or in the list of unused nodes */
};

_Static_assert(sizeof(struct arena_span) * SPAN_NODES_PER_PAGE <= ARENA_PAGE_BYTES, "fits a page");

struct free_link { /* what a free page's metadata holds */
    page_no next;
};

/* The two functions that talk to the kernel about memory. */

static void kernel_commit(void *at, size_t bytes)
{
    (void)madvise(at, bytes, MADV_POPULATE_WRITE);
}

static void kernel_release(void *at, size_t bytes)
{
    int rc = madvise(at, bytes, MADV_DONTNEED);
    ENSURE(rc == 0);
}

/* ---- pages ---- */

static struct free_link *link_of(const struct arena *a, page_no page)
{
    return arena_meta(a, page);
}

static bool grow_fresh_locked(struct arena *a, unsigned owner)
{
    if (a->next_fresh >= a->pages_max)
        return false;
    if (!budget_take(a->budget, owner, ARENA_PAGE_BYTES))
        return false;
    if (a->next_fresh % META_PER_PAGE == 0 || a->next_fresh == a->first_page) {
        if (!budget_take(a->budget, a->owner_self, ARENA_PAGE_BYTES)) {
            budget_give(a->budget, owner, ARENA_PAGE_BYTES);
            return false;
        }
        uint32_t block = a->next_fresh / META_PER_PAGE * META_PER_PAGE;
        kernel_commit(arena_meta(a, block), ARENA_PAGE_BYTES);
    }
    return true;
}

static page_no page_get_locked(struct arena *a, unsigned owner)
{
    page_no page = a->free_retained;
    if (page != 0) {
        a->free_retained = link_of(a, page)->next;
        a->n_retained--;
        a->n_in_use++;
        budget_move(a->budget, a->owner_retained, owner, ARENA_PAGE_BYTES);
        return page;
    }
    page = a->free_released;
    if (page != 0) {
        if (!budget_take(a->budget, owner, ARENA_PAGE_BYTES))
            return 0;
        a->free_released = link_of(a, page)->next;
    } else {
        if (!grow_fresh_locked(a, owner))
            return 0;
        page = a->next_fresh++;
    }
    a->n_in_use++;
    kernel_commit(arena_page(a, page), ARENA_PAGE_BYTES);
    return page;
}

page_no arena_page_get(struct arena *a, unsigned owner)
{
    pthread_mutex_lock(&a->lock);
    page_no page = page_get_locked(a, owner);
    pthread_mutex_unlock(&a->lock);
    return page;
}

static void release_page_locked(struct arena *a, unsigned owner, page_no page)
{
    kernel_release(arena_page(a, page), ARENA_PAGE_BYTES);
    budget_give(a->budget, owner, ARENA_PAGE_BYTES);
    link_of(a, page)->next = a->free_released;
    a->free_released = page;
}

void arena_page_put(struct arena *a, unsigned owner, page_no page)
{
    assert(page >= a->first_page && page < a->pages_max);
    pthread_mutex_lock(&a->lock);
    assert(a->n_in_use > 0);
    a->n_in_use--;
    if (a->n_retained < a->retain_pages) {
        budget_move(a->budget, owner, a->owner_retained, ARENA_PAGE_BYTES);
        link_of(a, page)->next = a->free_retained;
        a->free_retained = page;
        a->n_retained++;
    } else {
        release_page_locked(a, owner, page);
    }
    pthread_mutex_unlock(&a->lock);
}

void arena_page_move(struct arena *a, unsigned from, unsigned to)
{
    budget_move(a->budget, from, to, ARENA_PAGE_BYTES);
}

void arena_trim(struct arena *a)
{
    pthread_mutex_lock(&a->lock);
    while (a->free_retained != 0) {
        page_no page = a->free_retained;
        a->free_retained = link_of(a, page)->next;
        a->n_retained--;
        release_page_locked(a, a->owner_retained, page);
    }
    pthread_mutex_unlock(&a->lock);
}

/* ---- spans ---- */

static bool more_span_nodes_locked(struct arena *a)
{
    page_no page = page_get_locked(a, a->owner_self);
    if (page == 0)
        return false;
    struct arena_span *nodes = arena_page(a, page);
    for (size_t i = 0; i < SPAN_NODES_PER_PAGE; i++) {
        nodes[i].next = a->span_nodes_free;
        a->span_nodes_free = &nodes[i];
    }
    a->n_span_nodes += SPAN_NODES_PER_PAGE;
    return true;
}

static struct arena_span *span_node_locked(struct arena *a)
{
    if (a->span_nodes_free == NULL && !more_span_nodes_locked(a))
        return NULL;
    struct arena_span *node = a->span_nodes_free;
    a->span_nodes_free = node->next;
    return node;
}

/* Cuts the first n pages off a free run; the rest stays behind it. */
static bool split_span_locked(struct arena *a, struct arena_span *run, uint32_t n_pages)
{
    if (run->n_pages == n_pages)
        return true;
    struct arena_span *rest = span_node_locked(a);
    if (rest == NULL)
        return false;
    *rest = (struct arena_span){
        .first = run->first + n_pages, .n_pages = run->n_pages - n_pages, .next = run->next};
    run->n_pages = n_pages;
    run->next = rest;
    return true;
}

static struct arena_span *take_span_locked(struct arena *a, uint32_t n_pages)
{
    if (a->spans == NULL) { /* the first span ever: the whole range is one free run */
        uint32_t all = (uint32_t)(a->reserved_bytes / ARENA_PAGE_BYTES);
        a->spans = span_node_locked(a);
        if (a->spans == NULL)
            return NULL;
        *a->spans = (struct arena_span){.first = a->pages_max, .n_pages = all - a->pages_max};
    }
    for (struct arena_span *s = a->spans; s != NULL; s = s->next) {
        if (s->is_used || s->n_pages < n_pages)
            continue;
        if (!split_span_locked(a, s, n_pages))
            return NULL;
        s->is_used = true;
        return s;
    }
    return NULL;
}

void *arena_span_get(struct arena *a, unsigned owner, size_t bytes)
{
    if (bytes == 0 || bytes > a->reserved_bytes)
        return NULL;
    size_t whole = arena_span_bytes(bytes);
    if (!budget_take(a->budget, owner, whole))
        return NULL;
    pthread_mutex_lock(&a->lock);
    struct arena_span *span = take_span_locked(a, (uint32_t)(whole / ARENA_PAGE_BYTES));
    void *at = NULL;
    if (span != NULL) {
        a->span_used_bytes += whole;
        at = a->base + (size_t)span->first * ARENA_PAGE_BYTES;
    }
    pthread_mutex_unlock(&a->lock);
    if (at == NULL) {
        budget_give(a->budget, owner, whole);
        return NULL;
    }
    kernel_commit(at, whole);
    return at;
}

/* Joins a free run with the run behind it, if that is free too. */
static void merge_span_locked(struct arena *a, struct arena_span *run)
{
    struct arena_span *next = run->next;
    if (next == NULL || run->is_used || next->is_used)
        return;
    assert(run->first + run->n_pages == next->first);
    run->n_pages += next->n_pages;
    run->next = next->next;
    next->next = a->span_nodes_free;
    a->span_nodes_free = next;
}

void arena_span_put(struct arena *a, unsigned owner, void *at, size_t bytes)
{
    size_t whole = arena_span_bytes(bytes);
    uint32_t first = (uint32_t)((size_t)((char *)at - a->base) / ARENA_PAGE_BYTES);
    kernel_release(at, whole);
    pthread_mutex_lock(&a->lock);
    struct arena_span *before = NULL, *run = a->spans;
    while (run != NULL && run->first != first) {
        before = run;
        run = run->next;
    }
    ENSURE(run != NULL && run->is_used && run->n_pages == whole / ARENA_PAGE_BYTES);
    run->is_used = false;
    a->span_used_bytes -= whole;
    merge_span_locked(a, run);
    if (before != NULL)
        merge_span_locked(a, before);
    pthread_mutex_unlock(&a->lock);
    budget_give(a->budget, owner, whole);
}

/* ---- life ---- */

bool arena_init(struct arena *a, struct budget *b, size_t limit_bytes)
{
    memset(a, 0, sizeof(*a));
    a->budget = b;
    a->retain_pages = ARENA_RETAIN_PAGES_DEFAULT;
    a->owner_self = budget_owner(b, "arena");
    a->owner_retained = budget_owner(b, "retained");
    pthread_mutex_init(&a->lock, NULL);
    size_t pages_bytes = size_min(align_up(limit_bytes, ARENA_PAGE_BYTES), ARENA_PAGES_BYTES_MAX);
    size_t span_bytes = align_up(limit_bytes, ARENA_PAGE_BYTES);
    uint32_t n_data = (uint32_t)(pages_bytes / ARENA_PAGE_BYTES);
    /* the metadata has rows for the root and for itself: 511 data pages a page of metadata */
    uint32_t n_meta = n_data / (META_PER_PAGE - 1) + 2;
    if ((size_t)(1 + n_meta + n_data) * ARENA_PAGE_BYTES > ARENA_PAGES_BYTES_MAX)
        n_data -= 1 + n_meta;
    a->first_page = 1 + n_meta;
    a->pages_max = a->first_page + n_data;
    a->next_fresh = a->first_page;
    a->reserved_bytes = (size_t)a->pages_max * ARENA_PAGE_BYTES + span_bytes;
    void *base = mmap(NULL, a->reserved_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return false;
    a->base = base;
    (void)madvise(base, a->reserved_bytes, MADV_NOHUGEPAGE);
    (void)madvise(base, a->reserved_bytes, MADV_DONTDUMP);
    if (!budget_take(b, a->owner_self, ARENA_PAGE_BYTES)) {
        arena_release(a);
        return false;
    }
    kernel_commit(a->base, ARENA_PAGE_BYTES);
    return true;
}

static void give_row(struct budget *b, unsigned owner)
{
    budget_give(b, owner, atomic_load(&b->rows[owner].bytes));
}

void arena_release(struct arena *a)
{
    if (a->base == NULL)
        return;
    munmap(a->base, a->reserved_bytes);
    a->base = NULL;
    give_row(a->budget, a->owner_self);
    give_row(a->budget, a->owner_retained);
    pthread_mutex_destroy(&a->lock);
}

/* ---- figures ---- */

void arena_stats(struct arena *a, struct arena_stats *ret)
{
    pthread_mutex_lock(&a->lock);
    *ret = (struct arena_stats){
        .reserved_bytes = a->reserved_bytes,
        .pages_in_use_bytes = (size_t)a->n_in_use * ARENA_PAGE_BYTES,
        .retained_bytes = (size_t)a->n_retained * ARENA_PAGE_BYTES,
        .spans_in_use_bytes = a->span_used_bytes,
    };
    pthread_mutex_unlock(&a->lock);
}

static uint32_t list_length_locked(const struct arena *a, page_no page)
{
    uint32_t n = 0;
    for (; page != 0 && n <= a->pages_max; page = link_of(a, page)->next)
        n++;
    return n;
}

static bool spans_are_whole_locked(const struct arena *a)
{
    size_t used = 0;
    uint32_t at = a->pages_max;
    for (const struct arena_span *s = a->spans; s != NULL; s = s->next) {
        if (s->first != at || s->n_pages == 0)
            return false;
        if (!s->is_used && s->next != NULL && !s->next->is_used)
            return false;
        used += s->is_used ? (size_t)s->n_pages * ARENA_PAGE_BYTES : 0;
        at += s->n_pages;
    }
    bool is_to_the_end = a->spans == NULL || (size_t)at * ARENA_PAGE_BYTES == a->reserved_bytes;
    return is_to_the_end && used == a->span_used_bytes;
}

bool arena_check(struct arena *a)
{
    pthread_mutex_lock(&a->lock);
    uint32_t retained = list_length_locked(a, a->free_retained);
    uint32_t released = list_length_locked(a, a->free_released);
    bool is_good = retained == a->n_retained &&
                   a->n_in_use + retained + released == a->next_fresh - a->first_page &&
                   atomic_load(&a->budget->rows[a->owner_retained].bytes) ==
                       (size_t)retained * ARENA_PAGE_BYTES &&
                   spans_are_whole_locked(a);
    pthread_mutex_unlock(&a->lock);
    return is_good;
}
