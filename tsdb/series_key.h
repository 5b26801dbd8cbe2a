/* The key by which a label set is found: 128 bits of a keyed hash of the bytes in which it came.
 *
 * A form is the label section of a series as a sender of remote write 1.0 wrote it: the `labels`
 * fields of a TimeSeries message one behind the other, each with its tag and length:
 *
 *     0a len  0a len name  12 len value      for each label; lengths are varints
 *
 * The canonical form of a label set has its labels sorted by name, the name before the value, and
 * the shortest varints: what Prometheus sends. Its key is the key of the label set. Any other form
 * of the same set has a key of its own, which leads to the same series as an alias (series.h).
 *
 * Whoever does not know the hash's key cannot make two forms that agree, so a hit is trusted and no
 * label is compared; docs/decisions/0013-keyed-forms.md says how probable an accident is.
 *
 * Threads: pure functions on the caller's memory; a series_hash does not change once it is made. */
#ifndef HG_TSDB_SERIES_KEY_H
#define HG_TSDB_SERIES_KEY_H

#include "tsdb/labels.h"

enum { SERIES_HASH_KEY_BYTES = 16, SERIES_HASH_SECRET_BYTES = 192 };

/* What a store hashes with: XXH3 with a secret that is made of the key. */
struct series_hash {
    uint8_t key[SERIES_HASH_KEY_BYTES];
    uint8_t secret[SERIES_HASH_SECRET_BYTES];
};

struct series_key {
    uint64_t lo, hi;
};

/* key: random bytes that no sender knows. Equal keys give equal hashes in every process. */
void series_hash_init(struct series_hash *h, const uint8_t key[SERIES_HASH_KEY_BYTES]);

/* The key of a form; any n, 0 among them. */
struct series_key series_key_of_form(const struct series_hash *h, const void *form, size_t n);

/* The key of the canonical form of normalised labels, in little memory however long they are. */
struct series_key series_key_of_labels(const struct series_hash *h, const struct labels *ls);

/* How many bytes the canonical form has; and writes it, for tests and benchmarks. */
size_t series_form_bytes(const struct labels *ls);
void series_form_put(const struct labels *ls, uint8_t *ret);

static inline bool series_keys_are_equal(struct series_key a, struct series_key b)
{
    return ((a.lo ^ b.lo) | (a.hi ^ b.hi)) == 0;
}

#endif
