/* Writers, readers, a counter of usage, a ticker and a dumper at once, for about a second: nothing
 * may be seen half, and the store must be whole at the end. Worth most under ThreadSanitizer.
 * SECONDS makes it longer.
 */
#include "tests/unit/tsdb/test_copy.h"
#include "tsdb/delete.h"
#include "tsdb/usage.h"

#include <pthread.h>
#include <time.h>

enum { WINDOW_MS = 10000, N_WINDOWS = 4, SERIES = 40, WRITERS = 2, READERS = 2, GROUP = 3 };

struct world {
    struct test_store store;
    atomic_bool is_over;
    atomic_ulong n_written, n_read, n_dumped, n_ticks, n_stays, n_usages, n_deleted;
    atomic_ulong generation; /* of series that all writers make at once */
    atomic_llong wall_ms;    /* the ticker moves it */
    atomic_llong boot_ms;
};

static struct world w;

static int64_t fake_wall(void *ctx)
{
    return atomic_load(&((struct world *)ctx)->wall_ms);
}

static int64_t fake_boot(void *ctx)
{
    return atomic_load(&((struct world *)ctx)->boot_ms);
}

static void set_up(enum tsdb_clock clock)
{
    struct tsdb_options o = {
        .window_ms = WINDOW_MS,
        .n_windows = N_WINDOWS,
        .out_of_order_ms = WINDOW_MS / 2 + GROUP - 1,
        .clock = clock,
        .wall_ms = fake_wall,
        .boot_ms = fake_boot,
        .clock_ctx = &w,
    };
    atomic_store(&w.wall_ms, TEST_START_MS);
    atomic_store(&w.boot_ms, 1000);
    test_store_new(&w.store, &o);
}

/* ---- threads ---- */

/* A writer hands in groups of samples of one series: GROUP of them from a time on, all with that
 * time as their value. Readers look for groups that were seen in part. Some series come and go,
 * some are written by all writers, each at times of its own. */
enum { SHARED = 8, OWN_TIMES = 5 };

static void write_group(struct append *b, const char *series, int64_t t_ms,
                        struct append_counts *counts)
{
    struct test_labels l;
    struct sample samples[GROUP];
    for (unsigned i = 0; i < GROUP; i++)
        samples[i] = (struct sample){t_ms + i, test_bits((double)t_ms)};
    (void)append_samples(b, test_labels(&l, series), samples, GROUP, counts);
}

static void write_request(unsigned writer, int64_t t_ms, uint64_t round)
{
    struct append b;
    struct append_counts counts = {0};
    char series[48];
    append_begin(&b, w.store.db);
    for (unsigned i = 0; i < SERIES; i++) {
        snprintf(series, sizeof(series), "m%u{i=x%u,life=l%u}", writer, i,
                 (unsigned)(i < 5 ? round / 40 : 0));
        write_group(&b, series, t_ms, &counts);
    }
    for (unsigned i = 0; i < SHARED; i++) {
        snprintf(series, sizeof(series), "shared{i=x1%u}", i);
        write_group(&b, series, t_ms + writer * OWN_TIMES, &counts);
    }
    for (unsigned i = 0; i < SHARED; i++) { /* made by whoever comes first */
        snprintf(series, sizeof(series), "shared{i=x1%u,g=g%lu}", i, atomic_load(&w.generation));
        write_group(&b, series, t_ms + writer * OWN_TIMES, &counts);
    }
    atomic_store(&w.generation, round / 8);
    append_end(&b);
    atomic_fetch_add(&w.n_written, counts.stored);
}

/* Late by 30 ms and some tenths of a second. All groups begin at multiples of 5 ms, so none has one
 * foot on each side of the out-of-order window, or of a window's edge. */
static void *writer(void *ctx)
{
    unsigned number = *(const unsigned *)ctx;
    struct random r;
    random_init(&r, number);
    for (uint64_t round = 0; !atomic_load(&w.is_over); round++) {
        bool is_late = random_below(&r, 8) == 0;
        int64_t late = is_late ? 30 + 100 * (int64_t)random_below(&r, WINDOW_MS / 100) : 0;
        int64_t now = w.store.db->options.clock == CLOCK_WALL
                          ? atomic_load(&w.wall_ms)
                          : TEST_START_MS + (int64_t)round * 250;
        write_request(number, now - late, round);
        if (round % 16 == 15) /* creating series prefers writers: leave the others a turn */
            nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return NULL;
}

/* Every group that was seen was seen whole. */
static bool is_whole(const struct read_series *s)
{
    for (size_t k = 0; k < s->n; k++) {
        double first = (double)s->t_ms[k];
        if (k + GROUP > s->n)
            return false;
        for (unsigned i = 0; i < GROUP; i++, k++)
            if (s->t_ms[k] != (int64_t)first + i || s->values[k] != test_bits(first))
                return false;
        k--;
    }
    return true;
}

static bool are_whole(const struct read_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (!is_whole(&set->series[i]))
            return false;
    return true;
}

static bool read_once(struct region *r, const char *metric, struct random *random)
{
    struct test_matchers m = {0};
    struct read_set set = {0};
    struct read_text *texts = NULL;
    size_t n = 0;
    /* a range that no longer changes would hide half a request: read the newest as well */
    struct read_options o = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    test_matcher_add(&m, MATCH_EQUAL, LABEL_METRIC_NAME, metric);
    if (random_below(random, 2) == 0)
        test_matcher_add(&m, MATCH_REGEX, "i", "x[1-3][0-9]");
    else
        test_matcher_add(&m, MATCH_NOT_REGEX, "i", "x[0-9]");
    bool is_good = read_select(w.store.db, &m.set, &o, r, &set) == 0 && are_whole(&set) &&
                   read_label_values(w.store.db, "life", 4, NULL, 0, &o, r, &texts, &n) == 0;
    for (size_t i = 1; i < n; i++)
        is_good = is_good && strcmp(texts[i - 1].bytes, texts[i].bytes) < 0;
    matcher_set_release(&m.set);
    region_release(r);
    return is_good;
}

static void *reader(void *ctx)
{
    static const char *const metrics[] = {"m0", "m1", "shared"};
    unsigned number = *(const unsigned *)ctx;
    struct random random;
    struct region r;
    random_init(&random, number);
    region_init(&r, &w.store.arena, budget_owner(&w.store.budget, "queries"), 0);
    while (!atomic_load(&w.is_over)) {
        cr_assert(read_once(&r, metrics[random_below(&random, ARRAY_LEN(metrics))], &random));
        atomic_fetch_add(&w.n_read, 1);
    }
    return NULL;
}

/* One that stays inside for some time with what it found: windows expire, series are removed and
 * written to meanwhile, and what it sees of each is whole or nothing. */
enum { STAY_SERIES = 64, STAY_READS = 40 };

struct stay {
    struct window_span spans[WINDOW_SLOTS];
    uint32_t n_spans;
    const struct series *series[STAY_SERIES];
    size_t n;
};

static void look_around(struct stay *s, uint64_t from)
{
    struct tsdb *db = w.store.db;
    s->n = 0;
    s->n_spans = store_spans_locked(db, INT64_MIN, INT64_MAX, s->spans);
    for (uint64_t id = from; s->n < STAY_SERIES && id < db->series.next_id; id++) {
        slot at = series_of_id(db->arena, &db->series, (uint32_t)id);
        if (at != 0)
            s->series[s->n++] = series_at(db->arena, at);
    }
}

static void read_again(const struct stay *s, struct times_cache *times)
{
    enum { SAMPLES_MAX = 20000 };
    static int64_t t_ms[SAMPLES_MAX];
    static uint64_t values[SAMPLES_MAX];
    const struct arena *a = &w.store.arena;
    struct chunk_view v;
    for (size_t i = 0; i < s->n; i++)
        for (uint32_t k = 0; k < s->n_spans; k++) {
            if (!series_view(a, s->series[i], s->spans[k].serial, &v))
                continue;
            cr_assert_leq(chunk_room(a, &v, 0, UINT32_MAX), (size_t)SAMPLES_MAX);
            size_t n = chunk_read(a, times, &v, 0, UINT32_MAX, s->spans[k].start_ms, t_ms, values);
            struct read_series got = {.n = n, .t_ms = t_ms, .values = values};
            cr_assert(n == v.c.n_samples && is_whole(&got));
        }
}

static void *stayer(void *ctx)
{
    static struct times_item items[TIMES_CACHE_READER];
    static struct stay s;
    struct tsdb *db = w.store.db;
    struct times_cache times;
    struct random r;
    (void)ctx;
    random_init(&r, 3);
    while (!atomic_load(&w.is_over)) {
        pthread_rwlock_rdlock(&db->lock);
        unsigned place = slots_enter(&db->slots);
        look_around(&s, 1 + random_below(&r, db->series.next_id));
        pthread_rwlock_unlock(&db->lock);
        times_cache_init(&times, items, TIMES_CACHE_READER);
        for (int i = 0; i < STAY_READS && !atomic_load(&w.is_over); i++) {
            read_again(&s, &times);
            nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
        }
        slots_leave(&db->slots, place);
        atomic_fetch_add(&w.n_stays, 1);
    }
    return NULL;
}

/* Series, pairs and names come and go meanwhile; nobody is given what another one holds. */
static void *counter(void *ctx)
{
    struct region r;
    static struct usage u;
    (void)ctx;
    region_init(&r, &w.store.arena, budget_owner(&w.store.budget, "queries"), 0);
    while (!atomic_load(&w.is_over)) {
        uint64_t sum = 0;
        cr_assert_eq(usage_read(w.store.db, 1000, NULL, &r, &u), 0);
        for (size_t i = 0; i < u.bytes_by_metric.n; i++)
            sum += u.bytes_by_metric.rows[i].value;
        cr_assert_leq(sum, u.series_bytes);
        for (size_t i = 0; i < u.bytes_by_pair.n; i++)
            cr_assert_leq(u.bytes_by_pair.rows[i].value, u.series_bytes);
        region_release(&r);
        atomic_fetch_add(&w.n_usages, 1);
    }
    return NULL;
}

static void *ticker(void *ctx)
{
    (void)ctx;
    while (!atomic_load(&w.is_over)) {
        atomic_fetch_add(&w.wall_ms, 500);
        atomic_fetch_add(&w.boot_ms, 500);
        tsdb_tick(w.store.db);
        struct tsdb_stats stats = test_stats(&w.store);
        cr_assert_leq(stats.n_windows, N_WINDOWS + 2u);
        atomic_fetch_add(&w.n_ticks, 1);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return NULL;
}

/* Deletes whole groups: its intervals begin and end between them. Now and then everything. */
static void *deleter(void *ctx)
{
    static const char *const values[] = {"x[0-9]", "x1.", "x2[5-9]", "x.?3", "x.*"};
    struct random random;
    struct region r;
    (void)ctx;
    random_init(&random, 9);
    region_init(&r, &w.store.arena, budget_owner(&w.store.budget, "queries"), 0);
    while (!atomic_load(&w.is_over)) {
        struct test_matchers m = {0};
        struct delete_report report = {0};
        struct delete_options o = {.cancel = &w.is_over};
        int64_t newest_ms = i64_max(test_stats(&w.store).max_ms, 0); /* below: nothing is there */
        o.min_ms = newest_ms - 100 * (int64_t)random_below(&random, 200);
        o.min_ms -= o.min_ms % 5 + 1;
        o.max_ms = o.min_ms + 100 * (int64_t)random_below(&random, 50);
        if (random_below(&random, 30) == 0)
            o.min_ms = INT64_MIN;
        test_matcher_add(&m, MATCH_REGEX, "i", values[random_below(&random, ARRAY_LEN(values))]);
        int err = delete_select(w.store.db, &m.set, 1, &o, &r, &report);
        cr_assert(err == 0 || err == ERR_CANCELED);
        matcher_set_release(&m.set);
        region_release(&r);
        atomic_fetch_add(&w.n_deleted, report.samples);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return NULL;
}

struct dumped {
    uint32_t series;
    uint64_t n;
};

static int seen(struct dumped *d, uint32_t series)
{
    cr_assert_geq(series, d->series);
    d->series = series;
    return ++d->n % 7 == 0; /* a slice ends */
}

static int see_times(void *ctx, const struct dump_times *t)
{
    struct dumped *d = ctx;
    for (uint32_t i = 1; i < t->n; i++)
        cr_assert_lt(t->times[i - 1], t->times[i]);
    return ++d->n % 7 == 0;
}

static int see_shared(void *ctx, const struct dump_shared *s)
{
    struct dumped *d = ctx;
    cr_assert(s->n_bytes >= SHARED_BYTES_MIN && s->n_bytes <= COLUMN_BYTES_MAX);
    return ++d->n % 7 == 0;
}

static int see_block(void *ctx, uint32_t series, const struct dump_block *b)
{
    uint64_t values[BLOCK_SAMPLES_MAX];
    struct block block = {.encoding = b->encoding,
                          .n_samples = b->n_samples,
                          .n_values_bytes = b->n_values_bytes,
                          .values = b->values};
    uint32_t part = (uint32_t)size_min(b->n_samples, BLOCK_SAMPLES_MAX);
    cr_assert(b->is_shared || block_values(&block, 0, part, values));
    return seen(ctx, series);
}

static int see_tail(void *ctx, uint32_t series, const struct dump_tail *t)
{
    for (uint32_t i = 1; i < t->n; i++)
        cr_assert_lt(t->places[i - 1], t->places[i]);
    return seen(ctx, series);
}

static void *dumper(void *ctx)
{
    (void)ctx;
    const struct dump_visitor v = {
        .times = see_times, .shared = see_shared, .block = see_block, .tail = see_tail};
    while (!atomic_load(&w.is_over)) {
        struct tsdb_stats stats = test_stats(&w.store);
        uint64_t end = dump_series_end(w.store.db);
        uint32_t dump = dump_begin(w.store.db);
        for (uint32_t i = 0; i < stats.n_windows; i++) {
            struct dump_cursor cursor = {0};
            struct dumped d = {0};
            while (dump_window(w.store.db, dump, stats.windows[i].number, &cursor, end, &v, &d) ==
                   1)
                ;
            atomic_fetch_add(&w.n_dumped, d.n);
        }
    }
    return NULL;
}

/* ---- the run ---- */

static void expect_no_series_twice(void)
{
    struct read_options o = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    struct labels *sets;
    size_t n = 0;
    cr_assert_eq(read_label_sets(w.store.db, NULL, 0, &o, &w.store.region, &sets, &n), 0);
    cr_assert_eq(n, test_stats(&w.store).series);
    for (size_t i = 1; i < n; i++)
        cr_assert_lt(labels_compare(&sets[i - 1], &sets[i]), 0);
}

/* Whatever order things happened in, a restart finds the same pages; but where chunks were cut,
 * whose form is not one that restoring makes. */
static void expect_restores_as_it_is(bool has_deletions)
{
    static struct test_copy c;
    static struct test_store copy;
    test_store_new(&copy, tsdb_options(w.store.db));
    test_store_check(&w.store);
    test_copy_begin(&c, w.store.db, copy.db, 100);
    test_copy_windows(&c, test_copy_labels(&c), NULL, NULL);
    test_same_samples(&w.store, &copy);
    if (!has_deletions)
        test_same_pages(&w.store, &copy, true);
    test_store_free(&copy);
}

static void run(enum tsdb_clock clock, bool has_deletions)
{
    static unsigned numbers[] = {0, 1, 2, 3};
    pthread_t threads[WRITERS + READERS + 5];
    size_t n = 0;
    set_up(clock);
    for (unsigned i = 0; i < WRITERS; i++)
        cr_assert_eq(pthread_create(&threads[n++], NULL, writer, &numbers[i]), 0);
    for (unsigned i = 0; i < READERS; i++)
        cr_assert_eq(pthread_create(&threads[n++], NULL, reader, &numbers[i]), 0);
    cr_assert_eq(pthread_create(&threads[n++], NULL, stayer, NULL), 0);
    cr_assert_eq(pthread_create(&threads[n++], NULL, counter, NULL), 0);
    cr_assert_eq(pthread_create(&threads[n++], NULL, ticker, NULL), 0);
    cr_assert_eq(pthread_create(&threads[n++], NULL, dumper, NULL), 0);
    if (has_deletions)
        cr_assert_eq(pthread_create(&threads[n++], NULL, deleter, NULL), 0);
    nanosleep(&(struct timespec){.tv_sec = (time_t)random_setting("SECONDS", 1)}, NULL);
    atomic_store(&w.is_over, true);
    while (n > 0)
        cr_assert_eq(pthread_join(threads[--n], NULL), 0);
    cr_assert_gt(atomic_load(&w.n_written), 100);
    cr_assert_gt(atomic_load(&w.n_read), 1);
    cr_assert_gt(atomic_load(&w.n_ticks), 1);
    cr_assert_gt(atomic_load(&w.n_dumped), 1);
    cr_assert_gt(atomic_load(&w.n_stays), 1);
    cr_assert_gt(atomic_load(&w.n_usages), 1);
    cr_assert(!has_deletions || atomic_load(&w.n_deleted) > 10 * GROUP);
    tsdb_tick(w.store.db);
    expect_no_series_twice();
    expect_restores_as_it_is(has_deletions);
    test_store_free(&w.store);
}

Test(store_thread, everybody_at_once_by_samples, .timeout = 60)
{
    run(CLOCK_SAMPLES, false);
}

Test(store_thread, everybody_and_a_deleter_by_samples, .timeout = 60)
{
    run(CLOCK_SAMPLES, true);
}

Test(store_thread, everybody_and_a_deleter_by_the_wall, .timeout = 60)
{
    run(CLOCK_WALL, true);
}

Test(store_thread, everybody_at_once_by_the_wall, .timeout = 60)
{
    run(CLOCK_WALL, false);
}

/* ---- a limit that all run into ---- */

enum { MAX_SERIES = 300, RUNNERS = 3 };

static void *maker(void *ctx)
{
    unsigned number = *(const unsigned *)ctx;
    uint64_t n_refused = 0;
    for (unsigned i = 0; i < MAX_SERIES; i++) {
        struct append_counts counts = {0};
        struct append b;
        char own[40], common[40];
        append_begin(&b, w.store.db);
        snprintf(own, sizeof(own), "own{i=x%u,w=w%u}", i, number);
        snprintf(common, sizeof(common), "common{i=x%u}", i);
        write_group(&b, common, TEST_START_MS + number * OWN_TIMES, &counts);
        write_group(&b, own, TEST_START_MS, &counts);
        append_end(&b);
        cr_assert(counts.first_err == 0 || counts.first_err == ERR_MAX_SERIES);
        cr_assert_eq(counts.stored + counts.refused, 2 * GROUP);
        n_refused += counts.refused;
        cr_assert_leq(test_stats(&w.store).series, MAX_SERIES);
    }
    atomic_fetch_add(&w.n_written, n_refused);
    return NULL;
}

Test(store_thread, the_limit_of_series_holds_whoever_makes_them, .timeout = 60)
{
    static unsigned numbers[] = {0, 1, 2};
    pthread_t threads[RUNNERS];
    for (int round = 0; round < 5; round++) {
        struct tsdb_options o = test_store_options(&w.store, CLOCK_SAMPLES);
        o.max_series = MAX_SERIES;
        test_store_new(&w.store, &o);
        atomic_store(&w.n_written, 0);
        for (unsigned i = 0; i < RUNNERS; i++)
            cr_assert_eq(pthread_create(&threads[i], NULL, maker, &numbers[i]), 0);
        for (unsigned i = 0; i < RUNNERS; i++)
            cr_assert_eq(pthread_join(threads[i], NULL), 0);
        struct tsdb_stats stats = test_stats(&w.store);
        cr_assert_eq(stats.series, MAX_SERIES);
        cr_assert_eq(stats.refused_limit, atomic_load(&w.n_written));
        cr_assert_gt(stats.refused_limit, 0);
        expect_no_series_twice();
        test_store_free(&w.store);
    }
}

/* ---- a window whose table of members grows while it is dumped ---- */

enum { FAR_APART = ARENA_PAGE_BYTES * 8, FAR_SERIES = 24 }; /* each id in another leaf */

static void *far_writer(void *ctx)
{
    (void)ctx;
    for (unsigned i = 0; i < FAR_SERIES; i++) {
        struct append b;
        struct append_counts counts = {0};
        char series[32];
        pthread_rwlock_wrlock(&w.store.db->lock);
        w.store.db->series.next_id += FAR_APART;
        pthread_rwlock_unlock(&w.store.db->lock);
        snprintf(series, sizeof(series), "far{i=x%u}", i);
        append_begin(&b, w.store.db);
        write_group(&b, series, TEST_START_MS, &counts);
        append_end(&b);
        atomic_fetch_add(&w.n_written, 1);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return NULL;
}

static int count_tail(void *ctx, uint32_t series, const struct dump_tail *t)
{
    (void)series;
    (void)t;
    ++*(unsigned long *)ctx;
    return 0;
}

static int count_block(void *ctx, uint32_t series, const struct dump_block *b)
{
    (void)series;
    (void)b;
    ++*(unsigned long *)ctx;
    return 0;
}

static int ignore_times(void *ctx, const struct dump_times *t)
{
    (void)ctx;
    (void)t;
    return 0;
}

static int ignore_shared(void *ctx, const struct dump_shared *s)
{
    (void)ctx;
    (void)s;
    return 0;
}

/* Every series that was there before a dump is in it. */
Test(store_thread, a_dump_finds_the_members_of_a_window_that_gets_more, .timeout = 60)
{
    const struct dump_visitor v = {
        .times = ignore_times, .shared = ignore_shared, .block = count_block, .tail = count_tail};
    pthread_t thread;
    set_up(CLOCK_WALL);
    cr_assert_eq(pthread_create(&thread, NULL, far_writer, NULL), 0);
    for (unsigned long before = 0; before < FAR_SERIES;) {
        struct dump_cursor cursor = {0};
        unsigned long n = 0;
        before = atomic_load(&w.n_written);
        cr_assert_eq(dump_window(w.store.db, dump_begin(w.store.db),
                                 tsdb_window_of(w.store.db, TEST_START_MS), &cursor,
                                 dump_series_end(w.store.db), &v, &n),
                     0);
        cr_assert_geq(n, before);
    }
    cr_assert_eq(pthread_join(thread, NULL), 0);
    test_store_free(&w.store);
}

/* ---- series that are all equal ---- */

enum { EQUAL_SERIES = 130, EQUAL_WRITERS = 3, EQUAL_STEPS = 400 }; /* series of each writer */

/* The value of a time: all its bits count. */
static uint64_t equal_value(int64_t t_ms)
{
    uint64_t bits = (uint64_t)t_ms * UINT64_C(0x9E3779B97F4A7C15);
    return (bits ^ bits >> 29) * UINT64_C(0xBF58476D1CE4E5B9);
}

static void *equal_writer(void *ctx)
{
    unsigned number = *(const unsigned *)ctx;
    char series[40];
    for (int k = 0; k < EQUAL_STEPS; k++) {
        struct append b;
        struct append_counts counts = {0};
        append_begin(&b, w.store.db);
        for (unsigned i = 0; i < EQUAL_SERIES; i++) {
            struct test_labels l;
            int64_t t_ms = TEST_START_MS + k * 20;
            struct sample sample = {t_ms, equal_value(t_ms)};
            snprintf(series, sizeof(series), "equal{i=x%u,w=w%u}", i, number);
            cr_assert_eq(append_samples(&b, test_labels(&l, series), &sample, 1, &counts), 0);
        }
        append_end(&b);
    }
    return NULL;
}

static void *equal_reader(void *ctx)
{
    struct region r;
    (void)ctx;
    region_init(&r, &w.store.arena, budget_owner(&w.store.budget, "queries"), 0);
    while (!atomic_load(&w.is_over)) {
        static const struct matcher_set all = {NULL, 0};
        struct read_set set = {0};
        struct read_options o = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
        cr_assert_eq(read_select(w.store.db, &all, &o, &r, &set), 0);
        for (size_t i = 0; i < set.n; i++)
            for (size_t k = 0; k < set.series[i].n; k++)
                cr_assert_eq(set.series[i].values[k], equal_value(set.series[i].t_ms[k]));
        region_release(&r);
        atomic_fetch_add(&w.n_read, 1);
    }
    return NULL;
}

/* All of a store that many write to and read share their values, and it is sound. */
Test(store_thread, equal_series_share_their_values_whoever_writes_them, .timeout = 60)
{
    static unsigned numbers[] = {0, 1, 2};
    pthread_t writers[EQUAL_WRITERS], others[2];
    set_up(CLOCK_SAMPLES);
    cr_assert_eq(pthread_create(&others[0], NULL, equal_reader, NULL), 0);
    cr_assert_eq(pthread_create(&others[1], NULL, dumper, NULL), 0);
    for (unsigned i = 0; i < EQUAL_WRITERS; i++)
        cr_assert_eq(pthread_create(&writers[i], NULL, equal_writer, &numbers[i]), 0);
    for (unsigned i = 0; i < EQUAL_WRITERS; i++)
        cr_assert_eq(pthread_join(writers[i], NULL), 0);
    atomic_store(&w.is_over, true);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        cr_assert_eq(pthread_join(others[i], NULL), 0);
    cr_assert_gt(window_live(&w.store.db->windows, 0)->n_shared, 10);
    expect_restores_as_it_is(false);
    test_store_free(&w.store);
}
