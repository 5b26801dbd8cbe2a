/* Functions of one value at a time. */
#include "tsdb/promql/arith.h"
#include "tsdb/promql/eval.h"
#include "tsdb/promql/fn.h"
#include "tsdb/promql/go_math.h"

#include <math.h>
#include <string.h>

static const double PI = 3.14159265358979323846;
static const double ONE_BY_LN2 = 1.44269504088896340735992468100189214;
static const double ONE_BY_LN10 = 0.434294481903251827651128918916605082;

/* params: the call's scalar arguments at the step. */
typedef double (*math_fn)(double v, const double *params);

/* The names stay. */
static int map_named(struct eval *e, const struct node *call, math_fn fn, struct value *ret)
{
    double *columns[FUNC_ARGS_MAX] = {0};
    ret->type = PROMQL_VECTOR;
    if (eval_vector(e, call->call.args[0], &ret->vector) != 0)
        return -1;
    for (uint32_t i = 1; i < call->call.n_args; i++)
        if (eval_scalar(e, call->call.args[i], &columns[i - 1]) != 0)
            return -1;
    for (size_t k = 0; k < ret->vector.n; k++) {
        struct column *c = &ret->vector.items[k];
        for (size_t i = 0; i < e->steps.n; i++) {
            double params[FUNC_ARGS_MAX];
            if (!column_has(c, i))
                continue;
            for (uint32_t p = 0; p + 1 < call->call.n_args; p++)
                params[p] = columns[p][i];
            c->v[i] = fn(c->v[i], params);
        }
        if (eval_poll(e, e->steps.n) != 0)
            return -1;
    }
    return 0;
}

static int map_values(struct eval *e, const struct node *call, math_fn fn, struct value *ret)
{
    if (map_named(e, call, fn, ret) != 0)
        return -1;
    return eval_drop_names(e, &ret->vector, false);
}

/* Exact on powers of two; the rest, and the decimal logarithm, are rounded as Go rounds them. */
static double binary_logarithm(double v)
{
    int exponent;
    if (!(v > 0) || isinf(v))
        return go_log(v);
    double mantissa = frexp(v, &exponent);
    if (mantissa == 0.5)
        return exponent - 1;
    return go_log(mantissa) * ONE_BY_LN2 + exponent;
}

static double decimal_logarithm(double v)
{
    return go_log(v) * ONE_BY_LN10;
}

static double degrees(double v)
{
    return v * 180 / PI;
}

static double radians(double v)
{
    return v * PI / 180;
}

static double sign(double v)
{
    return v < 0 ? -1 : v > 0 ? 1 : v;
}

static const struct {
    const char *name;
    double (*fn)(double v);
} plain_fns[] = {
    {"abs", fabs},
    {"acos", go_acos},
    {"acosh", go_acosh},
    {"asin", go_asin},
    {"asinh", go_asinh},
    {"atan", go_atan},
    {"atanh", go_atanh},
    {"ceil", ceil},
    {"cos", go_cos},
    {"cosh", go_cosh},
    {"deg", degrees},
    {"exp", go_exp},
    {"floor", floor},
    {"ln", go_log},
    {"log10", decimal_logarithm},
    {"log2", binary_logarithm},
    {"rad", radians},
    {"sgn", sign},
    {"sin", go_sin},
    {"sinh", go_sinh},
    {"sqrt", sqrt},
    {"tan", go_tan},
    {"tanh", go_tanh},
};

int fn_math(struct eval *e, const struct node *call, struct value *ret)
{
    double (*fn)(double) = NULL;
    for (size_t i = 0; i < ARRAY_LEN(plain_fns); i++)
        if (strcmp(plain_fns[i].name, call->call.func->name) == 0)
            fn = plain_fns[i].fn;
    assert(fn);
    ret->type = PROMQL_VECTOR;
    if (eval_vector(e, call->call.args[0], &ret->vector) != 0)
        return -1;
    for (size_t k = 0; k < ret->vector.n; k++) {
        struct column *c = &ret->vector.items[k];
        for (size_t i = 0; i < e->steps.n; i++)
            if (column_has(c, i))
                c->v[i] = fn(c->v[i]);
        if (eval_poll(e, e->steps.n) != 0)
            return -1;
    }
    return eval_drop_names(e, &ret->vector, false);
}

static double value_clamp_min(double v, const double *params)
{
    return arith_max(params[0], v);
}

static double value_clamp_max(double v, const double *params)
{
    return arith_min(params[0], v);
}

int fn_clamp_min(struct eval *e, const struct node *call, struct value *ret)
{
    return map_values(e, call, value_clamp_min, ret);
}

int fn_clamp_max(struct eval *e, const struct node *call, struct value *ret)
{
    return map_values(e, call, value_clamp_max, ret);
}

static double value_round(double v, const double *params)
{
    (void)params;
    return floor(v + 0.5);
}

static double value_round_to(double v, const double *params)
{
    double inverse = 1 / params[0];
    return floor(v * inverse + 0.5) / inverse;
}

int fn_round(struct eval *e, const struct node *call, struct value *ret)
{
    return map_values(e, call, call->call.n_args > 1 ? value_round_to : value_round, ret);
}

static double value_clamp(double v, const double *params)
{
    return arith_max(params[0], arith_min(params[1], v));
}

/* Steps at which the bounds are crossed have no result. */
int fn_clamp(struct eval *e, const struct node *call, struct value *ret)
{
    double *low, *high;
    if (eval_scalar(e, call->call.args[1], &low) != 0 ||
        eval_scalar(e, call->call.args[2], &high) != 0 || map_named(e, call, value_clamp, ret) != 0)
        return -1;
    for (size_t k = 0; k < ret->vector.n; k++)
        for (size_t i = 0; i < e->steps.n; i++)
            if (high[i] < low[i])
                column_clear(&ret->vector.items[k], i);
    vector_squeeze(&ret->vector, e->steps.n);
    return eval_drop_names(e, &ret->vector, false);
}

int fn_pi(struct eval *e, const struct node *call, struct value *ret)
{
    (void)call;
    ret->type = PROMQL_SCALAR;
    ret->scalar = eval_alloc(e, e->steps.n, sizeof(*ret->scalar));
    for (size_t i = 0; ret->scalar && i < e->steps.n; i++)
        ret->scalar[i] = PI;
    return ret->scalar ? 0 : -1;
}

static int eval_two(struct eval *e, const struct node *call, double (*of)(double, double),
                    struct value *ret)
{
    double *a, *b;
    ret->type = PROMQL_SCALAR;
    if (eval_scalar(e, call->call.args[0], &a) != 0 || eval_scalar(e, call->call.args[1], &b) != 0)
        return -1;
    for (size_t i = 0; i < e->steps.n; i++)
        a[i] = of(a[i], b[i]);
    ret->scalar = a;
    return 0;
}

int fn_min_of(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_two(e, call, arith_min, ret);
}

int fn_max_of(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_two(e, call, arith_max, ret);
}
