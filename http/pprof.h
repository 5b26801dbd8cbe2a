/* A profile in the form that `go tool pprof` and all that speak its language read: the gzipped
 * message of http/proto/profile.proto. Each name is a function with a location of its own; samples
 * have one value, of type inuse_space in bytes.
 *
 * Threads: any. */
#ifndef HG_HTTP_PPROF_H
#define HG_HTTP_PPROF_H

#include "http/chain.h"
#include "http/profile.h"

/* Writes the profile into the chain, with memory of its region. time_ns: since the epoch. False
 * without memory: the chain is then of no use. */
bool pprof_write(const struct profile *p, int64_t time_ns, struct chain *out) WARN_UNUSED;

#endif
