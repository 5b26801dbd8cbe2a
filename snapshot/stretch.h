/* Where in a snapshot the frames of each window are, so that several threads can read it.
 *
 * Found by the headers alone, one after the other: each says how long its payload is. That is
 * trusted only of a file in which nothing is out of order up to its end; any other is read from
 * the start, by a reader that searches (frame_reader.c).
 *
 * Threads: none of its own. */
#ifndef HG_SNAPSHOT_STRETCH_H
#define HG_SNAPSHOT_STRETCH_H

#include "snapshot/frame.h"

struct stretch { /* frames of one window that follow each other */
    int64_t window;
    uint64_t from, to;            /* bytes of the file */
    uint32_t number, next_number; /* of the first frame, and of the one behind the last */
};

struct stretches {
    uint32_t n;
    uint32_t payload_max;                   /* the longest of their frames */
    struct stretch items[HEAD_WINDOWS_MAX]; /* by window, ascending */
    struct stretch end;                     /* the end frame; its window means nothing */
    uint64_t digest;                        /* of the frames before it */
};

/* first: the frame that r found last; the first of a window, or the end. False: something is out of
 * order, or cannot be read. */
bool stretches_find(const struct frame_reader *r, const struct frame *first,
                    struct stretches *ret) WARN_UNUSED;

#endif
