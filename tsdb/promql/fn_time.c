/* Time as a value, and parts of dates. Dates are those of the proleptic Gregorian calendar in UTC;
 * days are turned into years and months by Hinnant's method (chrono-compatible low-level date
 * algorithms), with years that begin in March so that the leap day is the last. */
#include "tsdb/promql/eval.h"
#include "tsdb/promql/fn.h"
#include "tsdb/promql/selector.h"

enum { DAYS_PER_ERA = 146097, SECONDS_PER_DAY = 86400 };

struct date {
    int64_t year;
    int month, day; /* from 1 */
    int64_t days;   /* since 1970-01-01 */
    int64_t second; /* of the day */
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Before this second Go's dates wrap around to the far future. */
static const int64_t FIRST_SECOND = INT64_C(-9223371966579724800);

static struct date date_of(int64_t seconds)
{
    struct date d = {.days = floor_div(seconds, SECONDS_PER_DAY)};
    d.second = (seconds % SECONDS_PER_DAY + SECONDS_PER_DAY) % SECONDS_PER_DAY;
    if (seconds < FIRST_SECOND) {
        d.days = (int64_t)((uint64_t)seconds / SECONDS_PER_DAY);
        d.second = (int64_t)((uint64_t)seconds % SECONDS_PER_DAY);
    }
    int64_t z = d.days + 719468; /* days since 0000-03-01 */
    int64_t era = floor_div(z, DAYS_PER_ERA);
    int64_t day = z - era * DAYS_PER_ERA;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* from March */
    d.day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    d.month = (int)(month < 10 ? month + 3 : month - 9);
    d.year = year + era * 400 + (d.month <= 2);
    return d;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_before(int month, bool is_leap_year)
{
    static const short days[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    return days[month - 1] + (is_leap_year && month > 2);
}

static double part_minute(const struct date *d)
{
    return (double)(d->second / 60 % 60);
}

static double part_hour(const struct date *d)
{
    return (double)(d->second / 3600);
}

static double part_day_of_week(const struct date *d)
{
    return (double)(((d->days + 4) % 7 + 7) % 7);
}

static double part_day_of_month(const struct date *d)
{
    return d->day;
}

static double part_day_of_year(const struct date *d)
{
    return days_before(d->month, is_leap(d->year)) + d->day;
}

static double part_days_in_month(const struct date *d)
{
    bool is_long = is_leap(d->year);
    return days_before(d->month + 1, is_long) - days_before(d->month, is_long);
}

static double part_month(const struct date *d)
{
    return d->month;
}

static double part_year(const struct date *d)
{
    return (double)d->year;
}

/* One column without labels: the time of each step, in seconds. */
static int time_vector(struct eval *e, struct vector *ret)
{
    if (eval_new_vector(e, 1, ret) != 0)
        return -1;
    for (size_t i = 0; i < e->steps.n; i++)
        column_put(&ret->items[0], i, (double)steps_time(&e->steps, i) / 1000);
    return 0;
}

/* A scalar that is the same at all steps. */
static int constant(struct eval *e, double v, struct value *ret)
{
    ret->type = PROMQL_SCALAR;
    ret->scalar = eval_alloc(e, e->steps.n, sizeof(*ret->scalar));
    for (size_t i = 0; ret->scalar && i < e->steps.n; i++)
        ret->scalar[i] = v;
    return ret->scalar ? 0 : -1;
}

int fn_start(struct eval *e, const struct node *call, struct value *ret)
{
    (void)call;
    return constant(e, (double)e->query_start_ms / 1000, ret);
}

int fn_end(struct eval *e, const struct node *call, struct value *ret)
{
    (void)call;
    return constant(e, (double)e->query_end_ms / 1000, ret);
}

int fn_step(struct eval *e, const struct node *call, struct value *ret)
{
    (void)call;
    return constant(e, (double)e->query_step_ms / 1000, ret);
}

int fn_range(struct eval *e, const struct node *call, struct value *ret)
{
    (void)call;
    return constant(e, (double)time_sub(e->query_end_ms, e->query_start_ms) / 1000, ret);
}

static int eval_part(struct eval *e, const struct node *call, double (*part)(const struct date *),
                     struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    bool has_argument = call->call.n_args > 0;
    if (has_argument ? eval_vector(e, call->call.args[0], &ret->vector)
                     : time_vector(e, &ret->vector))
        return -1;
    for (size_t k = 0; k < ret->vector.n; k++) {
        double *v = ret->vector.items[k].v;
        for (size_t i = 0; i < e->steps.n; i++) {
            if (!column_has(&ret->vector.items[k], i))
                continue;
            /* what no int64 can hold becomes the smallest, as it does for Go */
            bool fits = v[i] > -0x1p63 && v[i] < 0x1p63;
            struct date d = date_of(fits ? (int64_t)v[i] : INT64_MIN);
            v[i] = part(&d);
        }
        if (eval_poll(e, e->steps.n) != 0)
            return -1;
    }
    return eval_drop_names(e, &ret->vector, false);
}

int fn_minute(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_part(e, call, part_minute, ret);
}

int fn_hour(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_part(e, call, part_hour, ret);
}

int fn_day_of_week(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_part(e, call, part_day_of_week, ret);
}

int fn_day_of_month(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_part(e, call, part_day_of_month, ret);
}

int fn_day_of_year(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_part(e, call, part_day_of_year, ret);
}

int fn_days_in_month(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_part(e, call, part_days_in_month, ret);
}

int fn_month(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_part(e, call, part_month, ret);
}

int fn_year(struct eval *e, const struct node *call, struct value *ret)
{
    return eval_part(e, call, part_year, ret);
}

int fn_time(struct eval *e, const struct node *call, struct value *ret)
{
    (void)call;
    struct vector v;
    if (time_vector(e, &v) != 0)
        return -1;
    ret->type = PROMQL_SCALAR;
    ret->scalar = v.items[0].v;
    return 0;
}

/* 3.5 forgets an offset beside @, but not when it reads the store. */
static int selector_times(struct eval *e, const struct node *n, struct vector *ret)
{
    struct reference reads = eval_reference(e, &n->selector.shift), looks = reads;
    if (!reads.is_fixed || eval_as_main(e))
        return selector_eval_times(e, n, ret);
    looks.fixed_ms = time_add(reads.fixed_ms, reads.offset_ms);
    return selector_eval_times_clipped(e, n, &looks, &reads, ret);
}

/* Of a selector: when its samples were taken. Of anything else: when it is evaluated. */
int fn_timestamp(struct eval *e, const struct node *call, struct value *ret)
{
    const struct node *arg = node_unwrap(call->call.args[0]);
    ret->type = PROMQL_VECTOR;
    if (arg->kind == NODE_SELECTOR) {
        if (selector_times(e, arg, &ret->vector) != 0)
            return -1;
    } else {
        if (eval_vector(e, arg, &ret->vector) != 0)
            return -1;
        for (size_t k = 0; k < ret->vector.n; k++)
            for (size_t i = 0; i < e->steps.n; i++)
                ret->vector.items[k].v[i] = (double)steps_time(&e->steps, i) / 1000;
    }
    return eval_drop_names(e, &ret->vector, false);
}

/* When counting of the sample began is not kept, so there is never an answer. */
int fn_start_timestamp(struct eval *e, const struct node *call, struct value *ret)
{
    ret->type = PROMQL_VECTOR;
    if (eval_vector(e, call->call.args[0], &ret->vector) != 0)
        return -1;
    ret->vector.n = 0;
    return 0;
}
