#include "tsdb/promql/literal.h"

#include "tsdb/promql/float_digits.h"
#include "tsdb/promql/float_text.h"
#include "tsdb/promql/quote.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static const int64_t NS_PER_MS = 1000000;

static const struct {
    char name[3];
    int64_t ms;
    bool is_exact_only; /* printed only when nothing smaller is left */
} units[] = {
    {"y", 365LL * 24 * 3600 * 1000, true},
    {"w", 7LL * 24 * 3600 * 1000, true},
    {"d", 24LL * 3600 * 1000, false},
    {"h", 3600LL * 1000, false},
    {"m", 60LL * 1000, false},
    {"s", 1000, false},
    {"ms", 1, false},
};

/* r may be NULL: then the text of an error is of no interest. */
static const char *message(struct region *r, const char *before, const char *text, size_t n,
                           const char *after)
{
    if (!r)
        return "";
    struct textbuf b;
    textbuf_init(&b, r);
    textbuf_puts(&b, before);
    quote_add(&b, text, n);
    textbuf_puts(&b, after);
    const char *done = textbuf_finish(&b);
    return done ? done : "out of query memory";
}

static bool is_word(const char *text, size_t n, const char *word)
{
    if (n != strlen(word))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((text[i] | 0x20) != word[i])
            return false;
    return true;
}

/* Go's integer of base 0 without sign: 0x, 0 (octal), or decimal. False when it is none or does not
 * fit an int64. Underscores were removed. */
static bool read_integer(const char *text, size_t n, double *ret)
{
    unsigned base = 10;
    if (n > 1 && text[0] == '0') {
        bool is_hex = (text[1] | 0x20) == 'x';
        base = is_hex ? 16 : 8;
        text += is_hex ? 2 : 1;
        n -= is_hex ? 2 : 1;
    }
    if (n == 0)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
                         : (c | 0x20) >= 'a' && (c | 0x20) <= 'f'
                             ? (unsigned)((c | 0x20) - 'a' + 10)
                             : 16;
        if (digit >= base || __builtin_mul_overflow(value, (int64_t)base, &value) ||
            __builtin_add_overflow(value, (int64_t)digit, &value))
            return false;
    }
    *ret = (double)value;
    return true;
}

/* Underscores stand between digits, or after 0x. */
static bool has_good_underscores(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '_')
            continue;
        bool is_before = i > 0 && (isxdigit((unsigned char)text[i - 1]) || (text[1] | 0x20) == 'x');
        if (!is_before || i + 1 == n || !isxdigit((unsigned char)text[i + 1]))
            return false;
    }
    return true;
}

bool literal_number(const char *text, size_t n, struct region *r, double *ret,
                    const char **ret_error)
{
    if (is_word(text, n, "nan")) {
        uint64_t quiet = 0x7ff8000000000001; /* Go's, and not the stale marker */
        memcpy(ret, &quiet, sizeof(quiet));
        return true;
    }
    if (is_word(text, n, "inf")) {
        *ret = INFINITY;
        return true;
    }
    char *digits = region_alloc(r, n);
    if (!digits) {
        *ret_error = "out of query memory";
        return false;
    }
    size_t n_digits = 0;
    for (size_t i = 0; i < n; i++)
        if (text[i] != '_')
            digits[n_digits++] = text[i];
    enum float_read result = FLOAT_READ_SYNTAX;
    if (has_good_underscores(text, n)) {
        if (read_integer(digits, n_digits, ret))
            return true;
        result = float_read(digits, n_digits, ret);
    }
    if (result == FLOAT_READ_OK)
        return true;
    *ret_error = message(r, "error parsing number: strconv.ParseFloat: parsing ", text, n,
                         result == FLOAT_READ_RANGE ? ": value out of range" : ": invalid syntax");
    return false;
}

struct duration_reader {
    struct region *region;
    const char *text;
    size_t n;
    size_t pos;
    size_t n_units;    /* of the table that are used up: they go from large to small */
    uint64_t total_ns; /* <= INT64_MAX */
    const char *error;
};

static bool read_count(struct duration_reader *d, uint64_t *ret)
{
    size_t first = d->pos;
    *ret = 0;
    for (; d->pos < d->n && d->text[d->pos] >= '0' && d->text[d->pos] <= '9'; d->pos++)
        if (__builtin_mul_overflow(*ret, (uint64_t)10, ret) ||
            __builtin_add_overflow(*ret, (uint64_t)(d->text[d->pos] - '0'), ret))
            return false;
    return d->pos > first;
}

/* A number with its unit. */
static bool read_unit(struct duration_reader *d)
{
    uint64_t count;
    bool has_count = read_count(d, &count);
    const char *unit = d->text + d->pos;
    while (d->pos < d->n && !(d->text[d->pos] >= '0' && d->text[d->pos] <= '9'))
        d->pos++;
    size_t unit_n = (size_t)(d->text + d->pos - unit);
    size_t k = 0;
    while (k < ARRAY_LEN(units) &&
           !(strlen(units[k].name) == unit_n && memcmp(units[k].name, unit, unit_n) == 0))
        k++;
    if (!has_count || unit_n == 0 || (k < ARRAY_LEN(units) && k < d->n_units)) {
        d->error = message(d->region, "not a valid duration string: ", d->text, d->n, "");
        return false;
    }
    if (k == ARRAY_LEN(units)) {
        const char *whole = message(d->region, " in duration ", d->text, d->n, "");
        d->error = message(d->region, "unknown unit ", unit, unit_n, whole);
        return false;
    }
    d->n_units = k + 1;
    uint64_t unit_ns = (uint64_t)(units[k].ms * NS_PER_MS);
    if (count > ((uint64_t)1 << 63) / unit_ns ||
        (d->total_ns += count * unit_ns) > (uint64_t)INT64_MAX) {
        d->error = "duration out of range";
        return false;
    }
    return true;
}

bool literal_duration(const char *text, size_t n, struct region *r, int64_t *ret_ns,
                      const char **ret_error)
{
    struct duration_reader d = {.region = r, .text = text, .n = n};
    if (n == 1 && text[0] == '0') {
        *ret_ns = 0;
        return true;
    }
    d.error = "empty duration string";
    bool is_good = n > 0;
    while (is_good && d.pos < n)
        is_good = read_unit(&d);
    if (is_good)
        *ret_ns = (int64_t)d.total_ns;
    else
        *ret_error = d.error;
    return is_good;
}

bool literal_duration_is_valid(const char *text, size_t n, int64_t *ret_ns)
{
    const char *error;
    return literal_duration(text, n, NULL, ret_ns, &error);
}

static uint32_t read_digits(const char *text, size_t n, unsigned base)
{
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        value = value * base + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* The escape at text (after the backslash) written to out; returns the bytes taken. */
static size_t unescape(const char *text, char *out, size_t *out_n)
{
    static const char named[] = "a\ab\bf\fn\nr\rt\tv\v";
    for (const char *p = named; *p; p += 2) {
        if (*p == text[0]) {
            out[(*out_n)++] = p[1];
            return 1;
        }
    }
    if (text[0] >= '0' && text[0] <= '7') {
        out[(*out_n)++] = (char)read_digits(text, 3, 8);
        return 3;
    }
    if (text[0] == 'x') {
        out[(*out_n)++] = (char)read_digits(text + 1, 2, 16);
        return 3;
    }
    if (text[0] == 'u' || text[0] == 'U') {
        size_t n_digits = text[0] == 'u' ? 4 : 8;
        *out_n += rune_encode(read_digits(text + 1, n_digits, 16), out + *out_n);
        return 1 + n_digits;
    }
    out[(*out_n)++] = text[0]; /* a quote or a backslash */
    return 1;
}

bool literal_string(const char *text, size_t n, struct region *r, const char **ret, size_t *ret_len)
{
    assert(n >= 2);
    char *out = region_alloc(r, n);
    if (!out)
        return false;
    size_t out_n = 0;
    bool is_raw = text[0] == '`';
    for (size_t i = 1; i < n - 1;) {
        if (is_raw && text[i] == '\r') {
            i++;
        } else if (is_raw || text[i] != '\\') {
            out[out_n++] = text[i++];
        } else {
            i++;
            i += unescape(text + i, out, &out_n);
        }
    }
    out[out_n] = 0;
    *ret = out;
    *ret_len = out_n;
    return true;
}

void literal_add_duration(struct textbuf *b, int64_t ms)
{
    if (ms < 0) {
        textbuf_char(b, '-');
        ms = -ms;
    }
    if (ms == 0) {
        textbuf_puts(b, "0s");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (units[i].is_exact_only && ms % units[i].ms != 0)
            continue;
        int64_t n = ms / units[i].ms;
        if (n > 0)
            textbuf_printf(b, "%lld%s", (long long)n, units[i].name);
        ms -= n * units[i].ms;
    }
}

double literal_seconds(int64_t ns)
{
    const int64_t NS_PER_S = 1000000000;
    return (double)(ns / NS_PER_S) + (double)(ns % NS_PER_S) / 1e9;
}
