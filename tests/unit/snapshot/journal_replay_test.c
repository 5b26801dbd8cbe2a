/* Reading back: what damage costs, and what it may not. */
#include "snapshot/journal_replay.h"

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

TestSuite(journal_replay, .init = given_a_disk, .fini = release, .timeout = 120);

/* --- a journal of three segments by one process, and one by another --- */

enum { SEGMENTS = 4, PER_SEGMENT = 4, ALL = SEGMENTS * PER_SEGMENT };

static struct io_mem_file *file_of(unsigned segment)
{
    char name[JOURNAL_NAME_BYTES];
    journal_name(segment, name);
    for (int i = 0; i < IO_MEM_FILES; i++)
        if (!strcmp(t.disk.files[i].name, name))
            return &t.disk.files[i];
    cr_assert(false, "no segment %u", segment);
    return NULL;
}

static void write_segment(unsigned segment, size_t bytes_more)
{
    uint64_t number;
    for (unsigned i = 0; i < PER_SEGMENT; i++) {
        unsigned record = (segment - 1) * PER_SEGMENT + i;
        cr_assert_eq(test_write_sized(&t, record, test_body_bytes(record) + bytes_more), 0);
    }
    journal_cut(t.j, &number);
}

static void given_segments_of(size_t bytes_more)
{
    test_journal_open(&t);
    for (unsigned s = 1; s < SEGMENTS; s++)
        write_segment(s, bytes_more);
    cr_assert_eq(journal_drop(t.j, 1), 0);
    test_close(&t);
    /* the last cut has left an empty one, in whose place the other process' comes */
    file_of(SEGMENTS)->name[0] = '\0';
    t.o.sequence_min = ALL - PER_SEGMENT + 1;
    test_journal_open(&t);
    write_segment(SEGMENTS, bytes_more);
    test_close(&t);
    file_of(SEGMENTS + 1)->name[0] = '\0';
}

static void given_segments(void)
{
    given_segments_of(0);
}

static unsigned segment_of(unsigned record)
{
    return record / PER_SEGMENT + 1;
}

static unsigned n_back_of(unsigned segment)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ALL; i++)
        n += segment_of(i) == segment && t.times_back[i] == 1;
    return n;
}

static bool is_damage_told(void)
{
    return !journal_replay_is_clean(&t.report) || t.report.torn_bytes > 0;
}

Test(journal_replay, all_of_it)
{
    given_segments();
    test_replay(&t);
    cr_assert(journal_replay_is_clean(&t.report), "%s", t.report.detail);
    cr_assert_eq(t.n_back, ALL);
    cr_assert(t.report.oldest == 1 && t.report.newest == SEGMENTS);
    cr_assert_eq(t.report.segments, SEGMENTS);
    cr_assert_eq(t.report.next_sequence, ALL + 1);
    uint64_t bytes = 0;
    for (unsigned s = 1; s <= SEGMENTS; s++)
        bytes += file_of(s)->n;
    cr_assert_eq(t.report.file_bytes, bytes);
    struct journal_replay_options later = {.from = 3};
    cr_assert_eq(test_replay_with(&t, &later), 0);
    cr_assert_eq(t.n_back, 2 * PER_SEGMENT);
    cr_assert(journal_replay_is_clean(&t.report), "%s", t.report.detail);
}

static int refuse(void *ctx, const struct journal_record *r)
{
    (void)ctx;
    (void)r;
    return ERR_CANCELED;
}

Test(journal_replay, what_was_read_to_its_end_may_leave_memory)
{
    given_segments();
    atomic_store(&t.io.evicted, 0);
    struct journal_replay_options o = {
        .io = &t.io.io, .arena = &t.arena, .from = SEGMENTS, .visit = refuse};
    cr_assert_eq(journal_replay(&o, &t.report), ERR_CANCELED);
    cr_assert_eq(atomic_load(&t.io.evicted), 0, "somebody reads it once more");
    o.visit = NULL;
    cr_assert_eq(test_replay_with(&t, &o), 0);
    cr_assert_eq(atomic_load(&t.io.evicted), file_of(SEGMENTS)->n);
}

Test(journal_replay, of_nothing)
{
    test_replay(&t);
    cr_assert(journal_replay_is_clean(&t.report) && t.report.segments == 0);
    cr_assert_eq(t.report.next_sequence, 1);
}

/* --- damage --- */

/* Cut to n bytes, a segment has all records that end within them, and the others have all. */
static void expect_prefix(unsigned segment, size_t n)
{
    test_replay(&t);
    unsigned records = n_back_of(segment);
    cr_assert_eq(t.n_back, ALL - PER_SEGMENT + records);
    bool is_vouched = segment < SEGMENTS - 1; /* by the next head, of the same process */
    /* where the very first record of the journal is lost, nobody knows which it was */
    bool is_counted = segment > 1 || records > 0;
    if (records < PER_SEGMENT && is_vouched) {
        if (is_counted)
            cr_assert_eq(t.report.lost_records, PER_SEGMENT - records, "segment %u cut to %zu",
                         segment, n);
        cr_assert_not(journal_replay_is_clean(&t.report));
        cr_assert_eq(t.report.torn_bytes, 0);
    } else if (records < PER_SEGMENT) {
        cr_assert_eq(t.report.lost_frames, 0, "a tail that is torn is no damage");
    }
    /* a cut at the end of a record cannot be seen in the last one */
    cr_assert(is_damage_told() || !is_vouched);
}

Test(journal_replay, every_prefix_of_every_segment)
{
    given_segments();
    for (unsigned s = 1; s <= SEGMENTS; s++) {
        struct io_mem_file *f = file_of(s);
        size_t all = f->n;
        unsigned before = 0;
        for (size_t n = 0; n < all; n++) {
            f->n = n;
            expect_prefix(s, n);
            cr_assert_geq(n_back_of(s), before, "fewer records in more bytes");
            before = n_back_of(s);
        }
        cr_assert_eq(before, PER_SEGMENT - 1);
        f->n = all;
    }
}

Test(journal_replay, a_torn_tail_is_counted_in_bytes)
{
    given_segments();
    struct io_mem_file *f = file_of(SEGMENTS);
    size_t all = f->n, last = 0;
    for (size_t n = all - 1; n_back_of(SEGMENTS) != PER_SEGMENT - 2; n--) {
        f->n = n;
        test_replay(&t);
        last = n;
    }
    /* `last` is a byte short of a record: so the torn bytes before were of the next one only */
    f->n = last + 11;
    test_replay(&t);
    cr_assert_eq(t.report.torn_bytes, 10);
    cr_assert_eq(t.report.torn_segments, 1);
    cr_assert(journal_replay_is_clean(&t.report), "%s", t.report.detail);
}

Test(journal_replay, every_flipped_byte_costs_what_it_is_in)
{
    given_segments();
    for (unsigned s = 1; s <= SEGMENTS; s++) {
        struct io_mem_file *f = file_of(s);
        for (size_t at = 0; at < f->n; at++) {
            f->bytes[at] ^= 0x40;
            test_replay(&t);
            cr_assert_geq(t.n_back, ALL - 1, "segment %u, byte %zu", s, at);
            cr_assert_eq(t.n_back - n_back_of(s), ALL - PER_SEGMENT);
            cr_assert(is_damage_told(), "segment %u, byte %zu", s, at);
            f->bytes[at] ^= 0x40;
        }
    }
}

Test(journal_replay, any_bytes_of_long_records_may_be_lost)
{
    given_segments_of(2 * FRAME_PAYLOAD_MAX);
    struct io_mem_file *f = file_of(2);
    size_t all = f->n, hole = 5000;
    uint8_t *good = malloc(all);
    memcpy(good, f->bytes, all);
    for (size_t at = 0; at + hole < all; at += 77777) {
        memmove(f->bytes + at, f->bytes + at + hole, all - at - hole);
        f->n = all - hole;
        test_replay(&t);
        cr_assert_geq(n_back_of(2), PER_SEGMENT - 2, "without %zu bytes at %zu", hole, at);
        cr_assert_eq(t.report.lost_records, PER_SEGMENT - n_back_of(2));
        memcpy(f->bytes, good, all);
        memset(f->bytes + at, 0, hole);
        f->n = all;
        test_replay(&t);
        cr_assert_geq(n_back_of(2), PER_SEGMENT - 2);
        cr_assert_eq(t.report.lost_records, PER_SEGMENT - n_back_of(2));
        cr_assert_not(journal_replay_is_clean(&t.report));
        memcpy(f->bytes, good, all);
    }
    free(good);
}

Test(journal_replay, a_missing_segment_is_missed)
{
    given_segments();
    file_of(2)->name[0] = '\0';
    test_replay(&t);
    cr_assert_eq(t.n_back, ALL - PER_SEGMENT);
    cr_assert_eq(t.report.missing_segments, 1);
    cr_assert_eq(t.report.lost_records, PER_SEGMENT);
    cr_assert_not_null(strstr(t.report.detail, "journal-0000000000000001.hg"), "%s",
                       t.report.detail);
    file_of(1)->name[0] = '\0';
    test_replay(&t);
    cr_assert(journal_replay_is_clean(&t.report), "those that were dropped are not missed");
}

/* A process that was killed within a long record may come back in less memory. */
Test(journal_replay, a_torn_record_takes_no_memory)
{
    test_journal_open(&t);
    cr_assert_eq(test_write(&t, 1), 0);
    cr_assert_eq(test_write_sized(&t, 9, 3 * FRAME_PAYLOAD_MAX), 0);
    test_close(&t);
    file_of(1)->n -= FRAME_PAYLOAD_MAX / 2;
    struct budget_row *row = &t.budget.rows[budget_owner(&t.budget, "requests")];
    atomic_store(&row->peak_bytes, 0);
    test_replay(&t);
    cr_assert(t.n_back == 1 && t.report.torn_bytes > 2 * FRAME_PAYLOAD_MAX);
    cr_assert(journal_replay_is_clean(&t.report), "%s", t.report.detail);
    cr_assert_eq(atomic_load(&row->peak_bytes), arena_span_bytes(FRAME_BUFFER_BYTES));
}

Test(journal_replay, what_a_failed_write_has_left_is_no_damage)
{
    test_journal_open(&t);
    cr_assert_eq(test_write(&t, 0), 0);
    atomic_store(&t.io.errnos[SW_WRITE], EIO);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(test_write(&t, 1), ERR_IO);
    atomic_store(&t.io.errnos[SW_WRITE], 0);
    atomic_fetch_add(&t.now_ns, JOURNAL_RETRY_MS * 1000000LL);
    cr_assert_eq(test_write(&t, 2), 0);
    struct journal_stats s = test_journal_stats(&t);
    test_close(&t);
    struct io_mem_file *f = file_of(1); /* half a frame, as if it could not have been cut off */
    f->bytes = realloc(f->bytes, f->n + 50);
    memcpy(f->bytes + f->n, file_of((unsigned)s.newest)->bytes, 50);
    f->n += 50;
    test_replay(&t);
    cr_assert(journal_replay_is_clean(&t.report), "%s", t.report.detail);
    cr_assert_eq(t.n_back, 2);
    cr_assert_eq(t.report.torn_bytes, 50);
}

Test(journal_replay, a_segment_that_comes_twice_is_told)
{
    given_segments();
    cr_assert_eq(t.disk.io.ops->link(&t.disk.io, "journal-0000000000000004.hg", &t.disk.io,
                                     "journal-0000000000000005.hg"),
                 0);
    test_replay(&t);
    cr_assert_eq(t.report.repeated, PER_SEGMENT);
    cr_assert_eq(t.report.next_sequence, ALL + 1);
    cr_assert_eq(t.report.records, ALL + PER_SEGMENT);
}

/* --- what strangers may have put into a body --- */

/* A whole frame with a record, numbered and summed as it should be, but for the file id. */
static size_t forge(uint8_t *bytes, uint32_t number)
{
    uint8_t *payload = bytes + FRAME_HEADER_BYTES;
    struct journal_record_head h = {.sequence = 1000, .time_ms = 1, .kind = 1};
    journal_record_encode(&h, payload);
    struct frame_header f = {
        .version = JOURNAL_VERSION,
        .type = JOURNAL_FRAME_WHOLE,
        .payload_bytes = JOURNAL_RECORD_BYTES,
        .number = number,
        .file_id = 0xBAD,
        .payload_checksum = frame_payload_checksum(payload, JOURNAL_RECORD_BYTES),
    };
    frame_header_encode_as(&frame_kind_journal, &f, bytes);
    return FRAME_HEADER_BYTES + JOURNAL_RECORD_BYTES;
}

static void submit_forgery(void)
{
    struct test_entry *te = test_entry_new(&t, 3, 4096);
    size_t n = 0;
    for (uint32_t i = 0; n + 200 < 4096; i++)
        n += forge(te->body + n, i + 1);
    cr_assert_eq(journal_submit(t.j, &te->e), 0);
    cr_assert_eq(test_entry_free(te), 0);
}

static unsigned n_forged;

static int count_forged(void *ctx, const struct journal_record *r)
{
    ((struct test_journal *)ctx)->n_back++;
    n_forged += r->sequence == 1000;
    return 0;
}

/* Damages the first n bytes of the first segment, and expects so many records. */
static void expect_no_forgery(size_t n, unsigned records, unsigned unreadable)
{
    struct io_mem_file *f = file_of(1);
    uint8_t saved[512];
    struct journal_replay_options o = {.visit = count_forged};
    memcpy(saved, f->bytes, n);
    memset(f->bytes, 0, n);
    n_forged = 0;
    cr_assert_eq(test_replay_with(&t, &o), 0);
    cr_assert_eq(n_forged, 0, "a stranger's record was taken for one of ours");
    cr_assert_eq(t.n_back, records);
    cr_assert_eq(t.report.unreadable_segments, unreadable);
    cr_assert_not(journal_replay_is_clean(&t.report));
    memcpy(f->bytes, saved, n);
}

Test(journal_replay, no_frame_in_a_body_is_taken_for_one_of_ours)
{
    enum { HEAD = FRAME_HEADER_BYTES + JOURNAL_HEAD_BYTES };
    test_journal_open(&t);
    cr_assert_eq(test_write(&t, 1), 0);
    submit_forgery();
    submit_forgery();
    test_close(&t);
    expect_no_forgery(1, 3, 0);         /* the head: the frame behind it has the id */
    expect_no_forgery(HEAD + 1, 0, 1);  /* both: nobody has */
    expect_no_forgery(HEAD + 90, 0, 1); /* within the second record */
    t.o.sequence_min = 4;
    test_journal_open(&t);
    cr_assert_eq(test_write(&t, 1), 0);
    uint64_t number;
    journal_cut(t.j, &number);
    cr_assert_eq(test_write(&t, 1), 0);
    test_close(&t);
    expect_no_forgery(HEAD + 1, 2, 1); /* the next segment is another process' */
}

Test(journal_replay, the_next_head_knows_the_id)
{
    enum { HEAD = FRAME_HEADER_BYTES + JOURNAL_HEAD_BYTES };
    test_journal_open(&t);
    cr_assert_eq(test_write(&t, 1), 0);
    submit_forgery();
    submit_forgery();
    uint64_t number;
    journal_cut(t.j, &number);
    cr_assert_eq(test_write(&t, 1), 0);
    test_close(&t);
    expect_no_forgery(HEAD + 1, 3, 0);
    cr_assert_eq(t.report.lost_frames, 2);
    /* the next header is within a body: a record of 37 bytes, and some of the forger's frame */
    expect_no_forgery(HEAD + FRAME_HEADER_BYTES + 37 + 10, 2, 0);
}

/* --- versions, limits, memory, errors --- */

Test(journal_replay, a_newer_format_is_refused_by_name)
{
    given_segments();
    struct frame_header h = {.version = JOURNAL_VERSION + 1, .type = 9, .payload_bytes = 10};
    frame_header_encode_as(&frame_kind_journal, &h, file_of(2)->bytes);
    struct journal_replay_options o = {0};
    cr_assert_eq(test_replay_with(&t, &o), ERR_NEWER_FORMAT);
    cr_assert_str_eq(t.report.detail,
                     "journal-0000000000000002.hg has format 2, this program reads up to 1");
}

Test(journal_replay, a_record_that_is_too_long_is_lost)
{
    static const size_t sizes[] = {1000, 3 * FRAME_PAYLOAD_MAX};
    for (size_t i = 0; i < 2; i++) {
        t.o.sequence_min = 10 * i + 1;
        test_journal_open(&t);
        cr_assert_eq(test_write_sized(&t, 0, sizes[i]), 0); /* of a meta of 0 bytes */
        cr_assert_eq(test_write_sized(&t, 9, sizes[i] + 1), 0);
        cr_assert_eq(test_write_sized(&t, 18, sizes[i]), 0);
        test_close(&t);
        struct journal_replay_options o = {.from = i + 1,
                                           .record_bytes_max = sizes[i] + JOURNAL_RECORD_BYTES};
        cr_assert_eq(test_replay_with(&t, &o), 0);
        cr_assert_eq(t.n_back, 2);
        cr_assert_eq(t.report.too_long, 1);
        cr_assert_eq(t.report.lost_records, 1);
        cr_assert_not_null(strstr(t.report.detail, "the limit is"), "%s", t.report.detail);
    }
}

Test(journal_replay, memory_may_be_refused)
{
    given_segments_of(FRAME_PAYLOAD_MAX);
    struct journal_replay_options o = {0};
    long nth = 1;
    for (;; nth++) {
        budget_fail_nth(&t.budget, nth);
        int err = test_replay_with(&t, &o);
        cr_assert_eq(test_journal_bytes(&t), 0);
        if (err == 0)
            break;
        cr_assert_eq(err, ERR_NO_MEMORY);
        cr_assert_not_null(strstr(t.report.detail, "no memory"), "%s", t.report.detail);
        arena_trim(&t.arena);
    }
    budget_fail_nth(&t.budget, 0);
    cr_assert_gt(nth, 2);
    cr_assert_eq(t.n_back, ALL);
}

Test(journal_replay, memory_is_one_buffer_and_one_record)
{
    test_journal_open(&t);
    for (unsigned i = 0; i < 20; i++)
        cr_assert_eq(test_write_sized(&t, i, 1 << 20), 0);
    test_close(&t);
    struct budget_row *row = &t.budget.rows[budget_owner(&t.budget, "requests")];
    atomic_store(&row->peak_bytes, 0);
    test_replay(&t);
    cr_assert_eq(t.n_back, 20);
    cr_assert_leq(atomic_load(&row->peak_bytes), arena_span_bytes(FRAME_BUFFER_BYTES) +
                                                     arena_span_bytes((1 << 20) + 64) +
                                                     arena_span_bytes(1));
}

static int refuse_third(void *ctx, const struct journal_record *r)
{
    (void)r;
    return ++((struct test_journal *)ctx)->n_back == 3 ? ERR_TOO_OLD : 0;
}

Test(journal_replay, the_visitor_may_end_it)
{
    given_segments();
    struct journal_replay_options o = {.visit = refuse_third};
    cr_assert_eq(test_replay_with(&t, &o), ERR_TOO_OLD);
    cr_assert_eq(test_journal_bytes(&t), 0);
}

static struct journal_progress told;
static unsigned n_told;

static void tell(void *ctx, const struct journal_progress *p)
{
    (void)ctx;
    cr_assert(p->bytes >= told.bytes && p->segment >= told.segment && p->bytes <= p->n_bytes);
    told = *p;
    n_told++;
}

Test(journal_replay, progress_is_told)
{
    given_segments_of(1 << 20);
    struct journal_replay_options o = {.progress = tell};
    cr_assert_eq(test_replay_with(&t, &o), 0);
    cr_assert(told.bytes == told.n_bytes && told.n_bytes == t.report.file_bytes);
    cr_assert(told.segment == SEGMENTS && told.n_segments == SEGMENTS);
    cr_assert_gt(n_told, 10);
}

/* Only the list is needed; the rest of what fails is damage, which never stops a start. */
Test(journal_replay, any_call_may_fail)
{
    given_segments();
    struct faulty_io faults;
    for (long nth = 1;; nth++) {
        faulty_init(&faults, &t.disk.io);
        faults.fail_at = nth;
        faults.fail_errno = EIO;
        struct journal_replay_options o = {.io = &faults.io};
        int err = test_replay_with(&t, &o);
        cr_assert_eq(test_journal_bytes(&t), 0);
        if (!faults.failed)
            break;
        if (err < 0) {
            cr_assert_eq(err, ERR_IO);
            cr_assert_str_eq(faults.failed, "list");
            continue;
        }
        cr_assert_geq(t.n_back, ALL - PER_SEGMENT, "%s", faults.failed);
        if (t.n_back < ALL)
            cr_assert_neq(t.report.unreadable_segments, 0, "%s", faults.failed);
    }
    cr_assert_eq(t.n_back, ALL);
}

Test(journal_replay, short_and_interrupted_reads_are_finished)
{
    given_segments();
    struct faulty_io faults;
    faulty_init(&faults, &t.disk.io);
    faults.most = 7;
    faults.eintr = 1;
    struct journal_replay_options o = {.io = &faults.io};
    cr_assert_eq(test_replay_with(&t, &o), 0);
    cr_assert_eq(t.n_back, ALL);
}
