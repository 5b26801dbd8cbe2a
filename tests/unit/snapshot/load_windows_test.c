/* Several threads load what one loads: the same samples in the same slots, and of what is damaged
 * the same report. */
#include "snapshot/load.h"
#include "snapshot/load_windows.h"
#include "snapshot/save.h"
#include "snapshot/stretch.h"

#include "faulty_io.h"
#include "test_disk.h"

#include <pthread.h> /* and so it runs under TSan */
#include <unistd.h>

enum { SERIES = 120, WINDOWS = 5, REST_MS = TEST_WINDOW_MS / 4 };

static struct io_mem disk;
static struct test_store store;
static struct random dice;

static void given_a_store(void)
{
    random_init(&dice, random_seed());
    test_store_new(&store, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    test_store_fill(store.db, &dice, SERIES, WINDOWS);
    memset(&disk, 0, sizeof disk);
    disk.resize = realloc;
    io_mem_init(&disk);
}

static void release(void)
{
    test_store_free(&store);
    for (int i = 0; i < IO_MEM_FILES; i++)
        free(disk.files[i].bytes);
}

TestSuite(load_windows, .init = given_a_store, .fini = release, .timeout = 120);

static int load_by(uint32_t n_threads, struct io *io, struct test_store *ret,
                   struct snapshot_report *report)
{
    struct directory d;
    struct snapshot_progress progress = {0};
    const struct snapshot_watch watch = {.progress = &progress, .n_threads = n_threads};
    test_store_new(ret, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    int err = load_directory(ret->db, io, &d, &watch, report);
    cr_assert(tsdb_check(ret->db));
    if (err == 0 && report->lost_frames == 0) {
        cr_assert_eq(progress.windows, progress.total_windows);
        cr_assert_eq(progress.bytes, progress.total_bytes);
    }
    return err;
}

static void expect_equal_reports(const struct snapshot_report *a, const struct snapshot_report *b)
{
    cr_assert_eq(a->series, b->series);
    cr_assert_eq(a->blocks, b->blocks);
    cr_assert_eq(a->tails, b->tails);
    cr_assert_eq(a->samples, b->samples);
    cr_assert_eq(a->file_bytes, b->file_bytes);
    cr_assert_eq(a->windows, b->windows);
    cr_assert_eq(a->window_files, b->window_files);
    cr_assert_eq(a->lost_frames, b->lost_frames);
    cr_assert_eq(a->lost_blocks, b->lost_blocks);
    cr_assert_eq(a->old_blocks, b->old_blocks);
    cr_assert_eq(a->damaged_files, b->damaged_files);
    cr_assert(!strcmp(a->detail, b->detail), "\"%s\" \"%s\"", a->detail, b->detail);
}

static void expect_the_store(void)
{
    struct snapshot_report one, several;
    for (uint32_t n = 1; n <= LOAD_THREADS_MAX; n++) {
        struct test_store copy;
        cr_assert_eq(load_by(n, &disk.io, &copy, &several), 0, "%s", several.detail);
        one = n == 1 ? several : one;
        expect_equal_reports(&one, &several);
        cr_assert_eq(several.lost_frames + several.lost_blocks, 0);
        expect_equal_stores(&store, &copy);
        expect_equal_page_maps(&store, &copy);
        test_store_free(&copy);
    }
}

Test(load_windows, several_threads_load_a_snapshot)
{
    (void)test_save(&store, &disk.io);
    expect_the_store();
}

/* Windows that rest get files of their own. */
static void save_files_of_windows(void)
{
    static struct directory files;
    files = (struct directory){0};
    struct snapshot_report report;
    struct save_options o = {.created_ms = 1, .naming = 7, .file_id = 77, .directory = &files};
    for (int i = 0; i < 3; i++) {
        o.boot_ms += REST_MS;
        o.file_id++;
        cr_assert_eq(save_store(store.db, &disk.io, &o, &report), 0, "%s", report.detail);
    }
    cr_assert_geq(files.n, WINDOWS - 2);
}

Test(load_windows, several_threads_load_files_of_windows)
{
    save_files_of_windows();
    expect_the_store();
}

/* ---- who reads meanwhile ---- */

enum { READS = 400 };

struct reader {
    struct tsdb *db; /* that is being loaded */
    struct arena *arena;
    uint64_t seed;
    int64_t from_ms; /* what newest() was told */
    unsigned n_newest;
    unsigned n_answers, n_refusals;
    pthread_t thread;
    bool has_thread;
};

/* What a store answers to a range; 0 series and ERR_LOADING when it refuses. */
static int read_range(struct tsdb *db, int64_t min_ms, int64_t max_ms, struct region *r,
                      struct read_set *ret)
{
    static const struct matcher_set everything = {NULL, 0};
    struct read_options o = {.min_ms = min_ms, .max_ms = max_ms};
    return read_select(db, &everything, &o, r, ret);
}

static void expect_equal_sets(const struct read_set *a, const struct read_set *b)
{
    uint64_t extra;
    ENSURE(a->n == b->n && is_subset(a, b, &extra) && extra == 0);
}

/* Each answer is that of the store which was saved, or none. */
static void *read_meanwhile(void *ctx)
{
    struct reader *reader = ctx;
    struct random random;
    random_init(&random, reader->seed);
    for (int i = 0; i < READS; i++) {
        struct region mine, theirs;
        struct read_set a, b;
        int64_t back_ms = (int64_t)random_below(&random, 6 * TEST_WINDOW_MS);
        int64_t min_ms = reader->from_ms + TEST_WINDOW_MS - back_ms;
        int64_t max_ms = min_ms + (int64_t)random_below(&random, 2 * TEST_WINDOW_MS);
        region_init(&mine, reader->arena, 0, 0);
        region_init(&theirs, &store.arena, 0, 0);
        int err = read_range(reader->db, min_ms, max_ms, &mine, &a);
        ENSURE(err == 0 || (err == ERR_LOADING && min_ms < reader->from_ms));
        reader->n_refusals += err != 0;
        reader->n_answers += err == 0;
        if (err == 0) {
            ENSURE(read_range(store.db, min_ms, max_ms, &theirs, &b) == 0);
            expect_equal_sets(&b, &a);
        }
        region_release(&mine);
        region_release(&theirs);
    }
    return NULL;
}

static void start_reading(void *ctx, int64_t from_ms)
{
    struct reader *reader = ctx;
    reader->from_ms = from_ms;
    reader->n_newest++;
    reader->has_thread = pthread_create(&reader->thread, NULL, read_meanwhile, reader) == 0;
}

static void load_and_read(uint32_t n_threads)
{
    struct test_store copy;
    struct directory d;
    struct snapshot_report report;
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    struct reader reader = {.db = copy.db, .arena = &copy.arena, .seed = random_next(&dice)};
    const struct snapshot_watch watch = {
        .ctx = &reader, .n_threads = n_threads, .newest = start_reading};
    cr_assert_eq(load_directory(copy.db, &disk.io, &d, &watch, &report), 0, "%s", report.detail);
    cr_assert_eq(reader.n_newest, 1);
    cr_assert(reader.has_thread);
    pthread_join(reader.thread, NULL);
    cr_assert_gt(reader.n_answers, 0);
    cr_assert(tsdb_check(copy.db));
    expect_equal_stores(&store, &copy);
    expect_equal_page_maps(&store, &copy);
    test_store_free(&copy);
}

Test(load_windows, what_is_loaded_can_be_read)
{
    (void)test_save(&store, &disk.io);
    for (uint32_t n = 1; n <= LOAD_THREADS_MAX; n++)
        load_and_read(n);
}

Test(load_windows, what_is_loaded_of_files_of_windows_can_be_read)
{
    save_files_of_windows();
    for (uint32_t n = 1; n <= LOAD_THREADS_MAX; n++)
        load_and_read(n);
}

static void expect_readable(struct test_store *s, bool is_readable)
{
    struct region r;
    struct read_set set;
    region_init(&r, &s->arena, 0, 0);
    cr_assert_eq(read_range(s->db, INT64_MAX - 1, INT64_MAX, &r, &set),
                 is_readable ? 0 : ERR_LOADING);
    region_release(&r);
}

/* Stops the load where the newest window is there, and nothing else is. */
static void read_at_once(void *ctx, int64_t from_ms)
{
    struct reader *reader = ctx;
    struct region r;
    struct read_set set, all;
    reader->from_ms = from_ms;
    reader->n_newest++;
    region_init(&r, reader->arena, 0, 0);
    cr_assert_eq(read_range(reader->db, from_ms - 1, INT64_MAX, &r, &set), ERR_LOADING);
    cr_assert_eq(read_range(reader->db, from_ms, INT64_MAX, &r, &set), 0);
    cr_assert_eq(read_range(store.db, from_ms, INT64_MAX, &r, &all), 0);
    cr_assert_gt(set.n, 0);
    expect_equal_sets(&all, &set);
    region_release(&r);
}

Test(load_windows, the_newest_window_comes_first)
{
    static struct tsdb_stats stats;
    struct test_store copy;
    struct directory d;
    struct snapshot_report report;
    (void)test_save(&store, &disk.io);
    tsdb_stats(store.db, &stats);
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    struct reader reader = {.db = copy.db, .arena = &copy.arena};
    const struct snapshot_watch watch = {.ctx = &reader, .n_threads = 1, .newest = read_at_once};
    cr_assert_eq(load_directory(copy.db, &disk.io, &d, &watch, &report), 0);
    cr_assert_eq(reader.n_newest, 1);
    cr_assert_eq(reader.from_ms, stats.windows[stats.n_windows - 1].start_ms);
    test_store_free(&copy);
}

/* A thread for which there is no memory is not needed, and one that fails ends the load. */
Test(load_windows, out_of_memory_is_an_answer)
{
    (void)test_save(&store, &disk.io);
    unsigned n_failed = 0, n_loaded = 0;
    for (size_t limit = 2 << 20; n_loaded < 3; limit += 256 << 10) {
        struct snapshot_report report;
        struct directory d;
        struct test_store copy;
        const struct snapshot_watch watch = {.n_threads = 3};
        test_store_new(&copy, limit, TEST_WINDOW_MS);
        int err = load_directory(copy.db, &disk.io, &d, &watch, &report);
        cr_assert(err == 0 || err == ERR_NO_MEMORY, "%d %s", err, report.detail);
        cr_assert(tsdb_check(copy.db));
        n_failed += err < 0 || report.left_windows > 0;
        n_loaded += err == 0 && report.samples > 0 && report.left_windows == 0;
        test_store_free(&copy);
    }
    cr_assert_gt(n_failed, 0);
}

/* Readers take memory, which may be that of the windows which are still to come. */
Test(load_windows, nobody_reads_where_memory_is_short)
{
    (void)test_save(&store, &disk.io);
    uint64_t most = 0;
    for (uint64_t step = TEST_LIMIT_BYTES; step > 0; step /= 2) {
        struct test_store copy;
        struct directory d;
        struct snapshot_report report;
        test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
        struct reader reader = {.db = copy.db, .arena = &copy.arena};
        const struct snapshot_watch watch = {
            .ctx = &reader, .n_threads = 1, .newest = read_at_once, .newest_bytes = most + step};
        cr_assert_eq(load_directory(copy.db, &disk.io, &d, &watch, &report), 0);
        most += reader.n_newest > 0 ? step : 0;
        test_store_free(&copy);
    }
    cr_assert_gt(most, TEST_LIMIT_BYTES / 2);
    cr_assert_lt(most, TEST_LIMIT_BYTES / 64 * 63, "what the store takes is not free");
}

/* Damage costs what it costs one thread, and is described in the same words. */
Test(load_windows, damage_is_the_same_to_all)
{
    (void)test_save(&store, &disk.io);
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    unsigned n_lost = 0;
    for (int round = 0; round < 60; round++) {
        struct snapshot_report one, several;
        struct test_store a, b;
        size_t at = random_below(&dice, f->n);
        f->bytes[at] ^= 0x10;
        int err = load_by(1, &disk.io, &a, &one);
        cr_assert_eq(load_by(1 + (uint32_t)(round % 3 + 1), &disk.io, &b, &several), err);
        cr_assert_eq(err, 0);
        expect_equal_reports(&one, &several);
        expect_equal_stores(&a, &b);
        n_lost += several.lost_frames > 0;
        f->bytes[at] ^= 0x10;
        test_store_free(&a);
        test_store_free(&b);
    }
    cr_assert_gt(n_lost, 0);
}

/* What a load that failed has left of a store is nobody's to read. */
Test(load_windows, a_part_of_a_store_cannot_be_read)
{
    (void)test_save(&store, &disk.io);
    struct faulty_io bad;
    struct snapshot_report report;
    static struct tsdb_stats stats;
    unsigned n_parts = 0;
    faulty_init(&bad, &disk.io);
    for (long nth = 1; nth == 1 || bad.failed != NULL; nth++) {
        struct test_store copy;
        faulty_init(&bad, &disk.io);
        bad.fail_at = nth;
        bad.fail_errno = ENOMEM;
        bad.is_dead = true;
        int err = load_by(1, &bad.io, &copy, &report);
        tsdb_stats(copy.db, &stats);
        if (stats.series > 0)
            expect_readable(&copy, err == 0);
        n_parts += err != 0 && stats.series > 0;
        test_store_free(&copy);
    }
    cr_assert_gt(n_parts, 0);
}

/* The disk's word that bytes are gone is damage: of a file that has begun the rest is lost. */
Test(load_windows, what_the_disk_has_lost_costs_no_more)
{
    (void)test_save(&store, &disk.io);
    struct faulty_io bad;
    struct snapshot_report report;
    unsigned n_partial = 0;
    static struct tsdb_stats stats;
    tsdb_stats(store.db, &stats);
    faulty_init(&bad, &disk.io);
    for (long nth = 1; nth == 1 || bad.failed != NULL; nth++) {
        struct test_store copy;
        faulty_init(&bad, &disk.io);
        bad.fail_at = nth;
        bad.fail_errno = EIO;
        bad.is_dead = true;
        int err = load_by(1, &bad.io, &copy, &report);
        if (bad.failed && !strcmp(bad.failed, "read")) {
            /* all of it may be in the buffer already; or nothing works any more */
            bool is_good = report.lost_frames > 0 ? report.damaged_files == 1
                                                  : report.samples == stats.samples;
            cr_assert(err == ERR_IO || (err == 0 && is_good), "%s", report.detail);
            n_partial += err == 0 && report.samples > 0;
        }
        struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
        if (f == NULL)
            snprintf(test_disk_file(&disk, SNAPSHOT_NAME SNAPSHOT_DAMAGED_SUFFIX)->name,
                     IO_MEM_NAME_BYTES, "%s", SNAPSHOT_NAME);
        test_store_free(&copy);
    }
    cr_assert_gt(n_partial, 0);
}

/* ---- where the windows are ---- */

static bool find_in(struct io *io, struct stretches *ret)
{
    static uint8_t buffer[FRAME_BUFFER_BYTES];
    struct frame_reader r;
    struct frame f;
    frame_reader_init(&r, io, io->ops->open(io, SNAPSHOT_NAME, false), buffer);
    do
        cr_assert_eq(frame_reader_next(&r, &f), 1);
    while (f.header.type != FRAME_WINDOW);
    return stretches_find(&r, &f, ret);
}

static bool find(struct stretches *ret)
{
    return find_in(&disk.io, ret);
}

Test(load_windows, stretches_are_the_frames_of_windows)
{
    (void)test_save(&store, &disk.io);
    static struct tsdb_stats stats;
    struct stretches s;
    tsdb_stats(store.db, &stats);
    cr_assert(find(&s));
    cr_assert_eq(s.n, stats.n_windows);
    for (uint32_t i = 0; i < s.n; i++) {
        const struct stretch *next = i + 1 < s.n ? &s.items[i + 1] : &s.end;
        cr_assert_eq(s.items[i].window, stats.windows[i].number);
        cr_assert_eq(s.items[i].to, next->from);
        cr_assert_eq(s.items[i].next_number, next->number);
    }
    cr_assert_eq(s.end.to, test_disk_file(&disk, SNAPSHOT_NAME)->n);
    cr_assert_leq(s.payload_max, FRAME_PAYLOAD_MAX);
}

Test(load_windows, stretches_are_not_guessed)
{
    (void)test_save(&store, &disk.io);
    struct io_mem_file *f = test_disk_file(&disk, SNAPSHOT_NAME);
    struct stretches s, bad;
    cr_assert(find(&s));
    for (uint32_t i = 1; i < s.n; i++) {
        f->bytes[s.items[i].from + 9] ^= 1; /* of the payload's length */
        cr_assert_not(find(&bad));
        f->bytes[s.items[i].from + 9] ^= 1;
    }
    f->n = s.end.from; /* the end is missing */
    cr_assert_not(find(&bad));
    f->n = s.end.from + FRAME_HEADER_BYTES / 2;
    cr_assert_not(find(&bad));
}

/* ---- frames where no writer of ours puts them ---- */

enum { FOREIGN_BYTES_MAX = 4096 };

/* A whole frame with the file's id, of a window newer than all of the store. */
static size_t foreign_frame(uint8_t ret[FOREIGN_BYTES_MAX])
{
    static struct io_mem other_disk;
    struct test_store other;
    struct stretches s;
    struct sample sample = {(1000 + WINDOWS + 2) * (int64_t)TEST_WINDOW_MS, 1};
    test_store_new(&other, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    cr_assert_eq(test_append(other.db, 1, &sample, 1), 0);
    test_disk_init(&other_disk);
    (void)test_save(&other, &other_disk.io);
    cr_assert(find_in(&other_disk.io, &s));
    size_t n = (size_t)(s.items[0].to - s.items[0].from);
    cr_assert(s.n == 1 && n <= FOREIGN_BYTES_MAX);
    memcpy(ret, test_disk_file(&other_disk, SNAPSHOT_NAME)->bytes + s.items[0].from, n);
    test_store_free(&other);
    return n;
}

static void renumber(uint8_t *frame, uint32_t number)
{
    struct frame_header h;
    cr_assert(frame_header_decode(frame, &h));
    h.number = number;
    frame_header_encode(&h, frame);
}

/* What it is of is not in the store afterwards. */
static void expect_no_more_windows(void)
{
    static struct tsdb_stats of_store, of_copy;
    tsdb_stats(store.db, &of_store);
    for (uint32_t n = 1; n <= 2; n++) {
        struct test_store copy;
        struct snapshot_report report;
        cr_assert_eq(load_by(n, &disk.io, &copy, &report), 0);
        cr_assert_gt(report.lost_frames, 0);
        tsdb_stats(copy.db, &of_copy);
        cr_assert_eq(of_copy.windows[of_copy.n_windows - 1].number,
                     of_store.windows[of_store.n_windows - 1].number);
        test_store_free(&copy);
    }
}

static struct io_mem_file *given_a_snapshot(struct stretches *ret)
{
    (void)test_save(&store, &disk.io);
    cr_assert(find(ret));
    return test_disk_file(&disk, SNAPSHOT_NAME);
}

Test(load_windows, frames_behind_a_bad_end_are_nobodys)
{
    struct stretches s;
    uint8_t frame[FOREIGN_BYTES_MAX];
    struct io_mem_file *f = given_a_snapshot(&s);
    size_t n = foreign_frame(frame);
    renumber(frame, s.end.number + 1);
    f->bytes = realloc(f->bytes, f->n + n);
    f->bytes[f->n - 1] ^= 1; /* of the end's payload */
    memcpy(f->bytes + f->n, frame, n);
    f->capacity = f->n += n;
    expect_no_more_windows();
}

Test(load_windows, frames_inside_a_bad_one_of_another_window_are_nobodys)
{
    struct stretches s;
    uint8_t frame[FOREIGN_BYTES_MAX];
    struct io_mem_file *f = given_a_snapshot(&s);
    size_t n = foreign_frame(frame);
    size_t at = FRAME_HEADER_BYTES + 100; /* behind what says of which window it is */
    cr_assert_lt(at + n, s.items[2].to - s.items[2].from);
    renumber(frame, s.items[2].number);
    memcpy(f->bytes + s.items[2].from + at, frame, n);
    expect_no_more_windows();
}

/* ---- who loads the newest window ---- */

enum { NEWEST_LOADERS = 3, LARGE_SERIES = 2300, WAIT_MS = 20 };

/* The disk, and who reads it. From the newest window on the thread that loads waits for the others,
 * so that they come if they are there at all. */
struct watched_io {
    struct io io;
    struct io_ops ops;
    struct stretch newest;
    pthread_t loader;
    _Atomic bool has_newest, has_others, had_others; /* had: before the newest was there */
};

static ssize_t watched_read(struct io *io, int handle, void *bytes, size_t n, uint64_t from)
{
    struct watched_io *w = (struct watched_io *)io;
    bool is_of_newest = from >= w->newest.from && from < w->newest.to && n > FRAME_HEADER_BYTES;
    if (!pthread_equal(pthread_self(), w->loader)) {
        w->has_others = true;
        w->had_others = w->had_others || !w->has_newest;
    } else if (is_of_newest || w->has_newest) {
        for (int i = 0; i < WAIT_MS && !w->has_others; i++)
            usleep(1000);
    }
    return disk.io.ops->read(&disk.io, handle, bytes, n, from);
}

static int watched_open(struct io *io, const char *name, bool is_for_writing)
{
    (void)io;
    return disk.io.ops->open(&disk.io, name, is_for_writing);
}

static int watched_close(struct io *io, int handle)
{
    (void)io;
    return disk.io.ops->close(&disk.io, handle);
}

static int64_t watched_size(struct io *io, const char *name)
{
    (void)io;
    return disk.io.ops->size(&disk.io, name);
}

static int watched_list(struct io *io, int (*visit)(void *ctx, const char *name), void *ctx)
{
    (void)io;
    return disk.io.ops->list(&disk.io, visit, ctx);
}

static void note_newest(void *ctx, int64_t from_ms)
{
    struct watched_io *w = ctx;
    (void)from_ms;
    w->has_newest = true;
}

/* Whether other threads than the one that loads read before the newest window was there. */
static bool load_watched(bool is_anybody_waiting, uint64_t *ret_newest_bytes)
{
    struct test_store copy;
    struct directory d;
    struct snapshot_report report;
    struct stretches s;
    struct watched_io w = {.io = {.place = "memory"}, .loader = pthread_self()};
    w.ops = (struct io_ops){.open = watched_open,
                            .read = watched_read,
                            .close = watched_close,
                            .size = watched_size,
                            .list = watched_list};
    w.io.ops = &w.ops;
    cr_assert(find(&s));
    w.newest = s.items[s.n - 1];
    *ret_newest_bytes = w.newest.to - w.newest.from;
    test_store_new(&copy, TEST_LIMIT_BYTES, TEST_WINDOW_MS);
    const struct snapshot_watch watch = {
        .ctx = &w, .n_threads = NEWEST_LOADERS, .newest = is_anybody_waiting ? note_newest : NULL};
    cr_assert_eq(load_directory(copy.db, &w.io, &d, &watch, &report), 0, "%s", report.detail);
    cr_assert_eq(w.has_newest, is_anybody_waiting);
    cr_assert(w.has_others);
    expect_equal_stores(&store, &copy);
    test_store_free(&copy);
    return w.had_others;
}

Test(load_windows, a_small_newest_window_is_one_threads)
{
    uint64_t newest_bytes;
    (void)test_save(&store, &disk.io);
    cr_assert_not(load_watched(true, &newest_bytes));
    cr_assert_leq(newest_bytes, LOAD_NEWEST_ALONE_BYTES);
    cr_assert(load_watched(false, &newest_bytes), "nobody waits for it");
}

/* Windows of values that nothing compresses. */
Test(load_windows, nobody_waits_for_a_large_newest_window)
{
    uint64_t newest_bytes;
    int64_t start_ms = 1010 * (int64_t)TEST_WINDOW_MS;
    for (unsigned step = 0; step < 3 * TEST_WINDOW_MS / 15000; step++) {
        struct append b;
        append_begin(&b, store.db);
        for (unsigned n = 0; n < LARGE_SERIES; n++) {
            struct sample s = {start_ms + step * INT64_C(15000), random_next(&dice)};
            random_labels(&dice, n, &b, &s);
        }
        append_end(&b);
    }
    (void)test_save(&store, &disk.io);
    cr_assert(load_watched(true, &newest_bytes));
    cr_assert_gt(newest_bytes, LOAD_NEWEST_ALONE_BYTES);
}
