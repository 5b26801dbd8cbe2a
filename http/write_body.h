/* A decompressed body of remote write 1.0, taken apart by one walk over its bytes.
 *
 *     outcome = write_body_walk(message, n, max_bytes, &region, &body)
 *     for (struct write_block *b = body.first; b != NULL; b = b->next)
 *         append_entries(&batch, b->entries, b->n, parse, ctx, &counts);  // parse:
 * write_form_labels
 *
 * Each TimeSeries with a sample becomes an entry: the key of its form (tsdb/series_key.h), the form
 * where it lies in the message, and its samples. No label is taken out of a form until somebody
 * asks for the labels, which for a known series nobody does. Where other fields stand between the
 * labels of a series, these are copied together, and the copy is the form.
 *
 * The whole message is looked at before anything is given out, down to the fields of what is only
 * counted: what is malformed is malformed by protobuf-c's rules (http/wire.h), with the messages as
 * http/proto/remote.proto declares them. Of fields that may be there once, the last one counts; one
 * that is missing is 0 or empty; unknown ones are passed over.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_HTTP_WRITE_BODY_H
#define HG_HTTP_WRITE_BODY_H

#include "alloc/region.h"
#include "tsdb/append.h"

enum {
    WRITE_BLOCK_ENTRIES = 256, /* 12 KiB */
    WRITE_BLOCK_SAMPLES = 512, /* 8 KiB; a series with more gets a larger block */
};

struct write_block {
    struct write_block *next;
    size_t n; /* entries in use, at least one */
    struct append_entry entries[WRITE_BLOCK_ENTRIES];
};

/* An exemplar as it stands in a body. */
struct write_exemplar {
    struct write_exemplar *next;
    struct append_entry *entry; /* of its series */
    const void *form;           /* its labels, as those of an entry */
    uint32_t n_form;
    int64_t t_ms;
    uint64_t value; /* bits of a double */
};

/* The texts that the series of a 2.0 body refer to. */
struct write_symbols {
    uint32_t n;
    const uint8_t *message;    /* where they lie */
    struct series_text *texts; /* in the message; in the region, both */
    struct series_key *keys;   /* of the texts (series_key_of_text) */
};

/* All counts are of the whole message. */
struct write_body {
    struct write_block *first; /* NULL = no series has a sample or an exemplar; in the region */
    struct write_exemplar *exemplars; /* in the order of the message; in the region */
    struct write_symbols symbols;     /* of a 2.0 body */
    bool is_v2;
    uint64_t n_entries;
    uint64_t n_samples;
    uint64_t n_histograms;
    uint64_t n_exemplars;
    uint64_t n_metadata;
    uint64_t n_empty; /* series of a 2.0 body with neither samples, histograms nor exemplars */
};

enum write_body_outcome {
    WRITE_BODY_TAKEN,
    WRITE_BODY_MALFORMED,
    WRITE_BODY_SWELLS,    /* wants more than max_bytes of the region */
    WRITE_BODY_NO_MEMORY, /* the region is exhausted */
};

/* Takes n bytes apart, which must stay as long as the body is used. Everything is made in the
 * region: 64 bytes an entry and 16 a sample, in blocks. Unless WRITE_BODY_TAKEN is returned, ret
 * holds nothing to be used. */
enum write_body_outcome write_body_walk(const void *message, size_t n, size_t max_bytes,
                                        struct region *r, struct write_body *ret) WARN_UNUSED;

/* The same for a body of 2.0; hash: what the keys of the entries are made with, for
 * append_entries. A form is the references of a series' labels, varints one behind the other;
 * NULL when those of its metadata are wrong. Besides 16 bytes a symbol, and 8 to 24 of room
 * for their places, at least an eighth of the message. */
enum write_body_outcome write_body_walk_v2(const struct series_hash *hash, const void *message,
                                           size_t n, size_t max_bytes, struct region *r,
                                           struct write_body *ret) WARN_UNUSED;

/* An array for the labels of one form after the other. Zeroed: none has been made yet. */
struct write_labels {
    struct label *items; /* in the region */
    uint32_t n_items;
};

/* The labels of an entry's form as the sender wrote them, neither sorted nor checked. Their text
 * stays in the form, their array is that of `room` until it is used again; it is made in the region
 * when it is too short, at least twice as long. Errors: ERR_NO_MEMORY. */
int write_form_labels(const void *form, size_t n, struct region *r, struct write_labels *room,
                      struct labels *ret) WARN_UNUSED;

/* The same for a form of 2.0; their text stays in the table. Errors: ERR_LABELS_REFS when a
 * reference is without its partner or leads nowhere, ERR_NO_MEMORY. */
int write_refs_labels(const struct write_symbols *s, const void *form, size_t n, struct region *r,
                      struct write_labels *room, struct labels *ret) WARN_UNUSED;

/* Either, for a form of an entry or of an exemplar of that body. */
int write_any_labels(const struct write_body *body, const void *form, size_t n, struct region *r,
                     struct write_labels *room, struct labels *ret) WARN_UNUSED;

#endif
