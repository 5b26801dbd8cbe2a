/* The idea: one number decides, what is free, and one table says what it decides.
 *
 * Rejected: stages by RSS (it moves with what is retained and with queries that end by themselves,
 * and is known too late: a sender of new labels fills 100 MB between two looks), and a limit of its
 * own for each owner (there is no good split of a limit between chunks and labels that nobody has
 * to set). The ledger is exact and costs a few loads, so the question is put where memory grows:
 * before each new series, before each write, each second.
 *
 * The ledger's rows are not read in one moment, and a span that goes from a query to the arena's
 * retained ones is for an instant in neither row. So what is transient is added up before and after
 * the sum of all, the larger counts, and a stage that would begin is looked at again. */
#include "http/ceiling.h"

#include "http/log.h"
#include "tsdb/tsdb.h"

#include <string.h>

enum { MIB = 1024 * 1024, LOOKS = 3, HEAP_STEP_BYTES = 256 * 1024 };

static const struct ceiling_row rows[CEILING_STAGES] = {
    [CEILING_NORMAL] = {"normal", "nothing is held back", 0, 0, 0, 0},
    [CEILING_QUERIES] = {"queries", "the memory of queries shrinks with what is free", 30, 33,
                         8 * MIB, 9 * MIB},
    [CEILING_SERIES] = {"series", "new series are refused with 400, existing ones go on", 15, 18,
                        5 * MIB, 6 * MIB},
    [CEILING_WINDOW] = {"window", "the oldest window is dropped before its time", 8, 11, 3 * MIB,
                        4 * MIB},
    [CEILING_WRITES] = {"writes", "writes are refused with 503, senders keep them", 3, 5,
                        3 * MIB / 2, 2 * MIB},
};

const struct ceiling_row *ceiling_row(enum ceiling_stage stage)
{
    assert(stage < CEILING_STAGES);
    return &rows[stage];
}

static size_t percent(size_t bytes, unsigned n)
{
    return bytes / 100 * n;
}

size_t ceiling_begin_bytes(enum ceiling_stage stage, size_t limit_bytes)
{
    const struct ceiling_row *r = ceiling_row(stage);
    return size_max(percent(limit_bytes, r->begin_percent), r->begin_bytes);
}

size_t ceiling_end_bytes(enum ceiling_stage stage, size_t limit_bytes)
{
    const struct ceiling_row *r = ceiling_row(stage);
    return size_max(percent(limit_bytes, r->end_percent), r->end_bytes);
}

enum ceiling_stage ceiling_decide(enum ceiling_stage now, const struct ceiling_figures *f)
{
    size_t free = ceiling_free_bytes(f);
    enum ceiling_stage next = now;
    while (next + 1 < CEILING_STAGES && free < ceiling_begin_bytes(next + 1, f->limit_bytes))
        next++;
    while (next == now && now > CEILING_NORMAL && free >= ceiling_end_bytes(now, f->limit_bytes))
        next = --now;
    return next;
}

size_t ceiling_query_bytes(enum ceiling_stage stage, const struct ceiling_figures *f,
                           size_t max_bytes)
{
    if (stage < CEILING_QUERIES)
        return max_bytes;
    return size_min(max_bytes, size_max(ceiling_free_bytes(f) / 2, CEILING_QUERY_BYTES_MIN));
}

/* With the half of queries an eighth is left, for a snapshot's buffers and for what goes on growing
 * meanwhile. */
size_t ceiling_request_bytes(const struct ceiling_figures *f)
{
    return size_max(ceiling_free_bytes(f) / 8 * 3, CEILING_REQUEST_BYTES_MIN);
}

/* --- the ledger ------------------------------------------------------------------------------- */

void ceiling_init(struct ceiling *c, struct budget *budget, size_t query_max_bytes,
                  unsigned n_workers)
{
    static const char *const work[ARRAY_LEN(c->work_rows)] = {"requests", "queries", "snapshot",
                                                              "retained"};
    struct ceiling_figures f;
    memset(c, 0, sizeof(*c));
    c->budget = budget;
    c->query_max_bytes = query_max_bytes;
    c->n_workers = n_workers;
    for (size_t i = 0; i < ARRAY_LEN(work); i++)
        c->work_rows[i] = budget_owner(budget, work[i]);
    c->owner_connections = budget_owner(budget, "connections");
    c->owner_heap = budget_owner(budget, CEILING_ROW_HEAP);
    pthread_mutex_init(&c->lock, NULL);
    ceiling_read(c, &f);
    lease_limit(&c->queries, query_max_bytes);
    lease_limit(&c->requests, ceiling_request_bytes(&f));
}

static size_t work_bytes(const struct ceiling *c)
{
    size_t sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(c->work_rows); i++)
        sum += atomic_load_explicit(&c->budget->rows[c->work_rows[i]].bytes, memory_order_relaxed);
    return sum;
}

void ceiling_read(const struct ceiling *c, struct ceiling_figures *ret)
{
    size_t before = work_bytes(c);
    size_t used = atomic_load_explicit(&c->budget->used_bytes, memory_order_relaxed);
    size_t work = size_max(before, work_bytes(c));
    ret->limit_bytes = c->budget->limit_bytes;
    ret->kept_bytes = used - size_min(used, work);
}

static enum ceiling_stage look(const struct ceiling *c, enum ceiling_stage now,
                               struct ceiling_figures *ret)
{
    ceiling_read(c, ret);
    enum ceiling_stage next = ceiling_decide(now, ret);
    for (int i = 1; i < LOOKS && next > now; i++) {
        struct ceiling_figures again;
        ceiling_read(c, &again);
        if (again.kept_bytes < ret->kept_bytes)
            *ret = again;
        next = ceiling_decide(now, ret);
    }
    return next;
}

enum ceiling_stage ceiling_update(struct ceiling *c)
{
    struct ceiling_figures f;
    int now = (int)ceiling_stage(c);
    enum ceiling_stage next = look(c, (enum ceiling_stage)now, &f);
    if ((int)next != now && atomic_compare_exchange_strong(&c->stage, &now, (int)next))
        for (int s = now + 1; s <= (int)next; s++)
            atomic_fetch_add_explicit(&c->n_begun[s], 1, memory_order_relaxed);
    lease_limit(&c->queries, ceiling_query_bytes(next, &f, c->query_max_bytes));
    lease_limit(&c->requests, ceiling_request_bytes(&f));
    return next;
}

/* Nothing is held back, and what is free would be enough if all that is used were kept: no look at
 * the rows can say more. The leases follow with the next write. */
static bool is_ample(const struct ceiling *c)
{
    size_t used = atomic_load_explicit(&c->budget->used_bytes, memory_order_relaxed);
    size_t limit = c->budget->limit_bytes;
    return ceiling_stage(c) == CEILING_NORMAL && used <= limit &&
           limit - used >= ceiling_begin_bytes(CEILING_QUERIES, limit);
}

bool ceiling_has_room(void *ctx)
{
    return is_ample(ctx) || ceiling_update(ctx) < CEILING_SERIES;
}

/* --- what is said ----------------------------------------------------------------------------- */

static void log_stage(const struct ceiling *c, enum ceiling_stage was, enum ceiling_stage now)
{
    struct ceiling_figures f;
    bool is_last = now + 1 == CEILING_STAGES;
    ceiling_read(c, &f);
    const struct log_field fields[] = {
        log_text("stage", rows[now].name),
        log_text("before", rows[was].name),
        log_text("effect", rows[now].effect),
        log_u64("free_bytes", ceiling_free_bytes(&f)),
        log_u64("kept_bytes", f.kept_bytes),
        log_u64("budget_bytes", f.limit_bytes),
        log_text("next", is_last ? "" : rows[now + 1].name),
        log_u64("next_below_bytes", is_last ? 0 : ceiling_begin_bytes(now + 1, f.limit_bytes)),
    };
    if (now > was)
        log_fields(LOG_LEVEL_WARN, "Memory runs short (--storage.memory-limit).", fields,
                   ARRAY_LEN(fields));
    else
        log_fields(LOG_LEVEL_INFO, "Memory is less short.", fields, ARRAY_LEN(fields));
}

enum ceiling_stage ceiling_tell(struct ceiling *c)
{
    enum ceiling_stage now = ceiling_update(c);
    if (atomic_load_explicit(&c->told, memory_order_relaxed) == (int)now)
        return now;
    pthread_mutex_lock(&c->lock);
    enum ceiling_stage told = (enum ceiling_stage)atomic_exchange(&c->told, (int)now);
    if (told != now)
        log_stage(c, told, now);
    pthread_mutex_unlock(&c->lock);
    if (told < CEILING_WINDOW && now >= CEILING_WINDOW && c->wake != NULL)
        c->wake(c->wake_ctx);
    return now;
}

/* --- what is done ----------------------------------------------------------------------------- */

bool ceiling_relieve(struct ceiling *c, struct tsdb *db)
{
    struct tsdb_dropped dropped;
    if (ceiling_tell(c) < CEILING_WINDOW || !tsdb_drop_oldest(db, &dropped))
        return false;
    atomic_fetch_add(&c->n_windows_dropped, 1);
    atomic_fetch_add(&c->n_samples_dropped, dropped.samples);
    LOG_WARN("The oldest window is dropped before its time, for want of memory "
             "(--storage.memory-limit).",
             log_i64("start_ms", dropped.start_ms), log_u64("samples", dropped.samples),
             log_u64("chunk_bytes", dropped.bytes));
    return true;
}

size_t ceiling_lease_query(struct ceiling *c, unsigned n_shares)
{
    ceiling_update(c);
    size_t all = atomic_load_explicit(&c->queries.limit_bytes, memory_order_relaxed);
    size_t share = size_max(all / n_shares, 1);
    return lease_take(&c->queries, share, size_min(share, CEILING_LEASE_BYTES_MIN));
}

/* The charge of one that has ended: its memory is libc's, and used again. */
static bool take_left(struct ceiling *c, size_t bytes)
{
    size_t left = atomic_load(&c->left_bytes);
    do
        if (left < bytes)
            return false;
    while (!atomic_compare_exchange_weak(&c->left_bytes, &left, left - bytes));
    budget_move(c->budget, c->owner_heap, c->owner_connections, bytes);
    return true;
}

bool ceiling_take_connection(struct ceiling *c, size_t bytes)
{
    struct budget *b = c->budget;
    size_t held = atomic_load_explicit(&b->rows[c->owner_connections].bytes, memory_order_relaxed);
    bool is_taken = false;
    if (held + bytes <= b->limit_bytes / CEILING_CONNECTIONS_SHARE)
        is_taken = take_left(c, bytes) || budget_take(b, c->owner_connections, bytes);
    if (!is_taken)
        atomic_fetch_add(&c->n_connections_refused, 1);
    return is_taken;
}

void ceiling_end_connection(struct ceiling *c, size_t bytes)
{
    budget_move(c->budget, c->owner_connections, c->owner_heap, bytes);
    atomic_fetch_add(&c->left_bytes, bytes);
}

/* Whoever ends in between is counted twice until the next time: too much, never too little. */
void ceiling_settle_heap(struct ceiling *c, size_t (*measure)(void *ctx), void *ctx)
{
    c->heap_bytes += atomic_exchange(&c->left_bytes, 0);
    size_t holds = measure(ctx);
    size_t wanted = holds - size_min(holds, CEILING_HEAP_BYTES);
    if (wanted < c->heap_bytes) {
        budget_give(c->budget, c->owner_heap, c->heap_bytes - wanted);
        c->heap_bytes = wanted;
    }
    for (size_t step; c->heap_bytes < wanted; c->heap_bytes += step) {
        step = size_min(wanted - c->heap_bytes, HEAP_STEP_BYTES);
        if (!budget_take(c->budget, c->owner_heap, step))
            return;
    }
}
