/* A sample's way in. A batch is one request.
 *
 *     struct append b;
 *     append_begin(&b, db);
 *     append_entries(&b, entries, n, parse, ctx, &counts);   // or append_many, or append_samples
 *                                                            // for each series of the request
 *     append_end(&b);
 *
 * A sample is taken if it lies in a kept window, at most TSDB_AHEAD_MS ahead of the clock
 * (CLOCK_WALL only) and not further behind the newest sample of its own series than the
 * out-of-order window. An exact duplicate (time and bits) of any kept sample is success and changes
 * nothing; another value at the same time is refused. What is good stays, whatever happens to the
 * rest.
 *
 * What becomes visible. The samples of one call for one series become visible to readers together
 * (but where they open a window: then what lies before it, first).
 *
 * Threads: any number of batches at once; a batch belongs to one thread and holds the store's lock
 * for reading in slices, so keep it short and do no I/O inside. */
#ifndef HG_TSDB_APPEND_H
#define HG_TSDB_APPEND_H

#include "tsdb/series_key.h"
#include "tsdb/times_memo.h"
#include "tsdb/tsdb.h"

struct sample {
    int64_t t_ms;
    uint64_t value; /* the bits of a double, kept as they are */
};

struct window;
struct times_cache;

enum { APPEND_COUNTERS = 16 };

struct append {
    struct tsdb *db;
    bool is_replay;    /* append_begin_replay */
    int64_t begun_ms;  /* the clock's time at the begin: one reading serves the whole batch */
    unsigned place;    /* in the epoch */
    unsigned n_series; /* of this slice */
    uint64_t n_holds;  /* how often the lock was taken */
    struct {           /* samples not yet counted in their window */
        struct window *window;
        uint64_t n;
        int64_t min_ms, max_ms;
    } tally;
    uint64_t counters[APPEND_COUNTERS]; /* not yet added to the store's */
    struct times_cache *times;          /* of the call that is under way, or NULL */
    struct times_memo memo;
    int64_t open_payload; /* not yet added to the slots' */
    struct {              /* what was found out under this hold of the lock */
        struct window
            *window; /* its times are kept, as long as the clock stays in its own; or NULL */
        int64_t clock_start_ms; /* the start of the clock's window, when the turn was looked at */
    } known;
};

/* What became of the samples of a request; adds up over calls. Zero it first. */
struct append_counts {
    uint64_t stored;
    uint64_t duplicate; /* exact duplicates: success */
    uint64_t refused;
    uint64_t refused_memory; /* of those: for want of memory, so that sending again may help */
    int first_err;           /* of the first sample refused (ERR_...), or 0 */
    int64_t first_t_ms;      /* its time */
    int64_t first_bound_ms;  /* the time that it was held against: oldest or newest allowed */
    /* Told of each sample that is refused, as the caller gave it, under the store's lock; NULL =
     * nobody wants to know. */
    void (*on_refused)(void *ctx, const struct sample *sample);
    void *ctx;
};

void append_begin(struct append *b, struct tsdb *db);

/* The same for samples that were accepted once, by this process or one before it, and come from its
 * journal. Nothing is held against them that may have been different then: no clock, no order, no
 * limit on series. Refused are only those of windows that are not kept beside the newest one
 * (ERR_TOO_OLD), those that another value at their time is there for (ERR_DUPLICATE), and for want
 * of memory. They confirm no clock. Before anything else uses the store. */
void append_begin_replay(struct append *b, struct tsdb *db);

/* Stores samples of one series, made if it is new and at least one of them is accepted. ls must be
 * normalised (labels.h). Returns 0 when none was refused, else the first reason; counts tells how
 * many. The number newly refused is added to counts. */
int append_samples(struct append *b, const struct labels *ls, const struct sample *samples,
                   size_t n, struct append_counts *counts);

/* The same for many series, in their order, and cheaper than one by one: they are looked up
 * together. Sets err of each. A label set may be there twice. */
struct append_series {
    struct labels labels; /* normalised */
    const struct sample *samples;
    size_t n_samples;
    int err; /* out: 0 when no sample was refused, else the first reason */
};
void append_many(struct append *b, struct append_series *series, size_t n,
                 struct append_counts *counts);

/* A series as it stands in a body: its form (series_key.h). */
struct append_entry {
    struct series_key key; /* of the form; out, but when the caller has made it */
    const void *form;
    uint32_t n_form; /* bytes */
    uint32_t n_samples;
    const struct sample *samples;
    int err; /* out: 0 when no sample was refused, else the first reason. Of an entry without
                samples 0, whatever its labels */
    uint32_t series; /* out: the id of the series that it is of, 0 when there is none (afterwards,
                        for want of a sample that was taken) */
    bool has_key;    /* it is made: by append_hash_ahead, or by the caller with tsdb_series_hash; a
                        key of 0 is of no form */
    bool is_alias;   /* never the key of a label set, as that of its texts: it is looked for among
                        aliases only, as all are that come with it */
};

/* Asked for an entry whose form is not known, or whose series has gone meanwhile: the labels,
 * normalised, in memory of the caller's that stays until it is asked again, or append_entries
 * returns. An error becomes the entry's err and refuses its samples, which counts does not count.
 * Asked once for an entry, but where its series goes while we append to it. Called with the store's
 * lock: no I/O, no call back into the store. */
typedef int (*append_parse)(void *ctx, const struct append_entry *e, struct labels *ret);

/* Hashes the forms, which append_entries otherwise does while it looks for them: for a thread that
 * has time for it while another one appends. Takes no lock: the hash of a store does not change
 * once its files are loaded, before which nothing may be hashed. */
void append_hash_ahead(const struct tsdb *db, struct append_entry *e, size_t n);

/* append_many for entries: labels of a form that is known are not looked at. */
void append_entries(struct append *b, struct append_entry *e, size_t n, append_parse parse,
                    void *ctx, struct append_counts *counts);

void append_end(struct append *b);

#endif
