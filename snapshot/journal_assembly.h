/* Frames to records: the pieces of a record that went over several frames are put together, and a
 * record is handed out whole or not at all. The journal's segments and left-<N>.hg hold records in
 * the same way (docs/journal-format.md, section 3); what a lost frame means to a file, and how it
 * is told, is its reader's.
 *
 * Memory: none for records of one frame; for longer ones a span that is as long as the longest that
 * was met, of the row "requests".
 *
 * Threads: one at a time. */
#ifndef HG_SNAPSHOT_JOURNAL_ASSEMBLY_H
#define HG_SNAPSHOT_JOURNAL_ASSEMBLY_H

#include "alloc/arena.h"
#include "snapshot/journal_format.h"

struct journal_record {
    uint64_t sequence;
    int64_t time_ms;
    uint16_t kind;
    const uint8_t *meta; /* these two until the next frame is taken, or the visitor returns */
    size_t meta_bytes;
    const uint8_t *body;
    size_t body_bytes;
    uint64_t segment; /* where it lies: of the segment, byte in it */
    uint64_t offset;
};

enum journal_assembled {
    JOURNAL_ASSEMBLED_MORE,       /* no record yet */
    JOURNAL_ASSEMBLED_RECORD,     /* a whole one */
    JOURNAL_ASSEMBLED_LOST_FRAME, /* it is no part of a record, and what was begun is given up; no
                                     writer of ours does that */
    JOURNAL_ASSEMBLED_TOO_LONG,   /* a record begins that is, and is passed over */
};

struct journal_assembly {
    struct arena *arena; /* borrowed */
    unsigned owner;
    uint64_t record_bytes_max, file_bytes;
    uint8_t *record; /* of record_capacity bytes; 0 = none was needed yet */
    size_t record_capacity;
    bool is_within; /* a record was begun that lacks pieces */
    uint64_t n_bytes;
    uint32_t next_frame;
    /* Of the record that was begun last: also of one that is too long, or has no memory. */
    struct journal_record_head head;
    uint64_t offset; /* of its first frame */
};

/* record_bytes_max: of a record, head, meta and body together; 0 = JOURNAL_RECORD_MAX. */
void journal_assembly_init(struct journal_assembly *a, struct arena *arena,
                           uint64_t record_bytes_max);

/* Another file comes next, the first one too; what was begun is given up. file_bytes: how long it
 * is, UINT64_MAX when nobody knows. A record that would go on behind its end takes no memory: it is
 * the torn tail of a write, or was made up. */
void journal_assembly_begin(struct journal_assembly *a, uint64_t file_bytes);

/* Gives the memory back; errno stays as it is. */
void journal_assembly_release(struct journal_assembly *a);

/* Takes the next frame of a file, of whatever type. Returns an enum journal_assembled; ret is
 * filled with a record (segment: 0), and points into the frame or to what the assembly holds. Of a
 * record whose begin is lost, or that the file ends within, the pieces are passed over. Errors:
 * ERR_NO_MEMORY; the record is given up. */
int journal_assembly_take(struct journal_assembly *a, const struct frame *f,
                          struct journal_record *ret) WARN_UNUSED;

#endif
