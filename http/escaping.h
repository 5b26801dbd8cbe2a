/* Names for a reader who may not know UTF-8 in names: the schemes that one asks for with
 * "escaping=..." in Accept (https://prometheus.io/docs/instrumenting/escaping_schemes/).
 *
 * A name that every reader knows ([a-zA-Z_:][a-zA-Z0-9_:]*) is the same in all of them.
 *
 * Threads: pure functions. */
#ifndef HG_HTTP_ESCAPING_H
#define HG_HTTP_ESCAPING_H

#include "http/chain.h"

enum escaping {
    ESCAPING_UNDERSCORES, /* "my_name": what is unknown becomes an underscore; the default */
    ESCAPING_DOTS,        /* "my_dot_name" */
    ESCAPING_VALUES,      /* "U__my_2e_name", which can be undone */
    ESCAPING_ALLOW_UTF8,  /* "my.name", in quotes where it stands */
};

/* What an Accept header (may be NULL) asks of a text format, as expfmt.Negotiate reads it. */
enum escaping escaping_negotiate(const char *accept);

/* "underscores", "dots", "values", "allow-utf-8". */
const char *escaping_text(enum escaping e);

/* True when the name is the same in all schemes. n > 0. */
bool escaping_is_plain(const char *name, size_t n);

/* Writes the name; not for ESCAPING_ALLOW_UTF8 unless it is plain. name: valid UTF-8. */
void escaping_put(struct chain *out, enum escaping e, const char *name, size_t n);

#endif
