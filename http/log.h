/* The only logger: one line an event on stderr, logfmt or JSON, no colours.
 *
 *     LOG_INFO("Snapshot written.", log_u64("series", n), log_text("dir", dir));
 *     time=2026-01-02T03:04:05.678Z level=INFO msg="Snapshot written." series=49400 dir=data
 *
 * Threads: log_setup before the threads start; the rest from any thread (a line is one write). */
#ifndef HG_HTTP_LOG_H
#define HG_HTTP_LOG_H

#include "alloc/base.h"

#include <stdatomic.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum { LOG_LINE_BYTES_MAX = 4096 }; /* what is longer is cut */

struct log_field {
    const char *key;
    enum { LOG_FIELD_TEXT, LOG_FIELD_I64, LOG_FIELD_U64, LOG_FIELD_SECONDS } kind;
    union {
        const char *text; /* NUL-terminated, borrowed during the call; NULL reads as empty */
        int64_t i64;
        uint64_t u64; /* SECONDS: milliseconds, written as 1.234 */
    } u;
};

static inline struct log_field log_text(const char *key, const char *text)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_TEXT, .u.text = text};
}

static inline struct log_field log_i64(const char *key, int64_t v)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_I64, .u.i64 = v};
}

static inline struct log_field log_u64(const char *key, uint64_t v)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_U64, .u.u64 = v};
}

static inline struct log_field log_seconds(const char *key, uint64_t ms)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_SECONDS, .u.u64 = ms};
}

/* At least one field each; log_line takes none. */
#define LOG_AT(level, msg, ...)                                                                    \
    log_fields((level), (msg), (const struct log_field[]){__VA_ARGS__},                            \
               sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
#define LOG_DEBUG(msg, ...) LOG_AT(LOG_LEVEL_DEBUG, msg, __VA_ARGS__)
#define LOG_INFO(msg, ...)  LOG_AT(LOG_LEVEL_INFO, msg, __VA_ARGS__)
#define LOG_WARN(msg, ...)  LOG_AT(LOG_LEVEL_WARN, msg, __VA_ARGS__)
#define LOG_ERROR(msg, ...) LOG_AT(LOG_LEVEL_ERROR, msg, __VA_ARGS__)

void log_setup(enum log_level level, enum log_format format);
void log_line(enum log_level level, const char *msg);
void log_fields(enum log_level level, const char *msg, const struct log_field *fields, size_t n);

/* The text of one line with its newline, as log_fields writes it; out is not NUL-terminated.
 * Returns its length, at most size (> 64). wall_ms: ms since the epoch. */
size_t log_text_line(char *out, size_t size, enum log_format format, enum log_level level,
                     int64_t wall_ms, const char *msg, const struct log_field *fields, size_t n);

/* Keeps a repeated message from flooding the log: at most one line an interval. */
struct log_gate {
    _Atomic int64_t next_ms;
    _Atomic uint64_t n_held;
};

/* True when a line may be written now; *ret_held is then the number of events held back since the
 * last one. now_ms: any steady clock. */
bool log_gate_open(struct log_gate *g, int64_t now_ms, int64_t interval_ms, uint64_t *ret_held);

#endif
