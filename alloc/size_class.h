/* The eight size classes of chunk memory: class c (1 .. 8) holds slots of c * 128 bytes. Pure
 * arithmetic, no memory. What is longer than SIZE_CLASS_BYTES_MAX is stored as several pieces. */
#ifndef HG_ALLOC_SIZE_CLASS_H
#define HG_ALLOC_SIZE_CLASS_H

#include "alloc/base.h"

enum {
    SIZE_CLASS_STEP_BYTES = 128,
    SIZE_CLASSES = 8,
    SIZE_CLASS_BYTES_MAX = SIZE_CLASS_STEP_BYTES * SIZE_CLASSES,
};

/* The smallest class that holds `bytes`, which must be 1 .. SIZE_CLASS_BYTES_MAX. */
static inline unsigned size_class_of(size_t bytes)
{
    assert(bytes >= 1 && bytes <= SIZE_CLASS_BYTES_MAX);
    return (unsigned)((bytes + SIZE_CLASS_STEP_BYTES - 1) / SIZE_CLASS_STEP_BYTES);
}

static inline size_t size_class_bytes(unsigned size_class)
{
    assert(size_class >= 1 && size_class <= SIZE_CLASSES);
    return (size_t)size_class * SIZE_CLASS_STEP_BYTES;
}

#endif
