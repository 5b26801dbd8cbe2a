/* What the journal holds for windows that were left on disk, for want of memory, goes beside these
 * before the journal is dropped, and comes back when a start has room for them.
 *
 *     a start in less memory       the journal is read; samples of windows that are left are
 * refused a save         cut -> carry_out: left-<N>.hg for each such window (snapshot/left.h) ->
 * drop a start with room            window-<N>.hg, then carry_back: left-<N>.hg, then the journal
 *     the save after it            has the window; left-<N>.hg is removed, then the journal dropped
 *
 * A record is carried whole, with a meta by which only the samples of that window were stored; a
 * deletion with its times cut to the window. So they are taken back like those of a journal.
 * Deletions concern windows that are left as well: those of this process are noted in memory until
 * they are carried. Samples do not: this process refuses them.
 *
 * Nothing is lost where it fails: the segments stay, and so does what was noted. Nothing comes
 * twice: a file says below which segment it has all, and to which copy of the window it belongs.
 * And what is taken twice all the same, after a crash, leaves what it left the first time, as with
 * any journal: each sample and each deletion follow in the same order.
 *
 * Memory, while it works: sizeof(struct carry_work) and what reading a journal and unpacking a
 * record take.
 *
 * Threads: carry_note_deletion from any; carry_back and carry_replayed at the start; carry_out one
 * at a time, with the directory for itself. */
#ifndef HG_HTTP_CARRY_H
#define HG_HTTP_CARRY_H

#include "alloc/region.h"
#include "snapshot/directory.h"

#include <pthread.h>
#include <stdatomic.h>

struct recorder;

/* A deletion that waits to be carried; in the region. */
struct carry_deletion {
    struct carry_deletion *next;
    int64_t time_ms;
    const uint8_t *body; /* http/delete_record.h */
    size_t n;
};

/* For /metrics, any thread; the totals are this process'. */
struct carry_figures {
    atomic_ullong windows;       /* that are left on disk now */
    atomic_ullong bytes;         /* of all left-<N>.hg that are there */
    atomic_ullong waiting_bytes; /* of those whose window is left */
    atomic_ullong records_carried, record_bytes_carried;
    atomic_ullong records_back; /* that were taken back at the start; */
    atomic_ullong frames_lost;  /* that could not be read, of files taken back or copied */
    atomic_ullong windows_over, bytes_over; /* whose time was over before there was room for them,
                                               and of left-<N>.hg that went with them */
    atomic_ullong deletions_refused;
};

struct carry {
    struct directory *directory; /* borrowed, set before recorder_replay; NULL = nothing is left */
    uint64_t number_min; /* of segments: below, files say that they have what there was; 0 = any */
    uint64_t max_bytes;  /* of all files; past it no deletion is taken. 0 = any */
    unsigned n_unreadable; /* attempts in a row at which the disk said EIO */
    bool must_read;        /* the journal of processes before may hold something for them */
    struct carry_figures figures;
    pthread_mutex_t lock; /* guards the following */
    struct region region; /* of the deletions */
    struct carry_deletion *first, *last;
    size_t waiting_bytes;
};

void carry_init(struct carry *c, struct arena *a, unsigned owner);
void carry_release(struct carry *c);

/* Brings back what was carried for windows that are in memory again, after their files were loaded
 * and before the journal is read. Logs what was found and what was lost. Errors: ERR_NO_MEMORY,
 * ERR_IO (errno), ERR_NEWER_FORMAT; error (of n bytes) then holds a sentence. */
int carry_back(struct recorder *r, char *error, size_t n) WARN_UNUSED;

/* The journal was read: whether carry_out must read it again. */
void carry_replayed(struct recorder *r);

/* A save has succeeded, which removes what is not needed any more; with the directory for itself.
 */
void carry_saved(struct recorder *r);

/* Notes a deletion before its record is handed to the journal. Copies the body. Errors:
 * ERR_NO_MEMORY, ERR_JOURNAL_FULL. */
int carry_note_deletion(struct carry *c, const void *body, size_t n) WARN_UNUSED;

/* Carries what there is in segments below number (of a cut), and the deletions noted. When it
 * returns 0 it is on disk, and the segments are not needed for it. Errors: ERR_IO (errno),
 * ERR_NO_MEMORY; detail (of n bytes) says more, and what was on disk is as it was, or better. */
int carry_out(struct recorder *r, uint64_t number, char *detail, size_t n) WARN_UNUSED;

#endif
