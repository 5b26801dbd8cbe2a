/* The cushion: blocks one behind the other, and all of it free again when the last one is given
 * back. Its use is a matter of one call of a library, so nothing finer is needed; what such a call
 * leaves for ever (a library's own tables) keeps a few bytes, and the room that is asked for
 * before sees to it that there is enough behind them. */
#include "alloc/cushion.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { BLOCK_ALIGN = 16 };

static _Alignas(4096) char cushion[CUSHION_BYTES]; /* never touched, never resident */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t used_bytes; /* guarded by lock, as the next */
static size_t n_blocks;
static _Thread_local unsigned long n_uses;

static bool is_of_cushion(const void *at)
{
    return (const char *)at >= cushion && (const char *)at < cushion + CUSHION_BYTES;
}

void *cushion_alloc(size_t bytes)
{
    void *at = malloc(bytes > 0 ? bytes : 1);
    if (at != NULL)
        return at;
    pthread_mutex_lock(&lock);
    ENSURE(bytes < CUSHION_BYTES - used_bytes - BLOCK_ALIGN);
    at = cushion + used_bytes;
    used_bytes += align_up(bytes + 1, BLOCK_ALIGN);
    n_blocks++;
    pthread_mutex_unlock(&lock);
    n_uses++;
    return at;
}

void cushion_free(void *at)
{
    if (!is_of_cushion(at)) {
        free(at);
        return;
    }
    pthread_mutex_lock(&lock);
    if (--n_blocks == 0) {
        (void)madvise(cushion, align_up(used_bytes, 4096), MADV_DONTNEED);
        used_bytes = 0;
    }
    pthread_mutex_unlock(&lock);
}

bool cushion_has_room(void)
{
    pthread_mutex_lock(&lock);
    bool has_room = CUSHION_BYTES - used_bytes >= CUSHION_ROOM_BYTES;
    pthread_mutex_unlock(&lock);
    return has_room;
}

unsigned long cushion_uses(void)
{
    return n_uses;
}
