/* Journals for tests: on a disk in memory that can be made to fail, or to stand still, call by
 * call; records whose content follows from a number, so that what comes back can be checked. */
#ifndef TESTS_UNIT_SNAPSHOT_TEST_JOURNAL_H
#define TESTS_UNIT_SNAPSHOT_TEST_JOURNAL_H

#include "faulty_io.h"
#include "snapshot/journal.h"
#include "snapshot/journal_replay.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEST_JOURNAL_LIMIT = 256 << 20, TEST_RECORDS_MAX = 4096, TEST_JOURNAL_MAX = 1 << 30 };

/* --- a disk with switches; see faulty_io.h for one that counts --- */

enum switched { SW_WRITE, SW_SYNC, SW_CREATE, SW_TRUNCATE, SW_SYNC_DIR, SW_REMOVE, SW_KINDS };

struct switched_io {
    struct io io;
    struct io *inner;
    atomic_int errnos[SW_KINDS]; /* 0 = works */
    atomic_int n_come[SW_KINDS]; /* calls, those that are held up among them */
    atomic_int n_calls[SW_KINDS];
    pthread_mutex_t gates[SW_KINDS]; /* who holds one holds up such calls */
    atomic_ullong evicted;           /* bytes, each where the one before had ended */
    atomic_bool is_evicted_otherwise;
};

static inline struct io *switched_pass(struct io *io, enum switched kind)
{
    struct switched_io *s = (struct switched_io *)io;
    atomic_fetch_add(&s->n_come[kind], 1);
    pthread_mutex_lock(&s->gates[kind]);
    pthread_mutex_unlock(&s->gates[kind]);
    atomic_fetch_add(&s->n_calls[kind], 1);
    int failure = atomic_load(&s->errnos[kind]);
    if (failure == 0)
        return s->inner;
    errno = failure;
    return NULL;
}

static inline ssize_t switched_write_parts(struct io *io, int handle, const struct iovec *parts,
                                           int n)
{
    struct io *inner = switched_pass(io, SW_WRITE);
    return inner ? inner->ops->write_parts(inner, handle, parts, n) : -1;
}

static inline int switched_sync_data(struct io *io, int handle)
{
    struct io *inner = switched_pass(io, SW_SYNC);
    return inner ? inner->ops->sync_data(inner, handle) : -1;
}

static inline void switched_evict(struct io *io, int handle, uint64_t from, uint64_t to)
{
    struct switched_io *s = (struct switched_io *)io;
    (void)handle;
    if (from != atomic_load(&s->evicted) || to <= from)
        atomic_store(&s->is_evicted_otherwise, true);
    atomic_store(&s->evicted, to);
}

static inline int switched_create(struct io *io, const char *name)
{
    struct io *inner = switched_pass(io, SW_CREATE);
    return inner ? inner->ops->create(inner, name) : -1;
}

static inline int switched_truncate(struct io *io, int handle, uint64_t n)
{
    struct io *inner = switched_pass(io, SW_TRUNCATE);
    return inner ? inner->ops->truncate(inner, handle, n) : -1;
}

static inline int switched_sync_dir(struct io *io)
{
    struct io *inner = switched_pass(io, SW_SYNC_DIR);
    return inner ? inner->ops->sync_dir(inner) : -1;
}

static inline int switched_remove(struct io *io, const char *name)
{
    struct io *inner = switched_pass(io, SW_REMOVE);
    return inner ? inner->ops->remove(inner, name) : -1;
}

static inline struct io *switched_inner(struct io *io)
{
    return ((struct switched_io *)io)->inner;
}

static inline int switched_open(struct io *io, const char *name, bool is_for_writing)
{
    return switched_inner(io)->ops->open(switched_inner(io), name, is_for_writing);
}

static inline ssize_t switched_read(struct io *io, int handle, void *bytes, size_t n, uint64_t from)
{
    return switched_inner(io)->ops->read(switched_inner(io), handle, bytes, n, from);
}

static inline int switched_close(struct io *io, int handle)
{
    return switched_inner(io)->ops->close(switched_inner(io), handle);
}

static inline int64_t switched_size(struct io *io, const char *name)
{
    return switched_inner(io)->ops->size(switched_inner(io), name);
}

static inline int switched_list(struct io *io, int (*visit)(void *, const char *), void *ctx)
{
    return switched_inner(io)->ops->list(switched_inner(io), visit, ctx);
}

static inline int switched_renew(struct io *io)
{
    return switched_inner(io)->ops->renew(switched_inner(io));
}

static inline void switched_init(struct switched_io *s, struct io *inner)
{
    static const struct io_ops ops = {
        .open = switched_open,
        .read = switched_read,
        .close = switched_close,
        .remove = switched_remove,
        .sync_dir = switched_sync_dir,
        .create = switched_create,
        .write_parts = switched_write_parts,
        .sync_data = switched_sync_data,
        .evict = switched_evict,
        .truncate = switched_truncate,
        .size = switched_size,
        .list = switched_list,
        .renew = switched_renew,
    };
    memset(s, 0, sizeof *s);
    s->io = (struct io){.ops = &ops, .place = inner->place};
    s->inner = inner;
    for (int i = 0; i < SW_KINDS; i++)
        pthread_mutex_init(&s->gates[i], NULL);
}

static inline void hold(struct switched_io *s, enum switched kind)
{
    pthread_mutex_lock(&s->gates[kind]);
}

static inline void let_go(struct switched_io *s, enum switched kind)
{
    pthread_mutex_unlock(&s->gates[kind]);
}

/* --- a journal --- */

struct test_journal {
    struct budget budget;
    struct arena arena;
    struct io_mem disk;
    struct switched_io io;
    struct journal_options o;
    struct journal *j;
    atomic_llong now_ns;
    atomic_ullong next_file_id;
    atomic_int n_wants[3];
    atomic_ullong last_sequence; /* of the entries that were done without an error */
    atomic_bool is_disordered;
    /* what came back */
    struct journal_replay_report report;
    unsigned n_back;
    uint8_t times_back[TEST_RECORDS_MAX]; /* how often the record of that number did */
};

static inline int64_t test_now_ns(void *ctx)
{
    return atomic_load(&((struct test_journal *)ctx)->now_ns);
}

static inline int64_t test_now_ms(void *ctx)
{
    (void)ctx;
    return 1700000000000;
}

static inline uint64_t test_file_id(void *ctx)
{
    struct test_journal *t = ctx;
    return 0x0123456789abcdef + atomic_fetch_add(&t->next_file_id, 1);
}

static inline void test_want(void *ctx, enum journal_want why)
{
    usleep(100); /* so that a record done too early is seen to be */
    atomic_fetch_add(&((struct test_journal *)ctx)->n_wants[why], 1);
}

static inline void test_journal_init(struct test_journal *t)
{
    memset(t, 0, sizeof *t);
    budget_init(&t->budget, TEST_JOURNAL_LIMIT);
    cr_assert(arena_init(&t->arena, &t->budget, TEST_JOURNAL_LIMIT));
    t->disk.resize = realloc;
    io_mem_init(&t->disk);
    switched_init(&t->io, &t->disk.io);
    t->o = (struct journal_options){
        .io = &t->io.io,
        .arena = &t->arena,
        .mode = JOURNAL_INTERVAL,
        .sync_ms = 1000000, /* never by itself */
        .max_bytes = TEST_JOURNAL_MAX,
        .want_snapshot = test_want,
        .now_ns = test_now_ns,
        .now_ms = test_now_ms,
        .file_id = test_file_id,
        .ctx = t,
    };
}

static inline size_t test_journal_bytes(struct test_journal *t)
{
    return atomic_load(&t->budget.rows[budget_owner(&t->budget, "journal")].bytes);
}

static inline void test_journal_release(struct test_journal *t)
{
    cr_assert_eq(test_journal_bytes(t), 0, "memory is still taken");
    arena_release(&t->arena);
    for (int i = 0; i < IO_MEM_FILES; i++)
        free(t->disk.files[i].bytes);
}

static inline void test_journal_open(struct test_journal *t)
{
    cr_assert_eq(journal_open(&t->o, &t->j), 0);
}

static inline struct journal_stats test_journal_stats(struct test_journal *t)
{
    struct journal_stats s;
    journal_stats(t->j, &s);
    cr_assert(journal_check(t->j));
    return s;
}

/* --- records --- */

struct test_entry {
    struct journal_entry e;
    struct test_journal *t;
    struct iovec parts[3];
    uint8_t *body;
    atomic_bool is_done;
    int err;
};

static inline size_t test_body_bytes(unsigned number)
{
    return number % 7 == 0 ? 0 : number % 64 * 3 + 1;
}

/* Each byte of the begin, then each 256: sanitizers make the first slow. */
static inline void test_fill(uint8_t *bytes, size_t n, unsigned number)
{
    enum { BEGIN = 4096, BLOCK = 256 };
    size_t begin = n < BEGIN ? n : BEGIN;
    for (size_t i = 0; i < begin; i++)
        bytes[i] = (uint8_t)(number * 31 + i * 7 + (i >> 8));
    for (size_t i = begin; i < n; i += BLOCK)
        memset(bytes + i, (int)((number * 31 + (i >> 8)) & 0xff), n - i < BLOCK ? n - i : BLOCK);
}

static inline void test_done(struct journal_entry *e, int err)
{
    struct test_entry *te = (struct test_entry *)e;
    te->err = err;
    if (err == 0 && te->t->o.mode != JOURNAL_OFF &&
        atomic_exchange(&te->t->last_sequence, e->sequence) >= e->sequence)
        atomic_store(&te->t->is_disordered, true);
    atomic_store(&te->is_done, true);
}

/* The record of that number, with a body of n bytes in three parts; freed by test_entry_free. */
static inline struct test_entry *test_entry_new(struct test_journal *t, unsigned number, size_t n)
{
    struct test_entry *te = calloc(1, sizeof *te);
    te->t = t;
    te->body = malloc(n + 1);
    test_fill(te->body, n, number);
    te->parts[0] = (struct iovec){te->body, n / 3};
    te->parts[1] = (struct iovec){te->body + n / 3, 0};
    te->parts[2] = (struct iovec){te->body + n / 3, n - n / 3};
    te->e = (struct journal_entry){
        .kind = (uint16_t)(number % 5),
        .time_ms = number,
        .meta = &te->e.time_ms,
        .meta_bytes = number % 9,
        .parts = te->parts,
        .n_parts = 3,
        .done = test_done,
    };
    return te;
}

static inline void test_entry_wait(struct test_entry *te)
{
    for (int i = 0; !atomic_load(&te->is_done); i++) {
        cr_assert_lt(i, 200000, "not done within 20 s");
        usleep(100);
    }
}

/* What became of it. */
static inline int test_entry_free(struct test_entry *te)
{
    test_entry_wait(te);
    int err = te->err, reason = te->e.sys_errno;
    free(te->body);
    free(te);
    errno = reason;
    return err;
}

/* Submits and does not wait. NULL and *ret_err when it is refused. */
static inline struct test_entry *test_submit(struct test_journal *t, unsigned number, size_t n,
                                             int *ret_err)
{
    struct test_entry *te = test_entry_new(t, number, n);
    *ret_err = journal_submit(t->j, &te->e);
    if (*ret_err == 0)
        return te;
    int saved = errno;
    atomic_store(&te->is_done, true);
    (void)test_entry_free(te);
    errno = saved;
    return NULL;
}

/* Whether it was written by journal_write; *ret_err is then what done was told. */
static inline bool test_write_here(struct test_journal *t, unsigned number, size_t n, int *ret_err)
{
    struct test_entry *te = test_entry_new(t, number, n);
    bool is_written = journal_write(t->j, &te->e);
    cr_assert_eq(atomic_load(&te->is_done), is_written, "done is called before it returns");
    atomic_store(&te->is_done, true);
    *ret_err = test_entry_free(te);
    return is_written;
}

/* Submits and waits. */
static inline int test_write_sized(struct test_journal *t, unsigned number, size_t n)
{
    int err;
    struct test_entry *te = test_submit(t, number, n, &err);
    return te ? test_entry_free(te) : err;
}

static inline int test_write(struct test_journal *t, unsigned number)
{
    return test_write_sized(t, number, test_body_bytes(number));
}

/* --- back --- */

/* Whether a record that came back is as it was made. */
static inline bool test_is_genuine(const struct journal_record *r)
{
    unsigned number = (unsigned)r->time_ms;
    uint8_t *body = malloc(r->body_bytes + 1);
    test_fill(body, r->body_bytes, number);
    bool is_good = r->time_ms >= 0 && r->kind == number % 5 && r->meta_bytes == number % 9 &&
                   memcmp(r->meta, &r->time_ms, r->meta_bytes) == 0 &&
                   memcmp(r->body, body, r->body_bytes) == 0;
    free(body);
    return is_good;
}

static inline int test_visit(void *ctx, const struct journal_record *r)
{
    struct test_journal *t = ctx;
    cr_assert(test_is_genuine(r), "record %llu was changed", (unsigned long long)r->sequence);
    cr_assert_lt(r->time_ms, TEST_RECORDS_MAX);
    t->times_back[r->time_ms]++;
    t->n_back++;
    return 0;
}

static inline int test_replay_with(struct test_journal *t, struct journal_replay_options *o)
{
    memset(t->times_back, 0, sizeof t->times_back);
    t->n_back = 0;
    o->io = o->io ? o->io : &t->disk.io;
    o->arena = &t->arena;
    o->visit = o->visit ? o->visit : test_visit;
    o->ctx = t;
    int err = journal_replay(o, &t->report);
    cr_assert_eq(t->report.records, t->n_back);
    return err;
}

static inline void test_replay(struct test_journal *t)
{
    struct journal_replay_options o = {0};
    cr_assert_eq(test_replay_with(t, &o), 0, "%s", t->report.detail);
}

static inline void test_close(struct test_journal *t)
{
    cr_assert_eq(journal_close(t->j), 0);
    cr_assert_not(atomic_load(&t->is_disordered), "done was not called in the order of sequence");
}

#endif
