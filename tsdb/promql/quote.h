/* Strings and characters as Go's %q and %#U show them: error texts and the canonical text of a
 * query are made of them.
 *
 * Which characters above ASCII count as printable is decided by a short table of the known
 * invisible ranges; code points that no Unicode version has assigned are taken for printable. */
#ifndef HG_TSDB_PROMQL_QUOTE_H
#define HG_TSDB_PROMQL_QUOTE_H

#include "tsdb/promql/textbuf.h"

enum { RUNE_BAD = 0xFFFD, RUNE_MAX = 0x10FFFF, UTF8_BYTES_MAX = 4 };

/* The character at bytes[0] (n > 0) and its width. Invalid UTF-8: *ret_rune = RUNE_BAD and width 1
 * (a real U+FFFD has width 3). */
size_t rune_decode(const char *bytes, size_t n, uint32_t *ret_rune);

/* Writes a code point (<= RUNE_MAX) as UTF-8; returns its width. */
size_t rune_encode(uint32_t rune, char out[UTF8_BYTES_MAX]);

void quote_add(struct textbuf *b, const char *bytes, size_t n); /* "a\n" */
void quote_add_rune(struct textbuf *b, uint32_t rune);          /* 'a' */
void quote_add_code_point(struct textbuf *b, uint32_t rune);    /* U+0071 'q' */

/* True for a label's name that the grammar reads without quotes: letters, digits, underscores, and
 * colons where they are allowed. */
bool quote_is_plain_label(const char *bytes, size_t n, bool may_have_colon);

#endif
