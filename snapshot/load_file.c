#include "snapshot/load_file.h"

#include "tsdb/dump.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Keeps the first description only. errno stays as it is. */
PRINTF_LIKE(2, 3) static void describe(struct file_load *l, const char *format, ...)
{
    if (l->report.detail[0])
        return;
    int saved = errno;
    va_list args;
    va_start(args, format);
    vsnprintf(l->report.detail, sizeof l->report.detail, format, args);
    va_end(args);
    errno = saved;
}

/* An error that ends the load matters more than damage before it. */
static void forget_detail(struct file_load *l)
{
    l->report.detail[0] = '\0';
}

static int io_failed(struct file_load *l, const char *call)
{
    forget_detail(l);
    describe(l, "%s %s/%s: %s", call, l->io->place, l->name, strerror(errno));
    return ERR_IO;
}

static int wrong_window(struct file_load *l, int64_t window_ms)
{
    forget_detail(l);
    describe(l, "%s/%s was written with windows of %" PRId64 " ms, ours are of %" PRId64 " ms",
             l->io->place, l->name, window_ms, tsdb_options(l->db)->window_ms);
    return ERR_WRONG_WINDOW;
}

static int unknown_version(struct file_load *l, int err)
{
    forget_detail(l);
    if (err == ERR_NEWER_FORMAT)
        describe(l, "%s/%s was written by a newer version", l->io->place, l->name);
    else
        describe(l, "%s/%s has format %u; this version reads %d and writes %d", l->io->place,
                 l->name, l->frames.version, FORMAT_VERSION_MIN, FORMAT_VERSION);
    return err;
}

static void lost_frame(struct file_load *l, const struct frame *f, const char *why)
{
    l->report.lost_frames++;
    describe(l, "frame %" PRIu32 " at byte %" PRIu64 ": %s", f->header.number, f->offset, why);
}

/* The series of a number. To look it up by its labels costs ten times what it costs to know it. */
static int find_or_restore(struct file_load *l, uint32_t number, const struct labels *ls,
                           uint32_t *ret_series)
{
    const struct load_decoders *d = l->decoders;
    if (l->same_ids != NULL && number_map_find(l->same_ids, number, ret_series))
        return 0;
    return d->labels != NULL ? restore_labels_add(d->labels, ls, d->series.refs, ret_series)
                             : restore_series(l->restore, ls, ret_series);
}

/* What the reader has. 0, or an error that ends the load. */
static int load_label_sets(struct file_load *l, const struct frame *f)
{
    struct series_reader *r = &l->decoders->series;
    uint32_t number, series;
    struct labels ls;
    int more;
    while ((more = series_reader_next(r, &number, &ls)) > 0) {
        l->counted.n_series++;
        int err = find_or_restore(l, number, &ls, &series);
        if (err == 0)
            err = number_map_add(&l->ids, number, series);
        if (err == ERR_NO_MEMORY)
            return err;
        if (err < 0)
            describe(l, "series %" PRIu32 " in frame %" PRIu32 ": %s", number, f->header.number,
                     tsdb_err_text(err));
        else
            l->report.series++;
    }
    if (more < 0)
        lost_frame(l, f, "malformed series");
    return 0;
}

/* 0, or an error that ends the load. */
static int load_series(struct file_load *l, const struct frame *f)
{
    struct load_decoders *d = l->decoders;
    int64_t window_ms = 0;
    if (d->symbols == NULL) {
        lost_frame(l, f, "series in the middle of a window");
        return 0;
    }
    if (series_reader_init(&d->series, f->payload, f->header.payload_bytes, d->symbols,
                           &window_ms) < 0) {
        lost_frame(l, f, "malformed series");
        return 0;
    }
    if (window_ms != tsdb_options(l->db)->window_ms)
        return wrong_window(l, window_ms);
    if (d->labels == NULL)
        return load_label_sets(l, f);
    restore_labels_begin(d->labels, l->restore);
    int err = load_label_sets(l, f);
    restore_labels_end(d->labels);
    return err;
}

static void count(struct end *io, struct window_totals n)
{
    io->n_blocks += n.n_blocks;
    io->n_tails += n.n_tails;
    io->n_samples += n.n_samples;
}

/* Counts a record of a window that the store does not keep. */
static int pass_over(struct file_load *l, const struct window_record *record)
{
    struct window_totals n = window_record_totals(record);
    l->report.old_blocks += n.n_blocks + n.n_tails;
    return 0;
}

static int restore_record(struct file_load *l, const struct window_record *record, uint32_t series)
{
    switch (record->kind) {
    case RECORD_TIMES:
        return restore_times(l->restore, &record->times);
    case RECORD_SHARED:
        return restore_shared(l->restore, &record->shared);
    case RECORD_TAIL:
        return restore_tail(l->restore, series, &record->tail);
    default:
        return restore_block(l->restore, series, &record->block);
    }
}

static void loaded(struct file_load *l, struct window_totals n)
{
    int64_t window = l->decoders->window.window;
    l->report.blocks += n.n_blocks;
    l->report.tails += n.n_tails;
    l->report.samples += n.n_samples;
    if (l->has_last_window && l->last_window == window)
        return;
    l->report.windows++;
    l->has_last_window = true;
    l->last_window = window;
}

static void lost_record(struct file_load *l, const struct frame *f,
                        const struct window_record *record, const char *why)
{
    struct window_totals n = window_record_totals(record);
    if (!window_record_is_of_series(record)) {
        describe(l, "%s in frame %" PRIu32 " at byte %" PRIu64 ": %s",
                 record->kind == RECORD_TIMES ? "times" : "shared values", f->header.number,
                 f->offset, why);
        return;
    }
    l->report.lost_blocks += n.n_blocks + n.n_tails;
    describe(l, "series %" PRIu32 " in frame %" PRIu32 " at byte %" PRIu64 ": %s", record->number,
             f->header.number, f->offset, why);
}

/* 0, or an error that ends the load. */
static int not_restored(struct file_load *l, const struct frame *f,
                        const struct window_record *record, int err)
{
    if (err == ERR_NO_MEMORY)
        return err;
    if (err == ERR_TOO_OLD)
        return pass_over(l, record);
    if (err == ERR_NOT_FOUND)
        lost_record(l, f, record, "refers to times or values that are missing");
    else
        lost_record(l, f, record, tsdb_err_text(err));
    return 0;
}

static int load_one(struct file_load *l, const struct frame *f, const struct window_record *record,
                    uint32_t series)
{
    int err = restore_record(l, record, series);
    if (err != 0)
        return not_restored(l, f, record, err);
    if (window_record_is_of_series(record))
        loaded(l, window_record_totals(record));
    return 0;
}

/* A sheaf block by block: what is wrong with one costs the others nothing. */
static int load_blocks(struct file_load *l, const struct frame *f,
                       const struct window_record *record, uint32_t series)
{
    struct window_record block = {.kind = RECORD_BLOCK, .number = record->number};
    struct window_record rest = *record;
    struct dump_sheaf_reader blocks;
    int more = 0, err = 0;
    dump_sheaf_init(&blocks, &record->sheaf);
    while (err == 0 && (more = dump_sheaf_next(&blocks, &block.block)) > 0) {
        err = load_one(l, f, &block, series);
        rest.sheaf.n_blocks -= rest.sheaf.n_blocks > 1;
    }
    if (err == 0 && more < 0)
        lost_record(l, f, &rest, tsdb_err_text(more));
    return err;
}

/* A sheaf, with the tail that ends its series in the window if that is the next record. */
static int load_sheaf(struct file_load *l, const struct frame *f,
                      const struct window_record *record, uint32_t series)
{
    struct window_record *tail = &l->decoders->tail;
    bool has_tail = !record->is_last && window_reader_tail(&l->decoders->window, &tail->tail);
    int err = 1;
    if (has_tail) {
        tail->kind = RECORD_TAIL;
        tail->number = record->number;
        count(&l->counted, window_record_totals(tail));
    }
    if (record->is_last || has_tail)
        err = restore_sheaf(l->restore, series, &record->sheaf, has_tail ? &tail->tail : NULL);
    if (err == 1) {
        err = load_blocks(l, f, record, series);
        return err == 0 && has_tail ? load_one(l, f, tail, series) : err;
    }
    if (err != 0)
        return not_restored(l, f, record, err);
    loaded(l, window_record_totals(record));
    if (has_tail)
        loaded(l, window_record_totals(tail));
    return 0;
}

static int load_record(struct file_load *l, const struct frame *f,
                       const struct window_record *record)
{
    uint32_t series = 0;
    int64_t window = l->decoders->window.window;
    count(&l->counted, window_record_totals(record));
    if (l->is_old)
        return pass_over(l, record);
    if (window_record_is_of_series(record) && !number_map_find(&l->ids, record->number, &series)) {
        lost_record(l, f, record, "is not in the file");
        return 0;
    }
    int err = restore_is_at(l->restore, window) ? 0 : restore_window(l->restore, window);
    if (err != 0)
        return not_restored(l, f, record, err);
    return record->kind == RECORD_SHEAF ? load_sheaf(l, f, record, series)
                                        : load_one(l, f, record, series);
}

/* The next record. 1, 0 at the end, or an error: ERR_CORRUPT is the frame's, any other ends the
 * load. */
static int load_next(struct file_load *l, const struct frame *f)
{
    struct window_record *record = &l->decoders->record;
    int more = window_reader_next(&l->decoders->window, record);
    int err = more > 0 ? load_record(l, f, record) : 0;
    return err != 0 ? err : more;
}

/* A row of constants, behind a record of the series `before`; its series are the store's then. 1 =
 * it is to be taken record by record. */
static int load_row(struct file_load *l, const struct frame *f, struct dump_constants *row,
                    uint32_t before)
{
    const struct window_record waited = {.kind = RECORD_BLOCK, .number = before};
    struct window_totals n = {.n_blocks = row->n, .n_samples = (uint64_t)row->n * row->n_samples};
    if (!restore_is_at(l->restore, l->decoders->window.window))
        return 1;
    for (uint32_t i = 0; i < row->n; i++)
        if (!number_map_find(&l->ids, row->series[i], &row->series[i]))
            return 1;
    int err = restore_constants(l->restore, row);
    if (err < 0)
        err = not_restored(l, f, &waited, err) == 0 ? 1 : ERR_NO_MEMORY;
    if (err != 0)
        return err;
    count(&l->counted, n);
    loaded(l, n);
    return 0;
}

/* The next record, or several that make a row. Answers as load_next. */
static int load_some(struct file_load *l, const struct frame *f)
{
    struct window_reader *r = &l->decoders->window, before = *r;
    uint32_t n = l->is_old ? 0 : window_reader_constants(r, &l->decoders->row);
    if (n == 0)
        return load_next(l, f);
    int err = load_row(l, f, &l->decoders->row, before.guess.number);
    if (err != 1)
        return err == 0 ? 1 : err;
    int more = 1;
    for (*r = before; more > 0 && n > 0; n--)
        more = load_next(l, f);
    return more;
}

static int load_window(struct file_load *l, const struct frame *f)
{
    struct window_reader *r = &l->decoders->window;
    int more = window_reader_init(r, f->header.version, f->payload, f->header.payload_bytes);
    if (more == 0 && r->window_ms != tsdb_options(l->db)->window_ms)
        return wrong_window(l, r->window_ms);
    enum load_choice choice = more == 0 ? l->choose(l->ctx, r->window) : LOAD_TAKE;
    if (choice == LOAD_PASS) {
        l->has_passed = true;
        return 0;
    }
    if (choice == LOAD_IS_FOREIGN) {
        lost_frame(l, f, "window out of place");
        return 0;
    }
    l->is_old = choice == LOAD_IS_OLD;
    l->restore->is_trusted = f->header.version >= FORMAT_VERSION_TRUSTED;
    restore_hold(l->restore);
    for (more = more == 0 ? 1 : more; more > 0;)
        more = load_some(l, f);
    int late_err = restore_pause(l->restore);
    if (more < 0 && more != ERR_CORRUPT)
        return more;
    if (late_err < 0)
        return late_err;
    if (more < 0)
        lost_frame(l, f, "malformed record");
    return 0;
}

/* What else it says has been looked at before (look.h). */
static int load_head(struct file_load *l, const struct frame *f)
{
    struct head *h = &l->decoders->head;
    if (head_decode(f->header.version, f->payload, f->header.payload_bytes, h) < 0)
        lost_frame(l, f, "malformed head");
    else if (h->window_ms != tsdb_options(l->db)->window_ms)
        return wrong_window(l, h->window_ms);
    else
        l->counted.generation = h->generation;
    return 0;
}

static int load_end(struct file_load *l, const struct frame *f)
{
    struct end end;
    l->has_end = true;
    if (end_decode(f->header.version, f->payload, f->header.payload_bytes, &end) < 0) {
        lost_frame(l, f, "malformed end");
        return 0;
    }
    l->counted.digest = f->digest_before;
    bool is_whole = l->frames.n_lost == 0 && l->report.lost_frames == 0 && !l->has_passed;
    if (is_whole && memcmp(&end, &l->counted, sizeof end) != 0)
        describe(l, "the totals at the end of the file are not those of what is in it");
    return 0;
}

static int load_frame(struct file_load *l, const struct frame *f)
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
static void describe_damage(struct file_load *l)
{
    if (l->frames.is_damaged)
        describe(l, "damaged at byte %" PRIu64, l->frames.damaged_at);
    else if (l->frames.n_lost > 0)
        describe(l, "%" PRIu64 " frames are missing", l->frames.n_lost);
}

static void report_damage(struct file_load *l)
{
    struct frame_reader *r = &l->frames;
    l->report.file_bytes = r->base + (l->has_end ? r->start : r->end);
    l->report.lost_frames += r->n_lost;
    if (!l->has_end)
        l->report.lost_frames++;
    if (!l->has_end && (r->is_cut || !r->is_damaged)) {
        describe(l, "cut short at byte %" PRIu64, l->report.file_bytes);
        return;
    }
    describe_damage(l);
}

/* ---- going through the file ---- */

static void note_progress(struct file_load *l, uint64_t bytes)
{
    if (l->progress != NULL)
        atomic_fetch_add_explicit(&l->progress->bytes, bytes, memory_order_relaxed);
}

static uint64_t frame_bytes(const struct frame *f)
{
    return FRAME_HEADER_BYTES + f->header.payload_bytes;
}

/* Reads the next frame and, of one of a window, which that is. The disk's word that some of the
 * file cannot be read is damage like any other; what else goes wrong with reading may be mended. */
static int next_frame(struct file_load *l)
{
    int more = l->has_end ? 0 : frame_reader_next(&l->frames, &l->frame);
    l->has_frame = more > 0;
    if (more > 0)
        note_progress(l, frame_bytes(&l->frame));
    if (more == ERR_IO && errno == EIO) {
        describe(l, "read %s/%s at byte %" PRIu64 ": %s", l->io->place, l->name,
                 l->frames.base + l->frames.end, strerror(errno));
        return 0;
    }
    if (more == ERR_IO)
        return io_failed(l, "read");
    if (more < 0)
        return unknown_version(l, more);
    if (more > 0)
        describe_damage(l);
    l->has_window = false;
    if (more == 0 || l->frame.header.type != FRAME_WINDOW)
        return 0;
    struct window_reader *r = &l->decoders->window;
    l->has_window = window_reader_init(r, l->frame.header.version, l->frame.payload,
                                       l->frame.header.payload_bytes) == 0;
    l->window = r->window;
    return 0;
}

int file_load_open(struct file_load *l)
{
    struct arena *arena = tsdb_arena(l->db);
    l->handle = l->io->ops->open(l->io, l->name, false);
    if (l->handle < 0)
        return io_failed(l, "open");
    frame_reader_init(&l->frames, l->io, l->handle, l->buffer);
    number_map_init(&l->ids, arena, budget_owner(arena->budget, "snapshot"));
    int err = next_frame(l);
    if (err < 0)
        file_load_close(l);
    return err;
}

int file_load_until(struct file_load *l, int64_t last)
{
    int err = 0;
    while (err == 0 && l->has_frame && !(l->has_window && l->window > last)) {
        err = load_frame(l, &l->frame);
        if (err == 0)
            err = next_frame(l);
    }
    if (err == ERR_NO_MEMORY) {
        forget_detail(l);
        describe(l, "no memory for frame %" PRIu32 " at byte %" PRIu64 " of %s/%s",
                 l->frame.header.number, l->frame.offset, l->io->place, l->name);
    }
    return err;
}

/* ---- a file by several threads ---- */

bool file_load_stretches(const struct file_load *l, struct stretches *ret)
{
    const struct frame *f = &l->frame;
    return l->has_frame && l->frames.n_lost == 0 && !l->frames.is_damaged &&
           stretches_find(&l->frames, f, ret);
}

int file_load_stretch(struct file_load *l, const struct file_load *whole, const struct stretch *s,
                      size_t buffer_bytes, struct file_part *ret)
{
    frame_reader_init(&l->frames, l->io, whole->handle, l->buffer);
    l->frames.buffer_bytes = buffer_bytes;
    l->frames.has_id = true;
    l->frames.file_id = whole->frames.file_id;
    frame_reader_move(&l->frames, s->number, 0, s->from, s->to);
    l->ids = whole->ids; /* the table is only looked at */
    int err = next_frame(l);
    if (err == 0)
        err = file_load_until(l, INT64_MAX);
    l->report.lost_frames += l->frames.n_lost + (s->next_number - l->frames.next_number);
    describe_damage(l);
    *ret = (struct file_part){l->report, l->counted, l->has_passed};
    return err;
}

void file_load_add_part(struct file_load *l, const struct file_part *part)
{
    const struct snapshot_report *found = &part->report;
    struct snapshot_report *r = &l->report;
    r->blocks += found->blocks;
    r->tails += found->tails;
    r->samples += found->samples;
    r->windows += found->windows;
    r->lost_frames += found->lost_frames;
    r->lost_blocks += found->lost_blocks;
    r->old_blocks += found->old_blocks;
    if (found->detail[0] != '\0')
        describe(l, "%s", found->detail);
    l->counted.n_blocks += part->counted.n_blocks;
    l->counted.n_tails += part->counted.n_tails;
    l->counted.n_samples += part->counted.n_samples;
    l->has_passed |= part->has_passed;
}

void file_load_pass(struct file_load *l, const struct stretch *s)
{
    l->has_passed = true;
    note_progress(l, s->to - s->from);
}

int file_load_skip(struct file_load *l, const struct stretches *s)
{
    note_progress(l, 0 - frame_bytes(&l->frame)); /* it has been read again */
    frame_reader_move(&l->frames, s->end.number, s->digest, s->end.from, UINT64_MAX);
    return next_frame(l);
}

void file_load_close(struct file_load *l)
{
    int saved = errno;
    report_damage(l);
    number_map_release(&l->ids);
    (void)l->io->ops->close(l->io, l->handle);
    errno = saved;
}
