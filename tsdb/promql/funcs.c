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
#define NEWER (FUNC_NEWER | FUNC_EXPERIMENTAL)
#define TIMED FUNC_TIME_DEPENDENT
#define EDGES FUNC_TAKES_ANCHORED
#define BOTH  (FUNC_TAKES_ANCHORED | FUNC_TAKES_SMOOTHED)

/* clang-format off */
static const struct func funcs[] = {
    /* name, returns, number of arguments, optional ones, flags, types of arguments, evaluation */
    {"abs", V, 1, 0, 0, {V}, fn_math},
    {"absent", V, 1, 0, 0, {V}, fn_absent},
    {"absent_over_time", V, 1, 0, 0, {M}, fn_absent_over_time},
    {"acos", V, 1, 0, 0, {V}, fn_math},
    {"acosh", V, 1, 0, 0, {V}, fn_math},
    {"asin", V, 1, 0, 0, {V}, fn_math},
    {"asinh", V, 1, 0, 0, {V}, fn_math},
    {"atan", V, 1, 0, 0, {V}, fn_math},
    {"atanh", V, 1, 0, 0, {V}, fn_math},
    {"avg_over_time", V, 1, 0, 0, {M}, fn_avg_over_time},
    {"ceil", V, 1, 0, 0, {V}, fn_math},
    {"changes", V, 1, 0, EDGES, {M}, fn_changes},
    {"clamp", V, 3, 0, 0, {V, S, S}, fn_clamp},
    {"clamp_max", V, 2, 0, 0, {V, S}, fn_clamp_max},
    {"clamp_min", V, 2, 0, 0, {V, S}, fn_clamp_min},
    {"cos", V, 1, 0, 0, {V}, fn_math},
    {"cosh", V, 1, 0, 0, {V}, fn_math},
    {"count_over_time", V, 1, 0, 0, {M}, fn_count_over_time},
    {"day_of_month", V, 1, 1, TIMED, {V}, fn_day_of_month},
    {"day_of_week", V, 1, 1, TIMED, {V}, fn_day_of_week},
    {"day_of_year", V, 1, 1, TIMED, {V}, fn_day_of_year},
    {"days_in_month", V, 1, 1, TIMED, {V}, fn_days_in_month},
    {"deg", V, 1, 0, 0, {V}, fn_math},
    {"delta", V, 1, 0, BOTH, {M}, fn_delta},
    {"deriv", V, 1, 0, 0, {M}, fn_deriv},
    {"double_exponential_smoothing", V, 3, 0, EXPER, {M, S, S}, fn_double_exponential_smoothing},
    {"end", S, 0, 0, NEWER | TIMED, {0}, fn_end},
    {"exp", V, 1, 0, 0, {V}, fn_math},
    {"first_over_time", V, 1, 0, NEWER | KEEPS, {M}, fn_first_over_time},
    {"floor", V, 1, 0, 0, {V}, fn_math},
    {"histogram_avg", V, 1, 0, 0, {V}, fn_histogram_of_floats},
    {"histogram_count", V, 1, 0, 0, {V}, fn_histogram_of_floats},
    {"histogram_fraction", V, 3, 0, 0, {S, S, V}, fn_histogram_fraction},
    {"histogram_quantile", V, 2, 0, 0, {S, V}, fn_histogram_quantile},
    {"histogram_quantiles", V, 3, 9, NEWER, {V, T, S}, fn_histogram_quantiles},
    {"histogram_stddev", V, 1, 0, 0, {V}, fn_histogram_of_floats},
    {"histogram_stdvar", V, 1, 0, 0, {V}, fn_histogram_of_floats},
    {"histogram_sum", V, 1, 0, 0, {V}, fn_histogram_of_floats},
    {"hour", V, 1, 1, TIMED, {V}, fn_hour},
    {"idelta", V, 1, 0, 0, {M}, fn_idelta},
    {"increase", V, 1, 0, BOTH, {M}, fn_increase},
    {"info", V, 2, 1, EXPER | KEEPS, {V, V}, fn_info},
    {"irate", V, 1, 0, 0, {M}, fn_irate},
    {"label_join", V, 4, ANY, KEEPS, {V, T, T, T}, fn_label_join},
    {"label_replace", V, 5, 0, KEEPS, {V, T, T, T, T}, fn_label_replace},
    {"last_over_time", V, 1, 0, KEEPS, {M}, fn_last_over_time},
    {"ln", V, 1, 0, 0, {V}, fn_math},
    {"log10", V, 1, 0, 0, {V}, fn_math},
    {"log2", V, 1, 0, 0, {V}, fn_math},
    {"mad_over_time", V, 1, 0, EXPER, {M}, fn_mad_over_time},
    {"max_of", S, 2, 0, NEWER, {S, S}, fn_max_of},
    {"max_over_time", V, 1, 0, 0, {M}, fn_max_over_time},
    {"min_of", S, 2, 0, NEWER, {S, S}, fn_min_of},
    {"min_over_time", V, 1, 0, 0, {M}, fn_min_over_time},
    {"minute", V, 1, 1, TIMED, {V}, fn_minute},
    {"month", V, 1, 1, TIMED, {V}, fn_month},
    {"pi", S, 0, 0, 0, {0}, fn_pi},
    {"predict_linear", V, 2, 0, TIMED, {M, S}, fn_predict_linear},
    {"present_over_time", V, 1, 0, 0, {M}, fn_present_over_time},
    {"quantile_over_time", V, 2, 0, 0, {S, M}, fn_quantile_over_time},
    {"rad", V, 1, 0, 0, {V}, fn_math},
    {"range", S, 0, 0, NEWER | TIMED, {0}, fn_range},
    {"rate", V, 1, 0, BOTH, {M}, fn_rate},
    {"resets", V, 1, 0, EDGES, {M}, fn_resets},
    {"round", V, 2, 1, 0, {V, S}, fn_round},
    {"scalar", S, 1, 0, 0, {V}, fn_scalar},
    {"sgn", V, 1, 0, 0, {V}, fn_math},
    {"sin", V, 1, 0, 0, {V}, fn_math},
    {"sinh", V, 1, 0, 0, {V}, fn_math},
    {"sort", V, 1, 0, KEEPS, {V}, fn_sort},
    {"sort_by_label", V, 2, ANY, EXPER | KEEPS, {V, T}, fn_sort_by_label},
    {"sort_by_label_desc", V, 2, ANY, EXPER | KEEPS, {V, T}, fn_sort_by_label_desc},
    {"sort_desc", V, 1, 0, KEEPS, {V}, fn_sort_desc},
    {"sqrt", V, 1, 0, 0, {V}, fn_math},
    {"start", S, 0, 0, NEWER | TIMED, {0}, fn_start},
    {"start_timestamp", V, 1, 0, NEWER, {V}, fn_start_timestamp},
    {"stddev_over_time", V, 1, 0, 0, {M}, fn_stddev_over_time},
    {"stdvar_over_time", V, 1, 0, 0, {M}, fn_stdvar_over_time},
    {"step", S, 0, 0, NEWER | TIMED, {0}, fn_step},
    {"sum_over_time", V, 1, 0, 0, {M}, fn_sum_over_time},
    {"tan", V, 1, 0, 0, {V}, fn_math},
    {"tanh", V, 1, 0, 0, {V}, fn_math},
    {"time", S, 0, 0, TIMED, {0}, fn_time},
    {"timestamp", V, 1, 0, TIMED, {V}, fn_timestamp},
    {"ts_of_first_over_time", V, 1, 0, NEWER, {M}, fn_ts_of_first_over_time},
    {"ts_of_last_over_time", V, 1, 0, EXPER, {M}, fn_ts_of_last_over_time},
    {"ts_of_max_over_time", V, 1, 0, EXPER, {M}, fn_ts_of_max_over_time},
    {"ts_of_min_over_time", V, 1, 0, EXPER, {M}, fn_ts_of_min_over_time},
    {"vector", V, 1, 0, 0, {S}, fn_vector},
    {"year", V, 1, 1, TIMED, {V}, fn_year},
};
/* clang-format on */

const struct func *func_find(const char *name, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(funcs); i++)
        if (strlen(funcs[i].name) == n && memcmp(funcs[i].name, name, n) == 0)
            return &funcs[i];
    return NULL;
}
