/* What a load knows of a directory before it reads the samples: which windows there are, and which
 * copy of each counts. load.c makes the plan, load_windows.c carries it out. Private to load*.c.
 *
 * Threads: one, but for what load_windows.c says of its own. */
#ifndef HG_SNAPSHOT_LOAD_PLAN_H
#define HG_SNAPSHOT_LOAD_PLAN_H

#include "snapshot/load.h"
#include "snapshot/load_file.h"
#include "snapshot/look.h"
#include "tsdb/dump.h"

enum { LOAD_WINDOWS_MAX = DIRECTORY_WINDOWS_MAX + HEAD_WINDOWS_MAX };

enum load_place { IN_NO_FILE, IN_SNAPSHOT, IN_OWN_FILE };

struct window_plan {
    int64_t number;
    enum load_place place; /* where the copy is that counts */
    bool is_old;
    bool is_left;
    bool was_damaged;
    bool is_sure; /* its head says the generation */
    uint64_t generation, naming, file_bytes, memory_bytes;
    uint64_t left_bytes; /* of left-<N>.hg */
};

/* What is taken from the budget. A second buffer and what splitting needs are taken only by a load
 * that has window files, or windows to split off: with them here, the start of a store without any
 * needed half a MiB more than running it did. */
struct load_memory {
    uint8_t buffer[FRAME_BUFFER_BYTES]; /* of the snapshot; of looks, before it is opened */
    struct load_decoders decoders;
    struct symbol symbols[SYMBOLS_MAX]; /* of the decoders */
    struct file_look look;
    uint32_t n;
    struct window_plan plan[LOAD_WINDOWS_MAX]; /* by number, ascending */
};

struct load {
    struct tsdb *db;
    struct io *io;
    struct directory *directory;
    const struct snapshot_watch *watch;
    struct snapshot_report *report;
    struct load_memory *memory;
    uint8_t *window_buffer; /* FRAME_BUFFER_BYTES, of a window's file; NULL = none was needed yet */
    struct restore restore;
    bool has_snapshot;
    bool has_room_to_read; /* as snapshot_watch says */
    uint64_t snapshot_bytes, snapshot_naming;
    struct number_map *snapshot_ids;                    /* while it is open */
    uint64_t index_bytes, open_bytes, index_generation; /* as the newest head says, */
    uint64_t n_series;                                  /* and this */
    bool has_hash_key; /* of the process that wrote the files: tables of the same size */
    uint8_t hash_key[SERIES_HASH_KEY_BYTES];
};

/* NULL = there is none. */
struct window_plan *load_find_plan(struct load *l, int64_t number);

/* Adds what was read of a file, which is kept under a second name when some of it was lost. */
void load_add_report(struct load *l, const char *name, const struct snapshot_report *file);

/* Memory in the budget row "snapshot". take: NULL without memory. give: at may be NULL; errno stays
 * as it is. */
void *load_take_span(struct load *l, size_t bytes);
void *load_try_span(struct load *l, size_t bytes); /* without a word in the report */
void load_give_span(struct load *l, void *at, size_t bytes);

/* Whether there is a buffer for a window's file. */
bool load_need_window_buffer(struct load *l);

#endif
