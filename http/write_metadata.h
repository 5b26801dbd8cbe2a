/* What a message of remote write says about metrics, and such messages of what is kept. In 1.0 it
 * rides beside the series or comes in a message of its own, about once a minute. In 2.0 each series
 * has it, always, so it is not looked at in every message (api_write.c).
 *
 * Threads: any. */
#ifndef HG_HTTP_WRITE_METADATA_H
#define HG_HTTP_WRITE_METADATA_H

#include "http/metadata.h"
#include "http/write_body.h"

#include <stdatomic.h>

/* Keeps what the message says about metrics. message: decompressed, and looked through already by
 * write_body_walk. now_ms: as for metadata_put. Returns how many were refused, the malformed ones
 * among them. */
uint64_t write_metadata_keep(struct metadata *m, const void *message, size_t n, int64_t now_ms);

/* The same for a message of 2.0, looked through already by write_body_walk_v2; symbols: of its
 * body. The family is the name of the metric, for a histogram or a summary without what its series
 * have behind it: senders of 1.0 name it so. A series of a name and with metadata like those of the
 * one before it is passed over, as are metadata without type, help and unit, series without a name,
 * and references that lead nowhere. */
uint64_t write_metadata_keep_v2(struct metadata *m, const struct write_symbols *symbols,
                                const void *message, size_t n, int64_t now_ms);

enum { WRITE_METADATA_MESSAGE_BYTES = 64 * 1024 };
_Static_assert(WRITE_METADATA_MESSAGE_BYTES > METADATA_TEXT_MAX + 64, "any item fits");

/* What an item takes of a message at most. */
static inline size_t write_metadata_bytes_max(const struct metadata_item *item)
{
    enum { FIELDS = 5 };          /* four, in one that holds them */
    enum { FIELD_BYTES = 1 + 3 }; /* tag, and a length below 2^21 or a type */
    return FIELDS * FIELD_BYTES + (size_t)item->family.len + item->help.len + item->unit.len;
}

/* All items as messages of 1.0 that are not compressed, in their order: buffer, of
 * WRITE_METADATA_MESSAGE_BYTES, has each of them for as long as visit runs. Ends with the first
 * that visit does not return 0 for, and returns that. items: as metadata_list returns them. */
int write_metadata_each_message(const struct metadata_item *items, size_t n, uint8_t *buffer,
                                int (*visit)(void *ctx, const uint8_t *message, size_t n),
                                void *ctx) WARN_UNUSED;

/* How often something may be done: once each `each_ms` in the long run, and after a pause n_at_once
 * times at once. */
struct write_metadata_pace {
    int64_t each_ms, n_at_once;
    _Atomic int64_t used_until_ms; /* when all that was done would have been, one each each_ms */
};

/* Whether it may be done now, and then it counts. now_ms: of a clock that does not go back. */
bool write_metadata_may(struct write_metadata_pace *p, int64_t now_ms);

#endif
