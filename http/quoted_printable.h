/* The transfer encoding quoted-printable (RFC 2045, 6.7), read as Go's mime/quotedprintable reads
 * it: a line may end in a newline alone, "=" before anything but two hexadecimal digits stands for
 * itself, bytes from 0x80 on pass. Of Go 1.27, as Prometheus 3.5.3 was asked.
 *
 * Threads: pure. */
#ifndef HG_HTTP_QUOTED_PRINTABLE_H
#define HG_HTTP_QUOTED_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>

/* Go's buffer. */
enum { QUOTED_PRINTABLE_LINE_MAX = 4096 };

/* Decodes n bytes into out, which has room for as many; *ret_n is what came of them. False when
 * something is wrong: an "=" before a carriage return that ends no line, or alone; a control
 * character; a line of more than QUOTED_PRINTABLE_LINE_MAX bytes. */
bool quoted_printable_decode(const char *text, size_t n, char *out, size_t *ret_n);

#endif
