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

#endif
