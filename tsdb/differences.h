#ifndef HG_D
#define HG_D
#include "alloc/base.h"
size_t differences_put(uint8_t *out, size_t room, const int64_t *d, uint32_t n);
bool differences_get(const uint8_t **at, const uint8_t *end, int64_t *d, uint32_t n);
#endif
