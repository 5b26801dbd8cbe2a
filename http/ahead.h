/* The journal back into the store by two threads: one reads, checks and unpacks records, ahead of
 * the caller, who stores them in their order.
 *
 * A record costs about a third of its time before it meets the store, and needs nothing of the
 * store for that. So the two run side by side, and what comes out is the same as with one.
 *
 * Memory, beside what journal_replay takes, from the recorder's owner: AHEAD_RECORDS records and
 * what they were unpacked into, which is AHEAD_BYTES and one record at most. Where memory is short
 * nothing is unpacked ahead, and a record that finds none waits until all before it are stored and
 * is tried again: so nothing fails that would have fitted alone.
 *
 * Threads: of the start; nothing else uses the store. */
#ifndef HG_HTTP_AHEAD_H
#define HG_HTTP_AHEAD_H

#include "http/recorder.h"

enum {
    AHEAD_RECORDS = 16,        /* unpacked or being stored */
    AHEAD_BYTES = 1024 * 1024, /* of them; above it no further one is unpacked */
    /* Nothing is unpacked ahead while less of the budget is free, or so many times the record. */
    AHEAD_FREE_BYTES = 16 * 1024 * 1024,
    AHEAD_BODY_SHARE = 64,
};

/* journal_replay(o) with every record stored; visit, progress and ctx of o are set here. Errors: of
 * journal_replay; ERR_NO_MEMORY when a record does not fit, or the thread cannot be had: error (of
 * n bytes) then holds a sentence, else it is left as it was. */
int ahead_replay(struct recorder *r, struct journal_replay_options *o, char *error,
                 size_t n) WARN_UNUSED;

#endif
