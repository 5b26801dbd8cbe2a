/* What the text of a literal means: numbers, durations, strings.
 *
 * Numbers are Go's: 010 is eight, 0x1F thirty-one, 1_000 a thousand, and 08, which is no octal
 * number, eight again. Pure functions. */
#ifndef HG_TSDB_PROMQL_LITERAL_H
#define HG_TSDB_PROMQL_LITERAL_H

#include "tsdb/promql/textbuf.h"

/* The text of a number token. On failure false, and *ret_error is the message, in r or a literal.
 */
bool literal_number(const char *text, size_t n, struct region *r, double *ret,
                    const char **ret_error) WARN_UNUSED;

/* The text of a duration, "1h30m", or "0", in nanoseconds. As above. */
bool literal_duration(const char *text, size_t n, struct region *r, int64_t *ret_ns,
                      const char **ret_error) WARN_UNUSED;

/* The same for who needs no message. */
bool literal_duration_is_valid(const char *text, size_t n, int64_t *ret_ns) WARN_UNUSED;

/* Nanoseconds as seconds, rounded as Go's Duration.Seconds does. */
double literal_seconds(int64_t ns);

/* The content of a string token that the lexer let pass; region-owned, with a NUL after it. False
 * when memory ran out. */
bool literal_string(const char *text, size_t n, struct region *r, const char **ret,
                    size_t *ret_len) WARN_UNUSED;

/* "1h30m": years and weeks only where they are exact. ms may have any sign. */
void literal_add_duration(struct textbuf *b, int64_t ms);

#endif
