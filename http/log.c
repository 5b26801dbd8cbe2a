/* One line is built in a buffer on the stack and written with one write(2), so that lines of
 * different threads do not mix and logging needs no lock and no heap. logfmt quotes a value when it
 * holds anything but plain printable characters; JSON always quotes text. Both escape the same
 * bytes: quote, backslash, control characters; bytes from 0x80 on pass (label values are UTF-8
 * already, and a terminal copes with the rest). */
#include "http/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum log_level log_level_min = LOG_LEVEL_INFO;
static enum log_format log_format_used = LOG_FORMAT_LOGFMT;

struct line {
    char *bytes;
    size_t n, size;
};

static void line_put(struct line *l, const char *bytes, size_t n)
{
    n = size_min(n, l->size - l->n);
    memcpy(l->bytes + l->n, bytes, n);
    l->n += n;
}

static void line_put_text(struct line *l, const char *text)
{
    line_put(l, text, strlen(text));
}

static bool needs_quotes(const char *text)
{
    if (*text == '\0')
        return true;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p <= ' ' || *p == '"' || *p == '=' || *p == '\\' || *p == 0x7f)
            return true;
    return false;
}

static void line_put_quoted(struct line *l, const char *text)
{
    line_put(l, "\"", 1);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        char hex[8];
        if (*p == '"' || *p == '\\') {
            line_put(l, (const char[]){'\\', (char)*p}, 2);
        } else if (*p == '\n') {
            line_put(l, "\\n", 2);
        } else if (*p == '\t') {
            line_put(l, "\\t", 2);
        } else if (*p < ' ' || *p == 0x7f) {
            snprintf(hex, sizeof(hex), "\\u%04x", *p);
            line_put(l, hex, 6);
        } else {
            line_put(l, (const char *)p, 1);
        }
    }
    line_put(l, "\"", 1);
}

static void line_put_value(struct line *l, const struct log_field *f, bool is_json)
{
    char number[48];
    switch (f->kind) {
    case LOG_FIELD_TEXT: {
        const char *text = f->u.text ? f->u.text : "";
        if (is_json || needs_quotes(text))
            line_put_quoted(l, text);
        else
            line_put_text(l, text);
        return;
    }
    case LOG_FIELD_I64:
        snprintf(number, sizeof(number), "%" PRId64, f->u.i64);
        break;
    case LOG_FIELD_U64:
        snprintf(number, sizeof(number), "%" PRIu64, f->u.u64);
        break;
    case LOG_FIELD_SECONDS:
        snprintf(number, sizeof(number), "%" PRIu64 ".%03u", f->u.u64 / 1000,
                 (unsigned)(f->u.u64 % 1000));
        break;
    }
    line_put_text(l, number);
}

static void line_put_pair(struct line *l, const struct log_field *f, bool is_json)
{
    if (is_json) {
        line_put(l, l->n > 1 ? "," : "", l->n > 1 ? 1 : 0);
        line_put_quoted(l, f->key);
        line_put(l, ":", 1);
    } else {
        line_put(l, l->n > 0 ? " " : "", l->n > 0 ? 1 : 0);
        line_put_text(l, f->key);
        line_put(l, "=", 1);
    }
    line_put_value(l, f, is_json);
}

size_t log_text_line(char *out, size_t size, enum log_format format, enum log_level level,
                     int64_t wall_ms, const char *msg, const struct log_field *fields, size_t n)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    bool is_json = format == LOG_FORMAT_JSON;
    assert(size > 64);
    struct line l = {.bytes = out, .size = size - 2}; /* room for the end */
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char date[32], stamp[48];
    gmtime_r(&seconds, &tm);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(stamp, sizeof(stamp), "%s.%03dZ", date, (int)(wall_ms % 1000));
    if (is_json)
        line_put(&l, "{", 1);
    const struct log_field head[] = {log_text("time", stamp), log_text("level", names[level]),
                                     log_text("msg", msg)};
    for (size_t i = 0; i < ARRAY_LEN(head); i++)
        line_put_pair(&l, &head[i], is_json);
    for (size_t i = 0; i < n; i++)
        line_put_pair(&l, &fields[i], is_json);
    l.size = size;
    line_put(&l, is_json ? "}\n" : "\n", is_json ? 2 : 1);
    return l.n;
}

void log_setup(enum log_level level, enum log_format format)
{
    log_level_min = level;
    log_format_used = format;
}

void log_fields(enum log_level level, const char *msg, const struct log_field *fields, size_t n)
{
    if (level < log_level_min)
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t wall_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    char line[LOG_LINE_BYTES_MAX];
    size_t len = log_text_line(line, sizeof(line), log_format_used, level, wall_ms, msg, fields, n);
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* nobody is left to be told */
}

void log_line(enum log_level level, const char *msg)
{
    log_fields(level, msg, NULL, 0);
}

bool log_gate_open(struct log_gate *g, int64_t now_ms, int64_t interval_ms, uint64_t *ret_held)
{
    int64_t next = atomic_load_explicit(&g->next_ms, memory_order_relaxed);
    if (now_ms < next ||
        !atomic_compare_exchange_strong(&g->next_ms, &next, now_ms + interval_ms)) {
        atomic_fetch_add_explicit(&g->n_held, 1, memory_order_relaxed);
        return false;
    }
    *ret_held = atomic_exchange(&g->n_held, 0);
    return true;
}
