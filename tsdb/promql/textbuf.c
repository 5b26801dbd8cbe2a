#include "tsdb/promql/textbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BYTES = 64, PRINTF_BYTES = 512 };

void textbuf_init(struct textbuf *b, struct region *r)
{
    *b = (struct textbuf){.region = r};
}

static bool make_room(struct textbuf *b, size_t n)
{
    if (b->has_failed)
        return false;
    if (b->cap - b->n > n)
        return true;
    size_t cap = size_max(FIRST_BYTES, b->cap * 2);
    while (cap - b->n <= n)
        cap *= 2;
    char *bytes = region_alloc(b->region, cap);
    if (!bytes) {
        b->has_failed = true;
        return false;
    }
    if (b->n > 0)
        memcpy(bytes, b->bytes, b->n);
    b->bytes = bytes;
    b->cap = cap;
    return true;
}

void textbuf_add(struct textbuf *b, const char *bytes, size_t n)
{
    if (n == 0 || !make_room(b, n))
        return;
    memcpy(b->bytes + b->n, bytes, n);
    b->n += n;
}

void textbuf_puts(struct textbuf *b, const char *text)
{
    textbuf_add(b, text, strlen(text));
}

void textbuf_char(struct textbuf *b, char c)
{
    textbuf_add(b, &c, 1);
}

void textbuf_printf(struct textbuf *b, const char *format, ...)
{
    char text[PRINTF_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n > 0)
        textbuf_add(b, text, size_min((size_t)n, sizeof(text) - 1));
}

const char *textbuf_finish(struct textbuf *b)
{
    if (!make_room(b, 1))
        return NULL;
    b->bytes[b->n] = 0;
    return b->bytes;
}
