#include "http/config.h"
#include "tsdb/store_limits.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum config_result parse(struct config *c, char *error, const char *a, const char *b)
{
    char *argv[] = {(char *)(uintptr_t) "hourglass", (char *)(uintptr_t)a, (char *)(uintptr_t)b};
    return config_parse(c, a ? b ? 3 : 2 : 1, argv, error);
}

static size_t index_of(const char *name)
{
    for (size_t i = 0; i < config_n_flags(); i++)
        if (strcmp(config_flag_name(i), name) == 0)
            return i;
    cr_assert(false, "no flag --%s", name);
    return 0;
}

Test(config, defaults_are_those_of_the_contract)
{
    static const char *const rows[][2] = {
        {"web.listen-address", "127.0.0.1:9090"},
        {"web.max-connections", "8192"},
        {"web.max-body-size", "32MiB"},
        {"web.max-requests", "1024"},
        {"web.max-samples", "1000000"},
        {"web.enable-admin-api", "false"},
        {"web.cors.origin", ".*"},
        {"storage.path", "data"},
        {"storage.window", "4h"},
        {"storage.windows", "8"},
        {"storage.clock", "wall"},
        {"storage.out-of-order-window", "1h"},
        {"storage.memory-limit", ""},
        {"storage.max-series", "0"},
        {"storage.max-series-per-metric", "0"},
        {"storage.max-exemplars", "100000"},
        {"snapshot.interval", "10m"},
        {"journal.sync", "1s"},
        {"journal.max-size", ""},
        {"self.interval", "15s"},
        {"query.timeout", "2m"},
        {"query.max-samples", "50000000"},
        {"query.max-concurrency", "20"},
        {"query.lookback-delta", "5m"},
        {"query.max-memory", ""},
        {"enable-feature", ""},
        {"log.level", "info"},
        {"log.format", "logfmt"},
    };
    struct config c;
    char error[CONFIG_ERROR_MAX], text[256];
    cr_assert_eq(parse(&c, error, NULL, NULL), CONFIG_OK, "%s", error);
    cr_assert_eq(config_n_flags(), ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        config_flag_text(&c, index_of(rows[i][0]), text, sizeof(text));
        cr_assert_str_eq(text, rows[i][1], "--%s", rows[i][0]);
        cr_assert_not(config_is_given(&c, rows[i][0]));
    }
}

Test(config, both_forms_of_a_value)
{
    struct config c;
    char error[CONFIG_ERROR_MAX];
    cr_assert_eq(parse(&c, error, "--storage.window=1h", NULL), CONFIG_OK);
    cr_assert_eq(c.storage_window_ms, 3600000);
    cr_assert_eq(parse(&c, error, "--storage.window", "90m"), CONFIG_OK);
    cr_assert_eq(c.storage_window_ms, 5400000);
    cr_assert(config_is_given(&c, "storage.window"));
    cr_assert_eq(parse(&c, error, "--storage.path=", NULL), CONFIG_OK);
    cr_assert_str_eq(c.storage_path, "");
}

Test(config, windows_of_a_second_to_thirty_days)
{
    struct config c;
    char error[CONFIG_ERROR_MAX];
    cr_assert_eq(parse(&c, error, "--storage.window=30d", NULL), CONFIG_OK);
    cr_assert_eq(c.storage_window_ms, WINDOW_MS_MAX);
    cr_assert_eq(parse(&c, error, "--storage.window=30d1ms", NULL), CONFIG_ERROR);
    cr_assert_not_null(strstr(error, "storage.window"), "%s", error);
    cr_assert_eq(parse(&c, error, "--storage.window=1s", "--storage.out-of-order-window=1s"),
                 CONFIG_OK);
    cr_assert_eq(parse(&c, error, "--storage.window=999ms", NULL), CONFIG_ERROR);
}

Test(config, booleans_have_a_negation)
{
    struct config c;
    char error[CONFIG_ERROR_MAX];
    cr_assert_eq(parse(&c, error, "--web.enable-admin-api", NULL), CONFIG_OK);
    cr_assert(c.web_enable_admin_api);
    cr_assert_eq(parse(&c, error, "--no-web.enable-admin-api", NULL), CONFIG_OK);
    cr_assert_not(c.web_enable_admin_api);
    cr_assert_eq(parse(&c, error, "--no-storage.path", NULL), CONFIG_ERROR);
    cr_assert_eq(parse(&c, error, "--no-web.enable-admin-api=true", NULL), CONFIG_ERROR);
}

Test(config, choices_sizes_and_the_journal)
{
    struct config c;
    char error[CONFIG_ERROR_MAX];
    cr_assert_eq(parse(&c, error, "--storage.clock=samples", "--log.level=debug"), CONFIG_OK);
    cr_assert_eq(c.storage_clock, CONFIG_CLOCK_SAMPLES);
    cr_assert_eq(c.log_level, LOG_LEVEL_DEBUG);
    cr_assert_eq(parse(&c, error, "--storage.memory-limit=1GB", "--journal.sync=off"), CONFIG_OK);
    cr_assert_eq(c.storage_memory_limit_bytes, 1U << 30);
    cr_assert_eq(c.journal_sync_ms, JOURNAL_SYNC_OFF);
    cr_assert_eq(parse(&c, error, "--journal.sync=always", "--self.interval=0"), CONFIG_OK);
    cr_assert_eq(c.journal_sync_ms, JOURNAL_SYNC_ALWAYS);
    cr_assert_eq(c.self_interval_ms, 0);
}

Test(config, what_is_wrong_names_the_flag)
{
    static const char *const bad[] = {
        "--nope",
        "--storage.pat=x",
        "--storage.window=banana",
        "--storage.window",
        "--storage.clock=sundial",
        "--storage.windows=0",
        "--log.level=loud",
        "--storage.windows=1",
        "--storage.windows=65",
        "--storage.window=999ms",
        "--web.max-connections=0",
        "--web.max-connections=-1",
        "--journal.sync=0",
        "--query.max-samples=1.5",
        "--storage.memory-limit=31MiB",
        "stray",
        "-x",
        "--query.timeout=0",
    };
    struct config c;
    char error[CONFIG_ERROR_MAX], name[64];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert_eq(parse(&c, error, bad[i], NULL), CONFIG_ERROR, "%s", bad[i]);
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(bad[i], "="), bad[i]);
        cr_assert_not_null(strstr(error, name), "%s: %s", bad[i], error);
    }
    cr_assert_eq(parse(&c, error, "--log.level=info", "--log.level=info"), CONFIG_ERROR);
    cr_assert_not_null(strstr(error, "twice"));
    cr_assert_eq(parse(&c, error, "--storage.out-of-order-window=33h", NULL), CONFIG_ERROR);
}

Test(config, help_and_version_win_over_errors)
{
    struct config c;
    char error[CONFIG_ERROR_MAX];
    cr_assert_eq(parse(&c, error, "--nope", "--help"), CONFIG_HELP);
    cr_assert_eq(parse(&c, error, "--version", NULL), CONFIG_VERSION);
}

Test(config, help_names_every_flag)
{
    char text[16384], name[64];
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    config_help(fds[1]);
    close(fds[1]);
    ssize_t n = read(fds[0], text, sizeof(text) - 1);
    close(fds[0]);
    cr_assert_gt(n, 0);
    text[n] = '\0';
    for (size_t i = 0; i < config_n_flags(); i++) {
        bool is_switch = strcmp(config_flag_name(i), "web.enable-admin-api") == 0;
        snprintf(name, sizeof(name), is_switch ? "--[no-]%s\n" : "--%s=", config_flag_name(i));
        cr_assert_not_null(strstr(text, name), "%s", name);
    }
}
