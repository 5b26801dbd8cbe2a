#include "http/queries.h"

#include <string.h>

void queries_init(struct queries *qs, size_t query_memory_bytes)
{
    memset(qs, 0, sizeof(*qs));
    pthread_mutex_init(&qs->lock, NULL);
    qs->heavy_bytes = size_max(query_memory_bytes / QUERIES_HEAVY_SHARE, 1);
}

void queries_release(struct queries *qs)
{
    assert(qs->first == NULL);
    pthread_mutex_destroy(&qs->lock);
}

/* As much as fits, and no half character. */
static void copy_text(struct query *q, const char *text, size_t n)
{
    size_t n_kept = size_min(n, sizeof(q->text) - 1);
    while (n_kept < n && n_kept > 0 && ((unsigned char)text[n_kept] & 0xc0) == 0x80)
        n_kept--;
    if (n_kept > 0)
        memcpy(q->text, text, n_kept);
    q->text[n_kept] = '\0';
}

void queries_enter(struct queries *qs, struct query *q, const char *path, const char *text,
                   size_t n_text, int64_t arrived_boot_ns, const struct region *answer,
                   atomic_bool *cancel)
{
    q->path = path;
    q->arrived_boot_ns = arrived_boot_ns;
    q->started_boot_ns = 0;
    q->answer = answer;
    q->work = NULL;
    q->worked_bytes = 0;
    q->cancel = cancel;
    q->n_samples = 0;
    q->next = NULL;
    copy_text(q, text, n_text);
    pthread_mutex_lock(&qs->lock);
    q->id = ++qs->last_id;
    q->prev = qs->last;
    if (q->prev)
        q->prev->next = q;
    else
        qs->first = q;
    qs->last = q;
    pthread_mutex_unlock(&qs->lock);
}

void queries_start(struct queries *qs, struct query *q, int64_t now_boot_ns)
{
    pthread_mutex_lock(&qs->lock);
    q->started_boot_ns = now_boot_ns;
    pthread_mutex_unlock(&qs->lock);
}

void queries_work(struct queries *qs, struct query *q, const struct region *work)
{
    if (q->id == 0)
        return;
    pthread_mutex_lock(&qs->lock);
    if (!work && q->work) /* what it came to is its size from now on */
        q->worked_bytes = region_live_bytes(q->work);
    q->work = work;
    pthread_mutex_unlock(&qs->lock);
}

/* As it stands at a time; the lock is held. */
static void fill_row(const struct query *q, int64_t now_boot_ns, struct query_row *ret)
{
    bool is_running = q->started_boot_ns != 0;
    *ret = (struct query_row){
        .id = q->id,
        .path = q->path,
        .arrived_boot_ns = q->arrived_boot_ns,
        .waited_ns = (is_running ? q->started_boot_ns : now_boot_ns) - q->arrived_boot_ns,
        .ran_ns = is_running ? now_boot_ns - q->started_boot_ns : 0,
        .is_running = is_running,
        .bytes = region_live_bytes(q->answer) + (q->work ? region_live_bytes(q->work) : 0),
    };
    memcpy(ret->text, q->text, sizeof(ret->text));
}

static void unlink_query(struct queries *qs, struct query *q)
{
    if (q->prev)
        q->prev->next = q->next;
    else
        qs->first = q->next;
    if (q->next)
        q->next->prev = q->prev;
    else
        qs->last = q->prev;
}

bool queries_leave(struct queries *qs, struct query *q, int status, int64_t now_boot_ns,
                   struct query_row *ret)
{
    pthread_mutex_lock(&qs->lock);
    unlink_query(qs, q);
    fill_row(q, now_boot_ns, ret);
    ret->bytes += q->worked_bytes;
    ret->n_samples = q->n_samples;
    ret->status = status;
    bool is_heavy = ret->ran_ns >= QUERIES_HEAVY_NS || ret->bytes >= qs->heavy_bytes;
    if (is_heavy)
        qs->heavy[qs->n_heavy++ % QUERIES_HEAVY_MAX] = *ret;
    pthread_mutex_unlock(&qs->lock);
    q->id = 0;
    return is_heavy;
}

bool queries_cancel(struct queries *qs, uint64_t id)
{
    bool is_found = false;
    pthread_mutex_lock(&qs->lock);
    for (struct query *q = qs->first; q && !is_found; q = q->next) {
        is_found = q->id == id;
        if (is_found)
            atomic_store(q->cancel, true);
    }
    pthread_mutex_unlock(&qs->lock);
    return is_found;
}

static bool list(const struct queries *qs, int64_t now_boot_ns, struct region *r,
                 struct query_row **ret_running, size_t *ret_n_running,
                 struct query_row **ret_heavy, size_t *ret_n_heavy)
{
    size_t n_running = 0, n_heavy = size_min(qs->n_heavy, QUERIES_HEAVY_MAX);
    for (const struct query *q = qs->first; q; q = q->next)
        n_running++;
    struct query_row *running = region_calloc(r, n_running + 1, sizeof(*running));
    struct query_row *heavy = region_calloc(r, n_heavy + 1, sizeof(*heavy));
    if (!running || !heavy)
        return false;
    *ret_running = running;
    *ret_heavy = heavy;
    *ret_n_running = n_running;
    *ret_n_heavy = n_heavy;
    for (const struct query *q = qs->first; q; q = q->next)
        fill_row(q, now_boot_ns, running++);
    for (size_t i = 0; i < n_heavy; i++)
        heavy[i] = qs->heavy[(qs->n_heavy - 1 - i) % QUERIES_HEAVY_MAX];
    return true;
}

bool queries_list(struct queries *qs, int64_t now_boot_ns, struct region *r,
                  struct query_row **ret_running, size_t *ret_n_running,
                  struct query_row **ret_heavy, size_t *ret_n_heavy)
{
    pthread_mutex_lock(&qs->lock);
    bool is_done = list(qs, now_boot_ns, r, ret_running, ret_n_running, ret_heavy, ret_n_heavy);
    pthread_mutex_unlock(&qs->lock);
    return is_done;
}
