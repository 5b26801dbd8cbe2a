#include "tests/promqltest/series_line.h"

#include "tsdb/promql/promql.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *p;
    struct region *region;
    struct series_line *line;
    size_t cap;
    const char *error;
};

static bool fail(struct reader *r, const char *what)
{
    r->error = region_printf(r->region, "%s at \"%.40s\"", what, r->p);
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_end(char c)
{
    return c == 0 || is_space(c);
}

/* --- the series -------------------------------------------------------------------------------
 */

/* Bytes of the series' name and braces, which quotes may hide. */
static size_t metric_length(const char *text)
{
    char quote = 0;
    bool is_open = false;
    size_t i = 0;
    for (; text[i]; i++) {
        char c = text[i];
        if (quote && c == '\\' && text[i + 1])
            i++;
        else if (quote)
            quote = c == quote ? 0 : quote;
        else if (is_open && (c == '"' || c == '\'' || c == '`'))
            quote = c;
        else if (c == '{')
            is_open = true;
        else if (c == '}')
            return i + 1;
        else if (!is_open && (is_space(c) || c == '@'))
            break;
    }
    return i;
}

static bool read_metric(struct reader *r)
{
    struct matcher_set set;
    struct promql_error err;
    size_t n = metric_length(r->p);
    if (promql_parse_selector(r->p, n, r->region, &set, &err) != 0) {
        r->error = err.text;
        return false;
    }
    struct label *items = region_calloc(r->region, set.n + 1, sizeof(*items));
    bool is_good = items != NULL;
    uint32_t k = 0;
    for (size_t i = 0; i < set.n && is_good; i++) {
        const struct matcher *m = &set.items[i];
        is_good = m->kind == MATCH_EQUAL;
        if (m->value_len > 0)
            items[k++] = (struct label){m->name, m->value, m->name_len, m->value_len};
    }
    matcher_set_release(&set);
    if (!is_good)
        return fail(r, "not a series");
    r->line->labels = (struct labels){items, k};
    int bad = labels_normalise(&r->line->labels, NULL);
    if (bad != 0 && bad != ERR_LABELS_NO_NAME)
        return fail(r, "labels twice or too long");
    r->p += n;
    return true;
}

/* --- values ------------------------------------------------------------------------------------
 */

static bool add(struct reader *r, enum item_kind kind, double v)
{
    struct series_line *l = r->line;
    if (l->n >= ITEMS_MAX)
        return fail(r, "too many values");
    if (l->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 16;
        struct item *more = region_calloc(r->region, cap, sizeof(*more));
        if (!more)
            return fail(r, "out of memory");
        if (l->n > 0)
            memcpy(more, l->items, l->n * sizeof(*more));
        l->items = more;
        r->cap = cap;
    }
    l->items[l->n++] = (struct item){kind, v};
    l->has_histograms = l->has_histograms || kind == ITEM_HISTOGRAM;
    return true;
}

static size_t number_length(const char *s)
{
    size_t i = s[0] == '+' || s[0] == '-';
    if (strncasecmp(s + i, "inf", 3) == 0 || strncasecmp(s + i, "nan", 3) == 0)
        return i + 3;
    size_t first = i;
    while ((s[i] >= '0' && s[i] <= '9') || s[i] == '.')
        i++;
    if (i == first)
        return 0;
    if (s[i] == 'e' || s[i] == 'E') {
        size_t k = i + 1 + (s[i + 1] == '+' || s[i + 1] == '-');
        if (s[k] >= '0' && s[k] <= '9') {
            i = k;
            while (s[i] >= '0' && s[i] <= '9')
                i++;
        }
    }
    return i;
}

bool series_line_number(const char *text, size_t n, double *ret)
{
    char copy[64];
    if (n == 0 || n >= sizeof(copy) || number_length(text) != n)
        return false;
    snprintf(copy, sizeof(copy), "%.*s", (int)n, text);
    *ret = strtod(copy, NULL);
    if (isnan(*ret))
        *ret = NAN;
    return true;
}

static bool take_number(struct reader *r, double *ret)
{
    size_t n = number_length(r->p);
    if (!series_line_number(r->p, n, ret))
        return fail(r, "not a number");
    r->p += n;
    return true;
}

/* "x5": how often more. */
static bool take_times(struct reader *r, unsigned long *ret)
{
    char *end;
    *ret = 0;
    if (*r->p != 'x')
        return true;
    if (!(r->p[1] >= '0' && r->p[1] <= '9'))
        return fail(r, "not a count");
    *ret = strtoul(r->p + 1, &end, 10);
    r->p = end;
    return *ret <= ITEMS_MAX || fail(r, "too many values");
}

/* {{..}}, {{..}}x3, {{..}}+{{..}}x3: as many as there are. */
static bool read_histograms(struct reader *r)
{
    unsigned long n_more = 0;
    for (;;) {
        const char *end = strstr(r->p, "}}");
        if (!end)
            return fail(r, "histogram without an end");
        r->p = end + 2;
        if ((*r->p == '+' || *r->p == '-') && strncmp(r->p + 1, "{{", 2) == 0)
            r->p++;
        else
            break;
    }
    if (!take_times(r, &n_more))
        return false;
    for (unsigned long i = 0; i <= n_more; i++)
        if (!add(r, ITEM_HISTOGRAM, 0))
            return false;
    return true;
}

static bool read_floats(struct reader *r)
{
    double v, step = 0;
    unsigned long n_more = 0;
    if (!take_number(r, &v))
        return false;
    if ((*r->p == '+' || *r->p == '-') && !take_number(r, &step))
        return false;
    if (!take_times(r, &n_more))
        return false;
    for (unsigned long i = 0; i <= n_more; i++, v += step)
        if (!add(r, ITEM_FLOAT, v))
            return false;
    return true;
}

static bool read_item(struct reader *r)
{
    unsigned long n_more = 0;
    bool is_good = true;
    if (strncmp(r->p, "{{", 2) == 0)
        return read_histograms(r);
    if (strncmp(r->p, "stale", 5) == 0 && is_end(r->p[5])) {
        r->p += 5;
        return add(r, ITEM_STALE, 0);
    }
    if (*r->p != '_')
        return read_floats(r);
    r->p++;
    bool has_times = *r->p == 'x';
    is_good = take_times(r, &n_more);
    for (unsigned long i = has_times ? 1 : 0; i <= n_more && is_good; i++)
        is_good = add(r, ITEM_GAP, 0);
    return is_good;
}

bool series_line_read(const char *line, struct region *region, struct series_line *ret,
                      const char **ret_error)
{
    *ret = (struct series_line){0};
    struct reader r = {.p = line, .region = region, .line = ret};
    bool is_good = read_metric(&r);
    if (is_good && strncmp(r.p, "@st", 3) == 0) {
        ret->has_start_times = true;
        return true;
    }
    while (is_good) {
        while (is_space(*r.p))
            r.p++;
        if (*r.p == 0)
            break;
        is_good = read_item(&r);
        if (is_good && !is_end(*r.p))
            is_good = fail(&r, "unknown value");
    }
    *ret_error = r.error ? r.error : "out of memory";
    return is_good;
}
