/* left-<N>.hg: what the journal held for a window that was left on disk, for want of memory. The
 * next snapshot removes the journal, so its records that concern such a window go into a file
 * beside the window's own first (http/carry.h), and are read back when a start has room for it.
 * docs/left-format.md has the bytes, docs/decisions/0018-left-windows.md the reasons.
 *
 * A file is written whole, under a temporary name, synced and renamed, and never written to again:
 * more records make a new one that begins with the old ones. So an end frame must be there, and a
 * file without it was cut.
 *
 * Threads: one at a time; memory is the caller's. */
#ifndef HG_SNAPSHOT_LEFT_H
#define HG_SNAPSHOT_LEFT_H

#include "snapshot/directory.h"
#include "snapshot/journal_assembly.h"
#include "snapshot/journal_batch.h"

#define LEFT_MAGIC "\x89HGL"

enum {
    LEFT_VERSION = 1,
    LEFT_VERSION_MIN = 1,
    LEFT_HEAD_BYTES = 40, /* payload of the head */
    LEFT_END_BYTES = 48,  /* and of the end */
    LEFT_DETAIL_BYTES = 256,
};

enum left_frame {
    LEFT_FRAME_HEAD = 1,
    /* 2 to 5: records and their pieces, as JOURNAL_FRAME_WHOLE to JOURNAL_FRAME_LAST */
    LEFT_FRAME_END = 6,
};

extern const struct frame_kind frame_kind_left;

/* Said by the head, and once more by the end. */
struct left_head {
    int64_t window, window_ms;
    uint64_t generation; /* of the copy of the window that it belongs to, 0 = there was none; a
                            newer copy has what is in it */
    uint64_t below;      /* of journal segments below this number it has all that there was */
    int64_t created_ms;  /* since the epoch */
};

void left_head_encode(const struct left_head *h, uint8_t ret_bytes[LEFT_HEAD_BYTES]);
void left_end_encode(const struct left_head *h, uint64_t n_records,
                     uint8_t ret_bytes[LEFT_END_BYTES]);

/* Errors: ERR_CORRUPT. */
int left_head_decode(const uint8_t *payload, size_t n, struct left_head *ret) WARN_UNUSED;
int left_end_decode(const uint8_t *payload, size_t n, struct left_head *ret,
                    uint64_t *ret_records) WARN_UNUSED;

struct left_report {
    bool has_head; /* or an end, and so: */
    struct left_head head;
    uint16_t version;
    uint64_t records; /* whole ones */
    uint64_t file_bytes;
    bool is_unreadable;             /* the disk says EIO; the next time it may not */
    uint64_t lost_frames;           /* damaged or missing ones; a file that was cut has one more */
    char detail[LEFT_DETAIL_BYTES]; /* the first damage, with its byte; or empty */
};

static inline bool left_is_good(const struct left_report *r)
{
    return r->lost_frames == 0 && r->detail[0] == '\0';
}

/* What the file says of itself: its head, or where that is damaged, its end. buffer:
 * FRAME_BUFFER_BYTES. Errors: ERR_IO (errno), ERR_CORRUPT (nothing of it can be read),
 * ERR_NEWER_FORMAT, ERR_OLDER_FORMAT. */
int left_look(struct io *io, const char *name, uint8_t *buffer,
              struct left_report *ret) WARN_UNUSED;

struct left_read_options {
    struct io *io; /* borrowed, as are the others */
    const char *name;
    uint8_t *buffer;     /* FRAME_BUFFER_BYTES */
    struct arena *arena; /* for records that are longer than a frame: row "journal" */
    /* Each record, in order; its segment is 0. A value below 0 ends the reading, which returns it.
     */
    int (*visit)(void *ctx, const struct journal_record *r);
    void *ctx;
};

/* Reads the records. Returns 0 also when parts are lost: ret says so. Errors: as left_look, the
 * visitor's, ERR_NO_MEMORY. */
int left_read(const struct left_read_options *o, struct left_report *ret) WARN_UNUSED;

/* A file on its way. */
struct left_writer {
    struct io *io; /* borrowed, as is the batch, which several may share */
    struct journal_batch *batch;
    struct left_head head;
    int handle; /* -1 = it is not open */
    uint64_t file_id;
    uint32_t n_frames;
    uint64_t n_records, file_bytes;
    const char *failed_call; /* the one that failed; a literal */
    char name[FILE_NAME_BYTES], temp[FILE_NAME_BYTES + sizeof TEMP_SUFFIX];
};

/* Begins left-<head.window>.hg under its temporary name. file_id: random bits. Errors: ERR_IO
 * (errno); then, as after the others, left_abandon. */
int left_begin(struct left_writer *w, struct io *io, struct journal_batch *batch,
               const struct left_head *head, uint64_t file_id) WARN_UNUSED;

int left_put(struct left_writer *w, const struct journal_record *r) WARN_UNUSED;

/* Ends it, syncs it and puts it into its place; the directory is the caller's to sync. */
int left_end(struct left_writer *w) WARN_UNUSED;

/* Removes what was written; nothing when it is in its place. errno stays as it is. */
void left_abandon(struct left_writer *w);

#endif
