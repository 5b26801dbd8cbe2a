/* A label set as it comes in and goes out: name and value pairs, sorted by name. Stored series hold
 * handles instead (series.h).
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_TSDB_LABELS_H
#define HG_TSDB_LABELS_H

#include "alloc/base.h"
#include "tsdb/err.h"

struct label {
    const char *name; /* UTF-8, not NUL-terminated; borrowed by whoever the label is given to */
    const char *value;
    uint32_t name_len; /* bytes */
    uint32_t value_len;
};

struct labels {
    struct label *items; /* sorted by name, bytewise; no name twice; no empty value */
    uint32_t n;
};

#define LABEL_METRIC_NAME "__name__"

/* Brings labels as a sender wrote them into the form above, in place: drops empty values, sorts,
 * checks. ls->n may be any number. Errors: ERR_LABELS_*; *ret_bad (may be NULL) then points at the
 * label that is to blame, or is NULL. */
int labels_normalise(struct labels *ls, const struct label **ret_bad) WARN_UNUSED;

/* The same for labels of which all texts lie within n bytes: whether they are ASCII, as nearly all
 * are, is then seen at once. texts: NULL = they lie anywhere. */
int labels_normalise_within(struct labels *ls, const void *texts, size_t n,
                            const struct label **ret_bad) WARN_UNUSED;

/* Whether labels are in that form, and labels_normalise finds nothing wrong with them. */
bool labels_are_normal(const struct labels *ls);

/* The same as far as one label shows it. */
bool label_is_normal(const struct label *l);

/* Whether its name is LABEL_METRIC_NAME, which every normal set has. */
bool label_is_metric_name(const struct label *l);

/* The order of two labels in a set, by name: <0, 0, >0. */
int labels_order(const struct label *a, const struct label *b);

/* The value of a label, or NULL when it is missing. */
const struct label *labels_get(const struct labels *ls, const char *name, size_t name_len);

/* Prometheus' order of label sets: name by name, value by value, bytewise; a prefix sorts first.
 * <0, 0, >0. */
int labels_compare(const struct labels *a, const struct labels *b);

/* A hash of the whole set: a polynomial of the strings' hashes (text_hash of text.h, seed 0), so
 * that none of them waits for the one before, as a seed would make it. */
uint64_t labels_hash(const struct labels *ls);

/* The hash of what was before and one label more; 0 of nothing. */
static inline uint64_t labels_hash_step(uint64_t before, uint64_t name_hash, uint64_t value_hash)
{
    const uint64_t factor = 0x9E3779B97F4A7C15; /* 2^64 divided by the golden ratio; odd */
    return (before * factor + name_hash) * factor + value_hash;
}

/* The hash of what was before and a label of which labels_hash_step(0, ..) is known. */
static inline uint64_t labels_hash_join(uint64_t before, uint64_t label_hash)
{
    return labels_hash_step(before, 0, 0) + label_hash;
}

/* True when the bytes are valid UTF-8 (no surrogates, nothing above U+10FFFF, no overlong forms).
 */
bool utf8_is_valid(const char *bytes, size_t n);

/* XXH3 with a seed; the same in every process. */
uint64_t bytes_hash(const void *bytes, size_t n, uint64_t seed);

/* memcmp order of two byte strings; a prefix sorts first. */
int bytes_compare(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
