/* Many threads submit while others cut, drop, sync and ask, and the disk fails now and then. What
 * was acknowledged and not dropped comes back. SEED repeats what is
 * random but for the threads' turns. */
#include "snapshot/journal.h"

#include "test_journal.h"
#include "tests/support/random.h"

enum { THREADS = 4, PER_THREAD = 400 };

static struct test_journal t;

static void given_a_disk(void)
{
    test_journal_init(&t);
    t.o.segment_bytes = JOURNAL_SEGMENT_BYTES_MIN;
    t.o.sync_ms = 1;
}

static void release(void)
{
    test_journal_release(&t);
}

TestSuite(journal_threads, .init = given_a_disk, .fini = release, .timeout = 120);

static uint64_t segments[THREADS * PER_THREAD]; /* where a record is; 0 = not acknowledged */
static atomic_bool is_over;
static atomic_ullong dropped_below;
static uint64_t seed;

/* As a request does: on its own thread if that may be. NULL: it is refused. */
static struct test_entry *write_or_submit(unsigned number, size_t n)
{
    struct test_entry *te = test_entry_new(&t, number, n);
    if (journal_write(t.j, &te->e) || journal_submit(t.j, &te->e) == 0)
        return te;
    atomic_store(&te->is_done, true);
    (void)test_entry_free(te);
    return NULL;
}

/* As a sender does: again after a while when it is refused, but not for ever. */
static struct test_entry *submit_patiently(unsigned number, size_t n)
{
    struct test_entry *te = NULL;
    int err;
    for (int i = 0; i < 30 && !te; i++) {
        te = number % 2 ? write_or_submit(number, n) : test_submit(&t, number, n, &err);
        if (!te)
            usleep(300);
    }
    return te;
}

/* Submits in small groups, so that some wait together. */
static void *submit(void *of_thread)
{
    unsigned begin = *(unsigned *)of_thread, end = begin + PER_THREAD;
    struct random random;
    random_init(&random, seed + begin);
    for (unsigned i = begin; i < end;) {
        struct test_entry *group[8];
        unsigned n = 1 + (unsigned)random_below(&random, 8), n_taken = 0;
        for (; n > 0 && i < end; n--, i++) {
            group[n_taken] = submit_patiently(i, random_below(&random, 3000));
            n_taken += group[n_taken] != NULL;
        }
        for (unsigned k = 0; k < n_taken; k++) {
            test_entry_wait(group[k]);
            unsigned number = (unsigned)group[k]->e.time_ms;
            uint64_t segment = group[k]->e.segment;
            segments[number] = test_entry_free(group[k]) == 0 ? segment : 0;
        }
    }
    return NULL;
}

static void *cut_and_drop(void *unused)
{
    while (!atomic_load(&is_over)) {
        uint64_t number;
        journal_cut(t.j, &number);
        if (journal_drop(t.j, number) == 0)
            atomic_store(&dropped_below, number);
        struct journal_stats s;
        journal_stats(t.j, &s);
        cr_assert_eq(journal_sync(t.j), 0);
        cr_assert(journal_check(t.j));
        usleep(2000);
    }
    return unused;
}

static void *break_and_mend(void *unused)
{
    static const int kinds[] = {SW_WRITE, SW_SYNC, SW_CREATE, SW_TRUNCATE, SW_SYNC_DIR};
    struct random random;
    random_init(&random, seed ^ 0xbad);
    while (!atomic_load(&is_over)) {
        int kind = kinds[random_below(&random, ARRAY_LEN(kinds))];
        atomic_store(&t.io.errnos[kind], EIO);
        usleep((unsigned)random_below(&random, 500));
        atomic_store(&t.io.errnos[kind], 0);
        atomic_fetch_add(&t.now_ns, JOURNAL_RETRY_MS * 1000000LL);
        usleep((unsigned)random_below(&random, 3000));
    }
    return unused;
}

static void run(enum journal_mode mode, bool is_breaking, bool is_dropping)
{
    static unsigned begins[THREADS];
    pthread_t threads[THREADS + 2];
    int n = THREADS;
    t.o.mode = mode;
    test_journal_open(&t);
    for (unsigned i = 0; i < THREADS; i++) {
        begins[i] = i * PER_THREAD;
        cr_assert_eq(pthread_create(&threads[i], NULL, submit, &begins[i]), 0);
    }
    if (is_dropping)
        cr_assert_eq(pthread_create(&threads[n++], NULL, cut_and_drop, NULL), 0);
    if (is_breaking)
        cr_assert_eq(pthread_create(&threads[n++], NULL, break_and_mend, NULL), 0);
    for (int i = 0; i < n; i++) {
        if (i == THREADS)
            atomic_store(&is_over, true);
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    }
    cr_assert(journal_check(t.j));
    for (int i = 0; i < SW_KINDS; i++)
        atomic_store(&t.io.errnos[i], 0);
    (void)(journal_close(t.j) == 0);
    cr_assert_not(atomic_load(&t.is_disordered));
}

/* Also that it was more than a handful. */
static void expect_acknowledged(unsigned at_least)
{
    unsigned n = 0;
    test_replay(&t);
    for (unsigned i = 0; i < THREADS * PER_THREAD; i++) {
        n += segments[i] != 0;
        if (segments[i] != 0 && segments[i] >= atomic_load(&dropped_below))
            cr_assert_eq(t.times_back[i], 1, "record %u of segment %llu is lost", i,
                         (unsigned long long)segments[i]);
    }
    cr_assert_geq(n, at_least);
}

Test(journal_threads, nothing_is_lost_while_all_is_well)
{
    seed = random_seed();
    run(JOURNAL_INTERVAL, false, true);
    expect_acknowledged(THREADS * PER_THREAD);
    cr_assert(journal_replay_is_clean(&t.report), "%s", t.report.detail);
}

Test(journal_threads, nothing_acknowledged_is_lost_on_a_failing_disk)
{
    seed = random_seed();
    run(JOURNAL_INTERVAL, true, false);
    expect_acknowledged(100);
    cr_assert(journal_replay_is_clean(&t.report), "%s", t.report.detail);
}

Test(journal_threads, nothing_acknowledged_is_lost_in_a_power_cut)
{
    seed = random_seed();
    t.disk.is_forgetful = true;
    run(JOURNAL_ALWAYS, true, false);
    io_mem_cut_power(&t.disk);
    expect_acknowledged(100);
}
