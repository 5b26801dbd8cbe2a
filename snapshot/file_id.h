/* Ids of files: 64 random bits that no stranger can guess, so that nothing he puts into a file is
 * taken for a part of it (frame.h). Any thread. */
#ifndef HG_SNAPSHOT_FILE_ID_H
#define HG_SNAPSHOT_FILE_ID_H

#include "alloc/base.h"

uint64_t file_id_new(void);

#endif
