#ifndef HG_C
#define HG_C
#include "alloc/base.h"
enum { COLUMN_VALUES_MAX = 128, COLUMN_BYTES_MAX = 1024 };
size_t column_encode(const uint64_t *values, uint32_t n, uint8_t out[COLUMN_BYTES_MAX],
                     uint8_t *ret_encoding);
bool column_decode(uint8_t encoding, const uint8_t *bytes, size_t n_bytes, uint32_t n,
                   uint64_t values[COLUMN_VALUES_MAX]);
#endif
