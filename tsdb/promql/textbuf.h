/* Text that grows in a region. Running out of memory is remembered, not reported at each call: ask
 * once at the end.
 *
 * Threads: belongs to one thread, like its region. */
#ifndef HG_TSDB_PROMQL_TEXTBUF_H
#define HG_TSDB_PROMQL_TEXTBUF_H

#include "alloc/region.h"

struct textbuf {
    struct region *region;
    char *bytes;
    size_t n;   /* bytes so far, without the NUL */
    size_t cap; /* n < cap once anything was added */
    bool has_failed;
};

void textbuf_init(struct textbuf *b, struct region *r);

void textbuf_add(struct textbuf *b, const char *bytes, size_t n);
void textbuf_puts(struct textbuf *b, const char *text);
void textbuf_char(struct textbuf *b, char c);
void textbuf_printf(struct textbuf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* The text with a NUL after it; NULL when memory ran out at any time. */
const char *textbuf_finish(struct textbuf *b);

#endif
