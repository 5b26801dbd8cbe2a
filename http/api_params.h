/* The parameters that several endpoints share, read with Prometheus' words for what is wrong. Each
 * function answers the request itself when it returns false. */
#ifndef HG_HTTP_API_PARAMS_H
#define HG_HTTP_API_PARAMS_H

#include "http/request.h"
#include "tsdb/matcher.h"

/* A time with a default; errors read "invalid time value for 'time': ...". */
bool api_time(struct request *rq, const char *name, int64_t fallback_ms, int64_t *ret_ms);

/* A time that must be there. */
bool api_time_required(struct request *rq, const char *name, int64_t *ret_ms);

/* "limit": 0 = none. */
bool api_limit(struct request *rq, uint64_t *ret);

/* All match[] parameters; *ret_n may be 0. Release with api_matchers_release. is_named: errors
 * begin with `invalid parameter "match[]": `. */
bool api_matchers(struct request *rq, bool is_named, struct matcher_set **ret, size_t *ret_n);
void api_matchers_release(struct matcher_set *sets, size_t n);

/* True when the parameters could be kept; else answers. */
bool api_params_complete(struct request *rq);

/* The same, and false, answered, when a pair had to be left out; for those that Prometheus is
 * strict about. */
bool api_params_well_formed(struct request *rq);

#endif
