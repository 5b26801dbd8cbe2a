#include "tsdb/promql/query.h"

#include <stdio.h>

void query_position_text(const char *text, uint32_t pos, char out[POSITION_TEXT_MAX])
{
    unsigned line = 1;
    uint32_t line_start = 0;
    for (uint32_t i = 0; i < pos; i++) {
        if (text[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    snprintf(out, POSITION_TEXT_MAX, "%u:%u", line, pos - line_start + 1);
}

void query_parse_error(const char *text, uint32_t pos, const char *message, struct region *r,
                       struct promql_error *err)
{
    char position[POSITION_TEXT_MAX];
    query_position_text(text, pos, position);
    const char *whole = NULL;
    if (message) {
        struct textbuf b;
        textbuf_init(&b, r);
        textbuf_puts(&b, position);
        textbuf_puts(&b, ": parse error: ");
        textbuf_puts(&b, message);
        whole = textbuf_finish(&b);
    }
    err->kind = whole ? PROMQL_ERR_BAD_DATA : PROMQL_ERR_EXECUTION;
    err->text = whole ? whole : QUERY_NO_MEMORY;
}
