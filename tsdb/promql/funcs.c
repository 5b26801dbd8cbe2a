#include "tsdb/promql/funcs.h"

#include "tsdb/promql/fn.h"

#include <string.h>

/* Short forms for the table alone. */
#define S     PROMQL_SCALAR
#define T     PROMQL_STRING
#define V     PROMQL_VECTOR
#define M     PROMQL_MATRIX
#define ANY   FUNC_VARIADIC_ANY
#define EXPER FUNC_EXPERIMENTAL
#define KEEPS FUNC_KEEPS_NAME

/* clang-format off */
static const struct func funcs[] = {
    /* name, returns, number of arguments, optional ones, flags, types of arguments, evaluation */
    {"abs", V, 1, 0, 0, {V}, NULL},
    {"absent", V, 1, 0, 0, {V}, NULL},
    {"absent_over_time", V, 1, 0, 0, {M}, NULL},
    {"acos", V, 1, 0, 0, {V}, NULL},
    {"acosh", V, 1, 0, 0, {V}, NULL},
    {"asin", V, 1, 0, 0, {V}, NULL},
    {"asinh", V, 1, 0, 0, {V}, NULL},
    {"atan", V, 1, 0, 0, {V}, NULL},
    {"atanh", V, 1, 0, 0, {V}, NULL},
    {"avg_over_time", V, 1, 0, 0, {M}, fn_avg_over_time},
    {"ceil", V, 1, 0, 0, {V}, NULL},
    {"changes", V, 1, 0, 0, {M}, fn_changes},
    {"clamp", V, 3, 0, 0, {V, S, S}, NULL},
    {"clamp_max", V, 2, 0, 0, {V, S}, NULL},
    {"clamp_min", V, 2, 0, 0, {V, S}, NULL},
    {"cos", V, 1, 0, 0, {V}, NULL},
    {"cosh", V, 1, 0, 0, {V}, NULL},
    {"count_over_time", V, 1, 0, 0, {M}, fn_count_over_time},
    {"day_of_month", V, 1, 1, 0, {V}, NULL},
    {"day_of_week", V, 1, 1, 0, {V}, NULL},
    {"day_of_year", V, 1, 1, 0, {V}, NULL},
    {"days_in_month", V, 1, 1, 0, {V}, NULL},
    {"deg", V, 1, 0, 0, {V}, NULL},
    {"delta", V, 1, 0, 0, {M}, fn_delta},
    {"deriv", V, 1, 0, 0, {M}, NULL},
    {"double_exponential_smoothing", V, 3, 0, EXPER, {M, S, S}, NULL},
    {"exp", V, 1, 0, 0, {V}, NULL},
    {"floor", V, 1, 0, 0, {V}, NULL},
    {"histogram_avg", V, 1, 0, 0, {V}, NULL},
    {"histogram_count", V, 1, 0, 0, {V}, NULL},
    {"histogram_fraction", V, 3, 0, 0, {S, S, V}, NULL},
    {"histogram_quantile", V, 2, 0, 0, {S, V}, NULL},
    {"histogram_stddev", V, 1, 0, 0, {V}, NULL},
    {"histogram_stdvar", V, 1, 0, 0, {V}, NULL},
    {"histogram_sum", V, 1, 0, 0, {V}, NULL},
    {"hour", V, 1, 1, 0, {V}, NULL},
    {"idelta", V, 1, 0, 0, {M}, fn_idelta},
    {"increase", V, 1, 0, 0, {M}, fn_increase},
    {"info", V, 2, 1, EXPER, {V, V}, NULL},
    {"irate", V, 1, 0, 0, {M}, fn_irate},
    {"label_join", V, 4, ANY, KEEPS, {V, T, T, T}, NULL},
    {"label_replace", V, 5, 0, KEEPS, {V, T, T, T, T}, NULL},
    {"last_over_time", V, 1, 0, KEEPS, {M}, fn_last_over_time},
    {"ln", V, 1, 0, 0, {V}, NULL},
    {"log10", V, 1, 0, 0, {V}, NULL},
    {"log2", V, 1, 0, 0, {V}, NULL},
    {"mad_over_time", V, 1, 0, EXPER, {M}, NULL},
    {"max_over_time", V, 1, 0, 0, {M}, fn_max_over_time},
    {"min_over_time", V, 1, 0, 0, {M}, fn_min_over_time},
    {"minute", V, 1, 1, 0, {V}, NULL},
    {"month", V, 1, 1, 0, {V}, NULL},
    {"pi", S, 0, 0, 0, {0}, NULL},
    {"predict_linear", V, 2, 0, 0, {M, S}, NULL},
    {"present_over_time", V, 1, 0, 0, {M}, fn_present_over_time},
    {"quantile_over_time", V, 2, 0, 0, {S, M}, NULL},
    {"rad", V, 1, 0, 0, {V}, NULL},
    {"rate", V, 1, 0, 0, {M}, fn_rate},
    {"resets", V, 1, 0, 0, {M}, fn_resets},
    {"round", V, 2, 1, 0, {V, S}, NULL},
    {"scalar", S, 1, 0, 0, {V}, NULL},
    {"sgn", V, 1, 0, 0, {V}, NULL},
    {"sin", V, 1, 0, 0, {V}, NULL},
    {"sinh", V, 1, 0, 0, {V}, NULL},
    {"sort", V, 1, 0, KEEPS, {V}, NULL},
    {"sort_by_label", V, 2, ANY, EXPER, {V, T}, NULL},
    {"sort_by_label_desc", V, 2, ANY, EXPER, {V, T}, NULL},
    {"sort_desc", V, 1, 0, KEEPS, {V}, NULL},
    {"sqrt", V, 1, 0, 0, {V}, NULL},
    {"stddev_over_time", V, 1, 0, 0, {M}, fn_stddev_over_time},
    {"stdvar_over_time", V, 1, 0, 0, {M}, fn_stdvar_over_time},
    {"sum_over_time", V, 1, 0, 0, {M}, fn_sum_over_time},
    {"tan", V, 1, 0, 0, {V}, NULL},
    {"tanh", V, 1, 0, 0, {V}, NULL},
    {"time", S, 0, 0, 0, {0}, NULL},
    {"timestamp", V, 1, 0, 0, {V}, NULL},
    {"ts_of_last_over_time", V, 1, 0, EXPER, {M}, NULL},
    {"ts_of_max_over_time", V, 1, 0, EXPER, {M}, NULL},
    {"ts_of_min_over_time", V, 1, 0, EXPER, {M}, NULL},
    {"vector", V, 1, 0, 0, {S}, NULL},
    {"year", V, 1, 1, 0, {V}, NULL},
};
/* clang-format on */

const struct func *func_find(const char *name, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(funcs); i++)
        if (strlen(funcs[i].name) == n && memcmp(funcs[i].name, name, n) == 0)
            return &funcs[i];
    return NULL;
}
