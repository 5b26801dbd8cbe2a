/* Reading a snapshot.
 *
 * One pass, frame by frame through one buffer, straight into the store through the functions that
 * ingest uses. The file is in time order, so the windows are filled one after the other, as they
 * were in life.
 *
 * Nothing in the file is believed. The frame reader vouches for bytes (checksums), the frame
 * decoders for form (sizes within limits and within the payload), the store for meaning (labels in
 * order, a block decodes to what it says). What fails one of the three is left out, counted, and
 * the first of it described; the rest is loaded. A frame that is malformed behind a right checksum
 * was made by a faulty or a hostile writer: what came before the fault is kept.
 *
 * The head is wanted for two things that can be done without: another window length is found before
 * anything is loaded, and windows that are older than this store keeps are passed over instead of
 * being loaded and dropped. Each frame says by itself of which file, version and window length it
 * is. A file with a damaged head loads. */
#include "snapshot/load.h"

#include "snapshot/frame.h"
#include "snapshot/head.h"
#include "snapshot/number_map.h"
#include "snapshot/series_frame.h"
#include "snapshot/window_frame.h"
#include "tsdb/dump.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is taken from the budget. */
struct load_memory {
    uint8_t buffer[FRAME_BUFFER_BYTES];
    struct symbol symbols[SYMBOLS_MAX];
    struct series_reader series;
    struct window_reader window;
    struct window_record record;
    struct head head;
};

struct load {
    struct tsdb *db;
    struct restore restore;
    struct io *io;
    struct snapshot_report *report;
    struct load_memory *memory;
    struct frame_reader frames;
    struct number_map ids;
    struct end counted;    /* records decoded so far */
    bool has_newest;       /* the head was read: */
    int64_t newest_window; /* the newest of the file */
    bool has_end;
    bool has_window; /* records of last_window were restored */
    int64_t last_window;
};

/* Keeps the first description only. errno stays as it is. */
PRINTF_LIKE(2, 3) static void describe(struct load *l, const char *format, ...)
{
    if (l->report->detail[0])
        return;
    int saved = errno;
    va_list args;
    va_start(args, format);
    vsnprintf(l->report->detail, sizeof l->report->detail, format, args);
    va_end(args);
    errno = saved;
}

/* An error that ends the load matters more than damage before it. */
static void forget_detail(struct load *l)
{
    l->report->detail[0] = '\0';
}

static int io_failed(struct load *l, const char *call)
{
    forget_detail(l);
    describe(l, "%s %s/%s: %s", call, l->io->place, SNAPSHOT_NAME, strerror(errno));
    return ERR_IO;
}

static int wrong_window(struct load *l, int64_t window_ms)
{
    forget_detail(l);
    describe(l, "%s/%s was written with windows of %" PRId64 " ms, ours are of %" PRId64 " ms",
             l->io->place, SNAPSHOT_NAME, window_ms, tsdb_options(l->db)->window_ms);
    return ERR_WRONG_WINDOW;
}

static int unknown_version(struct load *l, int err)
{
    forget_detail(l);
    if (err == ERR_NEWER_FORMAT)
        describe(l, "%s/%s was written by a newer version", l->io->place, SNAPSHOT_NAME);
    else
        describe(l, "%s/%s has format %u; this version reads %d and writes %d", l->io->place,
                 SNAPSHOT_NAME, l->frames.version, FORMAT_VERSION_MIN, FORMAT_VERSION);
    return err;
}

static void lost_frame(struct load *l, const struct frame *f, const char *why)
{
    l->report->lost_frames++;
    describe(l, "frame %" PRIu32 " at byte %" PRIu64 ": %s", f->header.number, f->offset, why);
}

/* 0, or an error that ends the load. */
static int load_series(struct load *l, const struct frame *f)
{
    struct series_reader *r = &l->memory->series;
    int64_t window_ms = 0;
    int more =
        series_reader_init(r, f->payload, f->header.payload_bytes, l->memory->symbols, &window_ms);
    if (more == 0 && window_ms != tsdb_options(l->db)->window_ms)
        return wrong_window(l, window_ms);
    uint32_t number, series;
    struct labels ls;
    while (more >= 0 && (more = series_reader_next(r, &number, &ls)) > 0) {
        l->counted.n_series++;
        int err = restore_series(&l->restore, &ls, &series);
        if (err == 0)
            err = number_map_add(&l->ids, number, series);
        if (err == ERR_NO_MEMORY)
            return err;
        if (err < 0)
            describe(l, "series %" PRIu32 " in frame %" PRIu32 ": %s", number, f->header.number,
                     tsdb_err_text(err));
        else
            l->report->series++;
    }
    if (more < 0)
        lost_frame(l, f, "malformed series");
    return 0;
}

/* True when the store would not keep it beside the file's newest: it keeps n_windows, and one that
 * has been opened ahead of the clock. */
static bool is_old_window(const struct load *l, int64_t window)
{
    return l->has_newest && window < l->newest_window &&
           (uint64_t)l->newest_window - (uint64_t)window > tsdb_options(l->db)->n_windows;
}

/* The others are what blocks and tails refer to. */
static bool is_of_series(const struct window_record *record)
{
    return record->kind == RECORD_BLOCK || record->kind == RECORD_TAIL;
}

/* Counts a record of a window that the store does not keep. */
static int pass_over(struct load *l, const struct window_record *record)
{
    l->report->old_blocks += is_of_series(record);
    return 0;
}

static int restore_record(struct load *l, const struct window_record *record, uint32_t series)
{
    switch (record->kind) {
    case RECORD_TIMES:
        return restore_times(&l->restore, &record->times);
    case RECORD_SHARED:
        return restore_shared(&l->restore, &record->shared);
    case RECORD_TAIL:
        return restore_tail(&l->restore, series, &record->tail);
    default:
        return restore_block(&l->restore, series, &record->block);
    }
}

static void loaded(struct load *l, const struct window_record *record, uint32_t n_samples)
{
    int64_t window = l->memory->window.window;
    l->report->tails += record->kind == RECORD_TAIL;
    l->report->blocks += record->kind == RECORD_BLOCK;
    l->report->samples += n_samples;
    if (!l->has_window || l->last_window != window)
        l->report->windows++;
    l->has_window = true;
    l->last_window = window;
}

static void lost_record(struct load *l, const struct frame *f, const struct window_record *record,
                        const char *why)
{
    if (!is_of_series(record)) {
        describe(l, "%s in frame %" PRIu32 " at byte %" PRIu64 ": %s",
                 record->kind == RECORD_TIMES ? "times" : "shared values", f->header.number,
                 f->offset, why);
        return;
    }
    l->report->lost_blocks++;
    describe(l, "series %" PRIu32 " in frame %" PRIu32 " at byte %" PRIu64 ": %s", record->number,
             f->header.number, f->offset, why);
}

static int load_record(struct load *l, const struct frame *f, const struct window_record *record)
{
    uint32_t series = 0, n_samples = 0;
    int64_t window = l->memory->window.window;
    if (record->kind == RECORD_TAIL)
        n_samples = record->tail.n;
    else if (record->kind == RECORD_BLOCK)
        n_samples = record->block.n_samples;
    l->counted.n_tails += record->kind == RECORD_TAIL;
    l->counted.n_blocks += record->kind == RECORD_BLOCK;
    l->counted.n_samples += n_samples;
    if (is_old_window(l, window))
        return pass_over(l, record);
    if (is_of_series(record) && !number_map_find(&l->ids, record->number, &series)) {
        lost_record(l, f, record, "is not in the file");
        return 0;
    }
    int err = restore_window(&l->restore, window);
    if (err == 0)
        err = restore_record(l, record, series);
    if (err == ERR_NO_MEMORY)
        return err;
    if (err == ERR_TOO_OLD)
        return pass_over(l, record);
    if (err == ERR_NOT_FOUND)
        lost_record(l, f, record, "refers to times or values that are missing");
    else if (err < 0)
        lost_record(l, f, record, tsdb_err_text(err));
    else if (is_of_series(record))
        loaded(l, record, n_samples);
    return 0;
}

static int load_window(struct load *l, const struct frame *f)
{
    struct window_reader *r = &l->memory->window;
    int more = window_reader_init(r, f->header.version, f->payload, f->header.payload_bytes);
    if (more == 0 && r->window_ms != tsdb_options(l->db)->window_ms)
        return wrong_window(l, r->window_ms);
    int err = 0;
    l->restore.is_trusted = f->header.version == FORMAT_VERSION;
    restore_hold(&l->restore);
    while (err == 0 && more >= 0 && (more = window_reader_next(r, &l->memory->record)) > 0)
        err = load_record(l, f, &l->memory->record);
    restore_pause(&l->restore);
    if (err < 0)
        return err;
    if (more < 0)
        lost_frame(l, f, "malformed record");
    return 0;
}

static int load_head(struct load *l, const struct frame *f)
{
    struct head *h = &l->memory->head;
    if (head_decode(f->payload, f->header.payload_bytes, h) < 0)
        lost_frame(l, f, "malformed head");
    else if (h->window_ms != tsdb_options(l->db)->window_ms)
        return wrong_window(l, h->window_ms);
    else if (h->n_windows > 0) {
        l->has_newest = true;
        l->newest_window = h->windows[h->n_windows - 1].number;
    }
    return 0;
}

static int load_end(struct load *l, const struct frame *f)
{
    struct end end;
    l->has_end = true;
    if (end_decode(f->payload, f->header.payload_bytes, &end) < 0) {
        lost_frame(l, f, "malformed end");
        return 0;
    }
    l->counted.digest = f->digest_before;
    bool is_whole = l->frames.n_lost == 0 && l->report->lost_frames == 0;
    if (is_whole && memcmp(&end, &l->counted, sizeof end) != 0)
        describe(l, "the totals at the end of the file are not those of what is in it");
    return 0;
}

static int load_frame(struct load *l, const struct frame *f)
{
    switch (f->header.type) {
    case FRAME_HEAD:
        return load_head(l, f);
    case FRAME_SERIES:
        return load_series(l, f);
    case FRAME_WINDOW:
        return load_window(l, f);
    case FRAME_END:
        return load_end(l, f);
    default:
        lost_frame(l, f, "unknown type");
        return 0;
    }
}

/* Says what the frame reader had to skip, before what that brings about. */
static void describe_damage(struct load *l)
{
    if (l->frames.is_damaged)
        describe(l, "damaged at byte %" PRIu64, l->frames.damaged_at);
    else if (l->frames.n_lost > 0)
        describe(l, "%" PRIu64 " frames are missing", l->frames.n_lost);
}

static void report_damage(struct load *l)
{
    struct frame_reader *r = &l->frames;
    l->report->file_bytes = r->base + (l->has_end ? r->start : r->end);
    l->report->lost_frames += r->n_lost;
    if (!l->has_end)
        l->report->lost_frames++;
    if (!l->has_end && (r->is_cut || !r->is_damaged)) {
        describe(l, "cut short at byte %" PRIu64, l->report->file_bytes);
        return;
    }
    describe_damage(l);
}

static int load_frames(struct load *l)
{
    int more = 0;
    int err = 0;
    struct frame f;
    while (err == 0 && !l->has_end && (more = frame_reader_next(&l->frames, &f)) > 0) {
        describe_damage(l);
        err = load_frame(l, &f);
    }
    if (err == ERR_NO_MEMORY) {
        forget_detail(l);
        describe(l, "no memory for frame %" PRIu32 " at byte %" PRIu64 " of %s/%s", f.header.number,
                 f.offset, l->io->place, SNAPSHOT_NAME);
    }
    if (err < 0)
        return err;
    if (more == ERR_IO)
        return io_failed(l, "read");
    if (more < 0)
        return unknown_version(l, more);
    if (!l->frames.has_id) {
        describe(l, "%s/%s is not a snapshot", l->io->place, SNAPSHOT_NAME);
        return ERR_CORRUPT;
    }
    report_damage(l);
    return 0;
}

static int load_file(struct load *l, int handle)
{
    struct arena *arena = tsdb_arena(l->db);
    unsigned owner = budget_owner(arena->budget, "snapshot");
    l->memory = arena_span_get(arena, owner, sizeof *l->memory);
    if (!l->memory) {
        describe(l, "no memory for the buffer of %zu bytes", sizeof *l->memory);
        return ERR_NO_MEMORY;
    }
    frame_reader_init(&l->frames, l->io, handle, l->memory->buffer);
    number_map_init(&l->ids, arena, owner);
    restore_begin(&l->restore, l->db);
    int err = load_frames(l);
    int saved = errno;
    number_map_release(&l->ids);
    arena_span_put(arena, owner, l->memory, sizeof *l->memory);
    restore_end(&l->restore);
    errno = saved;
    return err;
}

int load_store(struct tsdb *db, struct io *io, struct snapshot_report *ret)
{
    memset(ret, 0, sizeof *ret);
    struct load l = {.db = db, .io = io, .report = ret};
    /* left behind by a process that was killed while it wrote; if it cannot be removed, the next
     * save says so */
    (void)io->ops->remove(io, SNAPSHOT_TEMP_NAME);
    int handle = io->ops->open(io, SNAPSHOT_NAME, false);
    if (handle < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : io_failed(&l, "open");
    int err = load_file(&l, handle);
    int saved = errno;
    (void)io->ops->close(io, handle);
    errno = saved;
    return err;
}
