/* The functions that the table in funcs.c names, by the file that they live in. Each evaluates a
 * call over all steps (func_eval in funcs.h). */
#ifndef HG_TSDB_PROMQL_FN_H
#define HG_TSDB_PROMQL_FN_H

#include "tsdb/promql/funcs.h"

/* fn_rate.c */
int fn_rate(struct eval *e, const struct node *call, struct value *ret);
int fn_increase(struct eval *e, const struct node *call, struct value *ret);
int fn_delta(struct eval *e, const struct node *call, struct value *ret);
int fn_irate(struct eval *e, const struct node *call, struct value *ret);
int fn_idelta(struct eval *e, const struct node *call, struct value *ret);
int fn_changes(struct eval *e, const struct node *call, struct value *ret);
int fn_resets(struct eval *e, const struct node *call, struct value *ret);
int fn_deriv(struct eval *e, const struct node *call, struct value *ret);
int fn_predict_linear(struct eval *e, const struct node *call, struct value *ret);

/* fn_over_time.c */
int fn_avg_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_count_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_last_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_max_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_min_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_present_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_quantile_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_stddev_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_stdvar_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_sum_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_double_exponential_smoothing(struct eval *e, const struct node *call, struct value *ret);
int fn_first_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_mad_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_ts_of_first_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_ts_of_last_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_ts_of_max_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_ts_of_min_over_time(struct eval *e, const struct node *call, struct value *ret);

/* fn_math.c */
int fn_clamp(struct eval *e, const struct node *call, struct value *ret);
int fn_clamp_max(struct eval *e, const struct node *call, struct value *ret);
int fn_clamp_min(struct eval *e, const struct node *call, struct value *ret);
/* of one argument: abs, ceil, ln, sin, ... by the name of the call */
int fn_math(struct eval *e, const struct node *call, struct value *ret);
int fn_max_of(struct eval *e, const struct node *call, struct value *ret);
int fn_min_of(struct eval *e, const struct node *call, struct value *ret);
int fn_pi(struct eval *e, const struct node *call, struct value *ret);
int fn_round(struct eval *e, const struct node *call, struct value *ret);

/* fn_time.c */
int fn_day_of_month(struct eval *e, const struct node *call, struct value *ret);
int fn_day_of_week(struct eval *e, const struct node *call, struct value *ret);
int fn_day_of_year(struct eval *e, const struct node *call, struct value *ret);
int fn_days_in_month(struct eval *e, const struct node *call, struct value *ret);
int fn_end(struct eval *e, const struct node *call, struct value *ret);
int fn_hour(struct eval *e, const struct node *call, struct value *ret);
int fn_minute(struct eval *e, const struct node *call, struct value *ret);
int fn_month(struct eval *e, const struct node *call, struct value *ret);
int fn_range(struct eval *e, const struct node *call, struct value *ret);
int fn_start(struct eval *e, const struct node *call, struct value *ret);
int fn_start_timestamp(struct eval *e, const struct node *call, struct value *ret);
int fn_step(struct eval *e, const struct node *call, struct value *ret);
int fn_time(struct eval *e, const struct node *call, struct value *ret);
int fn_timestamp(struct eval *e, const struct node *call, struct value *ret);
int fn_year(struct eval *e, const struct node *call, struct value *ret);

/* fn_vector.c */
int fn_absent(struct eval *e, const struct node *call, struct value *ret);
int fn_absent_over_time(struct eval *e, const struct node *call, struct value *ret);
int fn_scalar(struct eval *e, const struct node *call, struct value *ret);
int fn_sort(struct eval *e, const struct node *call, struct value *ret);
int fn_sort_desc(struct eval *e, const struct node *call, struct value *ret);
int fn_vector(struct eval *e, const struct node *call, struct value *ret);

/* fn_label.c */
int fn_label_join(struct eval *e, const struct node *call, struct value *ret);
int fn_label_replace(struct eval *e, const struct node *call, struct value *ret);

/* fn_histogram.c */
int fn_histogram_fraction(struct eval *e, const struct node *call, struct value *ret);
int fn_histogram_of_floats(struct eval *e, const struct node *call, struct value *ret);
int fn_histogram_quantile(struct eval *e, const struct node *call, struct value *ret);
int fn_histogram_quantiles(struct eval *e, const struct node *call, struct value *ret);

/* fn_info.c */
int fn_info(struct eval *e, const struct node *call, struct value *ret);

/* fn_sort.c */
int fn_sort_by_label(struct eval *e, const struct node *call, struct value *ret);
int fn_sort_by_label_desc(struct eval *e, const struct node *call, struct value *ret);

#endif
