#include "tests/crash/answer.h"

#include <err.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAN_BITS UINT64_C(0x7ff8000000000001)

/* More digits than this, and the division below is not exact. */
enum { EXACT_DIGITS = 15 };

static bool skip(struct answer *a, const char *text)
{
    size_t n = strlen(text);
    if (strncmp(a->at, text, n) != 0)
        return false;
    a->at += n;
    return true;
}

static bool fail(struct answer *a, const char *problem)
{
    if (a->problem == NULL)
        a->problem = problem;
    return false;
}

void answer_begin(struct answer *a, const char *text)
{
    a->at = text;
    a->problem = NULL;
    a->n_samples = 0;
    if (!skip(a, "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["))
        fail(a, "not the answer to a query of range selectors");
}

static bool read_number(struct answer *a, uint32_t *ret)
{
    uint64_t number = 0;
    const char *begin = a->at;
    for (; *a->at >= '0' && *a->at <= '9'; a->at++) {
        number = number * 10 + (uint64_t)(*a->at - '0');
        if (number > UINT32_MAX)
            return false;
    }
    *ret = (uint32_t)number;
    return a->at > begin;
}

static bool read_labels(struct answer *a, struct load_series *ret)
{
    if (!skip(a, "{\"metric\":{\"__name__\":\""))
        return false;
    for (ret->family = 0; ret->family < LOAD_FAMILIES; ret->family++)
        if (skip(a, load_family_name(ret->family)))
            break;
    return ret->family < LOAD_FAMILIES && skip(a, "\",\"c\":\"") &&
           read_number(a, &ret->connection) && skip(a, "\",\"p\":\"") &&
           read_number(a, &ret->part) && skip(a, "\",\"s\":\"") && read_number(a, &ret->number) &&
           skip(a, "\"},\"values\":[");
}

/* Seconds with up to three decimals, as ms. */
static bool read_time(struct answer *a, int64_t *ret)
{
    int64_t ms = 0, scale = 1000;
    const char *begin = a->at;
    for (; *a->at >= '0' && *a->at <= '9'; a->at++)
        ms = ms * 10 + (*a->at - '0');
    if (a->at == begin)
        return false;
    if (*a->at == '.')
        for (a->at++; *a->at >= '0' && *a->at <= '9' && scale > 1; a->at++, scale /= 10)
            ms = ms * 10 + (*a->at - '0');
    *ret = ms * scale;
    return true;
}

/* Short decimals are the quotient of two integers that a double holds exactly, and so is the
 * division's rounding the right one; everything else goes to strtod. */
static bool read_short(struct answer *a, double *ret)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const char *at = a->at;
    bool is_negative = *at == '-', is_fraction = false;
    uint64_t digits = 0;
    unsigned n = 0, n_decimals = 0;
    for (at += is_negative; n <= EXACT_DIGITS; at++) {
        if (*at == '.' && !is_fraction) {
            is_fraction = true;
        } else if (*at >= '0' && *at <= '9') {
            digits = digits * 10 + (uint64_t)(*at - '0');
            n++;
            n_decimals += is_fraction;
        } else {
            break;
        }
    }
    if (n == 0 || n > EXACT_DIGITS || *at != '"')
        return false;
    *ret = (is_negative ? -1.0 : 1.0) * ((double)digits / powers[n_decimals]);
    a->at = at;
    return true;
}

static bool read_value(struct answer *a, uint64_t *ret)
{
    double value;
    if (!read_short(a, &value)) {
        char *end;
        value = strtod(a->at, &end);
        if (end == a->at)
            return false;
        a->at = end;
    }
    memcpy(ret, &value, sizeof(*ret));
    if (isnan(value))
        *ret = NAN_BITS;
    return true;
}

static bool read_sample(struct answer *a)
{
    if (a->n_samples == a->capacity) {
        a->capacity = 2 * a->capacity + 256;
        a->samples = realloc(a->samples, a->capacity * sizeof(*a->samples));
        if (a->samples == NULL)
            err(2, "memory for samples");
    }
    struct load_sample *s = &a->samples[a->n_samples++];
    return skip(a, "[") && read_time(a, &s->t_ms) && skip(a, ",\"") && read_value(a, &s->bits) &&
           skip(a, "\"]");
}

bool answer_next(struct answer *a, struct load_series *ret)
{
    if (a->problem != NULL)
        return false;
    if (skip(a, "]}}"))
        return false;
    skip(a, ",");
    if (!read_labels(a, ret))
        return fail(a, "labels that nobody sent");
    a->n_samples = 0;
    do {
        if (!read_sample(a))
            return fail(a, "not a sample");
    } while (skip(a, ","));
    if (!skip(a, "]}"))
        return fail(a, "no end of a series");
    return true;
}

void answer_release(struct answer *a)
{
    free(a->samples);
    memset(a, 0, sizeof(*a));
}
