/* What this program calls itself. */
#ifndef HG_HTTP_VERSION_H
#define HG_HTTP_VERSION_H

#ifndef HOURGLASS_VERSION
#define HOURGLASS_VERSION "0.1.0"
#endif

/* Clients choose endpoints and syntax by Prometheus' version: the one whose PromQL we speak. */
#define HOURGLASS_PROMETHEUS_VERSION "3.5.0"

#endif
