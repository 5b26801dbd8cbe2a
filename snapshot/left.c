/* Reading is that of a segment of the journal but for what a segment needs others for: there is one
 * file, and its end frame says whether it is all there. The id of the file is taken from where no
 * stranger writes, the head or the frame behind it, as in journal_replay.c. */
#include "snapshot/left.h"

#include "snapshot/decoder.h"
#include "snapshot/encoder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

const struct frame_kind frame_kind_left = {
    .magic = {LEFT_MAGIC[0], LEFT_MAGIC[1], LEFT_MAGIC[2], LEFT_MAGIC[3]},
    .version = LEFT_VERSION,
    .version_min = LEFT_VERSION_MIN,
};

/* --- bytes --- */

static void put_head(struct encoder *e, const struct left_head *h)
{
    encoder_u64(e, (uint64_t)h->window);
    encoder_u64(e, (uint64_t)h->window_ms);
    encoder_u64(e, h->generation);
    encoder_u64(e, h->below);
    encoder_u64(e, (uint64_t)h->created_ms);
}

static struct left_head get_head(struct decoder *d)
{
    struct left_head h;
    h.window = (int64_t)decoder_u64(d);
    h.window_ms = (int64_t)decoder_u64(d);
    h.generation = decoder_u64(d);
    h.below = decoder_u64(d);
    h.created_ms = (int64_t)decoder_u64(d);
    return h;
}

void left_head_encode(const struct left_head *h, uint8_t ret_bytes[LEFT_HEAD_BYTES])
{
    struct encoder e;
    encoder_init(&e, ret_bytes, LEFT_HEAD_BYTES);
    put_head(&e, h);
}

void left_end_encode(const struct left_head *h, uint64_t n_records,
                     uint8_t ret_bytes[LEFT_END_BYTES])
{
    struct encoder e;
    encoder_init(&e, ret_bytes, LEFT_END_BYTES);
    put_head(&e, h);
    encoder_u64(&e, n_records);
}

static bool is_head(const struct left_head *h)
{
    return h->window_ms > 0 && h->below <= JOURNAL_NUMBER_MAX;
}

int left_head_decode(const uint8_t *payload, size_t n, struct left_head *ret)
{
    struct decoder d;
    decoder_init(&d, payload, n);
    struct left_head h = get_head(&d);
    if (d.is_bad || d.at != d.end || !is_head(&h))
        return ERR_CORRUPT;
    *ret = h;
    return 0;
}

int left_end_decode(const uint8_t *payload, size_t n, struct left_head *ret, uint64_t *ret_records)
{
    struct decoder d;
    decoder_init(&d, payload, n);
    struct left_head h = get_head(&d);
    uint64_t n_records = decoder_u64(&d);
    if (d.is_bad || d.at != d.end || !is_head(&h))
        return ERR_CORRUPT;
    *ret = h;
    *ret_records = n_records;
    return 0;
}

/* --- reading --- */

struct reading {
    const struct left_read_options *o;
    struct left_report *report;
    struct frame_reader frames;
    bool is_look; /* the head is all that is wanted */
    bool has_end;
    struct journal_assembly assembly;
};

PRINTF_LIKE(2, 3) static void describe(struct reading *r, const char *format, ...)
{
    char *detail = r->report->detail;
    va_list args;
    if (detail[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(detail, LEFT_DETAIL_BYTES, format, args);
    va_end(args);
}

static void lose_frame(struct reading *r, const struct frame *f)
{
    r->report->lost_frames++;
    describe(r, "byte %" PRIu64 ": a frame that is no part of a record", f->offset);
}

static void say_no_memory(struct reading *r)
{
    r->report->detail[0] = '\0';
    describe(r, "byte %" PRIu64 ": no memory for a record of %" PRIu64 " bytes", r->assembly.offset,
             journal_record_size(&r->assembly.head));
}

/* None is too long: decoding refuses what is above the limit. */
static int take_record_frame(struct reading *r, const struct frame *f)
{
    struct journal_record record;
    int found = journal_assembly_take(&r->assembly, f, &record);
    if (found < 0)
        say_no_memory(r);
    else if (found == JOURNAL_ASSEMBLED_RECORD) {
        r->report->records++;
        return r->o->visit(r->o->ctx, &record);
    } else if (found != JOURNAL_ASSEMBLED_MORE)
        lose_frame(r, f);
    return found < 0 ? found : 0;
}

static void take_head(struct reading *r, const struct frame *f)
{
    if (left_head_decode(f->payload, f->header.payload_bytes, &r->report->head) == 0)
        r->report->has_head = true;
    else
        lose_frame(r, f);
}

static void take_end(struct reading *r, const struct frame *f)
{
    uint64_t n_records;
    struct left_report *ret = r->report;
    r->has_end = true;
    if (left_end_decode(f->payload, f->header.payload_bytes, &ret->head, &n_records) < 0) {
        lose_frame(r, f);
        return;
    }
    ret->has_head = true;
    if (!r->is_look && ret->lost_frames + r->frames.n_lost == 0 && n_records != ret->records)
        describe(r, "the end says that there were %" PRIu64 " records", n_records);
}

static int take_frame(struct reading *r, const struct frame *f)
{
    unsigned type = f->header.type;
    r->report->version = f->header.version;
    if (type == LEFT_FRAME_HEAD && f->header.number == 0)
        take_head(r, f);
    else if (type == LEFT_FRAME_END)
        take_end(r, f);
    else if (!r->is_look)
        return take_record_frame(r, f);
    return 0;
}

/* A read error costs the rest of the file. */
static int read_frames(struct reading *r)
{
    struct frame f;
    int more = 1, err = 0;
    while (err == 0 && !r->has_end && !(r->is_look && r->report->has_head)) {
        more = frame_reader_next(&r->frames, &f);
        if (more <= 0)
            break;
        err = take_frame(r, &f);
    }
    if (err < 0)
        return err;
    r->report->is_unreadable = more == ERR_IO;
    if (more == ERR_IO && errno != EIO)
        return ERR_IO;
    if (more == ERR_NEWER_FORMAT || more == ERR_OLDER_FORMAT) {
        r->report->version = r->frames.version;
        return more;
    }
    return 0;
}

/* What is missing, once all is read. */
static void settle(struct reading *r)
{
    const struct frame_reader *f = &r->frames;
    r->report->lost_frames += f->n_lost + !r->has_end;
    if (r->report->is_unreadable)
        describe(r, "byte %" PRIu64 ": %s", f->base + f->end, strerror(EIO));
    else if (f->is_damaged)
        describe(r, "byte %" PRIu64 ": damaged", f->damaged_at);
    else if (f->n_lost > 0)
        describe(r, "%" PRIu64 " frames are missing", f->n_lost);
    if (!r->has_end)
        describe(r, "cut short at byte %" PRIu64, f->base + f->end);
}

/* The id of the file: of a header where one must be. */
static int find_id(struct reading *r, int handle, uint64_t *ret)
{
    uint8_t bytes[2 * FRAME_HEADER_BYTES + LEFT_HEAD_BYTES];
    struct frame_header h;
    size_t n = 0;
    if (io_read_full(r->o->io, handle, bytes, sizeof bytes, 0, &n) < 0) {
        r->report->is_unreadable = errno == EIO;
        if (errno != EIO)
            return ERR_IO;
    }
    for (size_t at = 0; at + FRAME_HEADER_BYTES <= n; at += FRAME_HEADER_BYTES + LEFT_HEAD_BYTES) {
        if (!frame_header_decode_as(&frame_kind_left, bytes + at, &h))
            continue;
        *ret = h.file_id;
        return 0;
    }
    return ERR_CORRUPT;
}

static int read_from(struct reading *r, uint64_t id)
{
    struct io *io = r->o->io;
    int handle = io->ops->open(io, r->o->name, false);
    if (handle < 0)
        return ERR_IO;
    frame_reader_init(&r->frames, io, handle, r->o->buffer);
    r->frames.kind = &frame_kind_left;
    r->frames.has_id = true;
    r->frames.file_id = id;
    int err = read_frames(r);
    int saved = errno;
    (void)io->ops->close(io, handle);
    journal_assembly_release(&r->assembly);
    errno = saved;
    return err;
}

static int read_file(struct reading *r)
{
    struct io *io = r->o->io;
    uint64_t id = 0;
    memset(r->report, 0, sizeof *r->report);
    int handle = io->ops->open(io, r->o->name, false);
    if (handle < 0)
        return ERR_IO;
    int64_t size = io->ops->size(io, r->o->name);
    r->report->file_bytes = size > 0 ? (uint64_t)size : 0;
    journal_assembly_begin(&r->assembly, size > 0 ? (uint64_t)size : UINT64_MAX);
    int err = find_id(r, handle, &id);
    int saved = errno;
    (void)io->ops->close(io, handle);
    errno = saved;
    return err == 0 ? read_from(r, id) : err;
}

int left_look(struct io *io, const char *name, uint8_t *buffer, struct left_report *ret)
{
    const struct left_read_options o = {.io = io, .name = name, .buffer = buffer};
    struct reading r = {.o = &o, .report = ret, .is_look = true};
    return read_file(&r);
}

int left_read(const struct left_read_options *o, struct left_report *ret)
{
    struct reading r = {.o = o, .report = ret};
    journal_assembly_init(&r.assembly, o->arena, 0);
    int err = read_file(&r);
    if (err == 0)
        settle(&r);
    if (err == ERR_CORRUPT) {
        ret->lost_frames++;
        describe(&r, "neither the head nor what follows can be read");
    }
    return err;
}

/* --- writing --- */

static int failed(struct left_writer *w, const char *call)
{
    w->failed_call = call;
    return ERR_IO;
}

static int write_batch(struct left_writer *w)
{
    struct journal_batch *b = w->batch;
    size_t written;
    if (io_write_parts(w->io, w->handle, b->parts, b->n_parts, &written) < 0)
        return failed(w, "write");
    w->file_bytes += written;
    journal_batch_clear(b);
    return 0;
}

static int write_frame(struct left_writer *w, unsigned type, const uint8_t *payload, size_t n)
{
    journal_batch_clear(w->batch);
    w->batch->kind = &frame_kind_left;
    journal_batch_add_frame(w->batch, type, payload, n, w->file_id, w->n_frames++);
    return write_batch(w);
}

int left_begin(struct left_writer *w, struct io *io, struct journal_batch *batch,
               const struct left_head *head, uint64_t file_id)
{
    uint8_t bytes[LEFT_HEAD_BYTES];
    *w = (struct left_writer){.io = io,
                              .batch = batch,
                              .head = *head,
                              .handle = -1,
                              .file_id = file_id,
                              .failed_call = ""};
    directory_left_name(head->window, w->name);
    snprintf(w->temp, sizeof w->temp, "%s" TEMP_SUFFIX, w->name);
    w->handle = io->ops->open(io, w->temp, true);
    if (w->handle < 0)
        return failed(w, "create");
    left_head_encode(head, bytes);
    return write_frame(w, LEFT_FRAME_HEAD, bytes, sizeof bytes);
}

static void to_entry(const struct journal_record *r, struct iovec *body, struct journal_entry *ret)
{
    const struct journal_record_head h = {
        .sequence = r->sequence,
        .time_ms = r->time_ms,
        .kind = r->kind,
        .meta_bytes = (uint32_t)r->meta_bytes,
        .body_bytes = r->body_bytes,
    };
    *body = (struct iovec){.iov_base = (uint8_t *)(uintptr_t)r->body, .iov_len = r->body_bytes};
    *ret = (struct journal_entry){.meta = r->meta,
                                  .meta_bytes = r->meta_bytes,
                                  .parts = body,
                                  .n_parts = 1,
                                  .bytes = journal_record_size(&h)};
    journal_record_encode(&h, ret->head);
}

int left_put(struct left_writer *w, const struct journal_record *r)
{
    struct journal_entry e;
    struct iovec body;
    to_entry(r, &body, &e);
    journal_batch_clear(w->batch);
    w->batch->kind = &frame_kind_left;
    for (uint64_t at = 0; at < e.bytes;) {
        size_t n = journal_batch_add(w->batch, &e, at, w->file_id, w->n_frames);
        w->n_frames += n > 0;
        at += n;
        if ((n == 0 || at == e.bytes) && write_batch(w) < 0)
            return ERR_IO;
    }
    w->n_records++;
    return 0;
}

int left_end(struct left_writer *w)
{
    uint8_t bytes[LEFT_END_BYTES];
    left_end_encode(&w->head, w->n_records, bytes);
    if (write_frame(w, LEFT_FRAME_END, bytes, sizeof bytes) < 0)
        return ERR_IO;
    if (io_sync(w->io, w->handle) < 0)
        return failed(w, "sync");
    int handle = w->handle;
    w->handle = -1;
    if (w->io->ops->close(w->io, handle) < 0)
        return failed(w, "close");
    if (w->io->ops->rename(w->io, w->temp, w->name) < 0)
        return failed(w, "rename");
    w->temp[0] = '\0';
    return 0;
}

void left_abandon(struct left_writer *w)
{
    int saved = errno;
    if (w->handle >= 0)
        (void)w->io->ops->close(w->io, w->handle);
    w->handle = -1;
    if (w->temp[0] != '\0')
        (void)w->io->ops->remove(w->io, w->temp);
    w->temp[0] = '\0';
    errno = saved;
}
