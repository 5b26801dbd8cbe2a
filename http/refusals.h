/* Which samples of a request were refused, by their place in it: what its record in the journal
 * says beside the body, so that a replay, which judges nothing, stores what was stored and no more.
 *
 *     meta = for each run of refused samples: varint stored samples before it, varint its length
 *
 * Places count the samples of all series in the order of the message, from 0. No refused sample: no
 * bytes.
 *
 * Threads: none of its own. */
#ifndef HG_HTTP_REFUSALS_H
#define HG_HTTP_REFUSALS_H

#include "http/write_body.h"

struct refusals {
    struct region *region;
    const struct sample **items; /* in the region, in the order in which they were refused */
    size_t n, max;
    bool is_lost; /* one could not be noted for want of memory */
};

/* Everything is made in the region, and only when something is refused. */
void refusals_init(struct refusals *r, struct region *region);

/* append_counts.on_refused; ctx is the struct refusals. */
void refusals_note(void *ctx, const struct sample *sample);

/* The meta of a body that was appended with refusals_note, samples of bad label sets among it; NULL
 * and 0 bytes when nothing was refused. False without memory. */
bool refusals_encode(struct refusals *r, const struct write_body *body, const uint8_t **ret,
                     size_t *ret_n) WARN_UNUSED;

/* Takes the refused samples out of a body that was decoded anew; an entry may have none left. False
 * when the meta is malformed or speaks of samples that the body does not have. */
bool refusals_apply(const uint8_t *meta, size_t n, struct write_body *body) WARN_UNUSED;

/* Shows each sample of a body that was decoded anew, before refusals_apply, in its order, and
 * whether the meta has it for stored. False as refusals_apply. */
bool refusals_each(const uint8_t *meta, size_t n, const struct write_body *body,
                   void (*visit)(void *ctx, int64_t t_ms, bool is_stored), void *ctx) WARN_UNUSED;

/* The meta by which fewer samples of such a body are stored: those that it has for stored and that
 * are wanted. It is made in the region; NULL and 0 bytes when all
 * are. False as refusals_apply, and without memory. */
bool refusals_narrow(const uint8_t *meta, size_t n, const struct write_body *body,
                     bool (*is_wanted)(const void *ctx, int64_t t_ms), const void *ctx,
                     struct region *r, const uint8_t **ret, size_t *ret_n) WARN_UNUSED;

#endif
