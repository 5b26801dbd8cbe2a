/* The example of docs/journal-format.md is what the program writes, and what it reads. */
#include "snapshot/journal_format.h"

#include "test_files.h"
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

TestSuite(journal_format, .init = given_a_disk, .fini = release);

/* --- names and heads --- */

Test(journal_format, names)
{
    static const char *const others[] = {
        "journal-0000000000000000.hg",  "journal-000000000000000.hg",
        "journal-00000000000000001.hg", "journal-000000000000000A.hg",
        "journal-0000000000000001.hG",  "journal-8000000000000000.hg",
        "journal-0000000000000001.hg2", "snapshot.hg",
    };
    static const uint64_t numbers[] = {1, 255, 0x123456789abcdef, JOURNAL_NUMBER_MAX};
    char name[JOURNAL_NAME_BYTES];
    uint64_t back = 0;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        journal_name(numbers[i], name);
        cr_assert(journal_name_parse(name, &back) && back == numbers[i]);
    }
    cr_assert_str_eq(name, "journal-7fffffffffffffff.hg");
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        cr_assert_not(journal_name_parse(others[i], &back), "%s", others[i]);
}

Test(journal_format, segments_are_found_in_order)
{
    static const char *const names[] = {"journal-0000000000000010.hg", "snapshot.hg",
                                        "journal-0000000000000003.hg"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        cr_assert_eq(
            io_write_all(&t.disk.io, t.disk.io.ops->create(&t.disk.io, names[i]), "12345", 5), 0);
    uint64_t number, bytes, n;
    cr_assert_eq(journal_find(&t.disk.io, 1, &number, &bytes, &n), 1);
    cr_assert(number == 3 && bytes == 10 && n == 2);
    cr_assert_eq(journal_find(&t.disk.io, 4, &number, &bytes, &n), 1);
    cr_assert(number == 16 && bytes == 5 && n == 1);
    cr_assert_eq(journal_find(&t.disk.io, 17, &number, &bytes, &n), 0);
    cr_assert(number == 16 && bytes == 0 && n == 0);
}

static void given_a_segment(uint64_t number, size_t n)
{
    static const uint8_t bytes[FRAME_HEADER_BYTES + JOURNAL_HEAD_BYTES + 1];
    char name[JOURNAL_NAME_BYTES];
    journal_name(number, name);
    struct io *io = &t.disk.io;
    (void)io->ops->remove(io, name);
    cr_assert_eq(io_write_all(io, io->ops->create(io, name), bytes, n), 0);
}

Test(journal_format, a_journal_of_heads_is_empty)
{
    size_t n_head = FRAME_HEADER_BYTES + JOURNAL_HEAD_BYTES;
    struct io *io = &t.disk.io;
    cr_assert(journal_is_empty(io), "no segment at all");
    given_a_segment(3, n_head);
    given_a_segment(5, 0);
    given_a_segment(JOURNAL_NUMBER_MAX, n_head);
    cr_assert(journal_is_empty(io));
    given_a_segment(5, n_head + 1);
    cr_assert_not(journal_is_empty(io));
    given_a_segment(5, n_head);
    cr_assert(journal_is_empty(io));
    given_a_segment(JOURNAL_NUMBER_MAX, n_head + 1);
    cr_assert_not(journal_is_empty(io), "the last one");
}

static int64_t no_size(struct io *io, const char *name)
{
    (void)io, (void)name;
    return -1;
}

Test(journal_format, a_segment_of_unknown_size_may_have_records)
{
    struct io *io = &t.disk.io;
    struct io_ops ops = *io->ops;
    const struct io_ops *before = io->ops;
    ops.size = no_size;
    given_a_segment(3, FRAME_HEADER_BYTES + JOURNAL_HEAD_BYTES);
    io->ops = &ops;
    cr_assert_not(journal_is_empty(io));
    io->ops = before;
    cr_assert(journal_is_empty(io));
}

Test(journal_format, heads_that_cannot_be_are_refused)
{
    uint8_t bytes[JOURNAL_HEAD_BYTES];
    struct journal_head good = {.number = 5, .sequence = 9, .before = 4, .before_sequence = 9}, h;
    journal_head_encode(&good, bytes);
    cr_assert_eq(journal_head_decode(bytes, sizeof bytes, &h), 0);
    cr_assert_eq(memcmp(&good, &h, sizeof h), 0);
    cr_assert_eq(journal_head_decode(bytes, sizeof bytes - 1, &h), ERR_CORRUPT);
    struct journal_head bad[] = {good, good, good};
    bad[0].number = 0;
    bad[1].before = 5;
    bad[2].before_sequence = 10;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        journal_head_encode(&bad[i], bytes);
        cr_assert_eq(journal_head_decode(bytes, sizeof bytes, &h), ERR_CORRUPT, "%zu", i);
    }
}

static int decode_of(uint32_t meta_bytes, uint64_t body_bytes)
{
    uint8_t bytes[JOURNAL_RECORD_BYTES];
    struct journal_record_head h = {
        .sequence = 1, .meta_bytes = meta_bytes, .body_bytes = body_bytes};
    journal_record_encode(&h, bytes);
    return journal_record_decode(bytes, sizeof bytes, &h);
}

Test(journal_format, sizes_of_records_have_limits)
{
    cr_assert_eq(decode_of(JOURNAL_META_MAX, 0), 0);
    cr_assert_eq(decode_of(JOURNAL_META_MAX + 1, 0), ERR_CORRUPT);
    cr_assert_eq(decode_of(0, JOURNAL_RECORD_MAX - JOURNAL_RECORD_BYTES), 0);
    cr_assert_eq(decode_of(0, JOURNAL_RECORD_MAX - JOURNAL_RECORD_BYTES + 1), ERR_CORRUPT);
    cr_assert_eq(decode_of(1, JOURNAL_RECORD_MAX - JOURNAL_RECORD_BYTES), ERR_CORRUPT);
    cr_assert_eq(decode_of(0, UINT64_MAX), ERR_CORRUPT);
    uint8_t bytes[JOURNAL_RECORD_BYTES] = {[18] = 1}; /* the two bytes that are kept for later */
    struct journal_record_head h;
    cr_assert_eq(journal_record_decode(bytes, sizeof bytes, &h), ERR_CORRUPT);
    bytes[18] = 0;
    cr_assert_eq(journal_record_decode(bytes, sizeof bytes, &h), 0);
    cr_assert_eq(journal_record_decode(bytes, sizeof bytes - 1, &h), ERR_CORRUPT);
}

/* --- the example --- */

static void submit(uint16_t kind, const char *meta, const char *body)
{
    struct test_entry *te = test_entry_new(&t, 0, 0);
    te->parts[0] = (struct iovec){(void *)body, strlen(body)};
    te->e.kind = kind;
    te->e.time_ms = 1700000000123;
    te->e.meta = meta;
    te->e.meta_bytes = strlen(meta);
    cr_assert_eq(journal_submit(t.j, &te->e), 0);
    cr_assert_eq(test_entry_free(te), 0);
}

static const struct io_mem_file *written(const char *name)
{
    for (int i = 0; i < IO_MEM_FILES; i++)
        if (!strcmp(t.disk.files[i].name, name))
            return &t.disk.files[i];
    cr_assert(false, "no file %s", name);
    return NULL;
}

Test(journal_format, the_example_is_what_is_written)
{
    test_journal_open(&t);
    submit(1, "", "hello");
    submit(3, "\x05\x07", "");
    test_close(&t);
    const struct io_mem_file *f = written("journal-0000000000000001.hg");
    test_example_expect("docs/journal-format.md", "segment", f->bytes, f->n);
}

/* --- files of released versions --- */

static void put_golden_file(const char *name)
{
    static uint8_t bytes[TEST_GOLDEN_BYTES_MAX];
    size_t n = test_golden_read("journal-1.hg", 1, bytes);
    cr_assert_eq(io_write_all(&t.disk.io, t.disk.io.ops->create(&t.disk.io, name), bytes, n), 0);
}

/* golden/journal-1.hg: the records 0 to 19 of test_journal.h, by the first program that wrote a
 * journal. */
Test(journal_format, a_segment_of_version_1_is_read)
{
    put_golden_file("journal-0000000000000001.hg");
    test_replay(&t);
    cr_assert(journal_replay_is_clean(&t.report), "%s", t.report.detail);
    cr_assert_eq(t.n_back, 20);
    for (unsigned i = 0; i < 20; i++)
        cr_assert_eq(t.times_back[i], 1);
}

Test(journal_format, version_1_is_still_written)
{
    test_journal_open(&t);
    for (unsigned i = 0; i < 20; i++)
        cr_assert_eq(test_write(&t, i), 0);
    test_close(&t);
    put_golden_file("golden");
    const struct io_mem_file *now = written("journal-0000000000000001.hg"),
                             *then = written("golden");
    const char *dump = getenv("JOURNAL_GOLDEN"); /* writes the file for a new version */
    FILE *f = dump ? fopen(dump, "wb") : NULL;
    if (f) {
        fwrite(now->bytes, 1, now->n, f);
        fclose(f);
    }
    cr_assert(now->n == then->n && !memcmp(now->bytes, then->bytes, now->n),
              "what is written has changed: that is a new version");
}
