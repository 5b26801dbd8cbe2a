/* The parameters of a request, from the query of the URL and from a form in the body (which goes
 * first), and the readers of the kinds of value that Prometheus' API has.
 *
 * Names and values are decoded into the region and are NUL-terminated there (a NUL inside a value
 * counts by its length). Threads: one at a time. */
#ifndef HG_HTTP_PARAMS_H
#define HG_HTTP_PARAMS_H

#include "alloc/region.h"

enum { PARAMS_MAX = 1024 }; /* of one request; what comes after is not read */

struct param {
    const char *name;
    const char *value;
    size_t name_len, value_len;
    struct param *next;
};

struct params {
    struct region *region; /* borrowed */
    struct param *first, *last;
    size_t n;
    bool is_out_of_memory;
    const char *fault; /* what Go's parser says of the first pair that was left out; NULL = none */
};

void params_init(struct params *p, struct region *r);

/* Adds one pair as it is; both halves are copied. */
void params_add(struct params *p, const char *name, size_t name_len, const char *value,
                size_t value_len);

/* Adds one pair whose two halves are still percent-encoded; a pair with a wrong escape or a
 * semicolon is left out, as Go does. plus_is_space: "+" stands for a space. */
void params_add_encoded(struct params *p, const char *name, size_t name_len, const char *value,
                        size_t value_len, bool plus_is_space);

/* Adds "a=b&c=d", as a query or a form has it. */
void params_add_form(struct params *p, const char *form, size_t n);

/* The first parameter of that name after `after` (NULL: from the front), or NULL. */
const struct param *params_next(const struct params *p, const char *name,
                                const struct param *after);

/* The first value of that name, "" when there is none. */
const char *params_text(const struct params *p, const char *name);

/* True when a content type (may be NULL) says that the body is a form. */
bool params_is_form(const char *content_type);

/* Percent-decoding in place; the new length, or SIZE_MAX on a wrong escape. */
size_t params_decode(char *bytes, size_t n, bool plus_is_space);

/* A name in a path, escaped for names that are not classic: "U__http_2e_status" is "http.status".
 * out takes n bytes; returns the length. What is not a valid escape is copied as it is. */
size_t params_unescape_name(const char *name, size_t n, char *out);

/* Seconds since the epoch with decimals (rounded to ms), or RFC 3339. */
bool params_parse_time(const char *text, int64_t *ret_ms);

enum params_duration { DURATION_OK, DURATION_INVALID, DURATION_OVERFLOW };

/* Seconds with decimals, or "5m"; in nanoseconds, since a step may have a fraction of a ms. */
enum params_duration params_parse_duration(const char *text, int64_t *ret_ns);

/* A whole number, maybe with a sign; false when it is not one or does not fit. */
bool params_parse_i64(const char *text, int64_t *ret);

/* What Go takes for a boolean: "1", "t", "T", "true", "TRUE", "True" and their opposites. */
bool params_parse_bool(const char *text, bool *ret);

/* The ends of time in Prometheus' API. */
#define PARAMS_TIME_MIN_MS ((INT64_MIN / 1000 + 62135596801) * 1000)
#define PARAMS_TIME_MAX_MS ((INT64_MAX / 1000 - 62135596801) * 1000 + 999)

#endif
