/* A journal on a disk that fails: what was acknowledged comes back, and it recovers by itself. */
#include "snapshot/journal.h"

#include "snapshot/journal_state.h"
#include "temp_dir.h"
#include "test_journal.h"
#include "tests/support/random.h"

static struct test_journal t;

static void given_a_disk(void)
{
    test_journal_init(&t);
}

static void release(void)
{
    test_journal_release(&t);
}

TestSuite(journal_faults, .init = given_a_disk, .fini = release, .timeout = 120);

static void begin(enum journal_mode mode)
{
    t.o.mode = mode;
    test_journal_open(&t);
}

static void fails_with(enum switched kind, int reason)
{
    atomic_store(&t.io.errnos[kind], reason);
}

static void pass_ms(int64_t ms)
{
    atomic_fetch_add(&t.now_ns, ms * 1000000);
}

static void expect_back(const char *numbers)
{
    test_replay(&t);
    cr_assert(journal_replay_is_clean(&t.report), "%s", t.report.detail);
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(t.times_back[i], strchr(numbers, '0' + (int)i) != NULL, "record %u", i);
}

static void expect_refused(unsigned number, int reason)
{
    cr_assert_eq(test_write(&t, number), ERR_IO);
    cr_assert_eq(errno, reason, "%s", strerror(errno));
}

/* --- each call in turn --- */

/* Beside the writer, once it is there. */
static bool write_here(unsigned number, int *ret_err)
{
    for (bool is_waiting = false; !is_waiting; usleep(100)) {
        pthread_mutex_lock(&t.j->lock);
        is_waiting = t.j->is_writer_waiting;
        pthread_mutex_unlock(&t.j->lock);
    }
    return test_write_here(&t, number, test_body_bytes(number), ret_err);
}

Test(journal_faults, a_failing_write_of_the_callers_is_not_acknowledged)
{
    int err;
    begin(JOURNAL_INTERVAL);
    cr_assert(write_here(0, &err) && err == 0);
    pass_ms(JOURNAL_RETRY_MS);
    fails_with(SW_WRITE, ENOSPC);
    cr_assert(write_here(1, &err) && err == ERR_IO && errno == ENOSPC);
    cr_assert(test_journal_stats(&t).is_failing);
    cr_assert_eq(test_journal_stats(&t).n_failed, 1);
    fails_with(SW_WRITE, 0);
    cr_assert_not(write_here(2, &err), "a segment is begun by the writer");
    cr_assert_eq(test_write(&t, 2), 0);
    cr_assert(write_here(3, &err) && err == 0);
    test_close(&t);
    expect_back("023");
}

Test(journal_faults, a_failing_write_is_not_acknowledged)
{
    begin(JOURNAL_INTERVAL);
    cr_assert_eq(test_write(&t, 0), 0);
    pass_ms(JOURNAL_RETRY_MS);
    fails_with(SW_WRITE, ENOSPC);
    expect_refused(1, ENOSPC);
    struct journal_stats s = test_journal_stats(&t);
    cr_assert(s.is_failing && s.sys_errno == ENOSPC && s.failed_segment == 1);
    cr_assert_str_eq(s.failed_call, "write");
    cr_assert_eq(s.failing_since_ms, test_now_ms(&t));
    expect_refused(2, ENOSPC); /* the attempt at a new segment */
    int n_calls = atomic_load(&t.io.n_calls[SW_CREATE]);
    pass_ms(JOURNAL_RETRY_MS - 1);
    expect_refused(3, ENOSPC);
    cr_assert_eq(atomic_load(&t.io.n_calls[SW_CREATE]), n_calls, "tried again too early");
    cr_assert_eq(test_journal_stats(&t).n_refused_failing, 1);
    fails_with(SW_WRITE, 0);
    pass_ms(1);
    cr_assert_eq(test_write(&t, 4), 0);
    cr_assert_not(test_journal_stats(&t).is_failing);
    cr_assert_eq(test_journal_stats(&t).failing_since_ms, 0);
    cr_assert_eq(atomic_load(&t.n_wants[JOURNAL_WANT_SAFETY]), 0, "nothing is in doubt");
    test_close(&t);
    expect_back("04");
}

Test(journal_faults, a_long_failure_leaves_no_heap_of_files)
{
    begin(JOURNAL_INTERVAL);
    cr_assert_eq(test_write(&t, 0), 0);
    fails_with(SW_WRITE, ENOSPC);
    for (int i = 0; i < 200; i++) {
        pass_ms(JOURNAL_RETRY_MS);
        expect_refused(1, ENOSPC);
    }
    fails_with(SW_WRITE, 0);
    /* the head is written and then a record is not */
    t.disk.resize = NULL;
    for (int i = 0; i < IO_MEM_FILES; i++)
        if (t.disk.files[i].name[0] == '\0') {
            t.disk.files[i].bytes = realloc(t.disk.files[i].bytes, 200);
            t.disk.files[i].capacity = 200;
        }
    for (int i = 0; i < 200; i++) {
        pass_ms(JOURNAL_RETRY_MS);
        cr_assert_eq(test_write_sized(&t, 1, 1000), ERR_IO);
        cr_assert_eq(journal_sync(t.j), 0);
    }
    cr_assert_leq(test_journal_stats(&t).n_segments, 2);
    t.disk.resize = realloc;
    pass_ms(JOURNAL_RETRY_MS);
    cr_assert_eq(test_write(&t, 2), 0);
    test_close(&t);
    expect_back("02");
}

Test(journal_faults, a_record_that_is_half_written_is_cut_off)
{
    for (int can_truncate = 0; can_truncate < 2; can_truncate++) {
        atomic_store(&t.last_sequence, 0);
        begin(JOURNAL_INTERVAL);
        cr_assert_eq(test_write(&t, 0), 0);
        uint64_t good = test_journal_stats(&t).bytes;
        int err;
        hold(&t.io, SW_WRITE); /* until the batch lies there */
        struct test_entry *long_one = test_submit(&t, 1, 3 * JOURNAL_WRITE_BYTES, &err);
        usleep(10000);
        fails_with(SW_TRUNCATE, can_truncate ? 0 : EIO);
        let_go(&t.io, SW_WRITE);
        while (test_journal_stats(&t).bytes == good && !atomic_load(&long_one->is_done))
            usleep(10);
        fails_with(SW_WRITE, EIO);
        err = test_entry_free(long_one);
        fails_with(SW_WRITE, 0);
        pass_ms(JOURNAL_RETRY_MS);
        cr_assert_eq(test_write(&t, 2), 0);
        test_close(&t);
        expect_back(err == 0 ? "012" : "02");
        if (err < 0)
            cr_assert(can_truncate ? t.report.torn_bytes == 0 : t.report.torn_bytes > 0);
        for (int i = 0; i < IO_MEM_FILES; i++)
            t.disk.files[i].name[0] = '\0';
    }
}

Test(journal_faults, a_failing_sync_fails_those_who_wait_for_it)
{
    begin(JOURNAL_ALWAYS);
    cr_assert_eq(test_write(&t, 0), 0);
    fails_with(SW_SYNC, EIO);
    expect_refused(1, EIO);
    cr_assert_str_eq(test_journal_stats(&t).failed_call, "sync");
    fails_with(SW_SYNC, 0);
    int n_syncs = atomic_load(&t.io.n_calls[SW_SYNC]);
    expect_refused(2, EIO); /* the journal's segment is young */
    pass_ms(JOURNAL_RETRY_MS);
    cr_assert_eq(test_write(&t, 3), 0);
    cr_assert_eq(atomic_load(&t.io.n_calls[SW_SYNC]), n_syncs + 1,
                 "the old one is not tried again");
    cr_assert_not(test_journal_stats(&t).is_failing);
    cr_assert_eq(atomic_load(&t.n_wants[JOURNAL_WANT_SAFETY]), 0,
                 "all that was answered is synced");
    test_close(&t);
    test_replay(&t);
    cr_assert(t.times_back[0] == 1 && t.times_back[2] == 0 && t.times_back[3] == 1);
}

static void wait_for_record_bytes(uint64_t n)
{
    while (test_journal_stats(&t).record_bytes < n)
        usleep(100);
}

Test(journal_faults, what_is_written_after_a_failed_sync_fails_as_well)
{
    enum { BODY = 100 };
    begin(JOURNAL_ALWAYS);
    int err;
    hold(&t.io, SW_SYNC);
    struct test_entry *before = test_submit(&t, 0, BODY, &err);
    wait_for_record_bytes(BODY + JOURNAL_RECORD_BYTES);
    hold(&t.io, SW_WRITE);
    struct test_entry *meanwhile = test_submit(&t, 9, BODY, &err);
    usleep(20000); /* it has its place in the segment */
    fails_with(SW_SYNC, EIO);
    let_go(&t.io, SW_SYNC);
    cr_assert_eq(test_entry_free(before), ERR_IO);
    fails_with(SW_SYNC, 0);
    let_go(&t.io, SW_WRITE);
    test_entry_wait(meanwhile);
    cr_assert_eq(meanwhile->e.segment, 1);
    cr_assert_eq(test_entry_free(meanwhile), ERR_IO);
    test_close(&t);
}

Test(journal_faults, what_waits_when_a_write_fails_begins_no_segment_too_early)
{
    begin(JOURNAL_INTERVAL);
    int err, n_created = atomic_load(&t.io.n_calls[SW_CREATE]);
    hold(&t.io, SW_WRITE);
    struct test_entry *first = test_submit(&t, 0, 10, &err);
    usleep(20000);
    struct test_entry *second = test_submit(&t, 1, 10, &err);
    fails_with(SW_WRITE, EIO);
    let_go(&t.io, SW_WRITE);
    cr_assert_eq(test_entry_free(first), ERR_IO);
    cr_assert_eq(test_entry_free(second), ERR_IO);
    cr_assert_eq(errno, EIO);
    cr_assert_eq(atomic_load(&t.io.n_calls[SW_CREATE]), n_created);
    fails_with(SW_WRITE, 0);
    test_close(&t);
}

Test(journal_faults, a_failing_sync_makes_what_was_acknowledged_unsafe)
{
    begin(JOURNAL_INTERVAL);
    cr_assert_eq(test_write(&t, 0), 0);
    fails_with(SW_SYNC, EIO);
    cr_assert_eq(journal_sync(t.j), ERR_IO);
    cr_assert_eq(errno, EIO);
    while (atomic_load(&t.n_wants[JOURNAL_WANT_SAFETY]) == 0)
        usleep(100); /* it is asked for after the answers */
    cr_assert(test_journal_stats(&t).is_unsafe && test_journal_stats(&t).is_failing);
    pass_ms(JOURNAL_RETRY_MS);
    cr_assert_eq(test_write(&t, 1), 0, "written is written");
    cr_assert(test_journal_stats(&t).is_failing, "until a sync works");
    fails_with(SW_SYNC, 0);
    pass_ms(JOURNAL_RETRY_MS);
    cr_assert_eq(test_write(&t, 2), 0);
    cr_assert_eq(journal_sync(t.j), ERR_IO, "of the first record nothing is known");
    cr_assert_not(test_journal_stats(&t).is_failing);
    cr_assert(test_journal_stats(&t).is_unsafe);
    cr_assert_eq(journal_drop(t.j, 1), 0);
    cr_assert(test_journal_stats(&t).is_unsafe, "that settles nothing");
    uint64_t number;
    journal_cut(t.j, &number);
    cr_assert_eq(journal_drop(t.j, number), 0);
    cr_assert_not(test_journal_stats(&t).is_unsafe);
    cr_assert_eq(journal_sync(t.j), 0);
    test_close(&t);
}

Test(journal_faults, closing_says_when_it_could_not_sync)
{
    begin(JOURNAL_INTERVAL);
    cr_assert_eq(test_write(&t, 0), 0);
    fails_with(SW_SYNC, ENOSPC);
    cr_assert_eq(journal_close(t.j), ERR_IO);
    cr_assert_eq(errno, ENOSPC);
}

Test(journal_faults, a_name_that_is_not_synced_is_a_sync_that_failed)
{
    fails_with(SW_SYNC_DIR, EIO);
    begin(JOURNAL_ALWAYS);
    expect_refused(0, EIO);
    cr_assert_str_eq(test_journal_stats(&t).failed_call, "sync directory");
    fails_with(SW_SYNC_DIR, 0);
    pass_ms(JOURNAL_RETRY_MS);
    cr_assert_eq(test_write(&t, 1), 0);
    test_close(&t);
}

/* As when a snapshot's sync of the directory fails behind the cut that has made a new segment. */
Test(journal_faults, a_name_that_somebody_elses_sync_has_lost_is_not_relied_on)
{
    hold(&t.io, SW_SYNC);
    begin(JOURNAL_ALWAYS);
    fails_with(SW_SYNC_DIR, ENOSPC);
    cr_assert_eq(io_sync_dir(&t.io.io, io_names_mark()), ERR_IO);
    fails_with(SW_SYNC_DIR, 0);
    let_go(&t.io, SW_SYNC);
    expect_refused(0, EIO);
    cr_assert_str_eq(test_journal_stats(&t).failed_call, "sync directory");
    pass_ms(JOURNAL_RETRY_MS);
    cr_assert_eq(test_write(&t, 1), 0);
    test_close(&t);
    test_replay(&t);
    cr_assert_eq(t.times_back[1], 1);
}

Test(journal_faults, begins_without_a_segment_and_recovers)
{
    fails_with(SW_CREATE, EROFS);
    begin(JOURNAL_INTERVAL);
    cr_assert(test_journal_stats(&t).is_failing);
    expect_refused(0, EROFS);
    uint64_t number;
    journal_cut(t.j, &number);
    cr_assert_eq(journal_drop(t.j, number), 0);
    cr_assert_eq(number, 1);
    cr_assert_eq(journal_sync(t.j), 0);
    fails_with(SW_CREATE, 0);
    pass_ms(JOURNAL_RETRY_MS);
    cr_assert_eq(test_write(&t, 1), 0);
    test_close(&t);
    expect_back("1");
}

Test(journal_faults, a_cut_works_while_nothing_can_be_written)
{
    begin(JOURNAL_INTERVAL);
    cr_assert_eq(test_write(&t, 0), 0);
    fails_with(SW_CREATE, ENOSPC);
    uint64_t number;
    journal_cut(t.j, &number);
    cr_assert_eq(number, 2);
    cr_assert_eq(journal_sync(t.j), 0);
    cr_assert_eq(journal_drop(t.j, number), 0);
    cr_assert_eq(test_journal_stats(&t).n_segments, 0);
    fails_with(SW_CREATE, 0);
    pass_ms(JOURNAL_RETRY_MS);
    cr_assert_eq(test_write(&t, 1), 0);
    cr_assert_eq(test_journal_stats(&t).newest, 2);
    test_close(&t);
    expect_back("1");
}

/* --- a directory that vanishes --- */

static struct temp_dir dir;

static int make_dir(void *ctx)
{
    (void)ctx;
    return mkdir(dir.path, 0700) == 0 || errno == EEXIST ? 0 : ERR_IO;
}

static void expect_recovers_on_disk(enum journal_mode mode, bool has_anew)
{
    struct io_file f;
    cr_assert(temp_dir_new(&dir));
    cr_assert_eq(io_file_open(&f, dir.path), 0);
    t.o.io = &f.io;
    t.o.remake_dir = has_anew ? make_dir : NULL;
    begin(mode);
    cr_assert_eq(test_write(&t, 0), 0);
    cr_assert_eq(journal_sync(t.j), 0);
    temp_dir_remove(&dir);
    if (mode == JOURNAL_ALWAYS) {
        expect_refused(1, ENOENT);
    } else { /* the file goes on without a name, until it is looked for */
        cr_assert_eq(test_write(&t, 1), 0);
        cr_assert_eq(journal_sync(t.j), ERR_IO);
    }
    cr_assert_str_eq(test_journal_stats(&t).failed_call, "find");
    cr_assert(test_journal_stats(&t).is_unsafe);
    while (atomic_load(&t.n_wants[JOURNAL_WANT_SAFETY]) == 0)
        usleep(100); /* it is asked for after the answers */
    pass_ms(JOURNAL_RETRY_MS);
    if (!has_anew) {
        expect_refused(2, ENOENT);
        cr_assert_eq(journal_close(t.j), ERR_IO);
    } else {
        cr_assert_eq(test_write(&t, 2), 0);
        struct journal_stats s = test_journal_stats(&t);
        cr_assert(s.n_segments == 1 && s.bytes < 1000 && s.oldest == s.newest);
        uint64_t number;
        journal_cut(t.j, &number);
        cr_assert_eq(test_write(&t, 3), 0);
        cr_assert_eq(journal_drop(t.j, number), 0);
        cr_assert_not(test_journal_stats(&t).is_unsafe);
        test_close(&t);
        struct journal_replay_options o = {.io = &f.io};
        cr_assert_eq(test_replay_with(&t, &o), 0);
        cr_assert(t.n_back == 1 && t.times_back[3] == 1);
    }
    io_file_close(&f);
    temp_dir_remove(&dir);
}

Test(journal_faults, a_directory_that_vanishes_is_noticed_before_an_answer)
{
    expect_recovers_on_disk(JOURNAL_ALWAYS, true);
}

Test(journal_faults, a_directory_that_vanishes_is_noticed_by_the_next_sync)
{
    expect_recovers_on_disk(JOURNAL_INTERVAL, true);
}

Test(journal_faults, a_directory_that_stays_away_is_an_error)
{
    expect_recovers_on_disk(JOURNAL_ALWAYS, false);
}

/* --- the nth call fails, for every n --- */

enum { SCRIPT_RECORDS = 14 };

/* What a run has made of the records: acknowledged, and since when a drop may have taken it. */
struct outcome {
    bool is_acknowledged[SCRIPT_RECORDS];
    bool is_dropped[SCRIPT_RECORDS];
    bool is_unsafe; /* some of what was acknowledged may be gone, and the journal says so */
};

static void cut_and_drop(struct outcome *out, unsigned n)
{
    uint64_t number;
    journal_cut(t.j, &number);
    int err = journal_drop(t.j, number);
    cr_assert(err == 0 || err == ERR_IO);
    for (unsigned i = 0; i < n; i++)
        out->is_dropped[i] = true; /* they are in the snapshot, were there one */
}

/* Writes, over several segments, with long records, a cut and a drop, and a restart. */
static bool run_script(struct outcome *out)
{
    unsigned i = 0;
    for (int process = 0; process < 2; process++) {
        if (journal_open(&t.o, &t.j) < 0)
            return false;
        for (int step = 0; step < SCRIPT_RECORDS / 2; step++, i++) {
            size_t n = step == 2 ? (size_t)JOURNAL_WRITE_BYTES + 5 : 30000;
            out->is_acknowledged[i] = test_write_sized(&t, i, n) == 0;
            pass_ms(step == 3 ? JOURNAL_RETRY_MS : 1);
            if (step == 1)
                out->is_unsafe |= journal_sync(t.j) < 0;
            if (step == 4)
                cut_and_drop(out, i + 1);
        }
        struct journal_stats s;
        journal_stats(t.j, &s);
        out->is_unsafe |= s.is_unsafe;
        out->is_unsafe |= journal_close(t.j) < 0;
        t.o.sequence_min = 1 + i;
    }
    return true;
}

static void forget_disk(void)
{
    for (int i = 0; i < IO_MEM_FILES; i++) {
        struct io_mem_file *f = &t.disk.files[i];
        free(f->bytes);
        *f = (struct io_mem_file){0};
    }
}

static void expect_outcome(const struct outcome *out, long nth, const char *call)
{
    for (unsigned i = 0; i < SCRIPT_RECORDS; i++) {
        cr_assert_leq(t.times_back[i], 1);
        if (out->is_acknowledged[i] && !out->is_dropped[i])
            cr_assert_eq(t.times_back[i], 1, "call %ld (%s): record %u is lost", nth, call, i);
    }
}

/* One run, of which the calls from the nth on fail, n of them. Returns whether any did. */
static bool fail_calls(struct faulty_io *faults, long nth, long n, bool with_power_cut)
{
    struct outcome out = {0};
    int reason = faults->fail_errno;
    faulty_init(faults, &t.disk.io);
    faults->fail_at = nth;
    faults->fail_n = n;
    faults->fail_errno = reason;
    atomic_store(&t.now_ns, 0);
    atomic_store(&t.last_sequence, 0);
    t.o.sequence_min = 1;
    bool has_run = run_script(&out);
    if (with_power_cut)
        io_mem_cut_power(&t.disk);
    test_replay(&t);
    const char *call = faults->failed ? faults->failed : "none";
    expect_outcome(&out, nth, call);
    cr_assert(has_run || n > 1 || !strcmp(call, "list"), "call %ld: %s", nth, call);
    cr_assert(t.o.mode != JOURNAL_ALWAYS || !out.is_unsafe, "call %ld: %s", nth, call);
    for (unsigned i = 0; !faults->failed && i < SCRIPT_RECORDS; i++)
        cr_assert(out.is_acknowledged[i], "record %u", i);
    cr_assert_eq(test_journal_bytes(&t), 0);
    forget_disk();
    return faults->failed != NULL;
}

/* with_power_cut: afterwards only what was synced is there; for mode always, whose answers mean
 * that. */
static void fail_each_call(enum journal_mode mode, int reason, bool with_power_cut)
{
    static const long how_many[] = {1, 3, 1000000};
    struct faulty_io faults;
    t.o.mode = mode;
    t.o.segment_bytes = JOURNAL_SEGMENT_BYTES_MIN;
    t.o.io = &faults.io;
    t.disk.is_forgetful = with_power_cut;
    for (size_t i = 0; i < ARRAY_LEN(how_many); i++) {
        long nth = 1;
        faults.fail_errno = reason;
        while (fail_calls(&faults, nth, how_many[i], with_power_cut))
            nth++;
        cr_assert_gt(nth, 50, "the script is too short");
    }
}

Test(journal_faults, any_call_may_fail_in_mode_always)
{
    fail_each_call(JOURNAL_ALWAYS, EIO, false);
}

Test(journal_faults, any_call_may_fail_before_a_power_cut)
{
    fail_each_call(JOURNAL_ALWAYS, ENOSPC, true);
}

Test(journal_faults, any_call_may_fail_in_mode_interval)
{
    fail_each_call(JOURNAL_INTERVAL, ENOSPC, false);
}
