/* Writing a snapshot, and files of windows.
 *
 *     snapshot      head, series frames (all label sets in id order), window frames (windows in
 *                   time order), end
 *     of a window   head, series frames of some members, window frames of these, the next members
 *                   .., end
 *
 * The store is walked in slices: a visitor fills the payload of one frame and stops the walk when
 * it is full; the walk returns, and with it goes the store's lock; only then is the frame written.
 * So neither a slow disk nor a big store is felt by those who append, and memory is one frame,
 * whatever the store holds. No copy, no fork: the price is that a file is not of one instant. It
 * holds everything that was accepted before it was begun, and some of what came while it was
 * written; a sample is in it once or not at all.
 *
 * A series is named by its id. Ids mean nothing outside this process, but they ascend and are
 * unique, and that is all the file needs: the loader gives each number a new id. Numbering the
 * series anew would take a table of 4 bytes a series here, in a process that may be out of memory.
 *
 * Only series that were there at the start are written; a window that is opened meanwhile is not
 * either. Both are newer than the snapshot. A series may also get its first sample of a window
 * while that is written: in the snapshot its label set is there, since all are; in a window's file
 * those of its members are, some hundreds at a time, whose ids are kept until their blocks have
 * been written, and a series that is not among them is passed over.
 *
 * Whether a window's file is still good is asked of a number that changes after samples came or
 * went. It is read before the file is begun, so what came meanwhile makes another one due. */
#include "snapshot/save.h"

#include "snapshot/checksum.h"
#include "snapshot/frame.h"
#include "snapshot/head.h"
#include "snapshot/series_frame.h"
#include "snapshot/window_frame.h"
#include "tsdb/dump.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MIB = 1 << 20 };      /* to which a head rounds up what may be a little more or less */
enum { MEMBERS_MAX = 2048 }; /* of a window whose label sets are written before their blocks */

/* What is taken from the budget. */
struct save_memory {
    uint8_t buffer[FRAME_BUFFER_BYTES];
    struct symbol_table symbols;
    struct tsdb_stats stats; /* when the save was begun */
    struct head head;
    uint32_t members[MEMBERS_MAX]; /* ascending */
};

struct save {
    struct tsdb *db;
    struct io *io;
    const struct save_options *options;
    struct snapshot_report *report;
    struct save_memory *memory;
    uint64_t series_end; /* ids at and above came after the start */
    int64_t window_ms;
    uint32_t n_files; /* begun */
    unsigned names_mark;

    /* of the file that is being written */
    char name[FILE_NAME_BYTES], temp[FILE_NAME_BYTES + sizeof TEMP_SUFFIX];
    uint64_t generation;
    struct frame_writer frames;
    size_t n_unsynced;
    struct end counted;
    struct series_writer series;
    struct window_writer window;
    uint32_t dump;              /* dump.h */
    uint32_t n_members, member; /* of memory->members; where the last one was found */
    bool has_members;           /* only these are written */
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

/* A large file is synced in parts, so that nobody else's sync has to wait for all of it. */
static int put_frame(struct save *s, enum frame_type type, size_t payload_bytes)
{
    struct pace *pace = s->options->pace;
    if (frame_writer_put(&s->frames, type, payload_bytes) < 0)
        return io_failed(s, "write", s->temp);
    s->n_unsynced += FRAME_HEADER_BYTES + payload_bytes;
    if (pace == NULL)
        return 0;
    pace_wait(pace, FRAME_HEADER_BYTES + payload_bytes);
    if (s->n_unsynced < PACE_SYNC_BYTES || atomic_load(&pace->is_hurried))
        return 0;
    s->n_unsynced = 0;
    return io_sync(s->io, s->frames.handle) < 0 ? io_failed(s, "sync", s->temp) : 0;
}

/* ---- heads ---- */

static void begin_head(struct save *s, enum file_kind kind)
{
    const struct tsdb_stats *stats = &s->memory->stats;
    s->memory->head = (struct head){
        .created_ms = s->options->created_ms,
        .window_ms = s->window_ms,
        .kind = kind,
        .generation = s->generation,
        .naming = s->options->naming,
        .index_bytes = (stats->index_bytes + MIB - 1) / MIB * MIB,
        .n_series = stats->series,
        .newest_ms = stats->min_ms <= stats->max_ms ? stats->max_ms : 0,
        .n_open = stats->open.used,
        .has_hash_key = true,
    };
    memcpy(s->memory->head.hash_key, tsdb_series_hash(s->db)->key, SERIES_HASH_KEY_BYTES);
}

static void add_to_head(struct head *h, const struct tsdb_window_stats *w)
{
    struct head_window *to = &h->windows[h->n_windows++];
    to->number = w->number;
    for (int c = 0; c < HEAD_POOLS; c++)
        to->slots[c] = w->classes[c].used;
}

static int save_head(struct save *s)
{
    struct encoder e;
    encoder_init(&e, frame_writer_payload(&s->frames), FRAME_PAYLOAD_MAX);
    head_encode(&s->memory->head, &e);
    return put_frame(s, FRAME_HEAD, e.n);
}

/* ---- label sets ---- */

static int visit_series(void *ctx, uint32_t series, const struct labels *ls)
{
    struct save *s = ctx;
    series_writer_add(&s->series, series, ls);
    s->counted.n_series++;
    return series_writer_is_full(&s->series);
}

static int visit_member(void *ctx, uint32_t series, const struct labels *ls)
{
    struct save *s = ctx;
    s->memory->members[s->n_members++] = series;
    return visit_series(s, series, ls) != 0 || s->n_members == MEMBERS_MAX;
}

static void begin_series(struct save *s)
{
    series_writer_init(&s->series, frame_writer_payload(&s->frames), &s->memory->symbols,
                       s->window_ms);
}

static int put_series(struct save *s)
{
    return s->series.has_record ? put_frame(s, FRAME_SERIES, s->series.out.n) : 0;
}

static int save_series(struct save *s)
{
    struct dump_cursor cursor = {0};
    int more;
    do {
        begin_series(s);
        more = dump_series(s->db, &cursor, s->series_end, visit_series, s);
        int err = more < 0 ? more : put_series(s);
        if (err < 0)
            return err;
    } while (more > 0);
    return 0;
}

/* ---- windows ---- */

/* Whether a series' label set is in the file. Asked for in ascending order. */
static bool is_written(struct save *s, uint32_t series)
{
    const uint32_t *members = s->memory->members;
    while (s->has_members && s->member < s->n_members && members[s->member] < series)
        s->member++;
    return !s->has_members || (s->member < s->n_members && members[s->member] == series);
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
    if (!is_written(s, series))
        return 0;
    window_writer_block(&s->window, series, block);
    s->counted.n_blocks++;
    s->counted.n_samples += block->n_samples;
    return window_writer_is_full(&s->window);
}

static int visit_sheaf(void *ctx, uint32_t series, const struct dump_sheaf *sheaf)
{
    struct save *s = ctx;
    if (!is_written(s, series))
        return 0;
    window_writer_sheaf(&s->window, series, sheaf);
    s->counted.n_blocks += sheaf->n_blocks;
    s->counted.n_samples += sheaf->n_samples;
    return window_writer_is_full(&s->window);
}

static int visit_tail(void *ctx, uint32_t series, const struct dump_tail *tail)
{
    struct save *s = ctx;
    if (!is_written(s, series))
        return 0;
    window_writer_tail(&s->window, series, tail);
    s->counted.n_tails++;
    s->counted.n_samples += tail->n;
    return window_writer_is_full(&s->window);
}

/* What series with ids in [from, end) have in a window. */
static int save_window(struct save *s, int64_t window, uint64_t from, uint64_t end)
{
    static const struct dump_visitor visitor = {.times = visit_times,
                                                .shared = visit_shared,
                                                .block = visit_block,
                                                .tail = visit_tail,
                                                .sheaf = visit_sheaf};
    struct dump_cursor cursor = {.next_series = from};
    int more;
    s->member = 0;
    do {
        window_writer_init(&s->window, frame_writer_payload(&s->frames), s->window_ms, window);
        more = dump_window(s->db, s->dump, window, &cursor, end, &visitor, s);
        if (more < 0)
            return more;
        if (s->window.has_record) {
            int err = put_frame(s, FRAME_WINDOW, s->window.out.n);
            if (err < 0)
                return err;
        }
    } while (more > 0);
    return 0;
}

static int save_end(struct save *s)
{
    struct encoder e;
    s->counted.generation = s->generation;
    s->counted.digest = s->frames.digest;
    encoder_init(&e, frame_writer_payload(&s->frames), FRAME_PAYLOAD_MAX);
    end_encode(&s->counted, &e);
    return put_frame(s, FRAME_END, e.n);
}

/* ---- a file ---- */

static int begin_file(struct save *s, const char *name)
{
    const struct save_options *o = s->options;
    uint32_t n = s->n_files++;
    snprintf(s->name, sizeof s->name, "%s", name);
    snprintf(s->temp, sizeof s->temp, "%s" TEMP_SUFFIX, name);
    s->generation = o->directory != NULL ? ++o->directory->generation : 1;
    s->frames = (struct frame_writer){
        .io = s->io,
        .buffer = s->memory->buffer,
        .file_id = n == 0 ? o->file_id : checksum64(&n, sizeof n, o->file_id),
    };
    s->n_unsynced = 0;
    s->counted = (struct end){0};
    s->dump = dump_begin(s->db);
    s->has_members = false;
    s->frames.handle = s->io->ops->open(s->io, s->temp, true);
    return s->frames.handle < 0 ? io_failed(s, "create", s->temp) : 0;
}

/* Syncs and closes what was written, or closes it after an error. A file whose sync has failed is
 * never synced again: the kernel may have dropped what it could not write. The next one is a new
 * file. */
static int close_file(struct save *s, int err)
{
    if (err == 0 && io_sync(s->io, s->frames.handle) < 0)
        err = io_failed(s, "sync", s->temp);
    int saved = errno;
    if (s->io->ops->close(s->io, s->frames.handle) < 0 && err == 0) {
        saved = errno;
        err = io_failed(s, "close", s->temp);
    }
    errno = saved;
    return err;
}

static void drop_temp(struct save *s)
{
    int saved = errno;
    (void)s->io->ops->remove(s->io, s->temp);
    errno = saved;
}

/* Puts the file into its place. *ret_is_there: it is, though the directory may not be synced. */
static int place_file(struct save *s, bool *ret_is_there)
{
    *ret_is_there = false;
    if (s->io->ops->rename(s->io, s->temp, s->name) < 0) {
        int err = io_failed(s, "rename", s->temp);
        drop_temp(s);
        return err;
    }
    *ret_is_there = true;
    s->report->series =
        s->counted.n_series > s->report->series ? s->counted.n_series : s->report->series;
    s->report->blocks += s->counted.n_blocks;
    s->report->tails += s->counted.n_tails;
    s->report->samples += s->counted.n_samples;
    s->report->file_bytes += s->frames.file_bytes;
    return io_sync_dir(s->io, s->names_mark) < 0 ? io_failed(s, "sync directory of", s->name) : 0;
}

/* ---- the snapshot ---- */

/* Whether a window's own file has all that it holds. */
static bool has_good_file(const struct save *s, const struct tsdb_window_stats *w)
{
    struct directory *d = s->options->directory;
    const struct directory_window *dw = d != NULL ? directory_find(d, w->number) : NULL;
    return dw != NULL && dw->has_file && dw->file_changes == w->changes;
}

static int put_snapshot(struct save *s)
{
    const struct head *h = &s->memory->head;
    int err = save_head(s);
    if (err == 0)
        err = save_series(s);
    for (uint32_t i = 0; err == 0 && i < h->n_windows; i++)
        err = save_window(s, h->windows[i].number, 0, s->series_end);
    return err == 0 ? save_end(s) : err;
}

static int save_snapshot(struct save *s)
{
    const struct tsdb_stats *stats = &s->memory->stats;
    bool is_there;
    int err = begin_file(s, SNAPSHOT_NAME);
    if (err < 0)
        return err;
    begin_head(s, FILE_SNAPSHOT);
    for (uint32_t i = 0; i < stats->n_windows; i++)
        if (!has_good_file(s, &stats->windows[i]))
            add_to_head(&s->memory->head, &stats->windows[i]);
    err = close_file(s, put_snapshot(s));
    if (err < 0) {
        drop_temp(s);
        return err;
    }
    err = place_file(s, &is_there);
    if (is_there)
        s->report->windows += s->memory->head.n_windows;
    return err;
}

/* ---- files of windows ---- */

/* Label sets of some members, then their blocks, and so on. */
static int put_window(struct save *s, int64_t window)
{
    struct dump_cursor cursor = {0};
    int more = 1;
    int err = save_head(s);
    s->has_members = true;
    while (err == 0 && more > 0) {
        uint64_t from = cursor.next_series;
        s->n_members = 0;
        begin_series(s);
        more = dump_members(s->db, window, &cursor, s->series_end, visit_member, s);
        err = more < 0 ? more : put_series(s);
        if (err == 0)
            err = save_window(s, window, from, more > 0 ? cursor.next_series : s->series_end);
    }
    return err == 0 ? save_end(s) : err;
}

static int save_window_file(struct save *s, const struct tsdb_window_stats *w,
                            struct directory_window *dw)
{
    char name[FILE_NAME_BYTES];
    bool is_there;
    directory_window_name(w->number, name);
    int err = begin_file(s, name);
    if (err < 0)
        return err;
    begin_head(s, FILE_WINDOW);
    s->memory->head.n_series = w->series;
    add_to_head(&s->memory->head, w);
    err = close_file(s, put_window(s, w->number));
    if (err < 0 || s->counted.n_series == 0) { /* or it has expired meanwhile */
        drop_temp(s);
        return err;
    }
    err = place_file(s, &is_there);
    if (!is_there)
        return err;
    dw->has_file = true;
    dw->generation = s->generation;
    dw->file_changes = err == 0 ? w->changes : UINT64_MAX; /* a power cut may take it away */
    s->report->windows++;
    s->report->window_files++;
    return err;
}

/* Whether it is time to write a window's file. One that has just changed is met again and again
 * until it has rested; the newest is about to change. */
static bool is_due(const struct save *s, const struct tsdb_window_stats *w,
                   struct directory_window *dw, bool is_newest)
{
    if (dw->seen_changes != w->changes) {
        dw->seen_changes = w->changes;
        dw->seen_boot_ms = s->options->boot_ms;
    }
    int64_t silent_ms = s->options->boot_ms - dw->seen_boot_ms;
    return !is_newest && silent_ms >= tsdb_options(s->db)->out_of_order_ms && !has_good_file(s, w);
}

static int save_window_files(struct save *s)
{
    struct directory *d = s->options->directory;
    const struct tsdb_stats *stats = &s->memory->stats;
    int err = 0;
    for (uint32_t i = 0; err == 0 && d != NULL && i < stats->n_windows; i++) {
        const struct tsdb_window_stats *w = &stats->windows[i];
        struct directory_window *dw = directory_make(d, w->number);
        if (dw != NULL && is_due(s, w, dw, i + 1 == stats->n_windows))
            err = save_window_file(s, w, dw);
    }
    return err;
}

/* ---- what is not needed any more ---- */

static const struct tsdb_window_stats *find_stats(const struct tsdb_stats *stats, int64_t number)
{
    for (uint32_t i = 0; i < stats->n_windows; i++)
        if (stats->windows[i].number == number)
            return &stats->windows[i];
    return NULL;
}

/* What the store could not take stays until its time is over, of which the newest window tells. */
static bool has_expired(const struct save *s, const struct directory_window *dw)
{
    const struct tsdb_stats *stats = &s->memory->stats;
    if (stats->n_windows == 0)
        return false;
    int64_t newest = stats->windows[stats->n_windows - 1].number;
    return newest > dw->number &&
           (uint64_t)newest - (uint64_t)dw->number > tsdb_options(s->db)->n_windows;
}

static bool is_over(const struct save *s, const struct directory_window *dw)
{
    const struct tsdb_window_stats *w = find_stats(&s->memory->stats, dw->number);
    if (!dw->is_left)
        return w == NULL || dw->file_changes != w->changes;
    return has_expired(s, dw);
}

/* Of a window that is in memory, all that the journal held for it is in what was just written. */
static bool is_left_over(const struct save *s, const struct directory_window *dw)
{
    return dw->is_left_stale || !dw->is_left || has_expired(s, dw);
}

static bool drop_file(struct save *s, const char *name)
{
    return s->io->ops->remove(s->io, name) == 0 || errno == ENOENT;
}

/* Those of windows that have expired, or that the snapshot has in a newer copy. What cannot be
 * removed is tried again with the next save. */
static void drop_window_files(struct save *s, struct directory *d)
{
    char name[FILE_NAME_BYTES];
    for (uint32_t i = 0; i < d->n; i++) {
        struct directory_window *dw = &d->windows[i];
        directory_window_name(dw->number, name);
        if (dw->has_file && is_over(s, dw) && drop_file(s, name))
            dw->has_file = dw->is_left = false;
    }
}

/* They go when the window's file has gone for certain, or what they say was deleted of that would
 * be back; and before the journal goes, which says what was deleted since. */
static int drop_left_files(struct save *s, struct directory *d)
{
    char name[FILE_NAME_BYTES];
    bool has_any = false;
    for (uint32_t i = 0; i < d->n; i++)
        has_any |= d->windows[i].has_left && is_left_over(s, &d->windows[i]);
    if (has_any && io_sync_dir(s->io, s->names_mark) < 0)
        return io_failed(s, "sync directory of", s->name);
    for (uint32_t i = 0; i < d->n; i++) {
        struct directory_window *dw = &d->windows[i];
        directory_left_name(dw->number, name);
        if (!dw->has_left || !is_left_over(s, dw))
            continue;
        if ((dw->has_file && is_over(s, dw)) || !drop_file(s, name))
            return io_failed(s, "remove", name);
        dw->has_left = dw->is_left_stale = false;
    }
    return has_any && io_sync_dir(s->io, s->names_mark) < 0
               ? io_failed(s, "sync directory of", name)
               : 0;
}

/* After the snapshot is in place: what is not needed any more. */
static int drop_old_files(struct save *s)
{
    struct directory *d = s->options->directory;
    if (d == NULL)
        return 0;
    drop_window_files(s, d);
    int err = drop_left_files(s, d);
    for (uint32_t i = d->n; i-- > 0;) {
        struct directory_window *dw = &d->windows[i];
        if (!dw->has_file && !dw->has_left && find_stats(&s->memory->stats, dw->number) == NULL)
            directory_drop(d, dw);
    }
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
        .options = o,
        .report = ret,
        .memory = memory,
        .window_ms = tsdb_options(db)->window_ms,
        .names_mark = io_names_mark(),
    };
    tsdb_stats(db, &memory->stats); /* first: changes that it counts are of series below the end */
    s.series_end = dump_series_end(db);
    int err = save_window_files(&s);
    if (err == 0)
        err = save_snapshot(&s);
    if (err == 0)
        err = drop_old_files(&s);
    int saved = errno;
    arena_span_put(arena, owner, memory, sizeof *memory);
    errno = saved;
    return err;
}
