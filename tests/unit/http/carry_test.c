/* What was acknowledged for windows that do not fit into memory comes back when they do, whatever
 * came in between: starts in other memory, kills, snapshots, deletions. */
#include "http/carry.h"

#include "snapshot/left.h"
#include "tests/unit/http/test_process.h"

enum { RUNS = 30, RUNS_MOST = 1000, REQUESTS = 40, SYNC_MS = 1000 };
enum { FREE_LEAST = 2 << 20, FREE_STEP = 128 << 10, FREE_STEPS = 40 };

static struct temp_dir dir;
static struct process process;
static struct model model;
static struct random random_state;
static size_t enough_bytes; /* in which windows were left */

static void set_up(void)
{
    random_init(&random_state, random_seed());
    model.n = 0;
    model.newest_ms = 0;
    enough_bytes = FREE_LEAST + (size_t)FREE_STEP * FREE_STEPS;
    cr_assert(temp_dir_new(&dir));
}

static void tear_down(void)
{
    temp_dir_remove(&dir);
}

TestSuite(carry, .init = set_up, .fini = tear_down);

/* ---- one after the other ---- */

static int64_t window_ms(int64_t n)
{
    return PROCESS_START_MS + n * PROCESS_WINDOW_MS;
}

static int64_t first_window(void)
{
    return window_of_ms(PROCESS_START_MS);
}

/* Four large windows in files, and records of each in the journal that are in no file. */
static void prepare(void)
{
    cr_assert(process_start(&process, dir.path, 0, SYNC_MS));
    for (int64_t n = 0; n < 4; n++)
        process_fill(&process, &random_state, first_window() + n);
    process_write_one(&process, &model, 1, window_ms(1), 7);
    cr_assert_eq(process_save(&process), 0);
    for (unsigned n = 0; n < 4; n++)
        process_write_one(&process, &model, n, window_ms(n) + 1000, 100 + n);
    process_end(&process);
}

/* In the most memory in which so many windows are left, or in what that was the last time. Each
 * attempt is a process of its own, with a segment of the journal. */
static void start_sync_with_left(unsigned n_left, int64_t sync_ms)
{
    size_t free_bytes = enough_bytes;
    for (; free_bytes > FREE_STEP; free_bytes -= FREE_STEP / 2) {
        if (!process_start(&process, dir.path, free_bytes, sync_ms))
            break;
        enough_bytes = free_bytes;
        if (process.loaded.left_windows >= n_left)
            return;
        process_end(&process);
    }
    cr_assert_fail("no memory in which %u windows are left", n_left);
}

static void start_with_left(unsigned n_left)
{
    start_sync_with_left(n_left, SYNC_MS);
}

static void start_off_with_left(unsigned n_left)
{
    start_sync_with_left(n_left, JOURNAL_SYNC_OFF);
}

static void start_whole(void)
{
    cr_assert(process_start(&process, dir.path, 0, SYNC_MS));
    cr_assert_eq(process.loaded.left_windows, 0);
}

Test(carry, samples_of_a_window_that_is_left_come_back)
{
    prepare();
    start_with_left(2);
    process_expect(&process, &model);
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
    start_whole();
    process_expect(&process, &model);
    cr_assert_eq(process_count(&process, &model), 5);
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
    start_whole();
    process_expect(&process, &model);
    process_end(&process);
}

Test(carry, a_deletion_holds_for_what_is_left)
{
    prepare();
    start_with_left(3);
    process_delete(&process, &model, 1, INT64_MIN, INT64_MAX);
    process_write_one(&process, &model, 1, window_ms(3) + 5000, 9); /* not this one */
    cr_assert_eq(process_save(&process), 0);
    process_write_one(&process, &model, 1, window_ms(3) + 6000, 9);
    process_end(&process);
    start_whole();
    process_expect(&process, &model);
    cr_assert_eq(process_count(&process, &model), 5);
    process_end(&process);
}

/* More for a window that has something beside it already. */
Test(carry, what_was_carried_before_stays)
{
    prepare();
    start_with_left(2);
    cr_assert_eq(process_save(&process), 0);
    process_delete(&process, &model, 5, INT64_MIN, INT64_MAX);
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
    start_whole();
    process_expect(&process, &model);
    cr_assert_eq(process_count(&process, &model), 5);
    process_end(&process);
}

/* The numbers of segments, by which a file knows what it has, do not begin again. */
Test(carry, numbers_of_segments_go_on_when_there_is_no_segment)
{
    prepare();
    start_with_left(2);
    process_end(&process);
    start_off_with_left(2);
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
    start_with_left(2);
    process_delete(&process, &model, 1, INT64_MIN, INT64_MAX);
    process_end(&process);
    start_with_left(2);
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
    start_whole();
    process_expect(&process, &model);
    process_end(&process);
}

/* A record goes to each window with the samples of that window alone. */
Test(carry, samples_of_other_windows_do_not_come_along)
{
    static struct message m;
    prepare();
    start_whole();
    put_one_series(
        &m, false, 6,
        (struct sample[]){{window_ms(0) + 1, 1}, {window_ms(1) + 2, 2}, {window_ms(3) + 3, 3}}, 3);
    process_write(&process, &model, &m, false);
    process_end(&process);
    start_with_left(2);
    process_delete(&process, &model, 6, window_ms(3), window_ms(4));
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
    start_whole();
    process_expect(&process, &model);
    process_end(&process);
}

/* The removal of a file did not reach the disk: the window's copy is newer, and says so. */
Test(carry, a_file_of_an_older_copy_is_passed_over)
{
    char name[FILE_NAME_BYTES];
    static uint8_t bytes[1 << 16];
    prepare();
    start_with_left(2);
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
    directory_left_name(first_window(), name);
    long n = file_read_all(temp_dir_file(&dir, name), bytes, sizeof(bytes));
    cr_assert_gt(n, 0);
    start_whole();
    process_delete(&process, &model, 0, INT64_MIN, INT64_MAX);
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
    cr_assert_not(temp_dir_has(&dir, name), "the window has it now");
    for (int k = 0; k < 2; k++) {
        cr_assert(file_write_all(temp_dir_file(&dir, name), bytes, (size_t)n));
        if (k == 0)
            start_whole();
        else
            start_with_left(3);
        process_expect(&process, &model);
        process_delete(&process, &model, 8, INT64_MIN, INT64_MAX);
        cr_assert_eq(process_save(&process), 0);
        process_end(&process);
        start_whole();
        process_expect(&process, &model);
        process_end(&process);
    }
}

/* Without a journal it is as safe as what came after the last snapshot: after the next one. */
Test(carry, a_deletion_holds_without_a_journal)
{
    prepare();
    start_off_with_left(2);
    process_delete(&process, &model, 1, INT64_MIN, INT64_MAX);
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
    start_whole();
    process_expect(&process, &model);
    process_end(&process);
}

/* It is not in the journal, which a backup does not have. */
Test(carry, a_backup_has_it)
{
    struct snapshot_report report;
    char name[BACKUP_NAME_BYTES], path[256];
    prepare();
    start_with_left(2);
    snapshot_hurry(&process.saver.files);
    cr_assert_eq(saver_backup(&process.saver, name, &report), 0);
    process_end(&process);
    snprintf(path, sizeof(path), "%s/%s/%s", dir.path, BACKUP_DIR, name);
    cr_assert(process_start(&process, path, 0, SYNC_MS));
    process_expect(&process, &model);
    cr_assert_eq(process_count(&process, &model), 5);
    process_end(&process);
    char command[512];
    snprintf(command, sizeof(command), "rm -r %s/" BACKUP_DIR, dir.path);
    cr_assert_eq(system(command), 0);
}

/* It is gone when the window's time is over, also when nothing else of the window is there. */
Test(carry, it_goes_with_its_window)
{
    prepare();
    start_with_left(2);
    cr_assert_eq(process_save(&process), 0);
    int n_left = temp_dir_count(&dir);
    for (int64_t n = 4; n < 4 + PROCESS_WINDOWS; n++)
        process_write_one(&process, &model, 9, window_ms(n), 1);
    cr_assert_eq(process_save(&process), 0);
    cr_assert_lt(temp_dir_count(&dir), n_left);
    struct directory found;
    struct io_file f;
    bool has_snapshot;
    cr_assert_eq(io_file_open(&f, dir.path), 0);
    cr_assert_eq(directory_list(&found, &f.io, &has_snapshot), 0);
    io_file_close(&f);
    for (uint32_t i = 0; i < found.n; i++)
        cr_assert(!found.windows[i].has_left || found.windows[i].number >= first_window() + 3);
    process_end(&process);
}

/* ---- figures ---- */

static unsigned long long file_bytes_of(int64_t window)
{
    static uint8_t bytes[1 << 16];
    char name[FILE_NAME_BYTES];
    directory_left_name(window, name);
    long n = file_read_all(temp_dir_file(&dir, name), bytes, sizeof(bytes));
    return n > 0 ? (unsigned long long)n : 0;
}

static void expect_carried(uint64_t records, uint64_t bytes)
{
    const struct carry_figures *f = &process.recorder.carry.figures;
    cr_assert_eq(atomic_load(&f->records_carried), records);
    cr_assert_eq(atomic_load(&f->record_bytes_carried), bytes);
}

static void expect_there(uint64_t windows, uint64_t bytes, uint64_t waiting_bytes)
{
    const struct carry_figures *f = &process.recorder.carry.figures;
    cr_assert_eq(atomic_load(&f->windows), windows);
    cr_assert_eq(atomic_load(&f->bytes), bytes);
    cr_assert_eq(atomic_load(&f->waiting_bytes), waiting_bytes);
}

/* Two samples for windows that are left, and a deletion for both. */
Test(carry, what_is_carried_and_comes_back_is_counted)
{
    prepare();
    start_with_left(2);
    const struct carry_figures *f = &process.recorder.carry.figures;
    expect_there(2, 0, 0);
    expect_carried(0, 0);
    cr_assert_eq(process_save(&process), 0);
    unsigned long long both = file_bytes_of(first_window()) + file_bytes_of(first_window() + 1);
    uint64_t writes = both - 2 * (3 * FRAME_HEADER_BYTES + LEFT_HEAD_BYTES + LEFT_END_BYTES +
                                  JOURNAL_RECORD_BYTES);
    expect_there(2, both, both);
    expect_carried(2, writes);
    process_delete(&process, &model, 1, INT64_MIN, INT64_MAX);
    cr_assert_eq(process_save(&process), 0);
    uint64_t with = file_bytes_of(first_window()) + file_bytes_of(first_window() + 1);
    expect_there(2, with, with);
    expect_carried(4, writes + with - both - 2 * (FRAME_HEADER_BYTES + JOURNAL_RECORD_BYTES));
    cr_assert_eq(process_save(&process), 0);
    expect_carried(4, atomic_load(&f->record_bytes_carried));
    process_end(&process);
    start_whole();
    expect_there(0, with, 0);
    cr_assert_eq(atomic_load(&f->records_back), 4);
    cr_assert_eq(process_save(&process), 0);
    expect_there(0, 0, 0);
    cr_assert(atomic_load(&f->windows_over) == 0 && atomic_load(&f->bytes_over) == 0);
    process_end(&process);
}

Test(carry, what_goes_with_its_window_is_counted)
{
    prepare();
    start_with_left(2);
    const struct carry_figures *f = &process.recorder.carry.figures;
    cr_assert_eq(process_save(&process), 0);
    unsigned long long oldest = file_bytes_of(first_window()),
                       next = file_bytes_of(first_window() + 1);
    process_write_one(&process, &model, 9, window_ms(PROCESS_WINDOWS + 1), 1);
    cr_assert_eq(process_save(&process), 0);
    expect_there(1, next, next);
    cr_assert(atomic_load(&f->windows_over) == 1 && atomic_load(&f->bytes_over) == oldest);
    process_end(&process);
}

/* A deletion that there is no room for, and the last that there is. */
Test(carry, deletions_are_refused_past_the_limit)
{
    prepare();
    start_with_left(2);
    struct carry *c = &process.recorder.carry;
    cr_assert_eq(process_save(&process), 0);
    c->max_bytes = atomic_load(&c->figures.bytes) + 10;
    cr_assert_eq(carry_note_deletion(c, "0123456789a", 11), ERR_JOURNAL_FULL);
    cr_assert_eq(atomic_load(&c->figures.deletions_refused), 1);
    cr_assert_eq(carry_note_deletion(c, "0123456789", 10), 0);
    cr_assert_eq(carry_note_deletion(c, "0", 1), ERR_JOURNAL_FULL);
    cr_assert_eq(atomic_load(&c->figures.deletions_refused), 2);
    process_end(&process);
}

/* Its end is cut off. */
Test(carry, what_is_lost_of_it_is_counted)
{
    char name[FILE_NAME_BYTES];
    prepare();
    start_with_left(2);
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
    directory_left_name(first_window(), name);
    const char *path = temp_dir_file(&dir, name);
    cr_assert_eq(truncate(path, (off_t)file_bytes_of(first_window()) - 1), 0);
    start_whole();
    cr_assert_eq(atomic_load(&process.recorder.carry.figures.frames_lost), 1);
    cr_assert_eq(atomic_load(&process.recorder.carry.figures.records_back), 2);
    process_expect(&process, &model);
    process_end(&process);
}

/* ---- files of released versions ---- */

#define GOLDEN "tests/unit/snapshot/golden/left-1.hg"

/* What the golden file was made of: a write of 1.0 and one of 2.0 with samples of other windows in
 * them, and a deletion, from the journal; and a deletion that came when the window was left. */
static void make_what_the_golden_file_has(void)
{
    static struct message m;
    cr_assert(process_start(&process, dir.path, 0, SYNC_MS));
    for (int64_t n = 0; n < 4; n++)
        process_fill(&process, &random_state, first_window() + n);
    cr_assert_eq(process_save(&process), 0);
    m.n = 0;
    put_one_series(&m, false, 6, (struct sample[]){{window_ms(0) + 1, 1}, {window_ms(1) + 2, 2}},
                   2);
    process_write(&process, &model, &m, false);
    m.n = 0;
    put_symbols_of_all(&m);
    put_one_series(&m, true, 7, (struct sample[]){{window_ms(0) + 3, 3}, {window_ms(2) + 4, 4}}, 2);
    put_one_series(&m, true, 8, &(struct sample){window_ms(0) + 5, 5}, 1);
    process_write(&process, &model, &m, true);
    process_write_one(&process, &model, 9, window_ms(0) + 6, 6);
    process_delete(&process, &model, 9, INT64_MIN, INT64_MAX);
    process_end(&process);
    start_with_left(2);
    process_delete(&process, &model, 7, INT64_MIN, window_ms(1));
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
}

static void copy_file(const char *from, const char *to)
{
    static uint8_t bytes[1 << 14];
    long n = file_read_all(from, bytes, sizeof(bytes));
    cr_assert(n > 0 && n < (long)sizeof(bytes), "%s: run this from the root of the tree", from);
    cr_assert(file_write_all(to, bytes, (size_t)n));
}

/* A start in a directory that has nothing but such a file: what is in it, and no more, is there. */
static void expect_what_the_golden_file_has(const char *path)
{
    char name[FILE_NAME_BYTES];
    struct temp_dir other;
    directory_left_name(first_window(), name);
    cr_assert(temp_dir_new(&other));
    copy_file(path, temp_dir_file(&other, name));
    model.n = 0;
    model.newest_ms = 0;
    model_add(&model, 6, &(struct sample){window_ms(0) + 1, 1});
    model_add(&model, 8, &(struct sample){window_ms(0) + 5, 5});
    cr_assert(process_start(&process, other.path, 0, SYNC_MS));
    process_expect(&process, &model);
    process_end(&process);
    temp_dir_remove(&other);
}

Test(carry, a_file_of_version_1_comes_back)
{
    expect_what_the_golden_file_has(GOLDEN);
}

/* LEFT_GOLDEN=file keeps it, for a new version. */
Test(carry, a_file_of_today_comes_back_alone)
{
    char name[FILE_NAME_BYTES];
    const char *keep_as = getenv("LEFT_GOLDEN");
    make_what_the_golden_file_has();
    directory_left_name(first_window(), name);
    if (keep_as != NULL)
        copy_file(temp_dir_file(&dir, name), keep_as);
    expect_what_the_golden_file_has(temp_dir_file(&dir, name));
}

/* ---- at random ---- */

static void write_something(int64_t *io_ms)
{
    static struct message m;
    bool is_v2 = random_below(&random_state, 2);
    m.n = 0;
    if (is_v2)
        put_symbols_of_all(&m);
    for (size_t left = 1 + random_below(&random_state, 3); left > 0; left--) {
        struct sample samples[4];
        size_t n = 1 + random_below(&random_state, ARRAY_LEN(samples));
        for (size_t k = 0; k < n; k++) {
            int64_t behind = 0;
            if (random_below(&random_state, 2) == 0)
                behind = (int64_t)random_below(&random_state, 5 * PROCESS_WINDOW_MS);
            samples[k] =
                (struct sample){(*io_ms - behind) / 5000 * 5000, random_below(&random_state, 3)};
        }
        put_one_series(&m, is_v2, (unsigned)random_below(&random_state, PROCESS_SERIES), samples,
                       n);
    }
    process_write(&process, &model, &m, is_v2);
    *io_ms += (int64_t)random_below(&random_state, 8000);
}

static void delete_something(int64_t now_ms)
{
    int64_t min_ms = INT64_MIN, max_ms = INT64_MAX;
    if (random_below(&random_state, 3) > 0)
        min_ms = now_ms - (int64_t)random_below(&random_state, 5 * PROCESS_WINDOW_MS);
    if (random_below(&random_state, 3) > 0)
        max_ms = i64_max(min_ms, now_ms - 4 * PROCESS_WINDOW_MS) +
                 (int64_t)random_below(&random_state, 3 * PROCESS_WINDOW_MS);
    process_delete(&process, &model, (unsigned)random_below(&random_state, PROCESS_SERIES), min_ms,
                   max_ms);
}

/* The model has none of it but that time has gone on: the oldest window may go. */
static void fill_something(int64_t now_ms)
{
    int64_t window = window_of_ms(now_ms) - (int64_t)random_below(&random_state, 4);
    process_fill(&process, &random_state, window);
    model.newest_ms = i64_max(model.newest_ms, window * PROCESS_WINDOW_MS);
}

static void work(int64_t *io_ms)
{
    for (unsigned left = (unsigned)random_below(&random_state, REQUESTS); left > 0; left--) {
        uint64_t what = random_below(&random_state, 30);
        if (what < 2)
            delete_something(*io_ms);
        else if (what == 2)
            cr_assert_eq(process_save(&process), 0);
        else if (what == 3)
            fill_something(*io_ms);
        else
            write_something(io_ms);
    }
}

static void start_somehow(void)
{
    bool is_whole = random_below(&random_state, 3) == 0;
    size_t free_bytes;
    do
        free_bytes =
            is_whole ? 0 : FREE_LEAST + FREE_STEP * random_below(&random_state, FREE_STEPS);
    while (!process_start(&process, dir.path, free_bytes, SYNC_MS));
}

Test(carry, nothing_is_lost_doubled_or_back_in_any_order_of_starts, .timeout = 600)
{
    int64_t now_ms = PROCESS_START_MS;
    unsigned n_left = 0, n_back = 0;
    uint64_t n_runs = random_setting("ROUNDS", RUNS);
    for (uint64_t run = 0; run < n_runs || (n_back == 0 && run < RUNS_MOST); run++) {
        start_somehow();
        n_left += (unsigned)process.loaded.left_windows;
        for (uint32_t i = 0; i < process.saver.files.directory.n; i++)
            n_back += process.saver.files.directory.windows[i].has_left &&
                      !process.saver.files.directory.windows[i].is_left;
        process_expect(&process, &model);
        work(&now_ms);
        process_expect(&process, &model);
        if (random_below(&random_state, 3) == 0)
            cr_assert_eq(process_save(&process), 0);
        process_end(&process);
        now_ms += (int64_t)random_below(&random_state, PROCESS_WINDOW_MS);
    }
    start_whole();
    process_expect(&process, &model);
    process_end(&process);
    printf("%zu samples, %u windows left, %u with something beside them came back\n", model.n,
           n_left, n_back);
    cr_assert(n_left > 0 && n_back > 0);
}
