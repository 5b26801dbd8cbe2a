/*
 * The server with memory that is refused on demand; see scarce.h.
 *
 * Functions of other objects are met by the linker (--wrap, in the Makefile), so the server has no
 * word about it; those of shared libraries by defining them here, which every library then calls.
 * Rejected: a library under the server (LD_PRELOAD) sees no call within the program, and the
 * arena's refusals come from its budget, never from the kernel.
 */
#include "tests/crash/scarce.h"

#include "alloc/arena.h"
#include "tests/crash/unsynced.h"

#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct unsynced_control *control; /* NULL: nothing is refused */

typedef void *mapper(void *, size_t, int, int, int, off_t);
typedef int starter(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static void find(const char *name, void *ret)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        errx(2, "scarce: no %s", name);
    memcpy(ret, &found, sizeof(found));
}

static void *map(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    static mapper *next;
    if (next == NULL)
        find("mmap", &next);
    return next(at, n, protection, flags, fd, offset);
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SCARCE_CONTROL");
    if (path == NULL)
        return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *at = map(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || at == MAP_FAILED)
        err(2, "scarce: %s", path);
    close(fd);
    control = at;
}

static bool is_refused(enum scarce_kind kind)
{
    struct unsynced_control *c = control;
    if (c == NULL || (__atomic_load_n(&c->calls, __ATOMIC_RELAXED) & (uint64_t)kind) == 0)
        return false;
    uint64_t n = __atomic_add_fetch(&c->n_calls, 1, __ATOMIC_RELAXED);
    uint64_t first = __atomic_load_n(&c->first, __ATOMIC_RELAXED);
    if (first == 0 || n < first || n > __atomic_load_n(&c->last, __ATOMIC_RELAXED))
        return false;
    __atomic_add_fetch(&c->n_failed, 1, __ATOMIC_RELAXED);
    return true;
}

/* --- the arena -------------------------------------------------------------------------------- */

page_no __real_arena_page_get(struct arena *a, unsigned owner);
page_no __wrap_arena_page_get(struct arena *a, unsigned owner);
void *__real_arena_span_get(struct arena *a, unsigned owner, size_t bytes);
void *__wrap_arena_span_get(struct arena *a, unsigned owner, size_t bytes);
bool __real_budget_take(struct budget *b, unsigned owner, size_t bytes);
bool __wrap_budget_take(struct budget *b, unsigned owner, size_t bytes);
bool __real_budget_take_or(struct budget *b, unsigned owner, size_t bytes, struct budget_reserve r);
bool __wrap_budget_take_or(struct budget *b, unsigned owner, size_t bytes, struct budget_reserve r);

page_no __wrap_arena_page_get(struct arena *a, unsigned owner)
{
    return is_refused(SCARCE_ARENA) ? 0 : __real_arena_page_get(a, owner);
}

void *__wrap_arena_span_get(struct arena *a, unsigned owner, size_t bytes)
{
    return is_refused(SCARCE_ARENA) ? NULL : __real_arena_span_get(a, owner, bytes);
}

bool __wrap_budget_take(struct budget *b, unsigned owner, size_t bytes)
{
    return !is_refused(SCARCE_ARENA) && __real_budget_take(b, owner, bytes);
}

bool __wrap_budget_take_or(struct budget *b, unsigned owner, size_t bytes, struct budget_reserve r)
{
    return !is_refused(SCARCE_ARENA) && __real_budget_take_or(b, owner, bytes, r);
}

/* --- the process ------------------------------------------------------------------------------ */

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    if (fd < 0 && is_refused(SCARCE_MAPPING)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return map(at, n, protection, flags, fd, offset);
}

int pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    static starter *next;
    if (next == NULL)
        find("pthread_create", &next);
    return is_refused(SCARCE_THREAD) ? EAGAIN : next(ret, attr, run, arg);
}

/* A sanitizer's heap is its own. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t n);
void *__libc_memalign(size_t align, size_t n);

static void *refuse(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t n)
{
    return is_refused(SCARCE_HEAP) ? refuse() : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return is_refused(SCARCE_HEAP) ? refuse() : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    return is_refused(SCARCE_HEAP) ? refuse() : __libc_realloc(old, n);
}

void *memalign(size_t align, size_t n)
{
    return is_refused(SCARCE_HEAP) ? refuse() : __libc_memalign(align, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    return memalign(align, n);
}

int posix_memalign(void **ret, size_t align, size_t n)
{
    void *at = memalign(align, n);
    if (at == NULL)
        return ENOMEM;
    *ret = at;
    return 0;
}

#endif
