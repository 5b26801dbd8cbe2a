#include "http/record.h"

#include "http/clock.h"
#include "http/log.h"
#include "http/write_metadata.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    /* A message of a record may be that long: whoever accepted it had a limit, not we. */
    MESSAGE_BYTES_MAX = INT32_MAX,
};

/* --- unpacking -------------------------------------------------------------------------------- */

/* Needs nothing of the store and has a lock of its own, so it is not for the one that stores: to
 * look at that of a body of 2.0 takes as long as to store its samples. */
static void keep_metadata(const struct recorder *r, const struct remote_write *rw)
{
    if (r->metadata == NULL)
        return;
    if (rw->body.is_v2)
        (void)write_metadata_keep_v2(r->metadata, &rw->body.symbols, rw->message, rw->n_message,
                                     clock_boot_ms());
    else if (rw->body.n_metadata > 0)
        (void)write_metadata_keep(r->metadata, rw->message, rw->n_message, clock_boot_ms());
}

static enum record_found found_of(int status, char *reason)
{
    reason[strcspn(reason, "\n")] = '\0';
    return status == 503 ? RECORD_IS_OUT_OF_MEMORY : status != 0 ? RECORD_IS_BAD : RECORD_IS_WRITE;
}

static enum record_found unpack_write(struct record *ret, const struct recorder *r,
                                      const struct journal_record *at)
{
    const struct remote_write_format format = {
        at->kind == RECORD_WRITE_V2 ? REMOTE_WRITE_V2 : REMOTE_WRITE_V1, tsdb_series_hash(r->db)};
    int status = remote_write_decode(&format, (const char *)at->body, at->body_bytes,
                                     MESSAGE_BYTES_MAX, &ret->region, &ret->write, ret->reason);
    enum record_found found = found_of(status, ret->reason);
    if (found != RECORD_IS_WRITE)
        return found;
    if (!refusals_apply(at->meta, at->meta_bytes, &ret->write.body)) {
        snprintf(ret->reason, sizeof(ret->reason), "samples that it does not have were refused");
        return RECORD_IS_BAD;
    }
    remote_write_hash_ahead(&ret->write, r->db);
    keep_metadata(r, &ret->write);
    return RECORD_IS_WRITE;
}

/* A write that has nothing else. */
static enum record_found unpack_metadata(struct record *ret, const struct recorder *r,
                                         const struct journal_record *at)
{
    const struct remote_write_format format = {REMOTE_WRITE_V1, tsdb_series_hash(r->db)};
    const char *message = region_copy(&ret->region, (const char *)at->body, at->body_bytes);
    if (message == NULL)
        return RECORD_IS_OUT_OF_MEMORY;
    int status = remote_write_decode_message(&format, message, at->body_bytes, &ret->region,
                                             &ret->write, ret->reason);
    enum record_found found = found_of(status, ret->reason);
    if (found == RECORD_IS_WRITE && ret->write.body.n_entries > 0) {
        snprintf(ret->reason, sizeof(ret->reason), "there are series beside the metadata");
        return RECORD_IS_BAD;
    }
    if (found == RECORD_IS_WRITE)
        keep_metadata(r, &ret->write);
    return found;
}

/* Matchers borrow the bytes. */
static enum record_found unpack_delete(struct record *ret, const struct journal_record *at)
{
    const char *body = region_copy(&ret->region, (const char *)at->body, at->body_bytes);
    int err = body == NULL ? ERR_NO_MEMORY
                           : delete_record_get((const uint8_t *)body, at->body_bytes, &ret->region,
                                               &ret->deletion);
    if (err == ERR_NO_MEMORY)
        return RECORD_IS_OUT_OF_MEMORY;
    if (err == 0)
        return RECORD_IS_DELETE;
    snprintf(ret->reason, sizeof(ret->reason), "%s", tsdb_err_text(err));
    return RECORD_IS_BAD;
}

void record_unpack(struct record *ret, const struct recorder *r, const struct journal_record *at)
{
    ret->at = *at;
    region_init(&ret->region, r->arena, r->owner, 0);
    if (at->kind == RECORD_WRITE_V1 || at->kind == RECORD_WRITE_V2)
        ret->found = unpack_write(ret, r, at);
    else if (at->kind == RECORD_METADATA)
        ret->found = unpack_metadata(ret, r, at);
    else if (at->kind == RECORD_DELETE)
        ret->found = unpack_delete(ret, at);
    else
        ret->found = RECORD_IS_UNKNOWN;
    ret->at.meta = ret->at.body = NULL;
}

void record_release(struct record *io)
{
    if (io->found == RECORD_IS_DELETE)
        delete_record_release(&io->deletion);
    region_release(&io->region);
}

/* --- storing ---------------------------------------------------------------------------------- */

static int out_of_memory(const struct record *record, char *error, size_t n)
{
    snprintf(error, n,
             "the journal does not fit into memory: record %" PRIu64 " of segment %" PRIu64
             "; give more with --storage.memory-limit",
             record->at.sequence, record->at.segment);
    return ERR_NO_MEMORY;
}

/* What another program, or another version, has written: told once, never the end of the start. */
static void tell_bad(struct recorder *r, const struct record *record, const char *why)
{
    const struct journal_record *at = &record->at;
    if (r->n_records_bad++ == 0)
        LOG_WARN("A record of the journal makes no sense and is left out.",
                 log_u64("sequence", at->sequence), log_u64("segment", at->segment),
                 log_u64("byte", at->offset), log_text("reason", why));
}

static void tell_unknown(struct recorder *r, const struct record *record)
{
    if (r->n_records_unknown++ == 0)
        LOG_WARN("The journal has records of a kind that this version does not know; they are left "
                 "out.",
                 log_u64("kind", record->at.kind), log_u64("sequence", record->at.sequence));
}

static int store_write(struct record *io, struct recorder *r, char *error, size_t n)
{
    remote_write_replay(&io->write, r->db);
    r->n_samples_replayed += io->write.counts.stored;
    r->n_samples_left_out += io->write.counts.refused;
    return io->write.is_out_of_memory ? out_of_memory(io, error, n) : 0;
}

static int store_delete(struct record *io, struct recorder *r, char *error, size_t n)
{
    struct delete_report report = {0};
    r->n_deletions_replayed++;
    int err = delete_record_apply(&io->deletion, r->db, NULL, &io->region, &report);
    if (err == ERR_NO_MEMORY)
        return out_of_memory(io, error, n);
    if (err != 0)
        tell_bad(r, io, tsdb_err_text(err));
    return 0;
}

int record_store(struct record *io, struct recorder *r, char *error, size_t n)
{
    switch (io->found) {
    case RECORD_IS_WRITE:
        return store_write(io, r, error, n);
    case RECORD_IS_DELETE:
        return store_delete(io, r, error, n);
    case RECORD_IS_UNKNOWN:
        tell_unknown(r, io);
        return 0;
    case RECORD_IS_BAD:
        tell_bad(r, io, io->reason);
        return 0;
    default:
        return out_of_memory(io, error, n);
    }
}
