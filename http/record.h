/* A record of the journal on its way back into the store, in two steps:
 *
 *     record_unpack     decompressed, checked, walked over, judged by its meta, its forms hashed;
 *                       what it says about metrics is kept
 *     record_store      into the store, in the journal's order
 *
 * so that one thread can unpack what another will store (ahead.h). What makes no sense, and a kind
 * that is not known, is left out, counted, and told once, when it is its turn to be stored.
 *
 * Threads: a record belongs to one at a time; record_store is for the one that stores. */
#ifndef HG_HTTP_RECORD_H
#define HG_HTTP_RECORD_H

#include "http/delete_record.h"
#include "http/recorder.h"
#include "http/remote_write.h"

enum record_found {
    RECORD_IS_WRITE,
    RECORD_IS_DELETE,
    RECORD_IS_UNKNOWN,
    RECORD_IS_BAD,          /* reason says why */
    RECORD_IS_OUT_OF_MEMORY /* there is none to unpack it in */
};

struct record {
    struct journal_record at; /* meta and body are gone after record_unpack */
    enum record_found found;
    struct region region; /* holds all that the record points to */
    struct remote_write write;
    struct delete_record deletion;
    char reason[REMOTE_WRITE_TEXT_MAX];
};

/* Keeps nothing of what `at` points to. Of r it looks at the arena, the owner, and the hash of the
 * store, none of which change; of the store it wants nothing else. To r->metadata it adds. */
void record_unpack(struct record *ret, const struct recorder *r, const struct journal_record *at);

/* Stores it, and counts in r. ERR_NO_MEMORY when it does not fit; error (of n bytes) then holds a
 * sentence. */
int record_store(struct record *io, struct recorder *r, char *error, size_t n) WARN_UNUSED;

/* Drops what it holds. */
void record_release(struct record *io);

#endif
