/* A process with a directory, without its server: what main.c does with store, snapshots and
 * journal, in as much memory as a test wants, ended well or killed. And a model of what it has
 * acknowledged, as simple as can be: a list of samples. */
#ifndef TESTS_UNIT_HTTP_TEST_PROCESS_H
#define TESTS_UNIT_HTTP_TEST_PROCESS_H

#include "http/metadata.h"
#include "http/recorder.h"
#include "http/remote_write.h"
#include "http/saver.h"
#include "tests/support/random.h"
#include "tests/unit/http/test_series.h"
#include "tests/unit/snapshot/temp_dir.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/delete_record.h"

enum {
    PROCESS_MEMORY = 48 << 20,
    PROCESS_WINDOW_MS = 600 * 1000,
    PROCESS_WINDOWS = 6,
    PROCESS_SERIES = 10,
    PROCESS_ERROR_MAX = 1024,
    MODEL_MAX = 200000,
    FILLERS = 24, /* series that make windows large: not in the model, nor in the journal */
};

#define PROCESS_START_MS INT64_C(1700000400000) /* a window begins here */

/* What stands between a process and its directory's calls from when its threads start, or NULL. */
static const struct io_ops *(*process_ops)(const struct io_ops *own);

/* Of the journal of a process that is started. */
static uint64_t process_journal_max = 1 << 30;

struct process {
    struct budget budget;
    struct arena arena;
    struct region region;
    struct tsdb *db;
    struct metadata metadata;
    struct recorder recorder;
    struct saver saver;
    struct snapshot_report loaded;
    unsigned ballast;
    char error[PROCESS_ERROR_MAX];
};

struct model_sample {
    unsigned series;
    int64_t t_ms;
    uint64_t value;
    bool is_deleted;
};

struct model {
    size_t n;
    int64_t newest_ms;
    struct model_sample samples[MODEL_MAX];
};

/* ---- the process ---- */

static inline void process_end(struct process *p)
{
    recorder_stop(&p->recorder);
    cr_assert_null(metadata_check(&p->metadata));
    metadata_release(&p->metadata);
    region_release(&p->region);
    tsdb_free(p->db);
    cr_assert_eq(atomic_load(&p->budget.rows[p->recorder.owner].bytes), 0);
    cr_assert(budget_check(&p->budget));
    arena_release(&p->arena);
}

static inline void process_want_nothing(void *ctx)
{
    (void)ctx;
}

static inline void process_make(struct process *p, const char *dir)
{
    const struct tsdb_options options = {.window_ms = PROCESS_WINDOW_MS,
                                         .n_windows = PROCESS_WINDOWS,
                                         .out_of_order_ms = 3 * PROCESS_WINDOW_MS,
                                         .clock = CLOCK_SAMPLES};
    memset(p, 0, sizeof(*p));
    budget_init(&p->budget, PROCESS_MEMORY);
    p->ballast = budget_owner(&p->budget, "ballast");
    cr_assert(arena_init(&p->arena, &p->budget, PROCESS_MEMORY));
    p->arena.retain_span_bytes = 0; /* so that each span asks the budget */
    region_init(&p->region, &p->arena, budget_owner(&p->budget, "queries"), 0);
    cr_assert_eq(tsdb_new(&options, &p->arena, &p->db), 0);
    metadata_init(&p->metadata, &p->arena);
    recorder_init(&p->recorder, p->db, &p->arena);
    p->recorder.metadata = &p->metadata;
    saver_init(&p->saver, p->db, &p->recorder, dir);
}

/* Reads the directory with so many bytes free for the windows, 0 = all, and begins a journal;
 * false: that is too little memory for any window, and the process is gone. */
static inline bool process_start(struct process *p, const char *dir, size_t free_bytes,
                                 int64_t sync_ms)
{
    const struct config config = {.journal_sync_ms = sync_ms,
                                  .journal_max_bytes = process_journal_max};
    process_make(p, dir);
    size_t used = atomic_load(&p->budget.used_bytes);
    size_t ballast = free_bytes > 0 ? PROCESS_MEMORY - used - free_bytes : 0;
    cr_assert(ballast == 0 || budget_take(&p->budget, p->ballast, ballast));
    int err = snapshot_load(&p->saver.files, p->db, NULL, &p->loaded);
    if (ballast > 0)
        budget_give(&p->budget, p->ballast, ballast);
    if (err == ERR_NO_MEMORY) {
        process_end(p);
        return false;
    }
    cr_assert(err == 0 || err == ERR_NOT_FOUND, "%s", p->loaded.detail);
    p->recorder.carry.directory = &p->saver.files.directory;
    err = recorder_replay(&p->recorder, dir, p->error, sizeof(p->error));
    cr_assert_eq(err, 0, "%s", p->error);
    if (process_ops != NULL)
        p->recorder.files.io.ops = process_ops(p->recorder.files.io.ops);
    cr_assert_eq(recorder_start(&p->recorder, &config, process_want_nothing, NULL), 0);
    return true;
}

static inline int process_save(struct process *p)
{
    struct snapshot_report report;
    snapshot_hurry(&p->saver.files);
    return saver_save(&p->saver, &report);
}

/* The oldest window that is in memory or may be. */
static inline int64_t process_floor(const struct process *p)
{
    const struct directory *d = &p->saver.files.directory;
    return d->are_left ? d->left_floor : INT64_MIN;
}

/* ---- what it is sent ---- */

struct submission {
    struct journal_entry entry; /* first */
    atomic_bool is_done;
    int err;
};

static inline void submission_done(struct journal_entry *e, int err)
{
    struct submission *s = (struct submission *)(void *)e;
    s->err = err;
    atomic_store(&s->is_done, true);
}

static inline void process_submit(struct process *p, uint16_t kind, const void *body, size_t n,
                                  const uint8_t *meta, size_t n_meta)
{
    const struct iovec part = {.iov_base = (void *)(uintptr_t)body, .iov_len = n};
    struct submission s = {.entry = {.kind = kind,
                                     .time_ms = 1,
                                     .meta = meta,
                                     .meta_bytes = n_meta,
                                     .parts = &part,
                                     .n_parts = 1,
                                     .done = submission_done}};
    cr_assert_eq(journal_submit(p->recorder.journal, &s.entry), 0);
    while (!atomic_load(&s.is_done))
        sched_yield();
    cr_assert_eq(s.err, 0);
}

static inline void model_add(struct model *m, unsigned series, const struct sample *sample)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct model_sample *s = &m->samples[i];
        if (s->series == series && s->t_ms == sample->t_ms && !s->is_deleted)
            return;
    }
    cr_assert_lt(m->n, (size_t)MODEL_MAX);
    m->samples[m->n++] = (struct model_sample){series, sample->t_ms, sample->value, false};
    m->newest_ms = i64_max(m->newest_ms, sample->t_ms);
}

static inline void model_take(struct model *model, struct process *p, const struct remote_write *rw)
{
    for (const struct write_block *b = rw->body.first; b; b = b->next)
        for (size_t i = 0; i < b->n; i++) {
            const struct append_entry *e = &b->entries[i];
            struct labels ls;
            struct write_labels room = {0};
            cr_assert_eq(write_any_labels(&rw->body, e->form, e->n_form, &p->region, &room, &ls),
                         0);
            for (uint32_t k = 0; k < e->n_samples; k++)
                if (!was_refused(&rw->refusals, &e->samples[k]))
                    model_add(model, series_of_label(&ls), &e->samples[k]);
        }
}

/* A remote write as the server takes it, 1.0 or 2.0. */
static inline void process_write(struct process *p, struct model *model, const struct message *m,
                                 bool is_v2)
{
    static struct stored_message stored;
    store_message(&stored, p->db, &p->region, m, is_v2);
    model_take(model, p, &stored.rw);
    process_submit(p, is_v2 ? RECORD_WRITE_V2 : RECORD_WRITE_V1, stored.body, stored.n_body,
                   stored.meta, stored.n_meta);
    region_release(&p->region);
}

static inline void put_symbols_of_all(struct message *m)
{
    put_symbols_of(m, PROCESS_SERIES);
}

/* One sample of one series. */
static inline void process_write_one(struct process *p, struct model *model, unsigned series,
                                     int64_t t_ms, uint64_t value)
{
    static struct message m;
    m.n = 0;
    put_one_series(&m, false, series, &(struct sample){t_ms, value}, 1);
    process_write(p, model, &m, false);
}

/* Deletes what series `series` has from min_ms to max_ms, as api_delete_series does. */
static inline void process_delete(struct process *p, struct model *model, unsigned series,
                                  int64_t min_ms, int64_t max_ms)
{
    struct matcher m;
    struct delete_report report = {0};
    uint8_t bytes[256];
    char value[16], text[64];
    size_t n = (size_t)snprintf(value, sizeof(value), "m%u", series);
    cr_assert_eq(matcher_init(&m, MATCH_EQUAL, "__name__", 8, value, n, text, sizeof(text)), 0);
    struct matcher_set set = {.items = &m, .n = 1};
    const struct delete_record record = {
        .min_ms = min_ms, .max_ms = max_ms, .sets = &set, .n_sets = 1};
    cr_assert_eq(delete_record_apply(&record, p->db, NULL, &p->region, &report), 0);
    cr_assert_leq(delete_record_bytes(&record), sizeof(bytes));
    delete_record_put(&record, bytes);
    cr_assert_eq(recorder_put(&p->recorder, RECORD_DELETE, bytes, delete_record_bytes(&record)), 0);
    matcher_release(&m);
    for (size_t i = 0; i < model->n; i++) {
        struct model_sample *s = &model->samples[i];
        s->is_deleted |= s->series == series && s->t_ms >= min_ms && s->t_ms <= max_ms;
    }
}

/* Makes a window of a third of a MiB of random values that are not in the journal. */
static inline void process_fill(struct process *p, struct random *random, int64_t window)
{
    struct append b;
    struct append_counts counts = {0};
    append_begin(&b, p->db);
    for (unsigned n = 0; n < FILLERS; n++) {
        char text[16];
        struct sample samples[1000];
        int len = snprintf(text, sizeof(text), "%u", n);
        struct label items[] = {{"__name__", "filler", 8, 6}, {"n", text, 1, (uint32_t)len}};
        struct labels ls = {items, 2};
        for (unsigned k = 0; k < ARRAY_LEN(samples); k++)
            samples[k] = (struct sample){window * PROCESS_WINDOW_MS + k * 300, random_next(random)};
        (void)append_samples(&b, &ls, samples, ARRAY_LEN(samples), &counts);
    }
    append_end(&b);
}

/* ---- what it has ---- */

static inline struct read_set process_read(struct process *p)
{
    return read_named(p->db, &p->region, "m.*");
}

static inline const struct model_sample *model_find(const struct model *m, unsigned series,
                                                    int64_t t_ms)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->samples[i].series == series && m->samples[i].t_ms == t_ms &&
            !m->samples[i].is_deleted)
            return &m->samples[i];
    return NULL;
}

/* Samples that it has, each of which the model has as well. */
static inline size_t process_count(struct process *p, const struct model *model)
{
    struct read_set set = process_read(p);
    size_t n = 0;
    for (size_t i = 0; i < set.n; i++) {
        unsigned series = series_of_label(&set.series[i].labels);
        for (size_t k = 0; k < set.series[i].n; k++, n++) {
            const struct model_sample *s = model_find(model, series, set.series[i].t_ms[k]);
            cr_assert(s != NULL && s->value == set.series[i].values[k],
                      "m%u at %lld is invented, or back", series, (long long)set.series[i].t_ms[k]);
        }
    }
    region_release(&p->region);
    return n;
}

static inline int64_t window_of_ms(int64_t t_ms)
{
    return t_ms / PROCESS_WINDOW_MS; /* none is below 0 */
}

/* The samples of windows that are kept whatever the clock says, from `floor` on. */
static inline size_t model_count(const struct model *m, int64_t floor)
{
    int64_t oldest = i64_max(floor, window_of_ms(m->newest_ms) - PROCESS_WINDOWS + 1);
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += !m->samples[i].is_deleted && window_of_ms(m->samples[i].t_ms) >= oldest;
    return n;
}

/* It has what the model has of the windows that are in memory, and nothing else. */
static inline void process_expect(struct process *p, const struct model *model)
{
    int64_t oldest =
        i64_max(process_floor(p), window_of_ms(model->newest_ms) - PROCESS_WINDOWS + 1);
    size_t n = 0;
    struct read_set set;
    (void)process_count(p, model);
    set = process_read(p);
    for (size_t i = 0; i < set.n; i++)
        for (size_t k = 0; k < set.series[i].n; k++)
            n += window_of_ms(set.series[i].t_ms[k]) >= oldest;
    region_release(&p->region);
    cr_assert_eq(n, model_count(model, process_floor(p)), "%zu samples, %zu were acknowledged", n,
                 model_count(model, process_floor(p)));
}

#endif
