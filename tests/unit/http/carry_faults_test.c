/* Carrying to windows that are left on disk, and back, where a call or an allocation fails, where
 * the process ends there, and where what was written is damaged: nothing acknowledged is lost but
 * what the damage covers. */
#include "http/carry.h"

#include "snapshot/left.h"
#include "tests/unit/http/test_process.h"

#include <errno.h>

enum { SYNC_MS = 1000, FILES_MAX = 32, FREE_STEP = 64 << 10, FREE_MOST = 7 << 20 };

static struct temp_dir dir;
static struct process process;
static struct model model;
static struct random random_state;
static size_t enough_bytes; /* in which two windows are left */

/* ---- a directory that is put back ---- */

struct copied_file {
    char *name;
    uint8_t *bytes;
    long n;
};

static struct copied_file copied[FILES_MAX];
static size_t n_copied;

static void copy_dir(void)
{
    DIR *d = opendir(dir.path);
    n_copied = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        struct stat st;
        const char *path = temp_dir_file(&dir, e->d_name);
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        cr_assert_lt(n_copied, (size_t)FILES_MAX);
        struct copied_file *f = &copied[n_copied++];
        f->name = strdup(e->d_name);
        f->bytes = malloc((size_t)st.st_size + 1);
        f->n = file_read_all(path, f->bytes, (size_t)st.st_size);
        cr_assert_eq(f->n, st.st_size);
    }
    closedir(d);
}

static void put_dir_back(void)
{
    DIR *d = opendir(dir.path);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        (void)unlink(temp_dir_file(&dir, e->d_name));
    closedir(d);
    for (size_t i = 0; i < n_copied; i++)
        cr_assert(file_write_all(temp_dir_file(&dir, copied[i].name), copied[i].bytes,
                                 (size_t)copied[i].n));
}

static void forget_copies(void)
{
    while (n_copied > 0) {
        free(copied[--n_copied].bytes);
        free(copied[n_copied].name);
    }
}

/* ---- calls that fail ---- */

static struct {
    const struct io_ops *ops; /* the directory's own */
    long fail_at;             /* this call fails; 0 = none */
    bool is_dead;             /* and all that come after it */
    int error;
    long n_calls;
} shim;

/* Of the thread that carries: the journal's own are let alone. */
static _Thread_local bool is_shim_on;

static bool shim_fails(void)
{
    if (!is_shim_on)
        return false;
    long n = ++shim.n_calls;
    bool fails = shim.fail_at > 0 && (n == shim.fail_at || (shim.is_dead && n > shim.fail_at));
    if (fails)
        errno = shim.error;
    return fails;
}

static int shim_open(struct io *io, const char *name, bool is_for_writing)
{
    return shim_fails() ? -1 : shim.ops->open(io, name, is_for_writing);
}

static ssize_t shim_read(struct io *io, int handle, void *bytes, size_t n, uint64_t from)
{
    return shim_fails() ? -1 : shim.ops->read(io, handle, bytes, n, from);
}

static ssize_t shim_write_parts(struct io *io, int handle, const struct iovec *parts, int n)
{
    return shim_fails() ? -1 : shim.ops->write_parts(io, handle, parts, n);
}

static int shim_sync(struct io *io, int handle)
{
    return shim_fails() ? -1 : shim.ops->sync(io, handle);
}

static int shim_close(struct io *io, int handle)
{
    int r = shim.ops->close(io, handle);
    return shim_fails() ? -1 : r;
}

static int shim_rename(struct io *io, const char *from, const char *to)
{
    return shim_fails() ? -1 : shim.ops->rename(io, from, to);
}

static int shim_remove(struct io *io, const char *name)
{
    return shim_fails() ? -1 : shim.ops->remove(io, name);
}

static int shim_sync_dir(struct io *io)
{
    return shim_fails() ? -1 : shim.ops->sync_dir(io);
}

static int shim_list(struct io *io, int (*visit)(void *ctx, const char *name), void *ctx)
{
    return shim_fails() ? -1 : shim.ops->list(io, visit, ctx);
}

static const struct io_ops *shim_ops(const struct io_ops *own)
{
    static struct io_ops ops;
    shim.ops = own;
    ops = *own;
    ops.open = shim_open;
    ops.read = shim_read;
    ops.write_parts = shim_write_parts;
    ops.sync = shim_sync;
    ops.close = shim_close;
    ops.rename = shim_rename;
    ops.remove = shim_remove;
    ops.sync_dir = shim_sync_dir;
    ops.list = shim_list;
    return &ops;
}

/* Carries out through calls of which one fails. */
static int carry_with_shim(long fail_at, bool is_dead, int error)
{
    char detail[256];
    uint64_t cut = recorder_cut(&process.recorder);
    shim.fail_at = fail_at;
    shim.is_dead = is_dead;
    shim.error = error;
    shim.n_calls = 0;
    is_shim_on = true;
    int err = recorder_carry(&process.recorder, cut, detail, sizeof(detail));
    is_shim_on = false;
    return err;
}

/* ---- what is there ---- */

static int64_t window_ms(int64_t n)
{
    return PROCESS_START_MS + n * PROCESS_WINDOW_MS;
}

static void start_with_two_left(void)
{
    for (;; enough_bytes -= FREE_STEP) {
        cr_assert(process_start(&process, dir.path, enough_bytes, SYNC_MS));
        if (process.loaded.left_windows >= 2)
            return;
        process_end(&process);
    }
}

static void start_whole_and_expect(void)
{
    cr_assert(process_start(&process, dir.path, 0, SYNC_MS));
    process_expect(&process, &model);
    process_end(&process);
}

/* Four windows, of which two will be left; something of each in the journal; and, beside the
 * oldest, something that was carried before. */
static void set_up(void)
{
    static struct message m;
    random_init(&random_state, random_seed());
    process_ops = shim_ops;
    cr_assert(temp_dir_new(&dir));
    enough_bytes = FREE_MOST;
    model.n = 0;
    cr_assert(process_start(&process, dir.path, 0, SYNC_MS));
    for (int64_t n = 0; n < 4; n++)
        process_fill(&process, &random_state, window_of_ms(PROCESS_START_MS) + n);
    cr_assert_eq(process_save(&process), 0);
    process_write_one(&process, &model, 0, window_ms(0) + 500, 1);
    process_delete(&process, &model, 3, INT64_MIN, INT64_MAX);
    process_end(&process);
    start_with_two_left();
    cr_assert_eq(process_save(&process), 0);
    process_delete(&process, &model, 4, window_ms(0), window_ms(3));
    process_end(&process);
    cr_assert(process_start(&process, dir.path, 0, SYNC_MS));
    for (unsigned n = 0; n < 8; n++) {
        m.n = 0;
        put_one_series(&m, false, n % 4,
                       (struct sample[]){{window_ms(n % 4) + 1000 + n, n},
                                         {window_ms((n + 1) % 4) + 2000 + n, n}},
                       2);
        process_write(&process, &model, &m, false);
    }
    process_delete(&process, &model, 2, window_ms(1), window_ms(2));
    process_end(&process);
    start_with_two_left();
    process_end(&process);
    copy_dir();
}

static void tear_down(void)
{
    forget_copies();
    temp_dir_remove(&dir);
}

TestSuite(carry_faults, .init = set_up, .fini = tear_down);

/* ---- */

static void expect_each_call(bool is_dead, int error)
{
    long nth = 0;
    do {
        nth++;
        put_dir_back();
        start_with_two_left();
        process_delete(&process, &model, 1, window_ms(1) + 1001, window_ms(1) + 1001);
        int err = carry_with_shim(nth, is_dead, error);
        long n_calls = shim.n_calls;
        if (err == 0 || !is_dead) /* and on it goes: what failed works the next time */
            cr_assert_eq(process_save(&process), 0);
        process_end(&process);
        start_whole_and_expect();
        if (n_calls < nth)
            break;
    } while (true);
    cr_assert_gt(nth, 20);
}

Test(carry_faults, a_call_that_fails_loses_nothing, .timeout = 300)
{
    expect_each_call(false, ENOSPC);
}

Test(carry_faults, a_read_that_fails_loses_nothing, .timeout = 300)
{
    expect_each_call(false, EIO);
}

Test(carry_faults, a_process_that_ends_anywhere_loses_nothing, .timeout = 300)
{
    expect_each_call(true, ENOSPC);
}

/* A save whose carrying fails says so, and leaves the journal where it is. */
Test(carry_faults, a_full_disk_is_told_and_keeps_the_segments)
{
    start_with_two_left();
    struct journal_stats before, after;
    cr_assert(recorder_stats(&process.recorder, &before));
    cr_assert_eq(carry_with_shim(8, true, ENOSPC), ERR_IO);
    cr_assert_eq(errno, ENOSPC);
    cr_assert(recorder_stats(&process.recorder, &after));
    cr_assert_eq(before.oldest, after.oldest);
    cr_assert(process.recorder.carry.must_read);
    cr_assert_eq(process_save(&process), 0);
    cr_assert_not(process.recorder.carry.must_read);
    cr_assert(recorder_stats(&process.recorder, &after));
    cr_assert_gt(after.oldest, before.oldest);
    process_end(&process);
    start_whole_and_expect();
}

Test(carry_faults, an_allocation_that_fails_on_the_way_out_loses_nothing, .timeout = 300)
{
    bool was_refused = true;
    int n_failed = 0;
    for (long nth = 1; was_refused; nth++) {
        char detail[256] = "";
        put_dir_back();
        start_with_two_left();
        uint64_t cut = recorder_cut(&process.recorder);
        budget_fail_nth(&process.budget, nth);
        int err = recorder_carry(&process.recorder, cut, detail, sizeof(detail));
        was_refused = atomic_load(&process.budget.n_refused) > 0;
        budget_fail_nth(&process.budget, 0);
        cr_assert(err == 0 || (err == ERR_NO_MEMORY && was_refused && detail[0] != '\0'), "%s",
                  detail);
        n_failed += err != 0;
        if (err == 0)
            cr_assert_eq(process_save(&process), 0);
        process_end(&process);
        start_whole_and_expect();
    }
    cr_assert_gt(n_failed, 3);
}

Test(carry_faults, an_allocation_that_fails_on_the_way_back_is_told, .timeout = 300)
{
    bool was_refused = true;
    int n_failed = 0;
    start_with_two_left();
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
    forget_copies();
    copy_dir();
    for (long nth = 1; was_refused; nth++) {
        put_dir_back();
        process_make(&process, dir.path);
        cr_assert_eq(snapshot_load(&process.saver.files, process.db, NULL, &process.loaded), 0);
        process.recorder.carry.directory = &process.saver.files.directory;
        budget_fail_nth(&process.budget, nth);
        int err =
            recorder_replay(&process.recorder, dir.path, process.error, sizeof(process.error));
        was_refused = atomic_load(&process.budget.n_refused) > 0;
        budget_fail_nth(&process.budget, 0);
        cr_assert(err == 0 || (err == ERR_NO_MEMORY && was_refused));
        cr_assert(err == 0 || strstr(process.error, "--storage.memory-limit"), "%s", process.error);
        n_failed += err != 0;
        process_end(&process);
    }
    cr_assert_gt(n_failed, 3);
    start_whole_and_expect();
}

/* ---- damage ---- */

/* Starts, has nothing that was not acknowledged, and tells what is missing by keeping the file. */
static void expect_damage_is_told(const char *name, const char *what, long at)
{
    char kept[2 * FILE_NAME_BYTES];
    cr_assert(process_start(&process, dir.path, 0, SYNC_MS));
    size_t found = process_count(&process, &model), all = model_count(&model, INT64_MIN);
    snprintf(kept, sizeof(kept), "%.39s" SNAPSHOT_DAMAGED_SUFFIX, name);
    cr_assert_leq(found, all);
    cr_assert(temp_dir_has(&dir, kept), "%s at %ld: %zu of %zu", what, at, found, all);
    cr_assert_geq(found, model_count(&model, window_of_ms(PROCESS_START_MS) + 1),
                  "%s at %ld costs other windows", what, at);
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
}

static void damage_each(bool is_flip)
{
    static uint8_t bytes[1 << 16];
    char name[FILE_NAME_BYTES];
    start_with_two_left();
    cr_assert_eq(process_save(&process), 0);
    process_end(&process);
    forget_copies();
    copy_dir();
    directory_left_name(window_of_ms(PROCESS_START_MS), name);
    long n = file_read_all(temp_dir_file(&dir, name), bytes, sizeof(bytes));
    cr_assert(n > 300 && n < (long)sizeof(bytes));
    long step = (long)random_setting("STEP", 7);
    for (long at = (long)random_below(&random_state, (uint64_t)step); at < n; at += step) {
        put_dir_back();
        bytes[at] ^= is_flip;
        cr_assert(file_write_all(temp_dir_file(&dir, name), bytes, (size_t)(is_flip ? n : at)));
        bytes[at] ^= is_flip;
        expect_damage_is_told(name, is_flip ? "a flipped byte" : "a cut", at);
    }
}

Test(carry_faults, a_file_that_is_cut_anywhere_still_starts, .timeout = 600)
{
    damage_each(false);
}

Test(carry_faults, a_flipped_byte_costs_what_it_covers, .timeout = 600)
{
    damage_each(true);
}
