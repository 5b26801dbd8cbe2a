/* left-<N>.hg: the example of docs/left-format.md is what the program writes; what was put in comes
 * out, whole or told to be missing; and nothing that a record holds is taken for a record. */
#include "snapshot/left.h"

#include "test_files.h"

#include <errno.h>

enum { DISK_BYTES = 4 << 20, MEMORY = 64 << 20, RECORDS_MAX = 16 };

static struct io_mem disk;
static uint8_t disk_bytes[2][DISK_BYTES];
static struct budget budget;
static struct arena arena;
static struct journal_batch batch;
static uint8_t buffer[FRAME_BUFFER_BYTES];
static uint8_t long_body[3 * FRAME_PAYLOAD_MAX];

static const struct left_head head = {
    .window = -2, .window_ms = 3600000, .generation = 7, .below = 5, .created_ms = 1700000000000};
#define NAME    "left--2.hg"
#define FILE_ID UINT64_C(0x0123456789abcdef)

static void set_up(void)
{
    memset(&disk, 0, sizeof(disk));
    for (int i = 0; i < 2; i++) {
        disk.files[i].bytes = disk_bytes[i];
        disk.files[i].capacity = DISK_BYTES;
    }
    io_mem_init(&disk);
    budget_init(&budget, MEMORY);
    cr_assert(arena_init(&arena, &budget, MEMORY));
    for (size_t i = 0; i < sizeof(long_body); i++)
        long_body[i] = (uint8_t)(i * 7);
}

static void tear_down(void)
{
    arena_release(&arena);
}

TestSuite(left, .init = set_up, .fini = tear_down);

static struct io_mem_file *file_of(const char *name)
{
    for (int i = 0; i < IO_MEM_FILES; i++)
        if (!strcmp(disk.files[i].name, name))
            return &disk.files[i];
    cr_assert(false, "there is no %s", name);
    return NULL;
}

static struct io_mem_file *file(void)
{
    return file_of(NAME);
}

static struct journal_record record_of(uint64_t sequence, uint16_t kind, const char *meta,
                                       const void *body, size_t n)
{
    return (struct journal_record){.sequence = sequence,
                                   .time_ms = 1700000000123,
                                   .kind = kind,
                                   .meta = (const uint8_t *)meta,
                                   .meta_bytes = strlen(meta),
                                   .body = body,
                                   .body_bytes = n};
}

static void write_file(const struct journal_record *records, size_t n)
{
    struct left_writer w;
    cr_assert_eq(left_begin(&w, &disk.io, &batch, &head, FILE_ID), 0);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(left_put(&w, &records[i]), 0);
    cr_assert_eq(left_end(&w), 0);
    left_abandon(&w); /* does nothing any more */
}

struct expected {
    const struct journal_record *records;
    size_t n, n_seen;
};

/* Each record is one of those that were written, in their order. */
static int expect_record(void *ctx, const struct journal_record *r)
{
    struct expected *e = ctx;
    while (e->n_seen < e->n && e->records[e->n_seen].sequence != r->sequence)
        e->n_seen++;
    cr_assert_lt(e->n_seen, e->n);
    const struct journal_record *was = &e->records[e->n_seen++];
    cr_assert(was->kind == r->kind && was->time_ms == r->time_ms && r->segment == 0);
    cr_assert(was->meta_bytes == r->meta_bytes && was->body_bytes == r->body_bytes);
    cr_assert(memcmp(was->meta, r->meta, r->meta_bytes) == 0);
    cr_assert(memcmp(was->body, r->body, r->body_bytes) == 0);
    return 0;
}

static int read_by(int (*visit)(void *ctx, const struct journal_record *record), void *ctx,
                   struct left_report *ret)
{
    const struct left_read_options o = {.io = &disk.io,
                                        .name = NAME,
                                        .buffer = buffer,
                                        .arena = &arena,
                                        .visit = visit,
                                        .ctx = ctx};
    return left_read(&o, ret);
}

static int read_file(const struct journal_record *records, size_t n, struct left_report *ret)
{
    struct expected e = {records, n, 0};
    return read_by(expect_record, &e, ret);
}

/* ---- the example ---- */

Test(left, the_example_is_what_is_written)
{
    const struct journal_record records[] = {record_of(9, 1, "\x01\x02", "hello", 5)};
    write_file(records, 1);
    test_example_expect("docs/left-format.md", "file", file()->bytes, file()->n);
}

Test(left, heads_that_cannot_be_are_refused)
{
    uint8_t bytes[LEFT_END_BYTES];
    uint64_t n;
    struct left_head h, bad[] = {head, head};
    left_end_encode(&head, 3, bytes);
    cr_assert_eq(left_end_decode(bytes, sizeof(bytes), &h, &n), 0);
    cr_assert(n == 3 && memcmp(&h, &head, sizeof(h)) == 0);
    cr_assert_eq(left_end_decode(bytes, sizeof(bytes) - 1, &h, &n), ERR_CORRUPT);
    cr_assert_eq(left_head_decode(bytes, LEFT_HEAD_BYTES, &h), 0);
    cr_assert_eq(left_head_decode(bytes, LEFT_HEAD_BYTES + 1, &h), ERR_CORRUPT);
    bad[0].window_ms = 0;
    bad[1].below = JOURNAL_NUMBER_MAX + 1;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        left_head_encode(&bad[i], bytes);
        cr_assert_eq(left_head_decode(bytes, LEFT_HEAD_BYTES, &h), ERR_CORRUPT, "%zu", i);
    }
}

/* ---- what comes out ---- */

Test(left, records_of_any_length_come_back)
{
    const struct journal_record records[] = {
        record_of(1, 1, "", "", 0),
        record_of(2, 3, "meta", long_body, sizeof(long_body)),
        record_of(5, 2, "", long_body, FRAME_PAYLOAD_MAX - JOURNAL_RECORD_BYTES),
        record_of(6, 2, "", long_body, FRAME_PAYLOAD_MAX - JOURNAL_RECORD_BYTES + 1),
        record_of(7, 1, "\x05", "x", 1),
    };
    struct left_report r;
    write_file(records, ARRAY_LEN(records));
    cr_assert_eq(read_file(records, ARRAY_LEN(records), &r), 0);
    cr_assert(left_is_good(&r), "%s", r.detail);
    cr_assert_eq(r.records, ARRAY_LEN(records));
    cr_assert_eq(r.file_bytes, file()->n);
    cr_assert_eq(memcmp(&r.head, &head, sizeof(head)), 0);
    cr_assert_eq(left_look(&disk.io, NAME, buffer, &r), 0);
    cr_assert(r.has_head && memcmp(&r.head, &head, sizeof(head)) == 0);
}

static size_t make_small(struct journal_record records[4])
{
    records[0] = record_of(1, 1, "ab", "first", 5);
    records[1] = record_of(2, 2, "", "second", 6);
    records[2] = record_of(3, 3, "", "", 0);
    records[3] = record_of(4, 1, "", "fourth", 6);
    write_file(records, 4);
    return file()->n;
}

/* A cut is told wherever it is, and what lies before it is there. */
Test(left, every_prefix_says_that_it_is_cut)
{
    struct journal_record records[4];
    struct left_report r;
    size_t n = make_small(records), last = 0;
    for (size_t at = 0; at < n; at++) {
        file()->n = at;
        int err = read_file(records, 4, &r);
        cr_assert(err == 0 || (err == ERR_CORRUPT && at < FRAME_HEADER_BYTES), "%zu", at);
        cr_assert_not(left_is_good(&r), "%zu", at);
        cr_assert_geq(r.records, last, "%zu", at);
        last = r.records;
    }
    cr_assert_eq(last, 4, "the end is cut off");
}

Test(left, every_flipped_byte_costs_a_record_at_most)
{
    struct journal_record records[4];
    struct left_report r;
    size_t n = make_small(records);
    for (size_t at = 0; at < n; at++) {
        file()->bytes[at] ^= 0x11;
        cr_assert_eq(read_file(records, 4, &r), 0, "%zu", at);
        cr_assert_not(left_is_good(&r), "%zu", at);
        cr_assert_geq(r.records, 3, "%zu", at);
        cr_assert(r.has_head && memcmp(&r.head, &head, sizeof(head)) == 0, "%zu", at);
        cr_assert_eq(left_look(&disk.io, NAME, buffer, &r), 0, "%zu", at);
        cr_assert(r.has_head && r.head.generation == head.generation, "%zu", at);
        file()->bytes[at] ^= 0x11;
    }
}

/* A body with a whole file of ours in it, of another id. */
Test(left, what_a_record_holds_is_no_record)
{
    static uint8_t planted[4096];
    struct journal_record records[4];
    struct left_report r;
    size_t n = make_small(records);
    cr_assert_lt(n, sizeof(planted));
    memcpy(planted, file()->bytes, n);
    const struct journal_record one = record_of(8, 1, "", planted, n);
    struct left_writer w;
    cr_assert_eq(left_begin(&w, &disk.io, &batch, &head, 99), 0);
    cr_assert_eq(left_put(&w, &one), 0);
    cr_assert_eq(left_end(&w), 0);
    for (size_t at = 0; at < file()->n; at += 3) {
        file()->bytes[at] ^= 0x11;
        cr_assert_eq(read_file(&one, 1, &r), 0, "%zu", at);
        cr_assert_leq(r.records, 1);
        file()->bytes[at] ^= 0x11;
    }
}

Test(left, a_newer_version_is_refused)
{
    struct journal_record records[4];
    struct left_report r;
    (void)make_small(records);
    struct frame_header h = {.version = LEFT_VERSION + 1, .type = LEFT_FRAME_HEAD};
    frame_header_encode_as(&frame_kind_left, &h, file()->bytes);
    cr_assert_eq(read_file(records, 4, &r), ERR_NEWER_FORMAT);
    cr_assert_eq(r.version, LEFT_VERSION + 1);
    cr_assert_eq(left_look(&disk.io, NAME, buffer, &r), ERR_NEWER_FORMAT);
}

/* A record of a GiB in a file of some bytes: the rest of it is not there, so no memory is. */
Test(left, a_record_that_is_longer_than_its_file_is_passed_over)
{
    struct journal_record records[4];
    struct left_report r;
    size_t n = make_small(records);
    const struct journal_record_head h = {.sequence = 5,
                                          .body_bytes = JOURNAL_RECORD_MAX - JOURNAL_RECORD_BYTES};
    uint8_t *frame = file()->bytes + n - FRAME_HEADER_BYTES - LEFT_END_BYTES; /* instead of it */
    uint8_t *payload = frame + FRAME_HEADER_BYTES;
    struct frame_header f = {.version = LEFT_VERSION,
                             .type = JOURNAL_FRAME_FIRST,
                             .payload_bytes = JOURNAL_RECORD_BYTES,
                             .number = 5,
                             .file_id = FILE_ID};
    journal_record_encode(&h, payload);
    f.payload_checksum = frame_payload_checksum(payload, JOURNAL_RECORD_BYTES);
    frame_header_encode_as(&frame_kind_left, &f, frame);
    file()->n = n - LEFT_END_BYTES + JOURNAL_RECORD_BYTES;
    cr_assert_eq(read_file(records, 4, &r), 0, "%s", r.detail);
    cr_assert_eq(r.records, 4);
    cr_assert(!left_is_good(&r) && strstr(r.detail, "cut short") != NULL, "%s", r.detail);
}

/* ---- files of released versions ---- */

static struct left_writer again;

static int write_again(void *ctx, const struct journal_record *r)
{
    static const uint16_t kinds[] = {1, 3, 1, 2, 2}; /* http/record.h */
    uint64_t *n = ctx;
    cr_assert_lt(*n, ARRAY_LEN(kinds));
    cr_assert_eq(r->kind, kinds[(*n)++]);
    return left_put(&again, r);
}

/* golden/left-1.hg: five records for the window 2833334 of ten minutes, by the first program that
 * wrote such files; tests/unit/http/carry_test.c made it and takes it back. Written again, each
 * byte is the same: another one is a new version. */
Test(left, a_file_of_version_1_is_read_and_still_written)
{
    static uint8_t golden[TEST_GOLDEN_BYTES_MAX];
    uint64_t n_records = 0;
    struct frame_header h;
    struct left_report r;
    size_t n = test_golden_read("left-1.hg", 1, golden);
    cr_assert(frame_header_decode_as(&frame_kind_left, golden, &h));
    cr_assert_eq(io_write_all(&disk.io, disk.io.ops->create(&disk.io, NAME), golden, n), 0);
    cr_assert_eq(left_look(&disk.io, NAME, buffer, &r), 0);
    cr_assert(r.head.window == 2833334 && r.head.window_ms == 600000 && r.head.generation > 0);
    cr_assert_gt(r.head.below, 0);
    cr_assert_eq(left_begin(&again, &disk.io, &batch, &r.head, h.file_id), 0);
    cr_assert_eq(read_by(write_again, &n_records, &r), 0);
    cr_assert(left_is_good(&r) && r.records == 5 && n_records == 5, "%s", r.detail);
    cr_assert_eq(left_end(&again), 0);
    const struct io_mem_file *now = file_of("left-2833334.hg");
    cr_assert(now->n == n && memcmp(now->bytes, golden, n) == 0,
              "what is written has changed: that is a new version");
}

/* Nothing but the old file is there, whichever call fails. */
Test(left, a_disk_that_is_full_leaves_the_old_file)
{
    struct journal_record records[4];
    struct left_writer w;
    struct left_report r;
    (void)make_small(records);
    disk.files[1].capacity = 0;
    for (int i = 0; i < 2; i++)
        if (&disk.files[i] != file())
            disk.files[i].capacity = 100;
    int err = left_begin(&w, &disk.io, &batch, &head, 1);
    if (err == 0)
        err = left_put(&w, &records[0]);
    cr_assert(err == ERR_IO && errno == ENOSPC);
    cr_assert_str_eq(w.failed_call, "write");
    left_abandon(&w);
    cr_assert_eq(read_file(records, 4, &r), 0);
    cr_assert(left_is_good(&r));
}
