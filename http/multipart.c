#include "http/multipart.h"

#include "http/quoted_printable.h"

#include <string.h>
#include <strings.h>

struct text {
    const char *bytes;
    size_t n;
};

struct reader {
    struct params *params;
    struct text rest;     /* of the body */
    struct text boundary; /* without its dashes */
    struct text newline;  /* that of the first boundary */
};

/* --- header values: "form-data; name=\"x\"; filename=y" ----------------------------------------
 */

static bool is_one_of(const char *set, char c)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static struct text text_skip(struct text t, size_t n)
{
    return (struct text){t.bytes + n, t.n - n};
}

static struct text skip_blanks(struct text t)
{
    while (t.n > 0 && is_one_of(" \t\r\n", t.bytes[0]))
        t = text_skip(t, 1);
    return t;
}

static size_t token_length(struct text t)
{
    size_t n = 0;
    while (n < t.n && !is_one_of("()<>@,;:\\\"/[]?= \t\r\n", t.bytes[n]))
        n++;
    return n;
}

static bool equals(struct text t, const char *lower)
{
    return t.n == strlen(lower) && strncasecmp(t.bytes, lower, t.n) == 0;
}

/* A token, or a text in quotes, where a backslash hides what may not stand in a token. Takes it
 * away from *rest; false without one, or without memory. */
static bool take_value(struct params *p, struct text *rest, struct text *ret)
{
    if (rest->n == 0 || rest->bytes[0] != '"') {
        *ret = (struct text){rest->bytes, token_length(*rest)};
        *rest = text_skip(*rest, ret->n);
        return ret->n > 0;
    }
    char *out = region_alloc(p->region, rest->n);
    size_t n = 0;
    if (!out) {
        p->is_out_of_memory = true;
        return false;
    }
    for (size_t i = 1; i < rest->n; i++) {
        if (rest->bytes[i] == '"') {
            *ret = (struct text){out, n};
            *rest = text_skip(*rest, i + 1);
            return true;
        }
        if (rest->bytes[i] == '\\' && i + 1 < rest->n &&
            is_one_of("()<>@,;:\\\"/[]?=", rest->bytes[i + 1]))
            i++;
        out[n++] = rest->bytes[i];
    }
    return false;
}

/* The parameter of that name in a value that begins with `kind`; false without it. */
static bool find_parameter(struct params *p, struct text value, const char *kind, const char *name,
                           struct text *ret)
{
    value = skip_blanks(value);
    size_t n = 0;
    while (n < value.n && value.bytes[n] != ';')
        n++;
    struct text rest = text_skip(value, n), first = {value.bytes, n};
    while (first.n > 0 && is_one_of(" \t\r\n", first.bytes[first.n - 1]))
        first.n--;
    if (!equals(first, kind))
        return false;
    for (;;) {
        rest = skip_blanks(rest);
        if (rest.n == 0 || rest.bytes[0] != ';')
            return false;
        rest = skip_blanks(text_skip(rest, 1));
        struct text key = {rest.bytes, token_length(rest)}, found;
        rest = skip_blanks(text_skip(rest, key.n));
        if (key.n == 0 || rest.n == 0 || rest.bytes[0] != '=')
            return false;
        rest = skip_blanks(text_skip(rest, 1));
        if (!take_value(p, &rest, &found))
            return false;
        if (equals(key, name)) {
            *ret = found;
            return true;
        }
    }
}

/* --- the body ----------------------------------------------------------------------------------
 */

/* With its newline; empty at the end. */
static struct text take_line(struct reader *r)
{
    const char *end = r->rest.n ? memchr(r->rest.bytes, '\n', r->rest.n) : NULL;
    struct text line = {r->rest.bytes, end ? (size_t)(end - r->rest.bytes) + 1 : r->rest.n};
    r->rest = text_skip(r->rest, line.n);
    return line;
}

static bool begins_with_boundary(const struct reader *r, struct text t)
{
    return t.n >= r->boundary.n + 2 && memcmp(t.bytes, "--", 2) == 0 &&
           memcmp(t.bytes + 2, r->boundary.bytes, r->boundary.n) == 0;
}

enum line_kind { LINE_OTHER, LINE_BOUNDARY, LINE_LAST };

static bool is_newline(const struct reader *r, struct text t)
{
    return t.n == r->newline.n && memcmp(t.bytes, r->newline.bytes, t.n) == 0;
}

static enum line_kind line_kind(const struct reader *r, struct text line)
{
    if (!begins_with_boundary(r, line))
        return LINE_OTHER;
    struct text rest = text_skip(line, r->boundary.n + 2);
    bool is_last = rest.n >= 2 && memcmp(rest.bytes, "--", 2) == 0;
    if (is_last)
        rest = text_skip(rest, 2);
    while (rest.n > 0 && is_one_of(" \t", rest.bytes[0]))
        rest = text_skip(rest, 1);
    if (is_last)
        return rest.n == 0 || is_newline(r, rest) ? LINE_LAST : LINE_OTHER;
    return rest.n > 0 && is_newline(r, rest) ? LINE_BOUNDARY : LINE_OTHER;
}

/* What comes before the first boundary is nobody's. That line also says how lines end. */
static enum line_kind skip_preamble(struct reader *r)
{
    while (r->rest.n > 0) {
        struct text line = take_line(r);
        bool ends_alone = line.n < 2 || line.bytes[line.n - 2] != '\r';
        r->newline = ends_alone ? (struct text){"\n", 1} : (struct text){"\r\n", 2};
        enum line_kind kind = line_kind(r, line);
        if (kind != LINE_OTHER)
            return kind;
    }
    return LINE_OTHER;
}

/* Values of a part's headers, with the lines that go on with them; empty without one. */
struct headers {
    struct text disposition, encoding;
};

/* Where the value goes; NULL for headers of no interest, and for the second of one. */
static struct text *header_of(struct headers *h, struct text line, size_t *ret_name)
{
    static const char disposition[] = "content-disposition:";
    static const char encoding[] = "content-transfer-encoding:";
    bool is_disposition = line.n >= sizeof(disposition) - 1 &&
                          strncasecmp(line.bytes, disposition, sizeof(disposition) - 1) == 0;
    bool is_encoding = line.n >= sizeof(encoding) - 1 &&
                       strncasecmp(line.bytes, encoding, sizeof(encoding) - 1) == 0;
    struct text *value = is_disposition ? &h->disposition : is_encoding ? &h->encoding : NULL;
    *ret_name = is_disposition ? sizeof(disposition) - 1 : sizeof(encoding) - 1;
    return value && value->n == 0 ? value : NULL;
}

/* Up to the empty line. */
static bool take_headers(struct reader *r, struct headers *ret)
{
    struct text *value = NULL;
    size_t n_name;
    *ret = (struct headers){{"", 0}, {"", 0}};
    for (bool is_first = true;; is_first = false) {
        struct text line = take_line(r);
        if (line.n == 0 || line.bytes[line.n - 1] != '\n')
            return false;
        if (line.n == 1 || (line.n == 2 && line.bytes[0] == '\r'))
            return true;
        if (is_one_of(" \t", line.bytes[0])) {
            if (is_first)
                return false;
            if (value)
                value->n += line.n;
            continue;
        }
        if (!memchr(line.bytes, ':', line.n))
            return false;
        value = header_of(ret, line, &n_name);
        if (value)
            *value = text_skip(line, n_name);
    }
}

/* True when a boundary and what may follow it stand there. */
static bool is_at_boundary(const struct reader *r, struct text t)
{
    if (!begins_with_boundary(r, t))
        return false;
    t = text_skip(t, r->boundary.n + 2);
    return t.n == 0 || is_one_of(" \t\r\n", t.bytes[0]) ||
           (t.n >= 2 && memcmp(t.bytes, "--", 2) == 0);
}

/* Up to the newline before the next boundary, which goes with it. */
static bool take_content(struct reader *r, struct text *ret)
{
    *ret = (struct text){r->rest.bytes, 0};
    if (is_at_boundary(r, r->rest))
        return true;
    for (; r->rest.n > r->newline.n; r->rest = text_skip(r->rest, 1), ret->n++) {
        struct text behind = text_skip(r->rest, r->newline.n);
        if (memcmp(r->rest.bytes, r->newline.bytes, r->newline.n) == 0 &&
            is_at_boundary(r, behind)) {
            r->rest = behind;
            return true;
        }
    }
    return false;
}

/* A line that goes on leaves a blank behind, so that the name must stand on the last. */
static bool is_quoted_printable(struct text value)
{
    value = skip_blanks(value);
    if (value.n > 0 && memchr(value.bytes, '\n', value.n - 1))
        return false;
    while (value.n > 0 && is_one_of(" \t\r\n", value.bytes[value.n - 1]))
        value.n--;
    return equals(value, "quoted-printable");
}

/* The one encoding that Go undoes; others stay as they are. */
static bool decode(struct params *p, const struct headers *h, struct text *content)
{
    if (!is_quoted_printable(h->encoding) || content->n == 0)
        return true;
    char *out = region_alloc(p->region, content->n);
    p->is_out_of_memory = p->is_out_of_memory || !out;
    struct text encoded = *content;
    content->bytes = out;
    return out && quoted_printable_decode(encoded.bytes, encoded.n, out, &content->n);
}

static bool take_part(struct reader *r)
{
    struct headers h;
    struct text content, name, filename;
    if (!take_headers(r, &h) || !take_content(r, &content))
        return false;
    bool is_file = find_parameter(r->params, h.disposition, "form-data", "filename", &filename) &&
                   filename.n > 0;
    bool has_name =
        find_parameter(r->params, h.disposition, "form-data", "name", &name) && name.n > 0;
    if (has_name && !decode(r->params, &h, &content))
        return false;
    if (!is_file && has_name)
        params_add(r->params, name.bytes, name.n, content.bytes, content.n);
    return true;
}

void multipart_add(struct params *p, const char *content_type, const char *body, size_t n)
{
    struct reader r = {.params = p, .rest = {body, n}};
    if (!content_type || !find_parameter(p, (struct text){content_type, strlen(content_type)},
                                         "multipart/form-data", "boundary", &r.boundary))
        return;
    struct param *last = p->last;
    size_t n_before = p->n;
    enum line_kind kind = skip_preamble(&r);
    while (kind == LINE_BOUNDARY)
        kind = take_part(&r) ? line_kind(&r, take_line(&r)) : LINE_OTHER;
    if (kind == LINE_LAST)
        return;
    p->last = last;
    p->n = n_before;
    if (last)
        last->next = NULL;
    else
        p->first = NULL;
}
