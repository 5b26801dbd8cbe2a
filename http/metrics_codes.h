/* The status codes and the bounds of the duration histogram that request metrics are kept by. */
#ifndef HG_HTTP_METRICS_CODES_H
#define HG_HTTP_METRICS_CODES_H

#include "http/metrics.h"

enum { METRICS_CODES = 14 };

extern const int metrics_codes[METRICS_CODES];      /* the last one, 0, stands for any other */
extern const double metrics_bounds[METRIC_BUCKETS]; /* seconds */

#endif
