#include "http/escaping.h"

#include <stdlib.h>
#include <string.h>

static const char *const texts[] = {
    [ESCAPING_UNDERSCORES] = "underscores",
    [ESCAPING_DOTS] = "dots",
    [ESCAPING_VALUES] = "values",
    [ESCAPING_ALLOW_UTF8] = "allow-utf-8",
};

const char *escaping_text(enum escaping e)
{
    return texts[e];
}

/* --- Accept ----------------------------------------------------------------------------------- */

enum { CLAUSES_MAX = 32 }; /* of a header; what comes behind is not looked at */

/* One of the comma-separated parts: "text/plain;version=0.0.4;q=0.5". */
struct clause {
    const char *text;
    size_t n;
    double q;
    size_t number;
};

/* The value of a parameter of a clause, "" when there is none. */
static const char *parameter(const struct clause *c, const char *name, size_t *ret_n)
{
    const char *end = c->text + c->n;
    size_t n_name = strlen(name);
    for (const char *p = memchr(c->text, ';', c->n); p; p = memchr(p, ';', (size_t)(end - p))) {
        p++;
        while (p < end && *p == ' ')
            p++;
        if ((size_t)(end - p) <= n_name || memcmp(p, name, n_name) != 0 || p[n_name] != '=')
            continue;
        const char *value = p + n_name + 1;
        size_t n = strcspn(value, ";,");
        *ret_n = size_min(n, (size_t)(end - value));
        while (*ret_n > 0 && value[*ret_n - 1] == ' ')
            (*ret_n)--;
        return value;
    }
    *ret_n = 0;
    return "";
}

static bool is_word(const char *text, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(text, word, n) == 0;
}

/* The best first; equal ones as they stand. */
static int compare_clauses(const void *a, const void *b)
{
    const struct clause *x = a, *y = b;
    if (x->q != y->q)
        return x->q > y->q ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static size_t split(const char *accept, struct clause clauses[CLAUSES_MAX])
{
    size_t n = 0;
    while (*accept != '\0' && n < CLAUSES_MAX) {
        accept += strspn(accept, ", ");
        struct clause *c = &clauses[n];
        size_t n_q;
        *c = (struct clause){accept, strcspn(accept, ","), 1, n};
        const char *q = parameter(c, "q", &n_q);
        if (n_q > 0)
            c->q = strtod(q, NULL);
        accept += c->n;
        n += c->n > 0;
    }
    return n;
}

/* True for the text format, in a version that there is. */
static bool is_ours(const struct clause *c)
{
    size_t n_version, n_type = size_min(strcspn(c->text, ";"), c->n);
    const char *version = parameter(c, "version", &n_version);
    while (n_type > 0 && c->text[n_type - 1] == ' ')
        n_type--;
    return is_word(c->text, n_type, "text/plain") &&
           (n_version == 0 || is_word(version, n_version, "0.0.4") ||
            is_word(version, n_version, "1.0.0"));
}

enum escaping escaping_negotiate(const char *accept)
{
    struct clause clauses[CLAUSES_MAX];
    enum escaping scheme = ESCAPING_UNDERSCORES;
    size_t n = accept ? split(accept, clauses) : 0;
    qsort(clauses, n, sizeof(clauses[0]), compare_clauses);
    for (size_t i = 0; i < n; i++) {
        size_t n_wanted;
        const char *wanted = parameter(&clauses[i], "escaping", &n_wanted);
        for (size_t k = 0; k < ARRAY_LEN(texts); k++)
            if (is_word(wanted, n_wanted, texts[k]))
                scheme = (enum escaping)k;
        if (is_ours(&clauses[i]))
            break;
    }
    return scheme;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool is_plain_char(char c, bool is_first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           (c >= '0' && c <= '9' && !is_first);
}

bool escaping_is_plain(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_plain_char(name[i], i == 0))
            return false;
    return n > 0;
}

/* The character at the front of valid UTF-8; its length. */
static size_t code_point(const char *p, uint32_t *ret)
{
    unsigned char c = (unsigned char)*p;
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t v = n == 1 ? c : c & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        v = v << 6 | ((unsigned char)p[i] & 63);
    *ret = v;
    return n;
}

static void put_char(struct chain *out, enum escaping e, const char *p, bool is_first, uint32_t c)
{
    if (*p == '_' && e != ESCAPING_UNDERSCORES)
        chain_put(out, "__", 2);
    else if (is_plain_char(*p, is_first))
        chain_put(out, p, 1);
    else if (e == ESCAPING_VALUES)
        chain_printf(out, "_%x_", c);
    else if (e == ESCAPING_DOTS)
        chain_put_text(out, *p == '.' ? "_dot_" : "__");
    else
        chain_put(out, "_", 1);
}

void escaping_put(struct chain *out, enum escaping e, const char *name, size_t n)
{
    if (escaping_is_plain(name, n)) {
        chain_put(out, name, n);
        return;
    }
    assert(e != ESCAPING_ALLOW_UTF8);
    if (e == ESCAPING_VALUES)
        chain_put(out, "U__", 3);
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t c;
        len = code_point(name + i, &c);
        put_char(out, e, name + i, i == 0, c);
    }
}
