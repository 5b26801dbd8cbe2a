/* Series: a label set as a row of pair ids, its chunks, and the ways to find it (by the key of its
 * labels, by id, through postings).
 *
 * The record is what writers and readers of samples need. The row of pair ids lies apart, in
 * strings by the series' id: it is read under the store's lock only, and takes a third of what
 * it did as an array in the record.
 *
 * The newest chunk lies in the record, older ones in an array beside it (`history`), so that a
 * series that lives for one window needs no more than its record. A chunk of a window that has gone
 * is found stale by its serial, and dropped when the series moves on to its next window, or by the
 * sweep of what went when the series is silent. So is one that was deleted: its place in the
 * history is all zeros.
 *
 * Ids are handed out ascending and never again in this process, so postings grow at their end and
 * an id that is remembered across a slice of a read either means the same series or none.
 *
 * Threads: the store's lock guards the indexes and the label row. The state (newest chunk, history)
 * is guarded by the version, which is the lock of its writer: whoever changes it holds the store's
 * lock at least for reading and the version; readers copy it inside the epoch and need no lock. */
#ifndef HG_TSDB_SERIES_H
#define HG_TSDB_SERIES_H

#include "alloc/lines.h"
#include "tsdb/chunk.h"
#include "tsdb/label_index.h"
#include "tsdb/label_row.h"
#include "tsdb/series_key.h"

struct series_state {
    int64_t newest_ms; /* of its samples; means nothing while newest is not of a live window */
    slot history;      /* struct history, or 0 */
    uint16_t n_history;
    uint8_t phase;     /* chunk_writer's; follows from the labels, so that a restart gives the same
                          slots */
    uint8_t n_aliases; /* keys of forms that lead here, the canonical one not counted; guarded by
                          the lock for writing */
    struct chunk newest; /* of the newest window that it has samples in */
};

struct series {
    uint32_t id;
    _Atomic uint32_t version;
    struct series_state state;
};

struct history {
    uint32_t series;      /* id: whose it is, for moving it */
    uint32_t room;        /* items that fit; n_history, but while windows are being restored */
    struct chunk items[]; /* n_history, the oldest window first */
};

struct series_index {
    struct lines by_key;   /* 96 bits of the key of a series' labels -> id */
    struct lines by_alias; /* the same of its aliases */
    uint32_t n_stale;      /* entries of by_alias whose id leads nowhere any more */
    uint32_t next_purge;   /* the segment of by_alias that is swept next */
    struct kind records;
    struct kind histories;
    struct strings rows; /* of pair ids (label_row.h), by the id of the series */
    struct table by_id;  /* of slot, held: id -> record, 0 = gone */
    uint64_t next_id;
    uint32_t n;
    struct series_hash hash; /* gives the keys of by_key; made by the store, never changed while
                                there are series */
};

/* owner_...: rows of the budget. release returns all memory, whatever is there. */
void series_index_init(struct series_index *x, unsigned owner_records, unsigned owner_rows,
                       unsigned owner_tables);
void series_index_release(struct arena *a, struct series_index *x);

/* The series that a form or a label set of that key is of, or 0. */
slot series_find(const struct arena *a, const struct series_index *x, struct series_key key);

/* The same for the key of a label set, which is no alias of another. */
slot series_find_labels(const struct arena *a, const struct series_index *x, struct series_key key);

/* The same for many, whose waits for memory overlap: fills in series and id (or 0). are_aliases:
 * most of them are expected to be, so these are looked at first. */
struct series_wanted {
    const void *form; /* NULL: the key is given; else n_form bytes, and it is filled in */
    size_t n_form;
    struct series_key key;
    slot series;
    uint32_t id; /* of the series, which leads to it when slots have moved */
};
void series_find_many(const struct arena *a, const struct series_index *x,
                      struct series_wanted *wanted, size_t n, bool are_aliases);

/* Asks the processor for the records of those that were found. */
void series_fetch_many(const struct arena *a, const struct series_wanted *wanted, size_t n);

/* Lets the key of another form of a series' labels lead to it as well, unless it has
 * SERIES_ALIASES_MAX of them. False (nothing changed) when memory is exhausted. */
enum { SERIES_ALIASES_MAX = 4 };
bool series_alias(struct arena *a, struct series_index *x, struct series_key key,
                  slot series) WARN_UNUSED;

/* About so many series will be made: takes memory for their keys at once (lines_reserve);
 * expect_none gives back what was too much. */
void series_expect(struct arena *a, struct series_index *x, uint64_t n);
void series_expect_none(struct arena *a, struct series_index *x);

/* For series.c: the key of a series' labels is entered (false: no memory) and leaves with it, after
 * its id has left by_id. */
bool series_enter_key(struct arena *a, struct series_index *x, struct series_key key,
                      uint32_t id) WARN_UNUSED;
void series_leave_key(struct arena *a, struct series_index *x, struct series_key key, uint32_t id,
                      uint32_t n_aliases);
bool series_check_keys(const struct arena *a, const struct series_index *x);

/* A label set as the pairs that it is of, for series_new_of. */
struct series_pairs {
    struct label_row row;
    struct postings *sets[LABELS_PER_SERIES_MAX]; /* of the row's pairs */
    uint64_t hash;                                /* labels_hash */
};

static inline void series_pairs_init(struct series_pairs *p)
{
    p->row.n = 0;
    p->hash = 0;
}

/* The pair of the next label: LABELS_PER_SERIES_MAX at most. */
static inline void series_pairs_add(struct series_pairs *p, const struct made_pair *pair)
{
    assert(p->row.n < LABELS_PER_SERIES_MAX);
    p->row.pairs[p->row.n] = pair->id;
    p->sets[p->row.n] = pair->set;
    p->hash = labels_hash_join(p->hash, pair->hash);
    p->row.n++;
}

/* Of those that were made for a series, those go that no series has. */
void series_pairs_drop(struct arena *a, struct label_index *li, const struct series_pairs *p);

/* Makes a series that is not there yet, entered in every index; 0 (nothing changed) without memory
 * or ids. key: series_key_of_labels(ls). */
slot series_new(struct slots *sl, struct series_index *x, struct label_index *li,
                const struct labels *ls, struct series_key key) WARN_UNUSED;

/* The same of pairs that are there. Without memory those that no series has go. */
slot series_new_of(struct slots *sl, struct series_index *x, struct label_index *li,
                   const struct series_pairs *pairs, struct series_key key) WARN_UNUSED;

/* Takes a series out of every index; its pairs and symbols go with their last user. Its chunks are
 * not touched; its record waits for readers that see it. Not to be called inside the epoch. */
void series_remove(struct slots *sl, struct series_index *x, struct label_index *li, slot series);

/* The series of an id, or 0. */
static inline slot series_of_id(const struct arena *a, const struct series_index *x, uint32_t id)
{
    const slot *entry = table_at(a, &x->by_id, id);
    return entry != NULL ? *entry : 0;
}

static inline struct series *series_at(const struct arena *a, slot series)
{
    return slot_ptr(a, series);
}

/* Asks the processor for what restoring a chunk of a series needs: its record, and when that has
 * come, its history. */
static inline void series_fetch_record(const struct series *s)
{
    __builtin_prefetch(s);
}

/* Another restorer may give it a longer one meanwhile: then this is in vain, and nothing else. */
static inline void series_fetch_history(const struct arena *a, const struct series *s)
{
    slot history = __atomic_load_n(&s->state.history, __ATOMIC_RELAXED);
    if (history != 0)
        __builtin_prefetch(slot_ptr(a, history));
}

/* Asks the processor for the head of the newest chunk of one that was found, whose record has come
 * since series_fetch_many. */
static inline void series_fetch_head(const struct arena *a, const struct series_wanted *wanted)
{
    if (wanted->series == 0)
        return;
    const char *head = slot_ptr(a, chunk_peek_head(&series_at(a, wanted->series)->state.newest));
    __builtin_prefetch(head);
    __builtin_prefetch(head + sizeof(struct chunk_head) / 2);
}

/* The row of the series of that id, which is there. */
void series_row(const struct arena *a, const struct series_index *x, uint32_t id,
                struct label_row *ret);

/* The bytes that the row holds: its own and its length. What 64 rows share is nobody's. */
size_t series_row_bytes(const struct arena *a, const struct series_index *x, uint32_t id);

/* ---- chunks ---- */

/* A consistent copy of the list of the series' chunks, the newest first, stale ones among them;
 * returns how many (at most SERIES_CHUNKS_MAX). Inside the epoch. */
enum { SERIES_CHUNKS_MAX = WINDOW_SLOTS };
uint32_t series_chunks(const struct arena *a, const struct series *s,
                       struct chunk ret[SERIES_CHUNKS_MAX]);

/* The bytes of slots that a series holds beside its row, each kind for itself. */
struct series_bytes {
    uint64_t record, history;
    uint64_t chunks; /* in the pools of windows */
    uint64_t open;   /* heads and tails, in the pool `open` */
};

/* Adds those of a series. windows: serials of the windows whose chunks may be looked at: of any
 * other only the head is left. Inside the epoch; the windows were live in it. Each chunk is seen
 * at one moment, the series is not: what moves between two of them meanwhile counts in both, or
 * in none. */
void series_add_bytes(const struct arena *a, const struct series *s, const uint32_t *windows,
                      uint32_t n_windows, struct series_bytes *io);

/* Whether it never had a sample, or lost all that it had in live windows to a deletion. */
bool series_is_empty(const struct series *s);

/* A consistent copy of its chunk in the window of that serial; false when it has none. Inside the
 * epoch. */
bool series_view(const struct arena *a, const struct series *s, uint32_t serial,
                 struct chunk_view *ret);

/* The same for the one who holds the version. */
bool series_own_view(const struct arena *a, const struct series *s, uint32_t serial,
                     struct chunk_view *ret);

/* Where the series' chunk of that serial is, for the one who holds the version; NULL = it has none.
 */
struct chunk *series_own_chunk(const struct arena *a, struct series *s, uint32_t serial);

/* Changes the series' chunk in a window, which is made if there is none: calls change with the
 * chunk's place (serial 0 = to be made) and what to write it with. The series' version is held by
 * the caller. Returns change's answer, or ERR_NO_MEMORY; nothing has changed then. */
struct series_writer {
    struct windows *windows;
    struct kind *histories;
    struct chunk_writer chunk; /* window, phase and is_open are filled in */
    int64_t seal_from;         /* moving on from a chunk of an older window does not seal it */
};
typedef int (*chunk_change)(void *ctx, const struct chunk_writer *w, struct chunk *chunk);
int series_change_chunk(struct series_writer *sw, struct series *s, struct window *w,
                        chunk_change change, void *ctx) WARN_UNUSED;

/* Gives back what the history holds of windows that have gone: a series that is silent does not
 * move on, and so does not do it itself. The caller holds the version. Without memory the history
 * only stays longer. */
void series_drop_gone(struct series_writer *sw, struct series *s);

/* series_change_chunk while restorers are alone (slots.h). n_windows: how many are expected in all,
 * the room for which a history gets at once. */
int series_restore_chunk(struct series_writer *sw, struct series *s, struct window *w,
                         uint32_t n_windows, chunk_change change, void *ctx) WARN_UNUSED;

/* The same for a chunk that has no slots, as it is, of a window in which the series has none but is
 * a member already. */
int series_restore_made(struct series_writer *sw, struct series *s, struct window *w,
                        uint32_t n_windows, const struct chunk *made) WARN_UNUSED;

/* Seals the chunk that was restored in a window, if it is not sealed, when is_over or when the
 * series has a newer one. Without memory it only stays larger. */
void series_seal_restored(struct series_writer *sw, struct series *s, struct window *w,
                          bool is_over);

/* Afterwards: gives the history the room that it needs. Without memory it only stays larger. */
void series_trim_history(struct slots *sl, struct kind *histories, struct series *s);

/* Takes samples out of the series' chunk in a window, if it has one: see chunk_delete, whose
 * answers it gives. A chunk that has none left goes, and the window's counts with it; newest_ms is
 * right afterwards. A series may be empty then (series_is_empty), and is to be removed. The series'
 * version is held by the caller. */
struct series_deleted { /* adds up */
    uint64_t n_samples, n_chunks;
};
int series_delete(struct series_writer *sw, struct series *s, struct window *w, uint32_t min_time,
                  uint32_t max_time, struct series_deleted *io) WARN_UNUSED;

/* Moves rows, records and histories together when too many of their bytes are free (alloc/kind.h),
 * at most max_records of them; returns how many. The caller holds the store's lock for writing; who
 * is inside the epoch is waited for, but not for long: 0 when somebody stays. */
size_t series_index_compact(struct slots *sl, struct series_index *x, size_t max_records);

bool series_index_check(const struct arena *a, const struct series_index *x,
                        const struct label_index *li);

#endif
