#include "http/json.h"

#include "tsdb/promql/float_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_comma(struct json *j)
{
    if (j->needs_comma)
        chain_put(j->out, ",", 1);
}

static void open_with(struct json *j, const char *bracket)
{
    put_comma(j);
    chain_put(j->out, bracket, 1);
    j->needs_comma = false;
}

static void close_with(struct json *j, const char *bracket)
{
    chain_put(j->out, bracket, 1);
    j->needs_comma = true;
}

void json_object(struct json *j)
{
    open_with(j, "{");
}

void json_object_end(struct json *j)
{
    close_with(j, "}");
}

void json_array(struct json *j)
{
    open_with(j, "[");
}

void json_array_end(struct json *j)
{
    close_with(j, "]");
}

/* Length of the UTF-8 sequence at the front of p, 0 when there is none. */
static size_t sequence_len(const char *p, size_t n)
{
    for (size_t len = 1; len <= size_min(n, 4); len++)
        if (utf8_is_valid(p, len))
            return len;
    return 0;
}

static void put_escaped_byte(struct chain *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    switch (c) {
    case '"':
        chain_put(out, "\\\"", 2);
        return;
    case '\\':
        chain_put(out, "\\\\", 2);
        return;
    case '\n':
        chain_put(out, "\\n", 2);
        return;
    case '\r':
        chain_put(out, "\\r", 2);
        return;
    case '\t':
        chain_put(out, "\\t", 2);
        return;
    default:
        chain_put(out, (const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
        return;
    }
}

/* Go's encoding/json keeps these out of the reach of HTML and of JavaScript. */
static bool is_unsafe(const char *bytes, size_t len)
{
    return len == 1 ? bytes[0] == '<' || bytes[0] == '>' || bytes[0] == '&'
                    : len == 3 && (memcmp(bytes, "\xe2\x80\xa8", 3) == 0 ||
                                   memcmp(bytes, "\xe2\x80\xa9", 3) == 0);
}

/* The inside of a string. Runs that need no escape are copied whole. */
static void put_escaped(struct chain *out, const char *bytes, size_t n, bool is_safe)
{
    size_t run = 0, i = 0;
    while (i < n) {
        unsigned char c = (unsigned char)bytes[i];
        size_t len = c < 0x80 ? 1 : sequence_len(bytes + i, n - i);
        bool is_plain =
            len > 0 && c >= ' ' && c != '"' && c != '\\' && !(is_safe && is_unsafe(bytes + i, len));
        if (is_plain) {
            i += len;
            continue;
        }
        chain_put(out, bytes + run, i - run);
        if (len == 0)
            chain_put(out, "\\ufffd", 6);
        else if (len == 3)
            chain_put(out, bytes[i + 2] == '\xa8' ? "\\u2028" : "\\u2029", 6);
        else
            put_escaped_byte(out, c);
        i += len == 0 ? 1 : len;
        run = i;
    }
    chain_put(out, bytes + run, n - run);
}

static void put_quoted(struct chain *out, const char *bytes, size_t n, bool is_safe)
{
    chain_put(out, "\"", 1);
    put_escaped(out, bytes, n, is_safe);
    chain_put(out, "\"", 1);
}

void json_key_text(struct json *j, const char *name, size_t n)
{
    put_comma(j);
    put_quoted(j->out, name, n, true);
    chain_put(j->out, ":", 1);
    j->needs_comma = false;
}

void json_key(struct json *j, const char *name)
{
    json_key_text(j, name, strlen(name));
}

void json_text(struct json *j, const char *bytes, size_t n)
{
    put_comma(j);
    put_quoted(j->out, bytes, n, true);
    j->needs_comma = true;
}

void json_string(struct json *j, const char *text)
{
    json_text(j, text, strlen(text));
}

void json_u64(struct json *j, uint64_t v)
{
    put_comma(j);
    chain_put_u64(j->out, v);
    j->needs_comma = true;
}

void json_i64(struct json *j, int64_t v)
{
    put_comma(j);
    chain_put_i64(j->out, v);
    j->needs_comma = true;
}

void json_bool(struct json *j, bool v)
{
    put_comma(j);
    chain_put_text(j->out, v ? "true" : "false");
    j->needs_comma = true;
}

void json_null(struct json *j)
{
    put_comma(j);
    chain_put_text(j->out, "null");
    j->needs_comma = true;
}

/* As a sample's value, but for small exponents: Go writes 1e-7 there, and 1e-07 everywhere else. */
void json_double(struct json *j, double v)
{
    char text[FLOAT_TEXT_MAX];
    assert(isfinite(v));
    size_t n = float_text_json(v, text);
    if (n >= 4 && text[n - 4] == 'e' && text[n - 3] == '-' && text[n - 2] == '0') {
        text[n - 2] = text[n - 1];
        n--;
    }
    put_comma(j);
    chain_put(j->out, text, n);
    j->needs_comma = true;
}

static size_t digits_text(uint64_t v, char *out)
{
    char digits[20];
    size_t at = sizeof(digits);
    for (; v >= 100; v /= 100) {
        unsigned two = (unsigned)(v % 100);
        digits[--at] = (char)('0' + two % 10);
        digits[--at] = (char)('0' + two / 10);
    }
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    memcpy(out, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

static size_t time_text(int64_t t_ms, char *out)
{
    uint64_t magnitude = t_ms < 0 ? 0 - (uint64_t)t_ms : (uint64_t)t_ms;
    unsigned rest = (unsigned)(magnitude % 1000);
    size_t n = 0;
    if (t_ms < 0)
        out[n++] = '-';
    n += digits_text(magnitude / 1000, out + n);
    if (rest > 0) {
        out[n++] = '.';
        out[n++] = (char)('0' + rest / 100);
        out[n++] = (char)('0' + rest / 10 % 10);
        out[n++] = (char)('0' + rest % 10);
    }
    return n;
}

void json_time(struct json *j, int64_t t_ms)
{
    char text[JSON_POINT_BYTES_MAX];
    put_comma(j);
    chain_put(j->out, text, time_text(t_ms, text));
    j->needs_comma = true;
}

static size_t value_text(double v, char *out)
{
    char text[FLOAT_TEXT_MAX];
    size_t n = float_text_json(v, text);
    out[0] = '"';
    memcpy(out + 1, text, n);
    out[n + 1] = '"';
    return n + 2;
}

size_t json_point_text(int64_t t_ms, double v, char out[JSON_POINT_BYTES_MAX])
{
    size_t n = 0;
    out[n++] = '[';
    n += time_text(t_ms, out + n);
    out[n++] = ',';
    n += value_text(v, out + n);
    out[n++] = ']';
    return n;
}

void json_value(struct json *j, double v)
{
    char text[JSON_POINT_BYTES_MAX];
    put_comma(j);
    chain_put(j->out, text, value_text(v, text));
    j->needs_comma = true;
}

void json_point(struct json *j, int64_t t_ms, double v)
{
    char text[JSON_POINT_BYTES_MAX];
    put_comma(j);
    chain_put(j->out, text, json_point_text(t_ms, v, text));
    j->needs_comma = true;
}

void json_raw(struct json *j, const void *bytes, size_t n)
{
    put_comma(j);
    chain_put(j->out, bytes, n);
    j->needs_comma = true;
}

void json_labels(struct json *j, const struct labels *ls)
{
    json_object(j);
    for (uint32_t i = 0; i < ls->n; i++) {
        put_comma(j);
        put_quoted(j->out, ls->items[i].name, ls->items[i].name_len, false);
        chain_put(j->out, ":", 1);
        put_quoted(j->out, ls->items[i].value, ls->items[i].value_len, false);
        j->needs_comma = true;
    }
    json_object_end(j);
}
