/* The second half of a load: samples of the windows that the plan says are to be loaded, by as many
 * threads as there are processors. */
#ifndef HG_SNAPSHOT_LOAD_WINDOWS_H
#define HG_SNAPSHOT_LOAD_WINDOWS_H

#include "snapshot/load_plan.h"

/* So many bytes of the snapshot are there in some ten milliseconds. A newest window of no more is
 * loaded by one thread while the others wait, if somebody wants to read it. */
enum { LOAD_NEWEST_ALONE_BYTES = 4 << 20 };

/* Label sets and windows of all files of the plan, in l->restore, which has begun. Errors as
 * snapshot_load(); the report says more. */
int load_windows(struct load *l) WARN_UNUSED;

#endif
