#include "http/check.h"

#include "snapshot/check.h"
#include "snapshot/journal_replay.h"
#include "snapshot/left.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CHECK_GOOD = 0, CHECK_DAMAGED = 1, CHECK_USAGE = 2 };
enum { MEMORY_BYTES = 1 << 30 }; /* at most; what is not used is not taken */
enum { TIME_TEXT_BYTES = 32 };

static void time_text(int64_t ms, char ret[TIME_TEXT_BYTES])
{
    struct tm tm;
    time_t s = (time_t)(ms / 1000);
    if (gmtime_r(&s, &tm) == NULL || strftime(ret, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(ret, TIME_TEXT_BYTES, "%" PRId64 " ms", ms);
}

static void print_head(const struct check_report *r)
{
    const struct head *h = &r->head;
    char created[TIME_TEXT_BYTES], first[TIME_TEXT_BYTES], last[TIME_TEXT_BYTES];
    time_text(h->created_ms, created);
    printf("  %s, format %u, generation %" PRIu64 ", created %s\n",
           h->kind == FILE_WINDOW ? "a window" : "the snapshot", r->version, h->generation,
           created);
    if (h->n_windows == 0)
        return;
    int64_t window_ms = h->window_ms;
    time_text((int64_t)((uint64_t)h->windows[0].number * (uint64_t)window_ms), first);
    time_text((int64_t)((uint64_t)h->windows[h->n_windows - 1].number * (uint64_t)window_ms), last);
    printf("  windows %" PRIu32 " of %" PRId64 " s, begun from %s to %s\n", h->n_windows,
           window_ms / 1000, first, last);
}

static void print_file(void *ctx, const struct check_report *r)
{
    const struct end *f = &r->found;
    (void)ctx;
    printf("%s\n", r->name);
    if (r->has_head)
        print_head(r);
    else if (r->version != 0)
        printf("  format %u, without a head\n", r->version);
    printf("  series %" PRIu64 ", blocks %" PRIu64 ", tails %" PRIu64 ", samples %" PRIu64
           ", bytes %" PRIu64 "\n",
           f->n_series, f->n_blocks, f->n_tails, f->n_samples, r->file_bytes);
    if (r->is_passed_over)
        printf("  passed over: the snapshot has a newer copy\n");
    if (check_is_good(r))
        printf("  good\n");
    else
        printf("  DAMAGED: frames lost %" PRIu64 ", records bad %" PRIu64 ": %s\n", r->lost_frames,
               r->bad_records, r->detail);
}

static int pass_over(void *ctx, const struct journal_record *r)
{
    (void)ctx;
    (void)r;
    return 0;
}

/* The journal, whose records' own meaning nobody but a store can judge. False when it is damaged,
 * or cannot be read. */
static bool check_journal(struct io *io, struct arena *arena, const char *dir)
{
    const struct journal_replay_options o = {.io = io, .arena = arena, .visit = pass_over};
    struct journal_replay_report r;
    int err = journal_replay(&o, &r);
    if (err < 0) {
        fprintf(stderr, "hourglass check: %s: the journal: %s%s%s\n", dir, tsdb_err_text(err),
                r.detail[0] ? ": " : "", r.detail);
        return false;
    }
    if (r.segments == 0)
        return true;
    printf("journal\n  segments %" PRIu64 " (%" PRIu64 " to %" PRIu64 "), records %" PRIu64
           ", bytes %" PRIu64 "\n",
           r.segments, r.oldest, r.newest, r.records, r.file_bytes);
    if (r.torn_bytes > 0)
        printf("  a torn end of %" PRIu64 " bytes: a record that was being written\n",
               r.torn_bytes);
    bool is_clean = journal_replay_is_clean(&r);
    if (is_clean)
        printf("  good\n");
    else
        printf("  DAMAGED: records lost %" PRIu64 ", frames lost %" PRIu64 ": %s\n", r.lost_records,
               r.lost_frames, r.detail);
    return is_clean;
}

static int note_left(void *ctx, const char *name)
{
    int64_t number;
    struct directory_window *w;
    if (directory_left_number(name, &number) && (w = directory_make(ctx, number)) != NULL)
        w->has_left = true;
    return 0;
}

static void print_left(const char *name, const struct left_report *r)
{
    const struct left_head *h = &r->head;
    char created[TIME_TEXT_BYTES], begin[TIME_TEXT_BYTES];
    printf("%s\n", name);
    if (r->has_head) {
        time_text(h->created_ms, created);
        time_text((int64_t)((uint64_t)h->window * (uint64_t)h->window_ms), begin);
        printf("  of the journal, for a window that is not in memory, format %u, created %s\n",
               r->version, created);
        printf("  window begun %s, of generation %" PRIu64 ", segments below %" PRIu64 "\n", begin,
               h->generation, h->below);
    }
    printf("  records %" PRIu64 ", bytes %" PRIu64 "\n", r->records, r->file_bytes);
    if (left_is_good(r))
        printf("  good\n");
    else
        printf("  DAMAGED: frames lost %" PRIu64 ": %s\n", r->lost_frames, r->detail);
}

/* False when it is damaged. */
static bool check_left_file(const struct left_read_options *o, const char *dir, int64_t window)
{
    struct left_report r;
    int err = left_read(o, &r);
    if (err < 0 && err != ERR_CORRUPT) {
        fprintf(stderr, "hourglass check: %s/%s: %s\n", dir, o->name,
                err == ERR_IO ? strerror(errno) : tsdb_err_text(err));
        return false;
    }
    if (r.has_head && r.head.window != window)
        snprintf(r.detail, sizeof(r.detail), "it is not of the window in its name");
    print_left(o->name, &r);
    return left_is_good(&r);
}

/* What the journal held for windows that are not in memory. False when any of it is damaged. */
static bool check_left(struct io *io, struct arena *arena, const char *dir)
{
    static struct directory found;
    static uint8_t buffer[FRAME_BUFFER_BYTES];
    bool is_good = io->ops->list(io, note_left, &found) == 0;
    for (uint32_t i = 0; i < found.n; i++) {
        char name[FILE_NAME_BYTES];
        directory_left_name(found.windows[i].number, name);
        const struct left_read_options o = {
            .io = io, .name = name, .buffer = buffer, .arena = arena, .visit = pass_over};
        is_good &= check_left_file(&o, dir, found.windows[i].number);
    }
    return is_good;
}

static int check_dir(const char *dir)
{
    static struct budget budget;
    static struct arena arena;
    struct io_file f;
    bool is_good = false;
    budget_init(&budget, MEMORY_BYTES);
    if (!arena_init(&arena, &budget, MEMORY_BYTES)) {
        fprintf(stderr, "hourglass check: no memory\n");
        return CHECK_DAMAGED;
    }
    if (io_file_open(&f, dir) < 0) {
        fprintf(stderr, "hourglass check: %s: %s\n", dir, strerror(errno));
        arena_release(&arena);
        return CHECK_DAMAGED;
    }
    int err = check_directory(&f.io, &arena, print_file, NULL, &is_good);
    bool is_left_good = check_left(&f.io, &arena, dir);
    bool is_journal_good = check_journal(&f.io, &arena, dir);
    if (err == ERR_NOT_FOUND) {
        printf("there is no snapshot and no file of a window\n");
        is_good = true;
    } else if (err < 0) {
        fprintf(stderr, "hourglass check: %s: %s\n", dir, tsdb_err_text(err));
    }
    is_good &= is_journal_good && is_left_good;
    io_file_close(&f);
    arena_release(&arena);
    return (err == 0 || err == ERR_NOT_FOUND) && is_good ? CHECK_GOOD : CHECK_DAMAGED;
}

int check_main(int argc, char **argv)
{
    if (argc != 1 || argv[0][0] == '-') {
        fprintf(
            stderr,
            "usage: hourglass check DIR\n"
            "verifies the snapshot, the files of windows, what lies beside them and the journal in "
            "DIR; exit code 0: all is good, 1: not\n");
        return CHECK_USAGE;
    }
    return check_dir(argv[0]);
}
