#include "http/units.h"

#include "tsdb/promql/promql.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit sizes[] = {
    {"TiB", 1ULL << 40},
    {"GiB", 1ULL << 30},
    {"MiB", 1ULL << 20},
    {"KiB", 1ULL << 10},
    {"TB", 1ULL << 40},
    {"GB", 1ULL << 30},
    {"MB", 1ULL << 20},
    {"KB", 1ULL << 10},
    {"B", 1},
    {"", 1},
};

static const struct unit durations[] = {
    {"y", 31536000000}, {"w", 604800000}, {"d", 86400000}, {"h", 3600000},
    {"m", 60000},       {"s", 1000},      {"ms", 1},
};

bool units_parse_size(const char *text, uint64_t *ret_bytes)
{
    const char *p = text;
    uint64_t whole = 0;
    double fraction = 0, place = 0.1;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
            return false;
    if (*p == '.') {
        p++;
        if (*p < '0' || *p > '9')
            return false;
        for (; *p >= '0' && *p <= '9'; p++, place /= 10)
            fraction += place * (*p - '0');
    }
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint64_t bytes;
        if (strcasecmp(p, sizes[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(whole, sizes[i].factor, &bytes))
            return false;
        uint64_t rest = (uint64_t)(fraction * (double)sizes[i].factor + 0.5);
        return !__builtin_add_overflow(bytes, rest, ret_bytes);
    }
    return false;
}

bool units_parse_duration(const char *text, int64_t *ret_ms)
{
    int64_t ms;
    if (!promql_parse_duration(text, strlen(text), &ms) || ms < 0)
        return false;
    *ret_ms = ms;
    return true;
}

void units_size_text(uint64_t bytes, char out[UNITS_TEXT_MAX])
{
    const struct unit *u = sizes;
    while (u->factor > 1 && (bytes == 0 || bytes % u->factor != 0))
        u++;
    snprintf(out, UNITS_TEXT_MAX, "%" PRIu64 "%s", bytes / u->factor,
             u->factor > 1 ? u->name
             : bytes > 0   ? "B"
                           : "");
}

void units_duration_text(int64_t ms, char out[UNITS_TEXT_MAX])
{
    size_t n = 0;
    uint64_t rest = (uint64_t)ms;
    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
        uint64_t count = rest / durations[i].factor;
        /* years and weeks only when nothing is left over: 10d, not 1w3d */
        bool is_odd = i < 2 && rest % durations[i].factor != 0;
        if (count == 0 || is_odd)
            continue;
        rest %= durations[i].factor;
        n += (size_t)snprintf(out + n, UNITS_TEXT_MAX - n, "%" PRIu64 "%s", count,
                              durations[i].name);
    }
    if (n == 0)
        snprintf(out, UNITS_TEXT_MAX, "0s");
}
