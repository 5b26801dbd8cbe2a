/* What senders say about metrics is in no snapshot: the journal has it, and says it again before
 * the segments that hold it go. */
#include "http/retell.h"
#include "http/write_metadata.h"
#include "tests/unit/http/test_process.h"

static struct temp_dir dir;
static struct process p;
static struct model model;

static void given_a_directory(void)
{
    cr_assert(temp_dir_new(&dir));
    process_journal_max = 1 << 30;
    model.n = 0;
    model.newest_ms = 0;
}

static void remove_it(void)
{
    temp_dir_remove(&dir);
}

TestSuite(recorder_metadata, .init = given_a_directory, .fini = remove_it, .timeout = 60);

static void start(void)
{
    cr_assert(process_start(&p, dir.path, 0, 1000));
}

/* Without a snapshot, as after kill -9. */
static void restart(void)
{
    process_end(&p);
    start();
}

static void put_number(struct message *m, const char *what, unsigned number, unsigned field)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "%s-%u", what, number);
    message_field(m, field, text, (size_t)n);
}

/* A request of 1.0 that says something about n metrics from `first` on and has no samples, as the
 * server takes it. */
static void say_some(unsigned first, unsigned n)
{
    static struct message m, one;
    static struct stored_message stored;
    m.n = 0;
    for (unsigned i = first; i < first + n; i++) {
        one.n = 0;
        put_number(&one, "metric", i, 2);
        put_number(&one, "what it is", i, 4);
        message_field(&m, 3, one.bytes, one.n);
    }
    store_message(&stored, p.db, &p.region, &m, false);
    cr_assert_eq(stored.rw.body.n_metadata, n);
    cr_assert_eq(write_metadata_keep(&p.metadata, stored.rw.message, stored.rw.n_message, 1), 0);
    process_submit(&p, RECORD_WRITE_V1, stored.body, stored.n_body, stored.meta, stored.n_meta);
    region_release(&p.region);
}

static void say(unsigned first, unsigned n)
{
    enum { AT_ONCE = 1000 }; /* they fit into a message */
    for (unsigned i = 0; i < n; i += AT_ONCE)
        say_some(first + i, n - i < AT_ONCE ? n - i : AT_ONCE);
}

static size_t n_known(void)
{
    struct metadata_item *items;
    size_t n;
    cr_assert(metadata_list(&p.metadata, NULL, 0, &p.region, &items, &n));
    for (size_t i = 0; i < n; i++)
        cr_assert_str_eq(items[i].family.bytes + strlen("metric"),
                         items[i].help.bytes + strlen("what it is"));
    region_release(&p.region);
    return n;
}

static bool is_empty(void)
{
    return recorder_is_empty(&p.recorder, dir.path);
}

Test(recorder_metadata, what_came_without_samples_outlives_a_kill)
{
    start();
    cr_assert(is_empty());
    say(0, 300);
    restart();
    cr_assert_eq(n_known(), 300);
    cr_assert_eq(p.recorder.n_records_bad + p.recorder.n_records_unknown, 0);
    process_end(&p);
}

Test(recorder_metadata, what_a_body_of_2_0_says_outlives_a_kill)
{
    static const char *const texts[] = {"", "__name__", "metric-1", "what it is-1"};
    static struct message m, one;
    static struct stored_message stored;
    start();
    m.n = one.n = 0;
    message_symbols(&m, texts, ARRAY_LEN(texts));
    message_refs(&one, (uint32_t[]){1, 2}, 2);
    message_sample(&one, PROCESS_START_MS, 1);
    message_field(&one, 5, "\x08\x01\x18\x03", 4);
    message_field(&m, 5, one.bytes, one.n);
    store_message(&stored, p.db, &p.region, &m, true);
    process_submit(&p, RECORD_WRITE_V2, stored.body, stored.n_body, stored.meta, stored.n_meta);
    region_release(&p.region);
    cr_assert_eq(n_known(), 0, "nobody has looked yet");
    restart();
    cr_assert_eq(n_known(), 1);
    process_end(&p);
}

Test(recorder_metadata, a_snapshot_drops_segments_and_not_what_they_say)
{
    start();
    say(0, 4000); /* more than a message */
    process_write_one(&p, &model, 1, PROCESS_START_MS, 7);
    for (unsigned round = 0; round < 3; round++) {
        cr_assert_eq(process_save(&p), 0);
        cr_assert(is_empty(), "there is more than metadata in the journal");
        restart();
        cr_assert_eq(n_known(), 4000);
        process_expect(&p, &model);
    }
    uint64_t bytes = recorder_journal_bytes(dir.path);
    cr_assert_eq(process_save(&p), 0);
    cr_assert_leq(recorder_journal_bytes(dir.path), bytes, "it grows with each snapshot");
    process_end(&p);
}

Test(recorder_metadata, without_any_nothing_is_written)
{
    start();
    process_write_one(&p, &model, 1, PROCESS_START_MS, 7);
    cr_assert_eq(process_save(&p), 0);
    uint64_t n_left = 1;
    cr_assert_eq(retell(&p.recorder, &n_left), 0);
    cr_assert_eq(n_left, 0);
    cr_assert_eq(recorder_journal_bytes(dir.path), JOURNAL_HEAD_BYTES + FRAME_HEADER_BYTES);
    process_end(&p);
}

Test(recorder_metadata, a_journal_with_anything_else_is_not_empty)
{
    start();
    say(0, 10);
    cr_assert_not(is_empty(), "a body may have samples");
    cr_assert_eq(process_save(&p), 0);
    cr_assert(is_empty());
    process_write_one(&p, &model, 1, PROCESS_START_MS, 7);
    cr_assert_not(is_empty());
    cr_assert_eq(process_save(&p), 0);
    cr_assert(is_empty());
    process_delete(&p, &model, 1, 0, 1);
    cr_assert_not(is_empty());
    process_end(&p);
}

/* What is torn or damaged may have been samples. */
Test(recorder_metadata, a_damaged_journal_is_not_empty)
{
    struct journal_stats stats;
    char name[JOURNAL_NAME_BYTES];
    start();
    say(0, 10);
    cr_assert_eq(process_save(&p), 0);
    cr_assert(recorder_stats(&p.recorder, &stats));
    process_end(&p);
    journal_name(stats.newest, name);
    process_make(&p, dir.path);
    cr_assert(is_empty());
    cr_assert_eq(truncate(temp_dir_file(&dir, name), (off_t)recorder_journal_bytes(dir.path) - 1),
                 0);
    cr_assert_not(is_empty());
    process_end(&p);
}

Test(recorder_metadata, it_takes_its_share_of_a_small_journal_and_no_more)
{
    process_journal_max = 1 << 20;
    start();
    say(0, 10000);
    uint64_t n_left;
    cr_assert_eq(retell(&p.recorder, &n_left), 0);
    cr_assert(n_left > 5000 && n_left < 9000, "%zu", (size_t)n_left);
    cr_assert_eq(process_save(&p), 0);
    cr_assert_leq(recorder_journal_bytes(dir.path),
                  process_journal_max / RECORDER_RETELL_SHARE + 1024);
    restart();
    cr_assert_eq(n_known(), 10000 - n_left);
    process_end(&p);
}

/* Or it would stay full. */
Test(recorder_metadata, a_full_journal_is_emptied_and_told_again)
{
    static char body[8000];
    process_journal_max = 256 << 10;
    start();
    say(0, 20);
    while (recorder_put(&p.recorder, 0x7777, body, sizeof(body)) == 0)
        continue;
    uint64_t n_left;
    while (retell(&p.recorder, &n_left) == 0)
        continue;
    cr_assert_eq(retell(&p.recorder, &n_left), ERR_JOURNAL_FULL);
    cr_assert_eq(process_save(&p), 0);
    cr_assert(is_empty());
    restart();
    cr_assert_eq(n_known(), 20);
    process_end(&p);
}

Test(recorder_metadata, without_memory_nothing_stays_taken)
{
    start();
    say(0, 3000);
    size_t limit = p.budget.limit_bytes;
    int err = ERR_NO_MEMORY;
    uint64_t n_left;
    size_t n_tries = 0;
    for (size_t more = 0; err != 0; more += ARENA_PAGE_BYTES, n_tries++) {
        p.budget.limit_bytes = atomic_load(&p.budget.used_bytes) + more;
        err = retell(&p.recorder, &n_left);
        cr_assert(err == 0 || err == ERR_NO_MEMORY);
        cr_assert_eq(atomic_load(&p.budget.rows[p.recorder.owner].bytes), 0);
    }
    cr_assert_gt(n_tries, 2);
    p.budget.limit_bytes = limit;
    restart();
    cr_assert_eq(n_known(), 3000);
    process_end(&p);
}

Test(recorder_metadata, a_record_of_it_with_anything_else_is_left_out)
{
    static struct message m;
    char error[256] = "";
    start();
    message_series(&m, "__name__=m1", PROCESS_START_MS, 1);
    message_field(&m, 3, "\x12\x01x", 3);
    const struct journal_record rows[] = {
        {.kind = RECORD_METADATA, .body = (const uint8_t *)m.bytes, .body_bytes = m.n},
        {.kind = RECORD_METADATA, .body = (const uint8_t *)"\x1a\x7f", .body_bytes = 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(recorder_take(&p.recorder, &rows[i], error, sizeof(error)), 0);
    cr_assert_eq(p.recorder.n_records_bad, ARRAY_LEN(rows));
    cr_assert_eq(n_known(), 0);
    process_expect(&p, &model);
    process_end(&p);
}
