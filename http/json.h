/* JSON, written as a stream into a chain. Commas are put by the writer; keys, values and brackets
 * come in the order of the text:
 *
 *     json_object(j);  json_key(j, "n"); json_u64(j, 3);  json_object_end(j);          {"n":3}
 *
 * Numbers and times follow Prometheus' rules: a time is seconds with three decimals, or none when
 * they would be zero; a sample's value is a text with Go's shortest digits. Text that is not valid
 * UTF-8 comes out with U+FFFD for each byte that is wrong, so the result always parses.
 *
 * Memory running out is remembered in the chain (chain_failed). Threads: one at a time. */
#ifndef HG_HTTP_JSON_H
#define HG_HTTP_JSON_H

#include "http/chain.h"
#include "tsdb/labels.h"

struct json {
    struct chain *out; /* borrowed */
    bool needs_comma;
};

static inline void json_init(struct json *j, struct chain *out)
{
    j->out = out;
    j->needs_comma = false;
}

void json_object(struct json *j);
void json_object_end(struct json *j);
void json_array(struct json *j);
void json_array_end(struct json *j);
void json_key(struct json *j, const char *name); /* NUL-terminated */
void json_key_text(struct json *j, const char *name, size_t n);

/* Texts and keys are written as Go's encoding/json writes them: <, > and & as \u003c and so on. */
void json_text(struct json *j, const char *bytes, size_t n);
void json_string(struct json *j, const char *text); /* NUL-terminated */
void json_u64(struct json *j, uint64_t v);
void json_i64(struct json *j, int64_t v);
void json_bool(struct json *j, bool v);
void json_null(struct json *j);

/* 0.25: a number as Go's encoding/json writes it. v must be finite: JSON has no other. */
void json_double(struct json *j, double v);

/* 1435781451.781: a number of seconds. */
void json_time(struct json *j, int64_t t_ms);

/* "1e-07": a sample's value, quoted. */
void json_value(struct json *j, double v);

/* [1435781451.781,"1"] */
void json_point(struct json *j, int64_t t_ms, double v);

/* The same text; returns its length. */
enum { JSON_POINT_BYTES_MAX = 64 };
size_t json_point_text(int64_t t_ms, double v, char out[JSON_POINT_BYTES_MAX]);

/* A value that is written already. */
void json_raw(struct json *j, const void *bytes, size_t n);

/* {"__name__":"up","job":"<x>"}: Prometheus writes labels apart, with nothing but quotes,
 * backslashes and control characters escaped. */
void json_labels(struct json *j, const struct labels *ls);

#endif
