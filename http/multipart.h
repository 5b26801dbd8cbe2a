/* Forms as multipart/form-data (RFC 7578): parameters like those of other forms, which browsers'
 * FormData and curl -F send. Read as Go's mime/multipart reads them, so that a client is understood
 * here where Prometheus understands it: a body with anything wrong in it counts for nothing as a
 * whole, files are passed over, a line may end in a newline alone, a part in quoted-printable is
 * decoded and one in base64 is not.
 *
 * Threads: those of the params. */
#ifndef HG_HTTP_MULTIPART_H
#define HG_HTTP_MULTIPART_H

#include "http/params.h"

/* Adds the fields of a body behind what is there. content_type may be NULL, or that of anything
 * else: then nothing is added. */
void multipart_add(struct params *p, const char *content_type, const char *body, size_t n);

#endif
