/* Remote write 1.0 and 2.0: the bytes of a request to series and samples, and those into the store.
 *
 * In two steps, the first of which runs without the store's lock:
 *
 *     status = remote_write_decode(&format, body, n, max_bytes, &region, &rw, text)
 *                                                      snappy, the walk; 0, or 400 or 503
 *     remote_write_append(&rw, db)                     one batch; labels of new series
 *     status = remote_write_verdict(&rw, text)         204, 400 or 503
 *
 * What is good is stored, whatever is wrong with the rest; the answer is then 400 with the number
 * refused and the first reason. Native histograms are refused with a count (this version stores
 * floats), metadata is left for http/write_metadata.h (of 2.0 it is passed over). Exemplars are
 * kept (tsdb/exemplars.h); one that is not is a matter for senders of 2.0, who are told, and not
 * of 1.0, whose protocol does not have them. Of 2.0 a series with neither samples, histograms nor
 * exemplars is refused as well, and one that refers to texts which are not there.
 *
 * Threads: pure functions on the caller's memory; remote_write_append takes the store's lock. */
#ifndef HG_HTTP_REMOTE_WRITE_H
#define HG_HTTP_REMOTE_WRITE_H

#include "http/refusals.h"

enum {
    REMOTE_WRITE_TEXT_MAX = 1024, /* senders log no more than that of an answer */
    /* What decoding may take for each byte of the message. A request of a real sender takes a
     * third; a message of samples without labels wants 16. */
    REMOTE_WRITE_AMPLIFICATION = 12,
    REMOTE_WRITE_SLACK_BYTES = 1024 * 1024,
    REMOTE_WRITE_LABELS_MAX = 512, /* bytes of a label set's text, the NUL among them */
};

enum remote_write_version { REMOTE_WRITE_V1 = 1, REMOTE_WRITE_V2 = 2 };

/* How a body is to be read. */
struct remote_write_format {
    enum remote_write_version version;
    const struct series_hash *hash; /* of the store that it is for; only 2.0 needs it */
};

struct remote_write {
    struct region *region;
    const void
        *message; /* decompressed, in the region or the caller's; NULL when decoding failed */
    size_t n_message;
    struct write_body body; /* zeroed when decoding failed */
    /* set by append */
    struct append_counts counts;
    struct refusals refusals;
    struct write_labels labels; /* of the series that was asked for last */
    uint64_t n_asked;           /* series whose labels were asked for, as those of new ones are */
    uint64_t n_bad_labels;      /* samples whose label set is wrong; not in counts */
    uint64_t n_new_refused;     /* series refused because memory is short (ERR_NO_ROOM) */
    uint64_t n_exemplars;       /* that are kept now, or were before */
    uint64_t n_exemplars_refused;
    int exemplar_err;   /* of the first of those */
    uint64_t n_unread;  /* samples for whose labels there was no memory; not in counts */
    int bad_labels_err; /* of the first label set that is wrong */
    bool is_out_of_memory;
    char bad_labels[REMOTE_WRITE_LABELS_MAX]; /* that label set, as it came */
    char refused[REMOTE_WRITE_LABELS_MAX];    /* labels of the first series refused otherwise */
};

/* Looks at the two headers (NULL = absent). 0 when the body is a message that we know in snappy's
 * block format, else 415 with a sentence in text. */
int remote_write_negotiate(const char *content_type, const char *content_encoding,
                           enum remote_write_version *ret, char text[REMOTE_WRITE_TEXT_MAX]);

/* What is leased for a compressed body before it is decoded: its message as declared, and what
 * decoding usually makes of it. 0 when the length cannot be read or is over max_bytes. */
size_t remote_write_lease_bytes(enum remote_write_version version, const char *body, size_t n,
                                size_t max_bytes);

/* Decodes a compressed body. max_bytes: of the decompressed message. Everything is made in the
 * region, which is borrowed until the verdict. Returns 0, or 400 (the body is wrong, or wants too
 * much memory for its size) or 503 (no memory), with a sentence in text. */
int remote_write_decode(const struct remote_write_format *f, const char *body, size_t n,
                        size_t max_bytes, struct region *r, struct remote_write *ret,
                        char text[REMOTE_WRITE_TEXT_MAX]);

/* The same for a message that is not compressed; it must stay until the verdict. */
int remote_write_decode_message(const struct remote_write_format *f, const char *message, size_t n,
                                struct region *r, struct remote_write *ret,
                                char text[REMOTE_WRITE_TEXT_MAX]);

/* Stores what was decoded, as one batch. What is wrong with labels is found here. */
void remote_write_append(struct remote_write *rw, struct tsdb *db);

/* Takes from remote_write_replay what can be done without the store's lock, beside another that
 * runs: append_hash_ahead. */
void remote_write_hash_ahead(struct remote_write *rw, const struct tsdb *db);

/* Stores what a journal has kept of one (append_begin_replay), after refusals_apply. */
void remote_write_replay(struct remote_write *rw, struct tsdb *db);

/* Status of the answer and its text (empty for 204). */
int remote_write_verdict(const struct remote_write *rw, char text[REMOTE_WRITE_TEXT_MAX]);

/* Number of samples, histograms, empty series and exemplars that were not stored, as far as the
 * sender is told. */
uint64_t remote_write_refused(const struct remote_write *rw);

/* Number of samples that are in the store now, or were before: what a sender of 2.0 is told. */
uint64_t remote_write_written(const struct remote_write *rw);

/* What the journal is to know of samples that were refused: refusals_encode, of a body that was
 * appended. */
bool remote_write_refusals(struct remote_write *rw, const uint8_t **ret, size_t *ret_n) WARN_UNUSED;

/* {__name__="up",job="x"}, in the order of ls; what is not printable becomes a question mark. Cut
 * with dots when it does not fit into size, at least 8. */
void remote_write_labels_text(const struct labels *ls, char *out, size_t size);

#endif
