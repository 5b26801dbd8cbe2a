#include "alloc/cushion.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(cushion, is_not_used_while_there_is_heap)
{
    void *at = cushion_alloc(100);
    memset(at, 1, 100);
    cr_assert_eq(cushion_uses(), 0);
    cushion_free(at);
    cushion_free(NULL);
    cushion_free(cushion_alloc(0));
}

/* Sanitizers have a heap of their own. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

static _Thread_local bool is_refused;

void *__libc_malloc(size_t n);
void *malloc(size_t n);

void *malloc(size_t n)
{
    if (is_refused) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(n);
}

static void *refused(size_t n)
{
    is_refused = true;
    void *at = cushion_alloc(n);
    is_refused = false;
    return at;
}

Test(cushion, gives_what_the_heap_refuses)
{
    char *blocks[100];
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        blocks[i] = refused(i);
        cr_assert_eq((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)i, i);
    }
    cr_assert_eq(cushion_uses(), ARRAY_LEN(blocks));
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
        for (size_t k = 0; k < i; k++)
            cr_assert_eq(blocks[i][k], (char)i);
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
        cushion_free(blocks[i]);
    cr_assert_eq(refused(10), blocks[0], "all was given back: it begins anew");
}

Test(cushion, says_when_room_runs_out)
{
    void *most = refused(CUSHION_BYTES - CUSHION_ROOM_BYTES - 16);
    cr_assert(cushion_has_room());
    void *one = refused(1);
    cr_assert_not(cushion_has_room());
    cushion_free(most);
    cr_assert_not(cushion_has_room(), "as long as one block is out");
    cushion_free(one);
    cr_assert(cushion_has_room());
}

#endif
