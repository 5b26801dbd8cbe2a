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
 * from the upper half of the range as address-ordered runs: used, retained (free and committed) or
 * released (free, no memory behind it), merged with neighbours of the same state. The smallest run
 * that is long enough is taken, a retained one if there is any, and cut at its front. There are few
 * of them at a time (requests in flight), so a list does. A run that comes back is retained if it
 * fits under retain_span_bytes; the bound, the arena's tick (arena_trim_idle) and a full budget
 * (reclaim_locked) make sure that it is never more than a loan.
 *
 * What is wanted before memory may be refused: give back what is retained. As the budget can be
 * asked with our lock held and without (connections are charged without any page), it is told of
 * two functions: take_locked hands it ours, everybody else meets reserve_release.
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

enum span_state { SPAN_RELEASED, SPAN_RETAINED, SPAN_USED };

struct arena_span {
    uint32_t first; /* page number within the whole range */
    uint32_t n_pages;
    enum span_state state;
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

/* ---- giving back what is retained ---- */

static struct free_link *link_of(const struct arena *a, page_no page)
{
    return arena_meta(a, page);
}

static size_t run_bytes(const struct arena_span *run)
{
    return (size_t)run->n_pages * ARENA_PAGE_BYTES;
}

static void *run_at(const struct arena *a, const struct arena_span *run)
{
    return a->base + (size_t)run->first * ARENA_PAGE_BYTES;
}

/* Cuts the first n pages off a run, if a node for the rest is free; the rest stays behind it. */
static bool split_run_locked(struct arena *a, struct arena_span *run, uint32_t n_pages)
{
    if (run->n_pages == n_pages)
        return true;
    struct arena_span *rest = a->span_nodes_free;
    if (rest == NULL)
        return false;
    a->span_nodes_free = rest->next;
    *rest = (struct arena_span){.first = run->first + n_pages,
                                .n_pages = run->n_pages - n_pages,
                                .state = run->state,
                                .next = run->next};
    run->n_pages = n_pages;
    run->next = rest;
    return true;
}

/* Joins a free run with the run behind it, if that is free in the same way. */
static bool merge_run_locked(struct arena *a, struct arena_span *run)
{
    struct arena_span *next = run->next;
    if (next == NULL || run->state == SPAN_USED || next->state != run->state)
        return false;
    assert(run->first + run->n_pages == next->first);
    run->n_pages += next->n_pages;
    run->next = next->next;
    next->next = a->span_nodes_free;
    a->span_nodes_free = next;
    return true;
}

static void count_retained_locked(struct arena *a, size_t bytes)
{
    a->span_retained_bytes = bytes;
    a->span_idle_bytes = size_min(a->span_idle_bytes, bytes);
}

/* Releases `bytes` of the retained spans, or all; returns how many. Cut at the end: takers begin at
 * the front. More than asked goes only where no node for the rest of a run is left. */
static size_t release_spans_locked(struct arena *a, size_t bytes)
{
    size_t released = 0;
    struct arena_span *before = NULL;
    for (struct arena_span *s = a->spans; s != NULL && released < bytes; s = s->next) {
        if (s->state == SPAN_RETAINED) {
            size_t wanted = align_up(bytes - released, ARENA_PAGE_BYTES);
            if (run_bytes(s) > wanted &&
                split_run_locked(a, s, s->n_pages - (uint32_t)(wanted / ARENA_PAGE_BYTES))) {
                before = s;
                s = s->next;
            }
            kernel_release(run_at(a, s), run_bytes(s));
            budget_give(a->budget, a->owner_retained, run_bytes(s));
            released += run_bytes(s);
            s->state = SPAN_RELEASED;
            (void)merge_run_locked(a, s);
            if (before != NULL && merge_run_locked(a, before))
                s = before;
        }
        before = s;
    }
    count_retained_locked(a, a->span_retained_bytes - released);
    return released;
}

static void release_page_locked(struct arena *a, unsigned owner, page_no page)
{
    kernel_release(arena_page(a, page), ARENA_PAGE_BYTES);
    budget_give(a->budget, owner, ARENA_PAGE_BYTES);
    link_of(a, page)->next = a->free_released;
    a->free_released = page;
}

static size_t release_pages_locked(struct arena *a, size_t bytes)
{
    size_t released = 0;
    for (; a->free_retained != 0 && released < bytes; released += ARENA_PAGE_BYTES) {
        page_no page = a->free_retained;
        a->free_retained = link_of(a, page)->next;
        a->n_retained--;
        release_page_locked(a, a->owner_retained, page);
    }
    return released;
}

/* Spans first: a page is nearly always wanted again at once. */
static bool reclaim_locked(void *arena, size_t bytes)
{
    struct arena *a = arena;
    size_t released = release_spans_locked(a, bytes);
    if (released < bytes)
        released += release_pages_locked(a, bytes - released);
    return released > 0;
}

static bool reserve_release(void *arena, size_t bytes)
{
    struct arena *a = arena;
    pthread_mutex_lock(&a->lock);
    bool is_released = reclaim_locked(a, bytes);
    pthread_mutex_unlock(&a->lock);
    return is_released;
}

static bool take_locked(struct arena *a, unsigned owner, size_t bytes)
{
    return budget_take_or(a->budget, owner, bytes, (struct budget_reserve){reclaim_locked, a});
}

void arena_trim(struct arena *a)
{
    pthread_mutex_lock(&a->lock);
    (void)reclaim_locked(a, SIZE_MAX - ARENA_PAGE_BYTES);
    pthread_mutex_unlock(&a->lock);
}

size_t arena_retain_spans(struct arena *a, size_t bytes)
{
    pthread_mutex_lock(&a->lock);
    size_t before = a->retain_span_bytes;
    a->retain_span_bytes = bytes;
    if (a->span_retained_bytes > bytes)
        (void)release_spans_locked(a, a->span_retained_bytes - bytes);
    pthread_mutex_unlock(&a->lock);
    return before;
}

void arena_trim_idle(struct arena *a)
{
    pthread_mutex_lock(&a->lock);
    (void)release_spans_locked(a, a->span_idle_bytes);
    a->span_idle_bytes = a->span_retained_bytes;
    pthread_mutex_unlock(&a->lock);
}

/* ---- pages ---- */

static bool grow_fresh_locked(struct arena *a, unsigned owner)
{
    if (a->next_fresh >= a->pages_max)
        return false;
    if (!take_locked(a, owner, ARENA_PAGE_BYTES))
        return false;
    if (a->next_fresh % META_PER_PAGE == 0 || a->next_fresh == a->first_page) {
        if (!take_locked(a, a->owner_self, ARENA_PAGE_BYTES)) {
            budget_give(a->budget, owner, ARENA_PAGE_BYTES);
            return false;
        }
        uint32_t block = a->next_fresh / META_PER_PAGE * META_PER_PAGE;
        kernel_commit(arena_meta(a, block), ARENA_PAGE_BYTES);
    }
    return true;
}

/* *ret_is_committed: there is memory behind it. If not, kernel_commit is the caller's, and needs no
 * lock: the page is his. */
static page_no page_get_locked(struct arena *a, unsigned owner, bool *ret_is_committed)
{
    page_no page = a->free_retained;
    *ret_is_committed = page != 0;
    if (page != 0) {
        a->free_retained = link_of(a, page)->next;
        a->n_retained--;
        a->n_in_use++;
        budget_move(a->budget, a->owner_retained, owner, ARENA_PAGE_BYTES);
        return page;
    }
    page = a->free_released;
    if (page != 0) {
        if (!take_locked(a, owner, ARENA_PAGE_BYTES))
            return 0;
        a->free_released = link_of(a, page)->next;
    } else {
        if (!grow_fresh_locked(a, owner))
            return 0;
        page = a->next_fresh++;
    }
    a->n_in_use++;
    return page;
}

page_no arena_page_get(struct arena *a, unsigned owner)
{
    bool is_committed;
    pthread_mutex_lock(&a->lock);
    page_no page = page_get_locked(a, owner, &is_committed);
    pthread_mutex_unlock(&a->lock);
    if (page != 0 && !is_committed)
        kernel_commit(arena_page(a, page), ARENA_PAGE_BYTES);
    return page;
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

/* ---- spans ---- */

static bool more_span_nodes_locked(struct arena *a)
{
    bool is_committed;
    page_no page = page_get_locked(a, a->owner_self, &is_committed);
    if (page == 0)
        return false;
    if (!is_committed)
        kernel_commit(arena_page(a, page), ARENA_PAGE_BYTES);
    struct arena_span *nodes = arena_page(a, page);
    for (size_t i = 0; i < SPAN_NODES_PER_PAGE; i++) {
        nodes[i].next = a->span_nodes_free;
        a->span_nodes_free = &nodes[i];
    }
    a->n_span_nodes += SPAN_NODES_PER_PAGE;
    return true;
}

/* The smallest run of that state that is long enough, cut to length and marked as used; NULL when
 * there is none. */
static struct arena_span *claim_run_locked(struct arena *a, enum span_state state, uint32_t n_pages)
{
    struct arena_span *best = NULL;
    for (struct arena_span *s = a->spans; s != NULL; s = s->next)
        if (s->state == state && s->n_pages >= n_pages &&
            (best == NULL || s->n_pages < best->n_pages))
            best = s;
    if (best == NULL || !split_run_locked(a, best, n_pages))
        return NULL;
    best->state = SPAN_USED;
    return best;
}

/* A run without memory behind it. Getting nodes may give retained runs back, so it comes before
 * any run is looked at. */
static struct arena_span *released_run_locked(struct arena *a, uint32_t n_pages)
{
    if (a->span_nodes_free == NULL && !more_span_nodes_locked(a))
        return NULL;
    if (a->spans == NULL) { /* the first span ever: the whole range is one free run */
        uint32_t all = (uint32_t)(a->reserved_bytes / ARENA_PAGE_BYTES);
        a->spans = a->span_nodes_free;
        a->span_nodes_free = a->spans->next;
        *a->spans = (struct arena_span){.first = a->pages_max, .n_pages = all - a->pages_max};
    }
    struct arena_span *run = claim_run_locked(a, SPAN_RELEASED, n_pages);
    if (run == NULL && release_spans_locked(a, a->span_retained_bytes) > 0)
        run = claim_run_locked(a, SPAN_RELEASED, n_pages); /* they stood between the free ones */
    return run;
}

static struct arena_span *retained_run_locked(struct arena *a, unsigned owner, uint32_t n_pages)
{
    struct arena_span *run = claim_run_locked(a, SPAN_RETAINED, n_pages);
    if (run != NULL) {
        count_retained_locked(a, a->span_retained_bytes - run_bytes(run));
        budget_move(a->budget, a->owner_retained, owner, run_bytes(run));
    }
    return run;
}

void *arena_span_get(struct arena *a, unsigned owner, size_t bytes)
{
    if (bytes == 0 || bytes > a->reserved_bytes)
        return NULL;
    size_t whole = arena_span_bytes(bytes);
    uint32_t n_pages = (uint32_t)(whole / ARENA_PAGE_BYTES);
    pthread_mutex_lock(&a->lock);
    struct arena_span *run = retained_run_locked(a, owner, n_pages);
    bool is_committed = run != NULL;
    if (run == NULL && take_locked(a, owner, whole)) {
        run = released_run_locked(a, n_pages);
        if (run == NULL)
            budget_give(a->budget, owner, whole);
    }
    void *at = run != NULL ? run_at(a, run) : NULL;
    a->span_used_bytes += run != NULL ? whole : 0;
    pthread_mutex_unlock(&a->lock);
    if (at != NULL && !is_committed)
        kernel_commit(at, whole);
    return at;
}

/* Makes a used run free in the one way or the other. */
static void free_run_locked(struct arena *a, uint32_t first, uint32_t n_pages,
                            enum span_state state)
{
    struct arena_span *before = NULL, *run = a->spans;
    while (run != NULL && run->first != first) {
        before = run;
        run = run->next;
    }
    ENSURE(run != NULL && run->state == SPAN_USED && run->n_pages == n_pages);
    run->state = state;
    a->span_used_bytes -= run_bytes(run);
    (void)merge_run_locked(a, run);
    if (before != NULL)
        (void)merge_run_locked(a, before);
}

void arena_span_put(struct arena *a, unsigned owner, void *at, size_t bytes)
{
    size_t whole = arena_span_bytes(bytes);
    uint32_t first = (uint32_t)((size_t)((char *)at - a->base) / ARENA_PAGE_BYTES);
    uint32_t n_pages = (uint32_t)(whole / ARENA_PAGE_BYTES);
    pthread_mutex_lock(&a->lock);
    if (a->span_retained_bytes + whole <= a->retain_span_bytes) {
        a->span_retained_bytes += whole;
        budget_move(a->budget, owner, a->owner_retained, whole);
        free_run_locked(a, first, n_pages, SPAN_RETAINED);
        pthread_mutex_unlock(&a->lock);
        return;
    }
    pthread_mutex_unlock(&a->lock); /* the run is still ours, and the kernel takes its time */
    kernel_release(at, whole);
    pthread_mutex_lock(&a->lock);
    budget_give(a->budget, owner, whole);
    free_run_locked(a, first, n_pages, SPAN_RELEASED);
    pthread_mutex_unlock(&a->lock);
}

/* ---- life ---- */

bool arena_init(struct arena *a, struct budget *b, size_t limit_bytes)
{
    memset(a, 0, sizeof(*a));
    a->budget = b;
    a->retain_pages = ARENA_RETAIN_PAGES_DEFAULT;
    a->retain_span_bytes = ARENA_RETAIN_SPAN_BYTES_DEFAULT;
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
    budget_set_reserve(b, (struct budget_reserve){reserve_release, a});
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
    budget_set_reserve(a->budget, (struct budget_reserve){0});
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
        .retained_bytes = (size_t)a->n_retained * ARENA_PAGE_BYTES + a->span_retained_bytes,
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
    size_t bytes[SPAN_USED + 1] = {0};
    uint32_t at = a->pages_max;
    for (const struct arena_span *s = a->spans; s != NULL; s = s->next) {
        if (s->first != at || s->n_pages == 0)
            return false;
        if (s->state != SPAN_USED && s->next != NULL && s->next->state == s->state)
            return false;
        bytes[s->state] += run_bytes(s);
        at += s->n_pages;
    }
    bool is_to_the_end = a->spans == NULL || (size_t)at * ARENA_PAGE_BYTES == a->reserved_bytes;
    return is_to_the_end && bytes[SPAN_USED] == a->span_used_bytes &&
           bytes[SPAN_RETAINED] == a->span_retained_bytes &&
           a->span_idle_bytes <= a->span_retained_bytes;
}

bool arena_check(struct arena *a)
{
    pthread_mutex_lock(&a->lock);
    uint32_t retained = list_length_locked(a, a->free_retained);
    uint32_t released = list_length_locked(a, a->free_released);
    bool is_good = retained == a->n_retained &&
                   a->n_in_use + retained + released == a->next_fresh - a->first_page &&
                   atomic_load(&a->budget->rows[a->owner_retained].bytes) ==
                       (size_t)retained * ARENA_PAGE_BYTES + a->span_retained_bytes &&
                   spans_are_whole_locked(a);
    pthread_mutex_unlock(&a->lock);
    return is_good;
}
