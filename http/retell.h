/* What the journal has and no snapshot: it is said again before the segments that hold it are
 * dropped, so that a restart brings it back.
 *
 *     snapshot is safe -> retell: metadata into the newest segment, synced -> older ones dropped
 *
 * Memory, until it returns, from the recorder's owner: a copy of all metadata (metadata_list) and
 * WRITE_METADATA_MESSAGE_BYTES.
 *
 * Threads: one at a time, and one that may wait for the disk. */
#ifndef HG_HTTP_RETELL_H
#define HG_HTTP_RETELL_H

#include "http/recorder.h"

/* r->journal is there. Without metadata nothing is written. Of more than max_bytes /
 * RECORDER_RETELL_SHARE of the journal the rest is left out; ret_left says how many descriptions.
 * Errors: ERR_NO_MEMORY, those of recorder_put and journal_sync. */
int retell(struct recorder *r, uint64_t *ret_left) WARN_UNUSED;

#endif
