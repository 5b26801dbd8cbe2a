/* Remote write 1.0: the bytes of a request to series and samples, and those into the store.
 *
 * In two steps, so that the costly one runs without the store's lock:
 *
 *     remote_write_decode(body, n, &limits, &region, &rw, error)      snappy, protobuf, labels
 *     remote_write_append(&rw, db)                                    one batch
 *     status = remote_write_verdict(&rw, text)                        204, 400 or 503
 *
 * What is good is stored, whatever is wrong with the rest; the answer is then 400 with the number
 * refused and the first reason. Native histograms are refused with a count (this version stores
 * floats), exemplars and metadata are passed over.
 *
 * Threads: pure functions on the caller's memory; remote_write_append takes the store's lock. */
#ifndef HG_HTTP_REMOTE_WRITE_H
#define HG_HTTP_REMOTE_WRITE_H

#include "alloc/region.h"
#include "tsdb/append.h"

enum {
    REMOTE_WRITE_TEXT_MAX = 1024, /* senders log no more than that of an answer */
    /* What decoding may take for each byte of the message. A request of a real sender takes 4; a
     * message of empty series wants 50. */
    REMOTE_WRITE_AMPLIFICATION = 12,
    REMOTE_WRITE_SLACK_BYTES = 1024 * 1024,
};

struct remote_write {
    struct append_series *series; /* those that may be appended; in the region */
    size_t n_series;
    uint64_t n_samples;    /* of the whole request, the refused ones included */
    uint64_t n_histograms; /* all refused */
    uint64_t n_exemplars;
    uint64_t n_metadata;
    uint64_t n_bad_labels; /* samples whose label set is wrong */
    int bad_labels_err;    /* of the first */
    char bad_labels[512];  /* the first, as text */
    /* set by append */
    struct append_counts counts;
    bool is_out_of_memory;
    const struct append_series *first_refused;
};

/* Looks at the two headers (NULL = absent). 0 when the body is a WriteRequest of version 1 in
 * snappy's block format, else 415 with a sentence in text. */
int remote_write_negotiate(const char *content_type, const char *content_encoding,
                           char text[REMOTE_WRITE_TEXT_MAX]);

/* Decodes a compressed body. max_bytes: of the decompressed message. Everything is made in the
 * region. Returns 0, or 400 (the body is wrong, or wants too much memory for its size) or 503 (no
 * memory), with a sentence in text. */
int remote_write_decode(const char *body, size_t n, size_t max_bytes, struct region *r,
                        struct remote_write *ret, char text[REMOTE_WRITE_TEXT_MAX]);

/* The same for a message that is not compressed. */
int remote_write_decode_message(const char *message, size_t n, struct region *r,
                                struct remote_write *ret, char text[REMOTE_WRITE_TEXT_MAX]);

/* Stores what was decoded, as one batch. */
void remote_write_append(struct remote_write *rw, struct tsdb *db);

/* Status of the answer and its text (empty for 204). */
int remote_write_verdict(const struct remote_write *rw, char text[REMOTE_WRITE_TEXT_MAX]);

/* Number of samples and histograms that were not stored. */
uint64_t remote_write_refused(const struct remote_write *rw);

#endif
