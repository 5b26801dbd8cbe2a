/* The command line. One table holds every flag: it is parsed from it, printed by --help and shown
 * by /api/v1/status/flags, so none of the three can be forgotten.
 *
 * Values: durations as Prometheus writes them ("5m", "1h30m", "0"), sizes with B, KB, MiB, ... (all
 * powers of two), booleans as --flag and --no-flag. Forms: --flag=value and --flag value. Names are
 * never abbreviated.
 *
 * Threads: parsed once before the threads start, then read only. */
#ifndef HG_HTTP_CONFIG_H
#define HG_HTTP_CONFIG_H

#include "http/log.h"
#include "http/units.h"

enum config_clock { CONFIG_CLOCK_WALL, CONFIG_CLOCK_SAMPLES };

enum { JOURNAL_SYNC_OFF = -1, JOURNAL_SYNC_ALWAYS = 0 }; /* else an interval in ms */

struct config {
    const char *web_listen_address;
    uint64_t web_max_connections;
    uint64_t web_max_body_bytes;
    uint64_t web_max_requests;
    uint64_t web_max_samples; /* of one write */
    bool web_enable_admin_api;
    const char *web_cors_origin; /* a regular expression */
    const char *storage_path;    /* empty = memory only */
    int64_t storage_window_ms;
    uint64_t storage_windows;
    enum config_clock storage_clock;
    int64_t storage_out_of_order_ms;
    uint64_t storage_memory_limit_bytes; /* 0 until main has found the machine's */
    uint64_t storage_max_series;
    uint64_t storage_max_series_per_metric;
    uint64_t storage_max_exemplars; /* 0 = none are kept */
    int64_t snapshot_interval_ms;   /* 0 = only at the end and on demand */
    int64_t journal_sync_ms;        /* or JOURNAL_SYNC_... */
    uint64_t journal_max_bytes;     /* 0 = 4 GiB or half of the free disk */
    int64_t self_interval_ms;       /* 0 = off */
    int64_t query_timeout_ms;
    uint64_t query_max_samples;
    uint64_t query_max_concurrency;
    int64_t query_lookback_ms;
    uint64_t query_max_memory_bytes; /* 0 until the limit is known: a quarter of it */
    const char *enable_feature;
    enum log_level log_level;
    enum log_format log_format;
    uint64_t given; /* bit i: flag i of the table was on the command line */
};

enum config_result {
    CONFIG_OK,
    CONFIG_HELP,    /* --help: print config_help, exit 0 */
    CONFIG_VERSION, /* --version */
    CONFIG_ERROR,   /* error says why; exit 2 */
};

enum { CONFIG_ERROR_MAX = 512 };

/* Fills c from the defaults and argv[1 ..]. Texts in c point into argv. */
enum config_result config_parse(struct config *c, int argc, char **argv,
                                char error[CONFIG_ERROR_MAX]);

/* Number of flags, and the name (without "--") and present value of flag i. */
size_t config_n_flags(void);
const char *config_flag_name(size_t i);
void config_flag_text(const struct config *c, size_t i, char *out, size_t size);

/* True when the flag of that name was on the command line. */
bool config_is_given(const struct config *c, const char *name);

/* Writes --help to fd. */
void config_help(int fd);

#endif
