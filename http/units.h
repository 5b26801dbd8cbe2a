/* Sizes and durations as people write them in flags. Pure functions. */
#ifndef HG_HTTP_UNITS_H
#define HG_HTTP_UNITS_H

#include "alloc/base.h"

enum { UNITS_TEXT_MAX = 64 };

/* "32MiB", "1.5GB", "4096": B, KB, MB, GB, TB, KiB, MiB, GiB, TiB, all powers of two, in any case.
 * False on anything else and on what does not fit. */
bool units_parse_size(const char *text, uint64_t *ret_bytes);

/* "5m", "1h30m", "250ms", "0": Prometheus' durations, never negative. */
bool units_parse_duration(const char *text, int64_t *ret_ms);

/* The shortest text that reads back as the same number. */
void units_size_text(uint64_t bytes, char out[UNITS_TEXT_MAX]);
void units_duration_text(int64_t ms, char out[UNITS_TEXT_MAX]);

#endif
