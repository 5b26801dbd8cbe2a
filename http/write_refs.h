/* References of a body of remote write 2.0: numbers of texts of its table, varints one behind the
 * other, a label's name and its value in turn. And the key of a series that they make
 * (tsdb/series_key.h). Private to write_body_v2.c
 * and write_metadata.c.
 *
 * A sender goes through its targets metric by metric, so the references of a series are nearly
 * those of one shortly before it: as many bytes, with the ends of numbers at the same places, and
 * mostly of one label or two. A key is a sum over the labels, so it is made of that one's, with the
 * terms of those labels exchanged.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef HG_HTTP_WRITE_REFS_H
#define HG_HTTP_WRITE_REFS_H

#include "alloc/masks.h"
#include "http/wire.h"
#include "http/write_body.h"

enum {
    WRITE_REFS_SHORT = 3 * MASKS_BYTES,       /* bytes of references that are looked at together */
    WRITE_REFS_LABELS = WRITE_REFS_SHORT / 2, /* of them at most */
    WRITE_REFS_ROWS = 8,                      /* that are remembered */
};

/* A label of a row: mostly another value comes with the same name. */
struct write_refs_label {
    struct series_mix_term term;
    struct series_mix_name name;
};

/* The references of a series, and the terms of its key. */
struct write_refs_row {
    const uint8_t *bytes;
    uint64_t n;    /* bytes; 0 = none are remembered */
    uint64_t ends; /* bytes that are the last of a number, a bit each */
    struct series_mix mix;
    struct write_refs_label labels[WRITE_REFS_LABELS];
    uint64_t places[WRITE_REFS_SHORT + 1]; /* of the label of each byte (struct place) */
};

struct write_refs {
    const struct series_hash *hash;
    const struct write_symbols *symbols;         /* must not change */
    struct write_refs_row *row;                  /* of the series before */
    struct write_refs_row rows[WRITE_REFS_ROWS]; /* the last with such ends */
};

static inline void write_refs_init(struct write_refs *r, const struct series_hash *hash,
                                   const struct write_symbols *symbols)
{
    r->hash = hash;
    r->symbols = symbols;
    r->row = &r->rows[0];
    for (unsigned i = 0; i < WRITE_REFS_ROWS; i++)
        r->rows[i].n = 0;
}

/* The key for references of one or two bytes, in pairs that lead somewhere; false for any others,
 * sound or not. The bytes are remembered for the next call. WRITE_REFS_SHORT behind their begin may
 * be read. */
bool write_refs_key_of_short(struct write_refs *r, const uint8_t *bytes, size_t n,
                             struct series_key *ret) WARN_UNUSED;

/* The key for references that all end; 0 (of no series) when one leads nowhere or has no partner.
 */
struct series_key write_refs_key(const struct write_refs *r, const uint8_t *bytes, size_t n);

/* The next number of a run, of which 32 bits count; false when it does not end. */
bool write_refs_next(struct wire *w, uint32_t *ret) WARN_UNUSED;

/* Whether all numbers of a run end. */
bool write_refs_are_sound(const uint8_t *bytes, size_t n) WARN_UNUSED;

#endif
