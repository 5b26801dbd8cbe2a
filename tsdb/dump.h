/* A snapshot's way out and back in: series and encoded blocks in time order, through the same size
 * classes.
 *
 * Out: dump_series lists the label sets in id order; dump_window walks one window's chunks in id
 * order and hands out finished blocks as they stand and tails as samples. Both work in slices: a
 * visitor that returns a positive number stops the walk after that item (its buffer is full, say),
 * the cursor says where to go on, and the store's lock is held for one slice only. What is appended
 * between slices may or may not be seen; no sample is seen twice.
 *
 * In: restore_series in the same order, then window by window restore_block and restore_tail,
 * through the functions that ingest uses, so that the page map afterwards is that of the process
 * that wrote it.
 *
 * Threads: dump_* any; restore_* before anything else uses the store. */
#ifndef HG_TSDB_DUMP_H
#define HG_TSDB_DUMP_H

#include "tsdb/append.h"

struct dump_block {
    int64_t first_ms, last_ms;
    uint32_t n_samples;   /* 1 .. BLOCK_SAMPLES_MAX */
    uint32_t n_bytes;     /* 1 .. BLOCK_BYTES_MAX (block.h) */
    uint8_t encoding;     /* docs/chunk-format.md */
    const uint8_t *bytes; /* borrowed during the call */
};

struct dump_cursor {      /* zero it to start */
    uint64_t next_series; /* id at which to go on */
    bool is_inside;       /* within that series: go on after after_ms */
    int64_t after_ms;
};

/* 0 = go on, > 0 = stop after this item, < 0 = an error that the walk returns. */
typedef int (*dump_series_visit)(void *ctx, uint32_t series, const struct labels *ls);

struct dump_visitor {
    int (*block)(void *ctx, uint32_t series, const struct dump_block *block);
    int (*tail)(void *ctx, uint32_t series, const struct sample *samples,
                size_t n); /* n: 1 .. BLOCK_SAMPLES_MAX */
};

/* Series with ids in [cursor->next_series, end). Returns 0 when all were visited, 1 when the
 * visitor stopped it, or an error. */
int dump_series(struct tsdb *db, struct dump_cursor *cursor, uint64_t end, dump_series_visit visit,
                void *ctx);

/* The same for the chunks of one window. A window that has expired meanwhile has none. */
int dump_window(struct tsdb *db, int64_t window, struct dump_cursor *cursor, uint64_t end,
                const struct dump_visitor *v, void *ctx);

/* The id that the next new series will get: the end of a snapshot's series. */
uint64_t dump_series_end(struct tsdb *db);

/* Makes a series (or finds it, when the label set is there already). Errors: ERR_NO_MEMORY,
 * ERR_CORRUPT (ls is not normalised). */
int restore_series(struct tsdb *db, const struct labels *ls, uint32_t *ret_series) WARN_UNUSED;

/* Adds a block, or samples, behind what the series has. Everything is checked: ERR_CORRUPT when the
 * bytes do not decode to n_samples ascending times from first_ms to last_ms within one window, or
 * do not lie behind what is there; ERR_TOO_OLD when the window is no longer kept beside the newest
 * restored one; ERR_NO_MEMORY (of a tail, the samples before the failure stay). */
int restore_block(struct tsdb *db, uint32_t series, const struct dump_block *block) WARN_UNUSED;
int restore_tail(struct tsdb *db, uint32_t series, const struct sample *samples,
                 size_t n) WARN_UNUSED;

/* Ends a restore: series without samples leave. */
void restore_end(struct tsdb *db);

#endif
