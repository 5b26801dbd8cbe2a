/* Writing a snapshot.
 *
 *     head, series frames (label sets in id order), window frames (windows in time order), end
 *
 * The store is walked in slices: a visitor fills the payload of one frame and stops the walk when
 * it is full; the walk returns, and with it goes the store's lock; only then is the frame written.
 * So neither a slow disk nor a big store is felt by those who append, and memory is one frame,
 * whatever the store holds. No copy, no fork: the price is that the file is not of one instant. It
 * holds everything that was accepted before it was begun, and some of what came while it was
 * written; a sample is in it once or not at all.
 *
 * A series is named by its id. Ids mean nothing outside this process, but they ascend and are
 * unique, and that is all the file needs: the loader gives each number a new id. Numbering the
 * series anew would take a table of 4 bytes a series here, in a process that may be out of memory.
 *
 * Only series that were there at the start are written; a window that is opened meanwhile is not
 * either. Both are newer than the snapshot. */
#include "snapshot/save.h"

#include "snapshot/frame.h"
#include "snapshot/head.h"
#include "snapshot/series_frame.h"
#include "snapshot/window_frame.h"
#include "tsdb/dump.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What is taken from the budget. */
struct save_memory {
    uint8_t buffer[FRAME_BUFFER_BYTES];
    struct symbol_table symbols;
};

struct save {
    struct tsdb *db;
    struct io *io;
    struct snapshot_report *report;
    struct save_memory *memory;
    struct frame_writer frames;
    struct series_writer series;
    struct window_writer window;
    uint64_t series_end; /* ids at and above came after the start */
    uint32_t dump;       /* dump.h */
    int64_t window_ms;
    struct head head;
};

/* Notes which call failed on which file; returns ERR_IO. errno stays as it is. */
static int io_failed(struct save *s, const char *call, const char *name)
{
    int saved = errno;
    snprintf(s->report->detail, sizeof s->report->detail, "%s %s/%s: %s", call, s->io->place, name,
             strerror(saved));
    errno = saved;
    return ERR_IO;
}

static int put_frame(struct save *s, enum frame_type type, size_t payload_bytes)
{
    if (frame_writer_put(&s->frames, type, payload_bytes) < 0)
        return io_failed(s, "write", SNAPSHOT_TEMP_NAME);
    return 0;
}

static int save_head(struct save *s, int64_t created_ms)
{
    struct tsdb_stats stats;
    tsdb_stats(s->db, &stats);
    struct head *h = &s->head;
    h->created_ms = created_ms;
    h->window_ms = s->window_ms;
    h->n_series = stats.series;
    h->newest_ms = stats.min_ms <= stats.max_ms ? stats.max_ms : 0;
    h->n_open = stats.open.used;
    h->n_windows = stats.n_windows;
    h->has_hash_key = true;
    memcpy(h->hash_key, tsdb_series_hash(s->db)->key, sizeof h->hash_key);
    for (uint32_t i = 0; i < stats.n_windows; i++) {
        h->windows[i].number = stats.windows[i].number;
        for (int c = 0; c < HEAD_POOLS; c++)
            h->windows[i].slots[c] = stats.windows[i].classes[c].used;
    }
    struct encoder e;
    encoder_init(&e, frame_writer_payload(&s->frames), FRAME_PAYLOAD_MAX);
    head_encode(h, &e);
    return put_frame(s, FRAME_HEAD, e.n);
}

static int visit_series(void *ctx, uint32_t series, const struct labels *ls)
{
    struct save *s = ctx;
    series_writer_add(&s->series, series, ls);
    s->report->series++;
    return series_writer_is_full(&s->series);
}

static int save_series(struct save *s)
{
    struct dump_cursor cursor = {0};
    int more;
    do {
        series_writer_init(&s->series, frame_writer_payload(&s->frames), &s->memory->symbols,
                           s->window_ms);
        more = dump_series(s->db, &cursor, s->series_end, visit_series, s);
        if (more < 0)
            return more;
        if (s->series.has_record) {
            int err = put_frame(s, FRAME_SERIES, s->series.out.n);
            if (err < 0)
                return err;
        }
    } while (more > 0);
    return 0;
}

static int visit_times(void *ctx, const struct dump_times *times)
{
    struct save *s = ctx;
    window_writer_times(&s->window, times);
    return window_writer_is_full(&s->window);
}

static int visit_shared(void *ctx, const struct dump_shared *shared)
{
    struct save *s = ctx;
    window_writer_shared(&s->window, shared);
    return window_writer_is_full(&s->window);
}

static int visit_block(void *ctx, uint32_t series, const struct dump_block *block)
{
    struct save *s = ctx;
    window_writer_block(&s->window, series, block);
    s->report->blocks++;
    s->report->samples += block->n_samples;
    return window_writer_is_full(&s->window);
}

static int visit_tail(void *ctx, uint32_t series, const struct dump_tail *tail)
{
    struct save *s = ctx;
    window_writer_tail(&s->window, series, tail);
    s->report->tails++;
    s->report->samples += tail->n;
    return window_writer_is_full(&s->window);
}

static int save_window(struct save *s, int64_t window)
{
    static const struct dump_visitor visitor = {
        .times = visit_times, .shared = visit_shared, .block = visit_block, .tail = visit_tail};
    struct dump_cursor cursor = {0};
    int more;
    do {
        window_writer_init(&s->window, frame_writer_payload(&s->frames), s->window_ms, window);
        more = dump_window(s->db, s->dump, window, &cursor, s->series_end, &visitor, s);
        if (more < 0)
            return more;
        if (s->window.has_record) {
            int err = put_frame(s, FRAME_WINDOW, s->window.out.n);
            if (err < 0)
                return err;
        }
    } while (more > 0);
    s->report->windows++;
    return 0;
}

static int save_end(struct save *s)
{
    struct end end = {
        .n_series = s->report->series,
        .n_blocks = s->report->blocks,
        .n_tails = s->report->tails,
        .n_samples = s->report->samples,
        .digest = s->frames.digest,
    };
    struct encoder e;
    encoder_init(&e, frame_writer_payload(&s->frames), FRAME_PAYLOAD_MAX);
    end_encode(&end, &e);
    return put_frame(s, FRAME_END, e.n);
}

static int save_frames(struct save *s, int64_t created_ms)
{
    int err = save_head(s, created_ms);
    if (err == 0)
        err = save_series(s);
    for (uint32_t i = 0; err == 0 && i < s->head.n_windows; i++)
        err = save_window(s, s->head.windows[i].number);
    if (err == 0)
        err = save_end(s);
    return err;
}

/* Writes the file and syncs it. A file whose sync has failed is never synced again: the kernel may
 * have dropped what it could not write. The next snapshot is a new file. */
static int save_file(struct save *s, int64_t created_ms)
{
    s->frames.handle = s->io->ops->open(s->io, SNAPSHOT_TEMP_NAME, true);
    if (s->frames.handle < 0)
        return io_failed(s, "create", SNAPSHOT_TEMP_NAME);
    int err = save_frames(s, created_ms);
    if (err == 0 && io_sync(s->io, s->frames.handle) < 0)
        err = io_failed(s, "sync", SNAPSHOT_TEMP_NAME);
    int saved = errno;
    if (s->io->ops->close(s->io, s->frames.handle) < 0 && err == 0) {
        saved = errno;
        err = io_failed(s, "close", SNAPSHOT_TEMP_NAME);
    }
    errno = saved;
    return err;
}

int save_store(struct tsdb *db, struct io *io, const struct save_options *o,
               struct snapshot_report *ret)
{
    memset(ret, 0, sizeof *ret);
    struct arena *arena = tsdb_arena(db);
    unsigned owner = budget_owner(arena->budget, "snapshot");
    struct save_memory *memory = arena_span_get(arena, owner, sizeof *memory);
    if (!memory) {
        snprintf(ret->detail, sizeof ret->detail, "no memory for the buffer of %zu bytes",
                 sizeof *memory);
        return ERR_NO_MEMORY;
    }
    struct save s = {
        .db = db,
        .io = io,
        .report = ret,
        .memory = memory,
        .frames = {.io = io, .buffer = memory->buffer, .file_id = o->file_id},
        .series_end = dump_series_end(db),
        .dump = dump_begin(db),
        .window_ms = tsdb_options(db)->window_ms,
    };
    int err = save_file(&s, o->created_ms);
    if (err == 0 && io->ops->rename(io, SNAPSHOT_TEMP_NAME, SNAPSHOT_NAME) < 0)
        err = io_failed(&s, "rename", SNAPSHOT_TEMP_NAME);
    int saved = errno;
    if (err < 0)
        (void)io->ops->remove(io, SNAPSHOT_TEMP_NAME);
    else if (io->ops->sync_dir(io) < 0) {
        saved = errno;
        err = io_failed(&s, "sync directory of", SNAPSHOT_NAME);
    }
    ret->file_bytes = s.frames.file_bytes;
    arena_span_put(arena, owner, memory, sizeof *memory);
    errno = saved;
    return err;
}
