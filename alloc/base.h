/* The few definitions that every file may use: attributes, checked arithmetic, an assertion that
 * stays on. Includes nothing of ours, holds no state, safe in any thread. */
#ifndef HG_ALLOC_BASE_H
#define HG_ALLOC_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a)      (sizeof(a) / sizeof((a)[0]))
#define WARN_UNUSED       __attribute__((warn_unused_result))
#define ALWAYS_INLINE     inline __attribute__((always_inline))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* An assertion that release builds keep: for corruption that would otherwise spread. Prints and
 * aborts. */
#define ENSURE(cond) ((cond) ? (void)0 : base_ensure_failed(#cond, __FILE__, __LINE__))

void base_ensure_failed(const char *text, const char *file, int line) __attribute__((noreturn));

/* True when a + b (a * b) does not fit size_t; *ret is then unspecified. */
static inline bool add_overflows(size_t a, size_t b, size_t *ret)
{
    return __builtin_add_overflow(a, b, ret);
}

static inline bool mul_overflows(size_t a, size_t b, size_t *ret)
{
    return __builtin_mul_overflow(a, b, ret);
}

/* n rounded up to a multiple of align, a power of two. n must be at most SIZE_MAX - align. */
static inline size_t align_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

static inline size_t size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t size_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

static inline int64_t i64_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t i64_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
