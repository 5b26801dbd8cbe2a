/* The table comes first; everything else walks it.
 *
 * A row has a kind, and the kind says how the text is read, how the value is printed and what is
 * refused. Rejected: getopt_long (takes any unique prefix of a name, so that a flag added later
 * changes what an old command line means) and argp (the same, and GNU only). A flag given twice is
 * an error: of two values one is not what its writer believes. */
#include "http/config.h"

#include "tsdb/exemplars.h"
#include "tsdb/store_limits.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum flag_kind {
    FLAG_TEXT,
    FLAG_BOOL,
    FLAG_COUNT,
    FLAG_SIZE,
    FLAG_DURATION,
    FLAG_JOURNAL_SYNC, /* always, off or a duration */
    FLAG_CLOCK,
    FLAG_LEVEL,
    FLAG_FORMAT,
};

struct flag {
    const char *name;
    enum flag_kind kind;
    size_t offset;     /* into struct config */
    const char *value; /* the default, as a user would write it; "" of a size: worked out later */
    uint64_t min, max; /* of counts, sizes (bytes) and durations (ms); max 0 = none */
    const char *help;
};

#define FIELD(member) offsetof(struct config, member)

static const struct flag flags[] = {
    {"web.listen-address", FLAG_TEXT, FIELD(web_listen_address), "127.0.0.1:9090", 0, 0,
     "Address to listen on for HTTP, host:port. \":9090\" listens on every address."},
    {"web.max-connections", FLAG_COUNT, FIELD(web_max_connections), "8192", 1, 1000000,
     "Most connections at once."},
    {"web.max-body-size", FLAG_SIZE, FIELD(web_max_body_bytes), "32MiB", 1024, 1U << 31,
     "Largest body of a request, both as received and after decompression."},
    {"web.max-requests", FLAG_COUNT, FIELD(web_max_requests), "1024", 1, 1000000,
     "Most requests that are received, computed or answered at once; more are told to come back."},
    {"web.max-samples", FLAG_COUNT, FIELD(web_max_samples), "1000000", 1, 0,
     "Most samples in one write."},
    {"web.enable-admin-api", FLAG_BOOL, FIELD(web_enable_admin_api), "false", 0, 0,
     "Opens the endpoints that delete data. The snapshot endpoint is always open."},
    {"web.cors.origin", FLAG_TEXT, FIELD(web_cors_origin), ".*", 0, 0,
     "Regular expression, anchored, of the origins whose pages may read answers of the API."},
    {"storage.path", FLAG_TEXT, FIELD(storage_path), "data", 0, 0,
     "Directory of the snapshots. Empty: memory only, nothing outlives the process."},
    {"storage.window", FLAG_DURATION, FIELD(storage_window_ms), "4h", WINDOW_MS_MIN, WINDOW_MS_MAX,
     "Span of one window; windows are aligned to the epoch."},
    {"storage.windows", FLAG_COUNT, FIELD(storage_windows), "8", WINDOWS_MIN, WINDOWS_MAX,
     "Number of windows that are kept, the current one among them."},
    {"storage.clock", FLAG_CLOCK, FIELD(storage_clock), "wall", 0, 0,
     "What moves time on: wall, or samples (the newest sample's time, for replays)."},
    {"storage.out-of-order-window", FLAG_DURATION, FIELD(storage_out_of_order_ms), "1h", 0, 0,
     "How far behind the newest sample of its own series a sample may be."},
    {"storage.memory-limit", FLAG_SIZE, FIELD(storage_memory_limit_bytes), "", 32U << 20, 0,
     "Most memory that the process may use. Default: 90 % of the control group's limit, or of the "
     "machine's memory."},
    {"storage.max-series", FLAG_COUNT, FIELD(storage_max_series), "0", 0, 0,
     "Most series at once; 0 = no limit."},
    {"storage.max-series-per-metric", FLAG_COUNT, FIELD(storage_max_series_per_metric), "0", 0, 0,
     "Most series with the same metric name; 0 = no limit."},
    {"storage.max-exemplars", FLAG_COUNT, FIELD(storage_max_exemplars), "100000", 0, EXEMPLARS_MAX,
     "Exemplars that are kept, the newest of all series; 0 = none."},
    {"snapshot.interval", FLAG_DURATION, FIELD(snapshot_interval_ms), "10m", 0, 0,
     "Time between snapshots; 0 = only when the program ends and on demand."},
    {"journal.sync", FLAG_JOURNAL_SYNC, FIELD(journal_sync_ms), "1s", 0, 0,
     "How often the journal is synced: a duration, always, or off (no journal)."},
    {"journal.max-size", FLAG_SIZE, FIELD(journal_max_bytes), "", 1U << 20, 0,
     "Size of the journal that starts a snapshot early. Default: 4GiB or half of the free disk."},
    {"self.interval", FLAG_DURATION, FIELD(self_interval_ms), "15s", 0, 0,
     "How often the program stores its own metrics; 0 = never."},
    {"query.timeout", FLAG_DURATION, FIELD(query_timeout_ms), "2m", 1, 0,
     "Longest time that a query may take."},
    {"query.max-samples", FLAG_COUNT, FIELD(query_max_samples), "50000000", 1, 0,
     "Most samples that one query may load."},
    {"query.max-concurrency", FLAG_COUNT, FIELD(query_max_concurrency), "20", 1, 1024,
     "Most queries at once; never more than processors."},
    {"query.lookback-delta", FLAG_DURATION, FIELD(query_lookback_ms), "5m", 1, 0,
     "How old a sample may be and still be a series' value."},
    {"query.max-memory", FLAG_SIZE, FIELD(query_max_memory_bytes), "", 1U << 20, 0,
     "Memory of all queries together. Default: a quarter of --storage.memory-limit."},
    {"enable-feature", FLAG_TEXT, FIELD(enable_feature), "", 0, 0,
     "Features to enable, by Prometheus' names, separated by commas."},
    {"log.level", FLAG_LEVEL, FIELD(log_level), "info", 0, 0,
     "Least severe message that is logged: debug, info, warn or error."},
    {"log.format", FLAG_FORMAT, FIELD(log_format), "logfmt", 0, 0,
     "Format of the log: logfmt or json."},
};

static_assert(sizeof(flags) / sizeof(flags[0]) <= 64, "one bit a flag in config.given");

/* words of the choices; an enum's value is the index */
static const char *const clock_words[] = {"wall", "samples", NULL};
static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};
static const char *const format_words[] = {"logfmt", "json", NULL};

static void *field_of(struct config *c, const struct flag *f)
{
    return (char *)c + f->offset;
}

static int word_index(const char *const *words, const char *text)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    return -1;
}

static const struct flag *flag_find(const char *name, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (strlen(flags[i].name) == n && memcmp(flags[i].name, name, n) == 0)
            return &flags[i];
    return NULL;
}

static bool is_in_bounds(const struct flag *f, uint64_t v)
{
    return v >= f->min && (f->max == 0 || v <= f->max);
}

static bool parse_count(const char *text, uint64_t *ret)
{
    uint64_t v = 0;
    if (*text == '\0')
        return false;
    for (const char *p = text; *p; p++)
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            return false;
    *ret = v;
    return true;
}

static bool parse_journal_sync(const char *text, int64_t *ret)
{
    if (strcmp(text, "off") == 0) {
        *ret = JOURNAL_SYNC_OFF;
        return true;
    }
    if (strcmp(text, "always") == 0) {
        *ret = JOURNAL_SYNC_ALWAYS;
        return true;
    }
    return units_parse_duration(text, ret) && *ret > 0;
}

static bool set_number(struct config *c, const struct flag *f, const char *text)
{
    uint64_t v;
    int64_t ms;
    switch (f->kind) {
    case FLAG_COUNT:
        if (!parse_count(text, &v) || !is_in_bounds(f, v))
            return false;
        *(uint64_t *)field_of(c, f) = v;
        return true;
    case FLAG_SIZE:
        if (!units_parse_size(text, &v) || !is_in_bounds(f, v))
            return false;
        *(uint64_t *)field_of(c, f) = v;
        return true;
    case FLAG_DURATION:
        if (!units_parse_duration(text, &ms) || !is_in_bounds(f, (uint64_t)ms))
            return false;
        *(int64_t *)field_of(c, f) = ms;
        return true;
    default:
        return parse_journal_sync(text, field_of(c, f));
    }
}

static bool flag_set(struct config *c, const struct flag *f, const char *text)
{
    int word;
    switch (f->kind) {
    case FLAG_TEXT:
        *(const char **)field_of(c, f) = text;
        return true;
    case FLAG_BOOL:
        *(bool *)field_of(c, f) = strcmp(text, "true") == 0;
        return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
    case FLAG_CLOCK:
        word = word_index(clock_words, text);
        c->storage_clock = (enum config_clock)(word < 0 ? 0 : word);
        return word >= 0;
    case FLAG_LEVEL:
        word = word_index(level_words, text);
        c->log_level = (enum log_level)(word < 0 ? 0 : word);
        return word >= 0;
    case FLAG_FORMAT:
        word = word_index(format_words, text);
        c->log_format = (enum log_format)(word < 0 ? 0 : word);
        return word >= 0;
    default:
        return set_number(c, f, text);
    }
}

/* "a duration from 1s to 365d": what a flag takes, for an error's end */
static void expected_text(const struct flag *f, char *out, size_t size)
{
    char min[UNITS_TEXT_MAX], max[UNITS_TEXT_MAX] = "";
    const char *what = "a number";
    snprintf(min, sizeof(min), "%" PRIu64, f->min);
    snprintf(max, sizeof(max), "%" PRIu64, f->max);
    switch (f->kind) {
    case FLAG_BOOL:
        snprintf(out, size, "true or false");
        return;
    case FLAG_JOURNAL_SYNC:
        snprintf(out, size, "a duration such as 1s, always or off");
        return;
    case FLAG_CLOCK:
        snprintf(out, size, "wall or samples");
        return;
    case FLAG_LEVEL:
        snprintf(out, size, "debug, info, warn or error");
        return;
    case FLAG_FORMAT:
        snprintf(out, size, "logfmt or json");
        return;
    case FLAG_SIZE:
        what = "a size such as 512MiB";
        units_size_text(f->min, min);
        units_size_text(f->max, max);
        break;
    case FLAG_DURATION:
        what = "a duration such as 5m";
        units_duration_text((int64_t)f->min, min);
        units_duration_text((int64_t)f->max, max);
        break;
    default:
        break;
    }
    snprintf(out, size, "%s%s%s%s%s", what, f->min > 0 ? ", at least " : "", f->min > 0 ? min : "",
             f->max > 0 ? ", at most " : "", f->max > 0 ? max : "");
}

static enum config_result PRINTF_LIKE(2, 3) fail(char *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, CONFIG_ERROR_MAX, format, args);
    va_end(args);
    return CONFIG_ERROR;
}

static void set_defaults(struct config *c)
{
    memset(c, 0, sizeof(*c));
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        bool is_worked_out = flags[i].kind == FLAG_SIZE && flags[i].value[0] == '\0';
        bool is_set = is_worked_out || flag_set(c, &flags[i], flags[i].value);
        ENSURE(is_set); /* a default that its own flag refuses */
    }
}

/* One flag at argv[*i]; moves *i on when the value is an argument of its own. */
static enum config_result parse_one(struct config *c, int argc, char **argv, int *i, char *error)
{
    const char *argument = argv[*i];
    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0')
        return fail(error, "unexpected argument \"%.100s\"; flags begin with --", argument);
    const char *name = argument + 2;
    const char *equals = strchr(name, '=');
    size_t n = equals ? (size_t)(equals - name) : strlen(name);
    const struct flag *f = flag_find(name, n);
    const char *value = equals ? equals + 1 : NULL;
    if (!f && n > 3 && strncmp(name, "no-", 3) == 0) {
        f = flag_find(name + 3, n - 3);
        if (!f || f->kind != FLAG_BOOL)
            return fail(error, "unknown flag --%.*s; --help lists them", (int)size_min(n, 100),
                        name);
        if (value)
            return fail(error, "--%s takes no value", name);
        value = "false";
    }
    if (!f)
        return fail(error, "unknown flag --%.*s; --help lists them", (int)size_min(n, 100), name);
    uint64_t bit = 1ULL << (f - flags);
    if (c->given & bit)
        return fail(error, "--%s is given twice", f->name);
    c->given |= bit;
    if (!value && f->kind == FLAG_BOOL)
        value = "true";
    if (!value && ++*i >= argc)
        return fail(error, "--%s needs a value", f->name);
    if (!value)
        value = argv[*i];
    if (!flag_set(c, f, value)) {
        char expected[256];
        expected_text(f, expected, sizeof(expected));
        return fail(error, "--%s=%.100s: expected %s", f->name, value, expected);
    }
    return CONFIG_OK;
}

enum config_result config_parse(struct config *c, int argc, char **argv,
                                char error[CONFIG_ERROR_MAX])
{
    set_defaults(c);
    error[0] = '\0';
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return CONFIG_HELP;
        if (strcmp(argv[i], "--version") == 0)
            return CONFIG_VERSION;
    }
    for (int i = 1; i < argc; i++) {
        enum config_result r = parse_one(c, argc, argv, &i, error);
        if (r != CONFIG_OK)
            return r;
    }
    if (c->storage_out_of_order_ms > c->storage_window_ms * (int64_t)c->storage_windows)
        return fail(error,
                    "--storage.out-of-order-window is longer than the %" PRIu64
                    " windows that are kept (--storage.window, --storage.windows)",
                    c->storage_windows);
    return CONFIG_OK;
}

size_t config_n_flags(void)
{
    return ARRAY_LEN(flags);
}

const char *config_flag_name(size_t i)
{
    assert(i < ARRAY_LEN(flags));
    return flags[i].name;
}

void config_flag_text(const struct config *c, size_t i, char *out, size_t size)
{
    assert(i < ARRAY_LEN(flags));
    const struct flag *f = &flags[i];
    const void *field = (const char *)c + f->offset;
    char text[UNITS_TEXT_MAX] = "";
    const char *word = text;
    switch (f->kind) {
    case FLAG_TEXT:
        word = *(const char *const *)field;
        break;
    case FLAG_BOOL:
        word = *(const bool *)field ? "true" : "false";
        break;
    case FLAG_COUNT:
        snprintf(text, sizeof(text), "%" PRIu64, *(const uint64_t *)field);
        break;
    case FLAG_SIZE:
        if (*(const uint64_t *)field > 0)
            units_size_text(*(const uint64_t *)field, text);
        break;
    case FLAG_JOURNAL_SYNC:
        if (*(const int64_t *)field <= 0) {
            word = *(const int64_t *)field == JOURNAL_SYNC_OFF ? "off" : "always";
            break;
        }
        units_duration_text(*(const int64_t *)field, text);
        break;
    case FLAG_DURATION:
        units_duration_text(*(const int64_t *)field, text);
        break;
    case FLAG_CLOCK:
        word = clock_words[c->storage_clock];
        break;
    case FLAG_LEVEL:
        word = level_words[c->log_level];
        break;
    case FLAG_FORMAT:
        word = format_words[c->log_format];
        break;
    }
    snprintf(out, size, "%s", word);
}

bool config_is_given(const struct config *c, const char *name)
{
    const struct flag *f = flag_find(name, strlen(name));
    assert(f);
    return c->given >> (f - flags) & 1;
}

void config_help(int fd)
{
    dprintf(fd, "hourglass: an in-memory time-series database that speaks Prometheus: remote write "
                "in, PromQL out.\n\nUsage: hourglass [flags]\n\nFlags:\n"
                "  -h, --help\n      Shows this text.\n"
                "  --version\n      Shows the version.\n");
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        const struct flag *f = &flags[i];
        if (f->kind == FLAG_BOOL)
            dprintf(fd, "  --[no-]%s\n      %s\n", f->name, f->help);
        else if (f->value[0] == '\0')
            dprintf(fd, "  --%s=VALUE\n      %s\n", f->name, f->help);
        else
            dprintf(fd, "  --%s=%s\n      %s\n", f->name, f->value, f->help);
    }
}
