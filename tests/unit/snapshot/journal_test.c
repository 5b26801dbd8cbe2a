#include "snapshot/journal.h"

#include "snapshot/journal_state.h"
#include "temp_dir.h"
#include "test_journal.h"

static struct test_journal t;

static void given_a_disk(void)
{
    test_journal_init(&t);
}

static void release(void)
{
    test_journal_release(&t);
}

TestSuite(journal, .init = given_a_disk, .fini = release, .timeout = 60);

static void begin(enum journal_mode mode)
{
    t.o.mode = mode;
    test_journal_open(&t);
}

/* Ends the journal and expects the records 0 to n - 1 back, once each, and nothing wrong. */
static void end_and_expect(unsigned n)
{
    test_close(&t);
    test_replay(&t);
    cr_assert(journal_replay_is_clean(&t.report), "%s", t.report.detail);
    cr_assert_eq(t.report.torn_bytes, 0);
    cr_assert_eq(t.n_back, n);
    for (unsigned i = 0; i < n; i++)
        cr_assert_eq(t.times_back[i], 1, "record %u", i);
}

/* --- writing --- */

Test(journal, what_is_written_comes_back_in_order)
{
    begin(JOURNAL_INTERVAL);
    for (unsigned i = 0; i < 1000; i++)
        cr_assert_eq(test_write(&t, i), 0);
    struct journal_stats s = test_journal_stats(&t);
    cr_assert_eq(s.n_records, 1000);
    cr_assert_eq(s.waiting_bytes, 0);
    cr_assert(!s.is_failing && s.n_failed == 0);
    cr_assert_eq((int64_t)s.bytes, t.disk.io.ops->size(&t.disk.io, "journal-0000000000000001.hg"));
    end_and_expect(1000);
    cr_assert_eq(t.report.next_sequence, 1001);
    cr_assert_eq(t.report.record_bytes, s.record_bytes);
}

Test(journal, records_of_all_sizes_come_back)
{
    static const size_t around[] = {1, FRAME_PAYLOAD_MAX, 2 * FRAME_PAYLOAD_MAX,
                                    JOURNAL_WRITE_BYTES, 5 * JOURNAL_WRITE_BYTES};
    begin(JOURNAL_INTERVAL);
    unsigned n = 0;
    /* with the head of the record (32) and the meta (0 to 8) around the ends of frames and writes
     */
    for (size_t i = 0; i < ARRAY_LEN(around); i++)
        for (size_t less = 0; less < 45 && less <= around[i]; less++, n++)
            if (less == 0 || less == 32 || (i == 1 && less > 30))
                cr_assert_eq(test_write_sized(&t, n, around[i] - less), 0);
            else
                cr_assert_eq(test_write_sized(&t, n, less), 0);
    end_and_expect(n);
}

Test(journal, what_waits_is_written_at_once)
{
    begin(JOURNAL_INTERVAL);
    struct test_entry *waiting[100];
    int err;
    hold(&t.io, SW_WRITE);
    for (unsigned i = 0; i < 100; i++)
        cr_assert_not_null(waiting[i] = test_submit(&t, i, 100, &err));
    int before = atomic_load(&t.io.n_calls[SW_WRITE]);
    let_go(&t.io, SW_WRITE);
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(test_entry_free(waiting[i]), 0);
    cr_assert_leq(atomic_load(&t.io.n_calls[SW_WRITE]) - before, 2, "the first, and the others");
    end_and_expect(100);
}

Test(journal, no_write_is_too_long)
{
    begin(JOURNAL_INTERVAL);
    int before = atomic_load(&t.io.n_calls[SW_WRITE]);
    cr_assert_eq(test_write_sized(&t, 0, 10 * JOURNAL_WRITE_BYTES), 0);
    cr_assert_geq(atomic_load(&t.io.n_calls[SW_WRITE]) - before, 10);
    end_and_expect(1);
}

Test(journal, what_is_synced_may_leave_memory)
{
    begin(JOURNAL_INTERVAL);
    cr_assert_eq(test_write_sized(&t, 0, JOURNAL_EVICT_BYTES / 2), 0);
    cr_assert_eq(journal_sync(t.j), 0);
    cr_assert_eq(atomic_load(&t.io.evicted), 0, "too little for a call");
    for (unsigned i = 1; i < 8; i++) {
        uint64_t before = test_journal_stats(&t).bytes;
        uint64_t evicted = atomic_load(&t.io.evicted);
        cr_assert_eq(test_write_sized(&t, i, JOURNAL_EVICT_BYTES), 0);
        cr_assert_eq(atomic_load(&t.io.evicted), evicted, "it is not synced");
        cr_assert_eq(journal_sync(t.j), 0);
        cr_assert_gt(atomic_load(&t.io.evicted), before);
        cr_assert_eq(atomic_load(&t.io.evicted), test_journal_stats(&t).bytes);
    }
    cr_assert_not(atomic_load(&t.io.is_evicted_otherwise));
    end_and_expect(8);
}

Test(journal, what_could_not_be_synced_stays_in_memory)
{
    begin(JOURNAL_INTERVAL);
    cr_assert_eq(test_write_sized(&t, 0, 2 * JOURNAL_EVICT_BYTES), 0);
    atomic_store(&t.io.errnos[SW_SYNC], EIO);
    cr_assert_eq(journal_sync(t.j), ERR_IO);
    cr_assert_eq(journal_close(t.j), ERR_IO);
    cr_assert_eq(atomic_load(&t.io.evicted), 0);
}

Test(journal, a_full_segment_is_followed_by_another)
{
    t.o.segment_bytes = JOURNAL_SEGMENT_BYTES_MIN;
    begin(JOURNAL_INTERVAL);
    for (unsigned i = 0; i < 200; i++)
        cr_assert_eq(test_write_sized(&t, i, 5000), 0);
    struct journal_stats s = test_journal_stats(&t);
    cr_assert_eq(s.n_segments, 200 * 5000 / JOURNAL_SEGMENT_BYTES_MIN + 1);
    cr_assert_eq(s.newest, s.n_segments);
    end_and_expect(200);
    cr_assert_eq(t.report.segments, s.n_segments);
}

Test(journal, begins_a_segment_of_its_own_each_time)
{
    for (unsigned i = 0; i < 5; i++) {
        begin(JOURNAL_ALWAYS);
        cr_assert_eq(test_journal_stats(&t).newest, i + 1);
        cr_assert_eq(test_journal_stats(&t).oldest, 1);
        cr_assert_eq(test_journal_stats(&t).n_segments, i + 1);
        cr_assert_eq(test_write(&t, i), 0);
        end_and_expect(i + 1);
        t.o.sequence_min = t.report.next_sequence;
    }
    cr_assert_eq(t.report.segments, 5);
    t.o.number_min = 77;
    begin(JOURNAL_ALWAYS);
    cr_assert_eq(test_journal_stats(&t).newest, 77);
    cr_assert_eq(test_write(&t, 5), 0);
    end_and_expect(6);
}

Test(journal, closing_writes_what_waits)
{
    begin(JOURNAL_INTERVAL);
    struct test_entry *waiting[100];
    int err;
    for (unsigned i = 0; i < 100; i++)
        cr_assert_not_null(waiting[i] = test_submit(&t, i, 10, &err));
    end_and_expect(100);
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(test_entry_free(waiting[i]), 0);
    t.disk.is_forgetful = true;
    io_mem_cut_power(&t.disk);
    test_replay(&t);
    cr_assert_eq(t.n_back, 100, "and syncs");
}

/* --- by the caller --- */

/* Until the writer has nothing to do and says so. */
static void wait_for_writer(void)
{
    for (bool is_waiting = false; !is_waiting; usleep(100)) {
        pthread_mutex_lock(&t.j->lock);
        is_waiting = t.j->is_writer_waiting && !t.j->queue.first;
        pthread_mutex_unlock(&t.j->lock);
    }
}

static void expect_here(unsigned number, size_t n, bool is_here)
{
    int err;
    wait_for_writer();
    cr_assert_eq(test_write_here(&t, number, n, &err), is_here, "record %u", number);
    cr_assert(!is_here || err == 0);
}

Test(journal, who_comes_alone_writes_it)
{
    begin(JOURNAL_INTERVAL);
    for (unsigned i = 0; i < 100; i++)
        if (i % 3 == 0)
            cr_assert_eq(test_write(&t, i), 0);
        else
            expect_here(i, test_body_bytes(i), true);
    struct journal_stats s = test_journal_stats(&t);
    cr_assert_eq(s.n_records, 100);
    cr_assert_eq(s.n_writes, 100);
    cr_assert_eq(s.waiting_bytes, 0);
    end_and_expect(100);
    cr_assert_eq(t.report.record_bytes, s.record_bytes);
}

Test(journal, nobody_writes_before_it_is_synced)
{
    begin(JOURNAL_ALWAYS);
    expect_here(0, 10, false);
    cr_assert_eq(test_write(&t, 0), 0);
    end_and_expect(1);
}

Test(journal, the_caller_writes_no_more_than_a_frame_takes)
{
    static const size_t most = FRAME_PAYLOAD_MAX < JOURNAL_WRITE_BYTES - FRAME_HEADER_BYTES
                                   ? FRAME_PAYLOAD_MAX
                                   : JOURNAL_WRITE_BYTES - FRAME_HEADER_BYTES;
    begin(JOURNAL_INTERVAL);
    expect_here(0, most - JOURNAL_RECORD_BYTES, true);
    expect_here(9, most - JOURNAL_RECORD_BYTES + 1, false);
    end_and_expect(1);
}

Test(journal, a_segment_is_begun_by_the_writer)
{
    t.o.segment_bytes = JOURNAL_SEGMENT_BYTES_MIN;
    begin(JOURNAL_INTERVAL);
    expect_here(0, JOURNAL_SEGMENT_BYTES_MIN / 2, true);
    expect_here(9, JOURNAL_SEGMENT_BYTES_MIN / 2, true);
    expect_here(18, 10, false);
    cr_assert_eq(test_write_sized(&t, 1, 10), 0);
    cr_assert_eq(test_journal_stats(&t).newest, 2);
    expect_here(2, 10, true);
    test_close(&t);
    test_replay(&t);
    cr_assert_eq(t.n_back, 4);
}

static void *write_it(void *te)
{
    struct test_entry *entry = te;
    return journal_write(t.j, &entry->e) ? te : NULL;
}

Test(journal, who_comes_second_waits)
{
    begin(JOURNAL_INTERVAL);
    struct test_entry *first = test_entry_new(&t, 0, 100);
    pthread_t thread;
    int err;
    wait_for_writer();
    int n_writes = atomic_load(&t.io.n_come[SW_WRITE]);
    hold(&t.io, SW_WRITE);
    cr_assert_eq(pthread_create(&thread, NULL, write_it, first), 0);
    while (atomic_load(&t.io.n_come[SW_WRITE]) == n_writes)
        usleep(100);
    cr_assert_not(test_write_here(&t, 1, 100, &err));
    struct test_entry *second = test_submit(&t, 1, 100, &err);
    cr_assert_eq(test_journal_stats(&t).waiting_bytes, first->e.bytes + second->e.bytes);
    cr_assert_not(atomic_load(&second->is_done));
    let_go(&t.io, SW_WRITE);
    void *is_written;
    cr_assert_eq(pthread_join(thread, &is_written), 0);
    cr_assert_not_null(is_written);
    test_entry_wait(second);
    cr_assert_lt(first->e.sequence, second->e.sequence);
    cr_assert_eq(test_entry_free(first), 0);
    cr_assert_eq(test_entry_free(second), 0);
    end_and_expect(2);
}

Test(journal, nobody_writes_while_the_writer_does)
{
    begin(JOURNAL_INTERVAL);
    int err, n_writes = atomic_load(&t.io.n_come[SW_WRITE]);
    hold(&t.io, SW_WRITE);
    struct test_entry *first = test_submit(&t, 0, 100, &err);
    cr_assert_not(test_write_here(&t, 1, 100, &err), "it waits");
    while (atomic_load(&t.io.n_come[SW_WRITE]) == n_writes)
        usleep(100);
    cr_assert_not(test_write_here(&t, 1, 100, &err), "it is being written");
    let_go(&t.io, SW_WRITE);
    cr_assert_eq(test_entry_free(first), 0);
    end_and_expect(1);
}

/* A write by the writer that takes so long. */
static void write_slowly(unsigned number, int64_t ns)
{
    int err, n_writes = atomic_load(&t.io.n_come[SW_WRITE]);
    hold(&t.io, SW_WRITE);
    struct test_entry *te = test_submit(&t, number, 10, &err);
    while (atomic_load(&t.io.n_come[SW_WRITE]) == n_writes)
        usleep(100);
    atomic_fetch_add(&t.now_ns, ns);
    let_go(&t.io, SW_WRITE);
    cr_assert_eq(test_entry_free(te), 0);
}

Test(journal, a_slow_disk_is_left_to_the_writer)
{
    begin(JOURNAL_INTERVAL);
    write_slowly(0, JOURNAL_PROMPT_NS);
    expect_here(1, 10, true);
    write_slowly(2, JOURNAL_PROMPT_NS + 1);
    expect_here(9, 10, false);
    cr_assert_eq(test_write_sized(&t, 3, 10), 0);
    expect_here(4, 10, true);
    end_and_expect(5);
}

Test(journal, what_is_full_is_submitted_to_hear_it)
{
    enum { MAX = 2000 };
    t.o.max_bytes = MAX;
    begin(JOURNAL_INTERVAL);
    size_t left = MAX - test_journal_stats(&t).bytes;
    expect_here(9, left - JOURNAL_RECORD_BYTES + 1, false);
    expect_here(9, left - JOURNAL_RECORD_BYTES, true);
    cr_assert_eq(test_journal_stats(&t).n_refused_full, 0);
    cr_assert_eq(atomic_load(&t.n_wants[JOURNAL_WANT_ROOM]), 1);
    test_close(&t);
}

/* --- syncing --- */

Test(journal, always_means_synced_and_named)
{
    t.disk.is_forgetful = true;
    begin(JOURNAL_ALWAYS);
    int err;
    hold(&t.io, SW_SYNC);
    struct test_entry *first = test_submit(&t, 0, 10, &err);
    usleep(20000);
    cr_assert_not(atomic_load(&first->is_done), "acknowledged before it was synced");
    let_go(&t.io, SW_SYNC);
    cr_assert_eq(test_entry_free(first), 0);
    for (unsigned i = 1; i < 10; i++)
        cr_assert_eq(test_write(&t, i), 0);
    pthread_mutex_lock(&t.disk.lock); /* the power goes now, with nobody at the disk */
    static uint64_t synced[IO_MEM_FILES];
    for (int i = 0; i < IO_MEM_FILES; i++)
        synced[i] = t.disk.files[i].synced_name[0] ? t.disk.files[i].synced_n : 0;
    pthread_mutex_unlock(&t.disk.lock);
    test_close(&t);
    for (int i = 0; i < IO_MEM_FILES; i++)
        t.disk.files[i].n = synced[i];
    test_replay(&t);
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(t.times_back[i], 1, "record %u", i);
}

Test(journal, one_sync_is_for_all_that_wait)
{
    begin(JOURNAL_ALWAYS);
    struct test_entry *waiting[50];
    int err;
    hold(&t.io, SW_SYNC);
    for (unsigned i = 0; i < 50; i++)
        cr_assert_not_null(waiting[i] = test_submit(&t, i, 100, &err));
    while (test_journal_stats(&t).record_bytes < 50 * (100 + JOURNAL_RECORD_BYTES))
        usleep(100);
    int before = atomic_load(&t.io.n_calls[SW_SYNC]);
    let_go(&t.io, SW_SYNC);
    for (unsigned i = 0; i < 50; i++)
        cr_assert_eq(test_entry_free(waiting[i]), 0);
    cr_assert_leq(atomic_load(&t.io.n_calls[SW_SYNC]) - before, 2);
    end_and_expect(50);
}

Test(journal, an_interval_syncs_by_itself)
{
    t.disk.is_forgetful = true;
    t.o.sync_ms = 5;
    begin(JOURNAL_INTERVAL);
    cr_assert_eq(test_write(&t, 0), 0);
    while (test_journal_stats(&t).unsynced_bytes > 0)
        usleep(1000);
    test_close(&t);
    io_mem_cut_power(&t.disk);
    test_replay(&t);
    cr_assert_eq(t.n_back, 1);
}

Test(journal, writing_does_not_wait_for_a_sync)
{
    begin(JOURNAL_INTERVAL);
    cr_assert_eq(test_write(&t, 0), 0);
    hold(&t.io, SW_SYNC);
    pthread_mutex_lock(&t.j->lock);
    t.j->n_syncs_asked++; /* as journal_sync, which would wait */
    pthread_cond_signal(&t.j->sync_work);
    pthread_mutex_unlock(&t.j->lock);
    for (unsigned i = 1; i < 100; i++)
        cr_assert_eq(test_write(&t, i), 0);
    let_go(&t.io, SW_SYNC);
    cr_assert_eq(journal_sync(t.j), 0);
    struct journal_stats s = test_journal_stats(&t);
    cr_assert_eq(s.unsynced_bytes, 0);
    cr_assert_gt(s.n_syncs, 0);
    uint64_t in_buckets = 0;
    for (int i = 0; i < JOURNAL_SYNC_BUCKETS; i++)
        in_buckets += s.sync_buckets[i];
    cr_assert_eq(in_buckets, s.n_syncs);
    end_and_expect(100);
}

Test(journal, buckets_double)
{
    cr_assert_eq(journal_sync_bucket_ns(0), 250000);
    for (int i = 1; i < JOURNAL_SYNC_BUCKETS - 1; i++)
        cr_assert_eq(journal_sync_bucket_ns(i), 2 * journal_sync_bucket_ns(i - 1));
    cr_assert_eq(journal_sync_bucket_ns(JOURNAL_SYNC_BUCKETS - 2), 2048000000);
    cr_assert_eq(journal_sync_bucket_ns(JOURNAL_SYNC_BUCKETS - 1), INT64_MAX);
}

/* --- cut and drop --- */

Test(journal, a_cut_divides_before_from_after)
{
    begin(JOURNAL_INTERVAL);
    uint64_t number, again;
    journal_cut(t.j, &number);
    cr_assert_eq(number, 1, "nothing was written as yet");
    cr_assert_eq(test_write(&t, 0), 0);
    journal_cut(t.j, &number);
    cr_assert_eq(number, 2);
    journal_cut(t.j, &again);
    cr_assert_eq(again, number, "nothing was written in between");
    cr_assert_eq(test_write(&t, 1), 0);
    cr_assert_eq(journal_drop(t.j, number), 0);
    struct journal_stats s = test_journal_stats(&t);
    cr_assert(s.oldest == 2 && s.newest == 2 && s.n_segments == 1);
    cr_assert_eq((int64_t)s.bytes, t.disk.io.ops->size(&t.disk.io, "journal-0000000000000002.hg"));
    test_close(&t);
    test_replay(&t);
    cr_assert(journal_replay_is_clean(&t.report), "%s", t.report.detail);
    cr_assert(t.n_back == 1 && t.times_back[1] == 1);
}

static void *cut_it(void *ret_number)
{
    journal_cut(t.j, ret_number);
    return NULL;
}

static bool is_cut_waiting(void)
{
    pthread_mutex_lock(&t.j->lock);
    bool is_waiting = t.j->queue.last && t.j->queue.last->is_cut;
    pthread_mutex_unlock(&t.j->lock);
    return is_waiting;
}

Test(journal, a_cut_waits_for_what_was_submitted_before)
{
    begin(JOURNAL_INTERVAL);
    struct test_entry *before[10];
    pthread_t thread;
    uint64_t number = 0;
    int err;
    int n_writes = atomic_load(&t.io.n_come[SW_WRITE]);
    hold(&t.io, SW_WRITE);
    for (unsigned i = 0; i < 10; i++)
        cr_assert_not_null(before[i] = test_submit(&t, i, 100, &err));
    while (atomic_load(&t.io.n_come[SW_WRITE]) == n_writes)
        usleep(100); /* or the writer might take the cut with them */
    cr_assert_eq(pthread_create(&thread, NULL, cut_it, &number), 0);
    while (!is_cut_waiting())
        usleep(100);
    struct test_entry *after = test_submit(&t, 10, 100, &err);
    let_go(&t.io, SW_WRITE);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    for (unsigned i = 0; i < 10; i++) {
        cr_assert(atomic_load(&before[i]->is_done));
        cr_assert_lt(before[i]->e.segment, number);
        cr_assert_eq(test_entry_free(before[i]), 0);
    }
    test_entry_wait(after);
    cr_assert_geq(after->e.segment, number);
    cr_assert_eq(test_entry_free(after), 0);
    end_and_expect(11);
}

Test(journal, a_drop_never_leaves_an_older_segment_without_a_newer)
{
    t.o.segment_bytes = JOURNAL_SEGMENT_BYTES_MIN;
    begin(JOURNAL_INTERVAL);
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(test_write_sized(&t, i, 5000), 0);
    uint64_t number;
    journal_cut(t.j, &number);
    cr_assert_eq(journal_sync(t.j), 0);
    atomic_store(&t.io.n_calls[SW_SYNC_DIR], 0);
    atomic_store(&t.io.n_calls[SW_REMOVE], 0);
    cr_assert_eq(journal_drop(t.j, number), 0);
    cr_assert_gt(atomic_load(&t.io.n_calls[SW_REMOVE]), 5);
    cr_assert_eq(atomic_load(&t.io.n_calls[SW_REMOVE]), atomic_load(&t.io.n_calls[SW_SYNC_DIR]));
    cr_assert_eq(journal_drop(t.j, UINT64_MAX), 0, "the current one stays");
    cr_assert_eq(test_journal_stats(&t).n_segments, 1);
    test_close(&t);
}

Test(journal, a_drop_that_fails_is_done_by_the_next)
{
    begin(JOURNAL_INTERVAL);
    cr_assert_eq(test_write(&t, 0), 0);
    uint64_t number;
    journal_cut(t.j, &number);
    atomic_store(&t.io.errnos[SW_REMOVE], EROFS);
    cr_assert_eq(journal_drop(t.j, number), ERR_IO);
    cr_assert_eq(errno, EROFS);
    cr_assert_eq(test_journal_stats(&t).n_segments, 2);
    atomic_store(&t.io.errnos[SW_REMOVE], 0);
    cr_assert_eq(journal_drop(t.j, number), 0);
    cr_assert_eq(test_journal_stats(&t).n_segments, 1);
    test_close(&t);
}

/* --- limits --- */

Test(journal, a_full_journal_takes_nothing_until_a_drop)
{
    enum { BODY = 10000, MAX = 10 * (BODY + 100) };
    t.o.max_bytes = MAX;
    begin(JOURNAL_INTERVAL);
    unsigned n = 0;
    int err;
    while ((err = test_write_sized(&t, 7, BODY)) == 0) {
        n++;
        struct journal_stats s = test_journal_stats(&t);
        bool is_half = s.bytes >= MAX / JOURNAL_WANT_SHARE;
        cr_assert_eq(atomic_load(&t.n_wants[JOURNAL_WANT_ROOM]), is_half);
        cr_assert_eq(s.wants_room, is_half);
    }
    cr_assert_eq(err, ERR_JOURNAL_FULL);
    cr_assert_eq(n, 10);
    cr_assert_eq(test_journal_stats(&t).n_refused_full, 1);
    size_t left = MAX - test_journal_stats(&t).bytes;
    cr_assert_eq(test_write_sized(&t, 9, left - JOURNAL_RECORD_BYTES + 1), ERR_JOURNAL_FULL);
    cr_assert_eq(test_write_sized(&t, 9, left - JOURNAL_RECORD_BYTES), 0, "exactly what is left");
    uint64_t number;
    journal_cut(t.j, &number);
    cr_assert_eq(journal_drop(t.j, number), 0);
    cr_assert_not(test_journal_stats(&t).wants_room);
    for (unsigned i = 0; i < 9; i++)
        cr_assert_eq(test_write_sized(&t, 7, BODY), 0);
    cr_assert_eq(atomic_load(&t.n_wants[JOURNAL_WANT_ROOM]), 2);
    test_close(&t);
}

Test(journal, what_waits_is_bounded_in_bytes)
{
    enum { PART = 1 << 20 };
    begin(JOURNAL_INTERVAL);
    struct test_entry *waiting[JOURNAL_QUEUE_BYTES / PART + 1];
    unsigned n = 0;
    int err;
    hold(&t.io, SW_WRITE);
    for (; (waiting[n] = test_submit(&t, 9 * n, PART - JOURNAL_RECORD_BYTES, &err)); n++)
        cr_assert_lt(n, JOURNAL_QUEUE_BYTES / PART);
    cr_assert_eq(err, ERR_BUSY);
    cr_assert_eq(n, JOURNAL_QUEUE_BYTES / PART);
    cr_assert_eq(test_journal_stats(&t).waiting_bytes, JOURNAL_QUEUE_BYTES);
    cr_assert_eq(test_journal_stats(&t).n_refused_busy, 1);
    let_go(&t.io, SW_WRITE);
    for (unsigned i = 0; i < n; i++)
        cr_assert_eq(test_entry_free(waiting[i]), 0);
    cr_assert_eq(test_write_sized(&t, 0, JOURNAL_QUEUE_BYTES + 1), 0, "alone it may be longer");
    test_close(&t);
}

Test(journal, a_disk_that_stands_still_is_refused_to)
{
    static const enum switched what[] = {SW_WRITE, SW_SYNC};
    begin(JOURNAL_ALWAYS);
    for (size_t i = 0; i < 2; i++) {
        int err;
        hold(&t.io, what[i]);
        struct test_entry *stuck = test_submit(&t, 0, 10, &err);
        atomic_fetch_add(&t.now_ns, (long long)JOURNAL_STUCK_MS * 1000000);
        struct test_entry *in_time = test_submit(&t, 1, 10, &err);
        cr_assert_not_null(in_time);
        atomic_fetch_add(&t.now_ns, 1);
        cr_assert_eq(test_write(&t, 2), ERR_BUSY);
        cr_assert_eq(test_journal_stats(&t).oldest_wait_ns, JOURNAL_STUCK_MS * 1000000LL + 1);
        let_go(&t.io, what[i]);
        cr_assert_eq(test_entry_free(stuck), 0);
        cr_assert_eq(test_entry_free(in_time), 0);
        cr_assert_eq(test_write(&t, 2), 0);
        cr_assert_eq(test_journal_stats(&t).oldest_wait_ns, 0);
    }
    test_close(&t);
}

Test(journal, a_record_that_no_reader_takes_is_refused)
{
    t.o.max_bytes = 4 * JOURNAL_RECORD_MAX;
    begin(JOURNAL_INTERVAL);
    struct test_entry *te = test_entry_new(&t, 0, 0);
    te->parts[2].iov_len = JOURNAL_RECORD_MAX - JOURNAL_RECORD_BYTES + 1;
    cr_assert_eq(journal_submit(t.j, &te->e), ERR_JOURNAL_FULL);
    atomic_store(&te->is_done, true);
    (void)test_entry_free(te);
    test_close(&t);
}

/* --- off --- */

Test(journal, off_is_no_journal)
{
    begin(JOURNAL_INTERVAL);
    cr_assert_eq(test_write(&t, 0), 0);
    test_close(&t);
    begin(JOURNAL_OFF);
    uint64_t number;
    cr_assert_eq(test_write(&t, 1), 0);
    journal_cut(t.j, &number);
    cr_assert_eq(number, 2);
    cr_assert_eq(test_journal_stats(&t).n_segments, 1);
    cr_assert_eq(journal_drop(t.j, number), 0);
    cr_assert_eq(test_journal_stats(&t).n_segments, 0);
    cr_assert_eq(journal_sync(t.j), 0);
    end_and_expect(0);
}

/* --- invariants, memory --- */

Test(journal, check_sees_what_does_not_add_up)
{
    begin(JOURNAL_INTERVAL);
    cr_assert_eq(test_write(&t, 0), 0);
    cr_assert(journal_check(t.j));
    t.j->waiting_bytes++;
    cr_assert_not(journal_check(t.j));
    t.j->waiting_bytes--;
    t.j->current.synced = t.j->current.good + 1;
    cr_assert_not(journal_check(t.j));
    t.j->current.synced = 0;
    struct journal_entry stray = {0};
    t.j->queue.last = &stray;
    cr_assert_not(journal_check(t.j));
    t.j->queue.last = NULL;
    test_close(&t);
}

Test(journal, without_memory_there_is_none)
{
    budget_fail_nth(&t.budget, 1);
    cr_assert_eq(journal_open(&t.o, &t.j), ERR_NO_MEMORY);
    cr_assert_eq(test_journal_bytes(&t), 0);
    begin(JOURNAL_INTERVAL);
    cr_assert_gt(test_journal_bytes(&t), sizeof(struct journal) - 1);
    test_close(&t);
}
