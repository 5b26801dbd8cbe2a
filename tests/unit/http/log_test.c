#include "http/log.h"

#include <criterion/criterion.h>
#include <string.h>

static const int64_t at_ms = 1767323045678; /* 2026-01-02T03:04:05.678Z */

static const char *line(enum log_format format, const char *msg, const struct log_field *fields,
                        size_t n)
{
    static char out[LOG_LINE_BYTES_MAX + 1];
    size_t len =
        log_text_line(out, LOG_LINE_BYTES_MAX, format, LOG_LEVEL_WARN, at_ms, msg, fields, n);
    out[len] = '\0';
    return out;
}

static const struct log_field fields[] = {
    {.key = "plain", .kind = LOG_FIELD_TEXT, .u.text = "a/b.c"},
    {.key = "spaced", .kind = LOG_FIELD_TEXT, .u.text = "say \"x\"\n\\ \001"},
    {.key = "none", .kind = LOG_FIELD_TEXT, .u.text = NULL},
    {.key = "signed", .kind = LOG_FIELD_I64, .u.i64 = -5},
    {.key = "large", .kind = LOG_FIELD_U64, .u.u64 = UINT64_MAX},
    {.key = "took", .kind = LOG_FIELD_SECONDS, .u.u64 = 1050},
};

Test(log, logfmt)
{
    cr_assert_str_eq(line(LOG_FORMAT_LOGFMT, "Two words.", fields, ARRAY_LEN(fields)),
                     "time=2026-01-02T03:04:05.678Z level=WARN msg=\"Two words.\" plain=a/b.c "
                     "spaced=\"say \\\"x\\\"\\n\\\\ \\u0001\" none=\"\" signed=-5 "
                     "large=18446744073709551615 took=1.050\n");
    cr_assert_str_eq(line(LOG_FORMAT_LOGFMT, "Bare", NULL, 0),
                     "time=2026-01-02T03:04:05.678Z level=WARN msg=Bare\n");
}

Test(log, json)
{
    cr_assert_str_eq(line(LOG_FORMAT_JSON, "Two words.", fields, ARRAY_LEN(fields)),
                     "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"WARN\",\"msg\":\"Two "
                     "words.\",\"plain\":\"a/b.c\",\"spaced\":\"say \\\"x\\\"\\n\\\\ \\u0001\","
                     "\"none\":\"\",\"signed\":-5,\"large\":18446744073709551615,"
                     "\"took\":1.050}\n");
}

Test(log, what_is_too_long_is_cut_and_ends_its_line)
{
    char text[300], out[128];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int format = 0; format < 2; format++) {
        size_t n = log_text_line(out, sizeof(out), (enum log_format)format, LOG_LEVEL_INFO, at_ms,
                                 text, NULL, 0);
        cr_assert_leq(n, sizeof(out));
        cr_assert_eq(out[n - 1], '\n');
    }
}

Test(log, a_gate_opens_once_an_interval_and_counts_what_it_held)
{
    struct log_gate gate = {0};
    uint64_t held = 99;
    cr_assert(log_gate_open(&gate, 1000, 500, &held));
    cr_assert_eq(held, 0);
    cr_assert_not(log_gate_open(&gate, 1100, 500, &held));
    cr_assert_not(log_gate_open(&gate, 1499, 500, &held));
    cr_assert(log_gate_open(&gate, 1500, 500, &held));
    cr_assert_eq(held, 2);
}
