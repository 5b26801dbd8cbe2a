#include "http/units.h"

#include <criterion/criterion.h>

Test(units, sizes)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},           {"4096", 4096},
        {"1B", 1},          {"32MiB", 32 << 20},
        {"32MB", 32 << 20}, {"1.5GiB", 3ULL << 29},
        {"2KB", 2048},      {"1tib", 1ULL << 40},
        {"0.5KiB", 512},    {"16777215TiB", 16777215ULL << 40},
    };
    static const char *const bad[] = {"",
                                      "B",
                                      "-1",
                                      "1 MiB",
                                      "MiB",
                                      "1.MiB",
                                      "1XB",
                                      "1MiBB",
                                      "1e3",
                                      "16777216TiB",
                                      "99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        uint64_t bytes = 1;
        cr_assert(units_parse_size(good[i].text, &bytes), "%s", good[i].text);
        cr_assert_eq(bytes, good[i].bytes, "%s", good[i].text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint64_t bytes = 7;
        cr_assert_not(units_parse_size(bad[i], &bytes), "%s", bad[i]);
        cr_assert_eq(bytes, 7);
    }
}

Test(units, durations)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0", 0}, {"4h", 14400000}, {"1h30m", 5400000}, {"250ms", 250}, {"1d", 86400000}};
    static const char *const bad[] = {"", "5", "m", "-5m", "5 m", "1m1h", "banana"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t ms = 1;
        cr_assert(units_parse_duration(good[i].text, &ms), "%s", good[i].text);
        cr_assert_eq(ms, good[i].ms, "%s", good[i].text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t ms = 7;
        cr_assert_not(units_parse_duration(bad[i], &ms), "%s", bad[i]);
    }
}

Test(units, texts_read_back)
{
    static const uint64_t sizes[] = {0, 1, 1023, 1024, 1536, 32 << 20, 3ULL << 30, 12345678901};
    static const int64_t spans[] = {0,     1,        250,       1000,      60000,
                                    90000, 14400000, 115200000, 604800000, 864000000};
    char text[UNITS_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint64_t bytes;
        units_size_text(sizes[i], text);
        cr_assert(units_parse_size(text, &bytes) && bytes == sizes[i], "%s", text);
    }
    for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
        int64_t ms;
        units_duration_text(spans[i], text);
        cr_assert(units_parse_duration(text, &ms) && ms == spans[i], "%s", text);
    }
    units_size_text(32 << 20, text);
    cr_assert_str_eq(text, "32MiB");
    units_duration_text(864000000, text);
    cr_assert_str_eq(text, "10d");
}
