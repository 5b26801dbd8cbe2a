#include "snapshot/split.h"

#include "snapshot/checksum.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct split {
    const struct split_request *q;
    struct frame_reader in;
    struct frame_writer out;
    struct end counted;
    char name[FILE_NAME_BYTES], temp[2 * FILE_NAME_BYTES];
    char *detail;
    size_t detail_bytes;
};

static int io_failed(struct split *s, const char *call, const char *name)
{
    int saved = errno;
    snprintf(s->detail, s->detail_bytes, "%s %s/%s: %s", call, s->q->io->place, name,
             strerror(saved));
    errno = saved;
    return ERR_IO;
}

static int put_frame(struct split *s, enum frame_type type, size_t n)
{
    return frame_writer_put(&s->out, type, n) < 0 ? io_failed(s, "write", s->temp) : 0;
}

static int put_copy(struct split *s, const struct frame *f)
{
    memcpy(frame_writer_payload(&s->out), f->payload, f->header.payload_bytes);
    return put_frame(s, (enum frame_type)f->header.type, f->header.payload_bytes);
}

static int split_series(struct split *s, const struct frame *f)
{
    struct split_memory *m = s->q->memory;
    uint32_t number;
    struct labels ls;
    int64_t window_ms;
    if (series_reader_init(&m->series, f->payload, f->header.payload_bytes, m->symbols,
                           &window_ms) < 0)
        return 0;
    while (series_reader_next(&m->series, &number, &ls) > 0)
        s->counted.n_series++;
    return put_copy(s, f);
}

static int split_records(struct split *s, const struct frame *f)
{
    struct split_memory *m = s->q->memory;
    if (window_reader_init(&m->window, f->header.version, f->payload, f->header.payload_bytes) <
            0 ||
        m->window.window != s->q->window)
        return 0;
    while (window_reader_next(&m->window, &m->record) > 0) {
        struct window_totals n = window_record_totals(&m->record);
        s->counted.n_blocks += n.n_blocks;
        s->counted.n_tails += n.n_tails;
        s->counted.n_samples += n.n_samples;
    }
    return put_copy(s, f);
}

/* The head is the snapshot's, with one window. */
static int split_head(struct split *s, const struct frame *f)
{
    struct head *h = &s->q->memory->head;
    struct encoder e;
    if (head_decode(f->header.version, f->payload, f->header.payload_bytes, h) < 0)
        return 0;
    uint32_t at = 0;
    while (at < h->n_windows && h->windows[at].number != s->q->window)
        at++;
    struct head_window only = {.number = s->q->window};
    if (at < h->n_windows)
        only = h->windows[at];
    h->kind = FILE_WINDOW;
    h->generation = s->q->generation;
    h->index_bytes = s->q->index_bytes;
    h->n_windows = 1;
    h->windows[0] = only;
    encoder_init(&e, frame_writer_payload(&s->out), FRAME_PAYLOAD_MAX);
    head_encode(h, &e);
    return put_frame(s, FRAME_HEAD, e.n);
}

static int split_end(struct split *s)
{
    struct encoder e;
    s->counted.generation = s->q->generation;
    s->counted.digest = s->out.digest;
    encoder_init(&e, frame_writer_payload(&s->out), FRAME_PAYLOAD_MAX);
    end_encode(&s->counted, &e);
    return put_frame(s, FRAME_END, e.n);
}

/* What cannot be read stays where it is, in the snapshot, which the load keeps as damaged. */
static int split_frames(struct split *s)
{
    struct frame f;
    int err = 0, more = 0;
    while (err == 0 && (more = frame_reader_next(&s->in, &f)) > 0) {
        s->out.file_id = checksum64(&s->q->window, sizeof s->q->window, f.header.file_id);
        if (f.header.type == FRAME_HEAD)
            err = split_head(s, &f);
        else if (f.header.type == FRAME_SERIES)
            err = split_series(s, &f);
        else if (f.header.type == FRAME_WINDOW)
            err = split_records(s, &f);
    }
    if (err == 0 && more == ERR_IO && errno != EIO)
        return io_failed(s, "read", SNAPSHOT_NAME);
    return err == 0 ? split_end(s) : err;
}

static int write_file(struct split *s)
{
    struct io *io = s->q->io;
    s->out.handle = io->ops->open(io, s->temp, true);
    if (s->out.handle < 0)
        return io_failed(s, "create", s->temp);
    int err = split_frames(s);
    if (err == 0 && io_sync(io, s->out.handle) < 0)
        err = io_failed(s, "sync", s->temp);
    int saved = errno;
    if (io->ops->close(io, s->out.handle) < 0 && err == 0) {
        saved = errno;
        err = io_failed(s, "close", s->temp);
    }
    errno = saved;
    if (err == 0 && io->ops->rename(io, s->temp, s->name) < 0)
        err = io_failed(s, "rename", s->temp);
    return err;
}

int split_window(const struct split_request *q, char *detail, size_t detail_bytes)
{
    struct io *io = q->io;
    struct split s = {.q = q, .detail = detail, .detail_bytes = detail_bytes};
    unsigned mark = io_names_mark();
    directory_window_name(q->window, s.name);
    snprintf(s.temp, sizeof s.temp, "%s" TEMP_SUFFIX, s.name);
    int handle = io->ops->open(io, SNAPSHOT_NAME, false);
    if (handle < 0)
        return io_failed(&s, "open", SNAPSHOT_NAME);
    frame_reader_init(&s.in, io, handle, q->buffers[0]);
    s.out = (struct frame_writer){.io = io, .buffer = q->buffers[1]};
    int err = write_file(&s);
    int saved = errno;
    (void)io->ops->close(io, handle);
    if (err < 0)
        (void)io->ops->remove(io, s.temp);
    errno = saved;
    if (err == 0 && io_sync_dir(io, mark) < 0)
        err = io_failed(&s, "sync directory of", s.name);
    return err;
}
