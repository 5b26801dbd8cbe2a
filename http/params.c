#include "http/params.h"

#include "tsdb/labels.h"
#include "tsdb/promql/promql.h"
#include "tsdb/promql/quote.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void params_init(struct params *p, struct region *r)
{
    memset(p, 0, sizeof(*p));
    p->region = r;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

size_t params_decode(char *bytes, size_t n, bool plus_is_space)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        char c = bytes[i];
        if (c == '%') {
            int high = i + 2 < n ? hex_digit(bytes[i + 1]) : -1;
            int low = i + 2 < n ? hex_digit(bytes[i + 2]) : -1;
            if (high < 0 || low < 0)
                return SIZE_MAX;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        bytes[to++] = c;
    }
    return to;
}

static void append(struct params *p, struct param *item)
{
    if (p->last)
        p->last->next = item;
    else
        p->first = item;
    p->last = item;
    p->n++;
}

/* Copies with room for a NUL; NULL when there may be no more, or no memory is left. */
static struct param *copy_pair(struct params *p, const char *name, size_t name_len,
                               const char *value, size_t value_len)
{
    if (p->n >= PARAMS_MAX || p->is_out_of_memory)
        return NULL;
    struct param *item = region_alloc(p->region, sizeof(*item));
    char *name_copy = region_copy(p->region, name, name_len);
    char *value_copy = region_copy(p->region, value, value_len);
    p->is_out_of_memory = !item || !name_copy || !value_copy;
    if (p->is_out_of_memory)
        return NULL;
    *item = (struct param){name_copy, value_copy, name_len, value_len, NULL};
    return item;
}

void params_add(struct params *p, const char *name, size_t name_len, const char *value,
                size_t value_len)
{
    struct param *item = copy_pair(p, name, name_len, value, value_len);
    if (item)
        append(p, item);
}

/* The first wrong escape of the encoded text, as url.EscapeError shows it. */
static void note_escape(struct params *p, const char *text, size_t n)
{
    const char *at = text;
    char copy[3] = "";
    for (size_t left = n; left > 0; left = n - (size_t)(at - text)) {
        at = memchr(at, '%', left);
        if (!at)
            return;
        left = n - (size_t)(at - text);
        size_t length = left < sizeof(copy) ? left : sizeof(copy);
        memcpy(copy, at, length);
        if (params_decode(copy, length, false) == SIZE_MAX) {
            struct textbuf b;
            textbuf_init(&b, p->region);
            textbuf_puts(&b, "invalid URL escape ");
            quote_add(&b, at, length);
            p->fault = textbuf_finish(&b);
            return;
        }
        at += length;
    }
}

static void note_fault(struct params *p, const char *name, size_t name_len, const char *value,
                       size_t value_len)
{
    if (p->fault)
        return;
    if (memchr(name, ';', name_len) || memchr(value, ';', value_len))
        p->fault = "invalid semicolon separator in query";
    else
        note_escape(p, name, name_len);
    if (!p->fault)
        note_escape(p, value, value_len);
}

void params_add_encoded(struct params *p, const char *name, size_t name_len, const char *value,
                        size_t value_len, bool plus_is_space)
{
    struct param *item = copy_pair(p, name, name_len, value, value_len);
    if (!item)
        return;
    char *decoded_name = (char *)(uintptr_t)item->name, *decoded = (char *)(uintptr_t)item->value;
    item->name_len = params_decode(decoded_name, name_len, plus_is_space);
    item->value_len = params_decode(decoded, value_len, plus_is_space);
    if (item->name_len == SIZE_MAX || item->value_len == SIZE_MAX || memchr(name, ';', name_len) ||
        memchr(value, ';', value_len)) {
        note_fault(p, name, name_len, value, value_len);
        return;
    }
    decoded_name[item->name_len] = '\0';
    decoded[item->value_len] = '\0';
    append(p, item);
}

void params_add_form(struct params *p, const char *form, size_t n)
{
    for (size_t at = 0; at < n;) {
        const char *pair = form + at;
        const char *amp = memchr(pair, '&', n - at);
        size_t len = amp ? (size_t)(amp - pair) : n - at;
        const char *equals = memchr(pair, '=', len);
        size_t name_len = equals ? (size_t)(equals - pair) : len;
        size_t value_len = equals ? len - name_len - 1 : 0;
        if (len > 0)
            params_add_encoded(p, pair, name_len, equals ? equals + 1 : "", value_len, true);
        at += len + 1;
    }
}

const struct param *params_next(const struct params *p, const char *name, const struct param *after)
{
    size_t n = strlen(name);
    for (const struct param *i = after ? after->next : p->first; i; i = i->next)
        if (i->name_len == n && memcmp(i->name, name, n) == 0)
            return i;
    return NULL;
}

const char *params_text(const struct params *p, const char *name)
{
    const struct param *found = params_next(p, name, NULL);
    return found ? found->value : "";
}

bool params_is_form(const char *content_type)
{
    static const char form[] = "application/x-www-form-urlencoded";
    if (!content_type)
        return false;
    content_type += strspn(content_type, " \t");
    size_t n = strcspn(content_type, "; \t");
    return n == sizeof(form) - 1 && strncasecmp(content_type, form, n) == 0;
}

/* One UTF-8 character for a code point; 0 bytes when there is none. */
static size_t put_code_point(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c >= 0xd800 && c < 0xe000)
        return 0;
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    if (c > 0x10ffff)
        return 0;
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* The escape that follows an underscore: "_" or "HEX_". Returns how many bytes of text it takes, 0
 * when it is not one. The text it stands for is never longer. */
static size_t unescape_one(const char *text, size_t n, char *out, size_t *ret_out)
{
    uint32_t c = 0;
    size_t i = 0;
    if (n > 0 && text[0] == '_') {
        out[0] = '_';
        *ret_out = 1;
        return 1;
    }
    for (; i < n && i < 6 && hex_digit(text[i]) >= 0; i++)
        c = c * 16 + (uint32_t)hex_digit(text[i]);
    if (i == 0 || i >= n || text[i] != '_')
        return 0;
    *ret_out = put_code_point(c, out);
    return *ret_out > 0 ? i + 1 : 0;
}

size_t params_unescape_name(const char *name, size_t n, char *out)
{
    size_t to = 0;
    if (n < 3 || memcmp(name, "U__", 3) != 0) {
        memcpy(out, name, n);
        return n;
    }
    for (size_t i = 3; i < n; i++) {
        size_t made = 0;
        if (name[i] != '_') {
            out[to++] = name[i];
            continue;
        }
        size_t took = unescape_one(name + i + 1, n - i - 1, out + to, &made);
        if (took == 0) {
            memcpy(out, name, n);
            return n;
        }
        i += took;
        to += made;
    }
    return to;
}

/* Go's ParseFloat, but for hexadecimal: no spaces before, nothing after. */
static bool parse_double(const char *text, double *ret)
{
    const char *p = text + (*text == '-' || *text == '+');
    char *end;
    bool is_word =
        strcasecmp(p, "nan") == 0 || strcasecmp(p, "inf") == 0 || strcasecmp(p, "infinity") == 0;
    if (!is_word && strspn(p, "0123456789.eE+-") != strlen(p))
        return false;
    double v = strtod(text, &end);
    if (end == text || *end != '\0')
        return false;
    *ret = v;
    return true;
}

static bool parse_digits(const char **p, int n, int64_t *ret)
{
    int64_t v = 0;
    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *ret = v;
    return true;
}

static bool parse_char(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

/* Days from 1970-01-01 to a day of the Gregorian calendar: years start in March, so that the leap
 * day is the last one of its year, and repeat every 400. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool is_date(int64_t year, int64_t month, int64_t day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1)
        return false;
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && is_leap);
}

/* "Z" or "+02:00"; seconds east */
static bool parse_zone(const char **p, int64_t *ret_seconds)
{
    int64_t hours, minutes;
    *ret_seconds = 0;
    if (parse_char(p, 'Z'))
        return true;
    bool is_west = **p == '-';
    if (!parse_char(p, '+') && !parse_char(p, '-'))
        return false;
    if (!parse_digits(p, 2, &hours) || !parse_char(p, ':') || !parse_digits(p, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *ret_seconds = (hours * 3600 + minutes * 60) * (is_west ? -1 : 1);
    return true;
}

static bool parse_rfc3339(const char *text, int64_t *ret_ms)
{
    const char *p = text;
    int64_t year, month, day, hour, minute, second, zone, ms = 0;
    if (!parse_digits(&p, 4, &year) || !parse_char(&p, '-') || !parse_digits(&p, 2, &month) ||
        !parse_char(&p, '-') || !parse_digits(&p, 2, &day) || !parse_char(&p, 'T') ||
        !parse_digits(&p, 2, &hour) || !parse_char(&p, ':') || !parse_digits(&p, 2, &minute) ||
        !parse_char(&p, ':') || !parse_digits(&p, 2, &second))
        return false;
    if (!is_date(year, month, day) || hour > 23 || minute > 59 || second > 59)
        return false;
    if (parse_char(&p, '.')) {
        if (*p < '0' || *p > '9')
            return false;
        for (int64_t place = 100; *p >= '0' && *p <= '9'; p++, place /= 10)
            ms += place * (*p - '0');
    }
    if (!parse_zone(&p, &zone) || *p != '\0')
        return false;
    int64_t seconds =
        days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
    *ret_ms = seconds * 1000 + ms;
    return true;
}

bool params_parse_time(const char *text, int64_t *ret_ms)
{
    double seconds;
    if (parse_double(text, &seconds)) {
        double ms = seconds * 1000;
        if (!isfinite(seconds) || fabs(ms) >= 9.2e18)
            return false;
        double whole;
        double fraction = modf(seconds, &whole);
        *ret_ms = (int64_t)whole * 1000 + (int64_t)round(fraction * 1000);
        return true;
    }
    if (strcmp(text, "-292273086-05-16T16:47:06Z") == 0) {
        *ret_ms = PARAMS_TIME_MIN_MS;
        return true;
    }
    if (strcmp(text, "292277025-08-18T07:12:54.999999999Z") == 0) {
        *ret_ms = PARAMS_TIME_MAX_MS;
        return true;
    }
    return parse_rfc3339(text, ret_ms);
}

enum params_duration params_parse_duration(const char *text, int64_t *ret_ns)
{
    double seconds;
    int64_t ms;
    if (parse_double(text, &seconds)) {
        double ns = seconds * 1e9;
        if (isnan(ns))
            return DURATION_INVALID;
        if (ns >= 0x1p63 || ns < -0x1p63)
            return DURATION_OVERFLOW;
        *ret_ns = (int64_t)ns;
        return DURATION_OK;
    }
    if (!promql_parse_duration(text, strlen(text), &ms) ||
        __builtin_mul_overflow(ms, 1000000, ret_ns))
        return DURATION_INVALID;
    return DURATION_OK;
}

bool params_parse_i64(const char *text, int64_t *ret)
{
    const char *p = text + (*text == '-' || *text == '+');
    int64_t v = 0;
    int sign = *text == '-' ? -1 : 1;
    if (*p == '\0')
        return false;
    for (; *p; p++)
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, sign * (*p - '0'), &v))
            return false;
    *ret = v;
    return true;
}

bool params_parse_bool(const char *text, bool *ret)
{
    static const char *const words[] = {"1", "t", "T", "TRUE",  "true",  "True",
                                        "0", "f", "F", "FALSE", "false", "False"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(text, words[i]) != 0)
            continue;
        *ret = i < ARRAY_LEN(words) / 2;
        return true;
    }
    return false;
}
