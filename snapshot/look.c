#include "snapshot/look.h"

#include "snapshot/decoder.h"
#include "snapshot/frame.h"

#include <errno.h>
#include <string.h>

static void note_window(struct head *h, int64_t number)
{
    uint32_t at = h->n_windows;
    for (uint32_t i = 0; i < h->n_windows; i++)
        if (h->windows[i].number == number)
            return;
    if (at == HEAD_WINDOWS_MAX)
        return;
    for (; at > 0 && h->windows[at - 1].number > number; at--)
        h->windows[at] = h->windows[at - 1];
    h->windows[at] = (struct head_window){.number = number};
    h->n_windows++;
}

/* Series and window frames begin with the length of a window, these with its number as well. */
static void note_frame(struct file_look *l, const struct frame *f)
{
    struct decoder d;
    struct end end;
    decoder_init(&d, f->payload, f->header.payload_bytes);
    if (f->header.type == FRAME_HEAD &&
        head_decode(f->header.version, f->payload, f->header.payload_bytes, &l->head) == 0) {
        l->has_head = true;
    } else if (f->header.type == FRAME_SERIES || f->header.type == FRAME_WINDOW) {
        int64_t window_ms = (int64_t)decoder_varint_max(&d, INT64_MAX);
        int64_t number = (int64_t)decoder_zigzag(&d);
        if (d.is_bad)
            return;
        l->head.window_ms = window_ms;
        if (f->header.type == FRAME_WINDOW)
            note_window(&l->head, number);
    } else if (f->header.type == FRAME_END &&
               end_decode(f->header.version, f->payload, f->header.payload_bytes, &end) == 0) {
        l->head.generation = end.generation;
    }
}

static int look_at_frames(struct io *io, int handle, uint8_t *buffer, struct file_look *ret)
{
    struct frame_reader r;
    struct frame f;
    int more = 0;
    frame_reader_init(&r, io, handle, buffer);
    while (!ret->has_head && (more = frame_reader_next(&r, &f)) > 0) {
        ret->version = f.header.version;
        note_frame(ret, &f);
    }
    if (ret->has_head)
        return 0;
    if (more == ERR_IO)
        return errno == EIO && r.has_id ? 0 : errno == EIO ? ERR_CORRUPT : ERR_IO;
    if (more < 0)
        ret->version = r.version;
    return more < 0 ? more : r.has_id ? 0 : ERR_CORRUPT;
}

int file_look(struct io *io, const char *name, uint8_t *buffer, struct file_look *ret)
{
    memset(ret, 0, sizeof *ret);
    int handle = io->ops->open(io, name, false);
    if (handle < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    int64_t size = io->ops->size(io, name);
    ret->file_bytes = size > 0 ? (uint64_t)size : 0;
    int err = look_at_frames(io, handle, buffer, ret);
    int saved = errno;
    (void)io->ops->close(io, handle);
    errno = saved;
    return err;
}
