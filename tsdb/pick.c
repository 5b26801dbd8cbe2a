#include "tsdb/pick.h"

#include "tsdb/chunk_tail.h"

struct reader {
    struct picker *p;
    const struct arena *a;
    struct times_cache *times;
    int64_t start_ms;
};

enum { NOTHING_LEFT = 1 };

/* Where the time that is next to be answered stops seeing samples. */
static int64_t horizon(const struct picker *p)
{
    int64_t ms;
    return __builtin_sub_overflow(p->at_ms[p->n_answered], p->lookback_ms, &ms) ? INT64_MIN : ms;
}

static void answer(struct picker *p, int64_t t_ms, uint64_t value)
{
    bool is_seen = t_ms != PICK_NONE && t_ms > horizon(p);
    p->t_ms[p->n_answered] = is_seen ? t_ms : PICK_NONE;
    p->values[p->n_answered++] = value;
    p->n_found += is_seen;
}

/* The times before the next sample see the last one. */
static void answer_before(struct picker *p, int64_t next_ms)
{
    while (p->n_answered < p->n && p->at_ms[p->n_answered] < next_ms)
        answer(p, p->last_ms, p->last_value);
}

/* How many of the times are not behind the bound, which is none before the first. Times mostly come
 * at one pace: the line through the first and the last is right, or nearly. */
static uint32_t count_until_first(const uint32_t *times, uint32_t n, int64_t bound)
{
    uint64_t span = times[n - 1] - times[0], part = (uint64_t)(bound - times[0]);
    uint32_t k = part >= span ? n : (uint32_t)(part * (n - 1) / span) + 1;
    while (k > 1 && times[k - 1] > bound)
        k--;
    while (k < n && times[k] <= bound)
        k++;
    return k;
}

/* The same behind the k that are known; the stride of the time before is nearly always right. */
static uint32_t count_until(const uint32_t *times, uint32_t n, uint32_t k, int64_t bound,
                            uint32_t *io_stride)
{
    if (k == 0)
        return count_until_first(times, n, bound);
    uint32_t from = k;
    if (*io_stride > 0 && k + *io_stride <= n && times[k + *io_stride - 1] <= bound)
        k += *io_stride;
    while (k < n && times[k] <= bound)
        k++;
    *io_stride = k - from;
    return k;
}

/* Of n samples in a row; is_run: all have values[0]. NOTHING_LEFT or 0. */
static int answer_from(struct reader *r, const uint32_t *times, const uint64_t *values, uint32_t n,
                       bool is_run)
{
    struct picker *p = r->p;
    int64_t last_ms = r->start_ms + times[n - 1];
    for (uint32_t k = 0; p->n_answered < p->n && p->at_ms[p->n_answered] <= last_ms;) {
        k = count_until(times, n, k, p->at_ms[p->n_answered] - r->start_ms, &p->stride);
        answer(p, r->start_ms + times[k - 1], values[is_run ? 0 : k - 1]);
    }
    p->last_ms = last_ms;
    p->last_value = values[is_run ? 0 : n - 1];
    return p->n_answered == p->n ? NOTHING_LEFT : 0;
}

/* What is to be done with n samples before their values are known: NOTHING_LEFT, or 0 when none of
 * them can be seen, or -1 when they are to be looked at. */
static int look_at_times(struct reader *r, const uint32_t *times, uint32_t n)
{
    answer_before(r->p, r->start_ms + times[0]);
    if (r->p->n_answered == r->p->n)
        return NOTHING_LEFT;
    return r->start_ms + times[n - 1] > horizon(r->p) ? -1 : 0;
}

static int pick_part(struct reader *r, const struct block *b, uint32_t from, uint32_t n)
{
    uint32_t room[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    bool is_run = b->encoding == BLOCK_RUN;
    const uint32_t *times = block_lend_times(r->a, r->times, b, from, n, room);
    int rc = look_at_times(r, times, n);
    if (rc >= 0)
        return rc;
    block_values_kept(b, from, is_run ? 1 : n, values);
    return answer_from(r, times, values, n, is_run);
}

/* The horizon as a time of the window. */
static uint32_t min_time(const struct reader *r)
{
    int64_t after_ms;
    if (__builtin_sub_overflow(horizon(r->p), r->start_ms, &after_ms))
        return 0; /* it is before the window, or else after all that there is */
    return (uint32_t)i64_max(0, i64_min(after_ms, UINT32_MAX - 1) + 1);
}

static int pick_block(void *ctx, enum chunk_part part, const struct block *b)
{
    struct reader *r = ctx;
    (void)part;
    for (uint32_t from = block_first_part(r->a, r->times, b, min_time(r)); from < b->n_samples;
         from += BLOCK_SAMPLES_MAX) {
        int rc = pick_part(r, b, from, (uint32_t)size_min(BLOCK_SAMPLES_MAX, b->n_samples - from));
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int pick_tail(void *ctx, const struct chunk_tail *tail)
{
    struct reader *r = ctx;
    uint32_t times[BLOCK_SAMPLES_MAX];
    chunk_tail_times(r->a, r->times, tail, times);
    int rc = look_at_times(r, times, tail->n);
    if (rc >= 0)
        return rc;
    return answer_from(r, times, tail->values, tail->n, false);
}

void pick_begin(struct picker *p)
{
    p->n_found = p->n_answered = 0;
    p->last_ms = PICK_NONE;
    p->last_value = 0;
}

/* Whether the next time that is asked for is not before the chunk's last sample, which is then all
 * that can be seen of it: mostly so where one time is asked for, which is now. */
static bool sees_last_only(struct reader *r, const struct chunk_view *v)
{
    struct picker *p = r->p;
    const struct tail *t = &v->head.tail;
    if (v->c.kind != CHUNK_HEAD || t->n_samples == 0)
        return false;
    uint32_t time =
        t->timeline != 0 ? timeline_time(r->a, r->times, t->timeline, t->last) : t->last;
    if (p->at_ms[p->n_answered] < r->start_ms + time)
        return false;
    p->last_ms = r->start_ms + time;
    p->last_value = t->last_value;
    return true;
}

void pick_chunk(struct picker *p, const struct arena *a, struct times_cache *t,
                const struct chunk_view *v, int64_t start_ms)
{
    struct reader r = {p, a, t, start_ms};
    const struct chunk_visitor visitor = {.block = pick_block, .tail = pick_tail, .ctx = &r};
    if (p->n_answered < p->n && !sees_last_only(&r, v))
        (void)chunk_visit(a, v, min_time(&r), &visitor);
}

void pick_end(struct picker *p)
{
    while (p->n_answered < p->n)
        answer(p, p->last_ms, p->last_value);
}
