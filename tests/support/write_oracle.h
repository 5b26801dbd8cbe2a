/*
 * Remote write by protobuf-c: what http/remote_write.c is held against, both versions. It makes the
 * tree of the whole message, takes the labels of all series out of it and appends by labels. Uses
 * malloc, knows no limit on what a message decodes to. One thread.
 */
#ifndef TESTS_SUPPORT_WRITE_ORACLE_H
#define TESTS_SUPPORT_WRITE_ORACLE_H

#include "http/remote_write.h"

/* Decodes, stores and judges a message as remote_write_decode_message, _append and _verdict do
 * together, for a store that keeps no exemplars. ret->body holds the counts alone, without entries.
 * Returns the status. */
int write_oracle_write(const struct remote_write_format *f, const void *message, size_t n,
                       struct tsdb *db, struct remote_write *ret, char text[REMOTE_WRITE_TEXT_MAX]);

/* Compares an outcome of a walk, and the entries when it is WRITE_BODY_TAKEN: their order, labels
 * as they came, samples, exemplars, keys (of 2.0), and the counts. NULL when they are what
 * protobuf-c finds, else what is not, a literal. Labels are made in the region. */
const char *write_oracle_differs(const struct remote_write_format *f, const void *message, size_t n,
                                 enum write_body_outcome outcome, const struct write_body *body,
                                 struct region *r);

#endif
