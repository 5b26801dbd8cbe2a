/* Verifying files without loading them: every frame, every record, every block decoded.
 *
 * A load takes columns on trust whose checksum is right (tsdb/dump.h); this does not.
 *
 * Threads: one at a time. The directory may be in use: what is renamed over a file that is being
 * read does not disturb it. */
#ifndef HG_SNAPSHOT_CHECK_H
#define HG_SNAPSHOT_CHECK_H

#include "snapshot/directory.h"
#include "snapshot/head.h"

#include "alloc/arena.h"

enum { CHECK_DETAIL_BYTES = 256 };

struct check_report {
    const char *name; /* of the file; valid during the visit */
    int err; /* 0, ERR_IO, ERR_CORRUPT (no frame at all), ERR_NEWER_FORMAT, ERR_OLDER_FORMAT */
    uint16_t version;
    bool has_head;
    struct head head; /* kind, generation, when, windows; if has_head */
    struct end found; /* what is in the file, and good */
    uint64_t file_bytes;
    uint64_t lost_frames; /* damaged or missing ones; a file cut short counts as one */
    uint64_t bad_records; /* series, times, shared values, blocks and tails that are not good */
    bool is_passed_over;  /* another file has a newer copy of its window */
    char detail[CHECK_DETAIL_BYTES]; /* the first damage: what, and at which byte */
};

static inline bool check_is_good(const struct check_report *r)
{
    return r->err == 0 && r->lost_frames == 0 && r->bad_records == 0 && r->detail[0] == '\0';
}

/* Verifies one file. Memory comes from the arena: a fixed part, 8 bytes a series, and what values
 * one window shares. Errors: ERR_NO_MEMORY. What is wrong with the file is in ret. */
int check_file(struct io *io, struct arena *arena, const char *name,
               struct check_report *ret) WARN_UNUSED;

/* The snapshot and each window's file, in this order. *ret_is_good: nothing is damaged. Errors:
 * ERR_IO (the directory cannot be listed), ERR_NO_MEMORY, ERR_NOT_FOUND (there is no file). Nothing
 * in the directory is changed. */
int check_directory(struct io *io, struct arena *arena,
                    void (*visit)(void *ctx, const struct check_report *r), void *ctx,
                    bool *ret_is_good) WARN_UNUSED;

#endif
