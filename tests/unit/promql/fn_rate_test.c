/* rate and its kin.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/support/random.h"
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"req_total{i=\"a\"}", 15000, "0+10x40"},
    {"req_total{i=\"b\"}", 15000, "100+1.5x10 3+2x20"},
    {"gauge", 15000, "5 3 8 1 9 NaN 2 4x5"},
    {"late_total", 15000, "_x20 7+7x10"},
    {"near_zero_total", 15000, "1+100x20"},
    {"one_total", 15000, "_x10 5"},
    {"two_total", 15000, "_x1 10 20"},
    {"gauge2{i=\"z\"}", 60000, "1 1 2 2 1 0"},
    {"twin_a", 15000, "0+1x40"},
    {"twin_b", 15000, "0+1x40"},
};

static const struct test_case cases[] = {
    {"rate(req_total[5m])", 600, 0, 0,
     "{i=\"a\"} 0.6666666666666666; {i=\"b\"} 0.07666666666666666"},
    {"rate(req_total[1m])", 45, 0, 0, "{i=\"a\"} 0.5; {i=\"b\"} 0.09999999999999999"},
    {"rate(req_total[1m])", 60, 0, 0,
     "{i=\"a\"} 0.6666666666666666; {i=\"b\"} 0.09999999999999999"},
    {"rate(req_total[1m])", 50, 0, 0,
     "{i=\"a\"} 0.5555555555555556; {i=\"b\"} 0.09999999999999999"},
    {"increase(req_total[1m])", 50, 0, 0, "{i=\"a\"} 33.333333333333336; {i=\"b\"} 6"},
    {"increase(req_total[5m])", 200, 0, 0,
     "{i=\"a\"} 133.33333333333331; {i=\"b\"} 23.41025641025641"},
    {"rate(req_total[30s])", 0, 120, 17,
     "{i=\"a\"} 0.37777777777777777@17 0.6666666666666666@34 0.6666666666666666@51 "
     "0.6666666666666666@68 0.6666666666666666@85 0.6666666666666666@102 0.6666666666666666@119; "
     "{i=\"b\"} 0.1@17 0.1@34 0.1@51 0.1@68 0.1@85 0.1@102 0.1@119"},
    {"increase(req_total{i=\"b\"}[1m])", 140, 190, 7,
     "{i=\"b\"} 6@140 6@147 6@154 6@161 8@168 8@175 8.666666666666666@182 8.666666666666666@189"},
    {"rate(gauge[1m])", 60, 0, 0,
     "{} 0.2833333333333333 ! PromQL info: metric might not be a counter, name does not end in "
     "_total/_sum/_count/_bucket: \"gauge\" (1:6)"},
    {"delta(gauge[1m])", 0, 120, 30, "{} 3.75@30 8@60 1.3333333333333333@90 NaN@120"},
    {"rate(late_total[5m])", 0, 600, 100,
     "{} 0.1438888888888889@400 0.2566666666666667@500 0.2683333333333333@600"},
    /* the first sample 17.1, 16.5 and 16.4 s behind the start of the range: 1.1 of their mean
       distance is 16.5 */
    {"increase(late_total[1m2s100ms])", 360, 0, 0, "{} 24.5"},
    {"increase(late_total[1m1s500ms])", 360, 0, 0, "{} 24.5"},
    {"increase(late_total[1m1s400ms])", 360, 0, 0, "{} 28"},
    {"increase(near_zero_total[5m])", 300, 0, 0, "{} 2000"},
    {"increase(near_zero_total[5m])", 280, 0, 0, "{} 1867.6666666666663"},
    {"rate(one_total[5m])", 200, 0, 0, ""},
    /* zero lies as far back as the second sample, the start of the range further */
    {"increase(two_total[31s])", 45, 0, 0, "{} 20"},
    {"rate({__name__=~\"gauge.*\"}[5m])", 300, 0, 0,
     "{} 0.034090909090909095; {i=\"z\"} 0.008333333333333333 ! PromQL info: metric might not be a "
     "counter, name does not end in _total/_sum/_count/_bucket: \"gauge\" (1:6) ! PromQL info: "
     "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"gauge2\" "
     "(1:6)"},
    {"rate({__name__=~\"twin_.*\"}[5m])", 300, 0, 0,
     "vector cannot contain metrics with the same labelset"},
    {"irate(req_total[5m])", 172, 0, 0, "{i=\"a\"} 0.6666666666666666; {i=\"b\"} 0.2"},
    {"irate(req_total{i=\"b\"}[5m])", 172, 0, 0, "{i=\"b\"} 0.2"},
    {"idelta(gauge[5m])", 45, 0, 0, "{} -7"},
    {"changes(gauge[2m])", 0, 200, 40, "{} 0@0 2@40 5@80 6@120 4@160 1@200"},
    {"resets(gauge[2m])", 0, 200, 40, "{} 0@0 1@40 2@80 1@120 0@160 0@200"},
    {"changes(gauge2[10m])", 600, 0, 0, "{i=\"z\"} 3"},
    {"resets(req_total[10m])", 600, 0, 0, "{i=\"a\"} 0; {i=\"b\"} 1"},
    {"rate(req_total[5m] offset 1m)", 300, 0, 0, "{i=\"a\"} 0.5333333333333333; {i=\"b\"} 0.09625"},
    {"rate(req_total[5m] @ start())", 300, 400, 50,
     "{i=\"a\"} 0.6666666666666666@300 0.6666666666666666@350 0.6666666666666666@400; {i=\"b\"} "
     "0.12105263157894736@300 0.12105263157894736@350 0.12105263157894736@400"},
    {"rate(req_total[1m:15s])", 300, 0, 0,
     "{i=\"a\"} 0.6666666666666666; {i=\"b\"} 0.1333333333333333"},
    {"rate(sum by (i) (req_total)[1m:15s])", 300, 0, 0,
     "{i=\"a\"} 0.6666666666666666; {i=\"b\"} 0.1333333333333333"},
    {"increase(req_total[1ms])", 300, 0, 0, ""},
    {"delta((req_total > 1e9)[1m:15s])", 300, 0, 0, ""},
    {"rate((req_total > 1e9)[1m:15s])", 300, 0, 0, ""},
    {"irate(one_total[5m])", 200, 0, 0, ""},
    {"rate(\n  gauge[5m])", 300, 0, 0,
     "{} 0.034090909090909095 ! PromQL info: metric might not be a counter, name does not end in "
     "_total/_sum/_count/_bucket: \"gauge\" (2:3)"},
    {"rate(late_total[5m]) + rate(gauge[5m]) + rate(gauge2[5m])", 400, 0, 0,
     " ! PromQL info: metric might not be a counter, name does not end in "
     "_total/_sum/_count/_bucket: \"gauge\" (1:29) ! PromQL info: metric might not be a counter, "
     "name does not end in _total/_sum/_count/_bucket: \"gauge2\" (1:47)"},
};

Test(fn_rate, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}

/* --- against the formula as it is written down --------------------------------------------------
 */

enum kind { RATE, INCREASE, DELTA };

struct counter {
    size_t n;
    int64_t t_ms[128]; /* after TEST_BASE_MS */
    double v[128];
    char text[4096]; /* for test_load */
};

/* It may fall, start near zero and have gaps. */
static void random_counter(struct random *r, int64_t interval_ms, uint64_t gaps_of_8,
                           struct counter *ret)
{
    static const uint64_t falls[] = {0, 1, 8}; /* of 96 steps */
    static const double starts[] = {0, 5, 10000};
    double v = starts[random_below(r, 3)];
    uint64_t falls_of_96 = falls[random_below(r, 3)], growth = random_below(r, 2) ? 3 : 40;
    size_t at = 0;
    ret->n = 0;
    for (int i = 0; i < 100; i++) {
        bool is_gap = random_below(r, 8) < gaps_of_8;
        v = random_below(r, 96) < falls_of_96 ? (double)random_below(r, 9)
                                              : v + (double)random_below(r, growth);
        ret->t_ms[ret->n] = i * interval_ms;
        ret->v[ret->n] = v / 7;
        at += (size_t)snprintf(ret->text + at, sizeof(ret->text) - at, is_gap ? "_ " : "%.17g ",
                               v / 7);
        ret->n += !is_gap;
    }
}

/* Of samples from to end - 1, as the head of fn_rate.c has it. */
static double naive(enum kind kind, const struct counter *c, size_t from, size_t end,
                    int64_t start_ms, int64_t end_ms)
{
    double difference = c->v[end - 1] - c->v[from];
    for (size_t i = from + 1; i < end && kind != DELTA; i++)
        difference += c->v[i] < c->v[i - 1] ? c->v[i - 1] : 0;
    double to_start = (double)(c->t_ms[from] - start_ms) / 1000;
    double to_end = (double)(end_ms - c->t_ms[end - 1]) / 1000;
    double sampled = (double)(c->t_ms[end - 1] - c->t_ms[from]) / 1000;
    double average = sampled / (double)(end - 1 - from), threshold = average * 1.1;
    to_start = to_start >= threshold ? average / 2 : to_start;
    to_end = to_end >= threshold ? average / 2 : to_end;
    double to_zero = sampled * (c->v[from] / difference);
    if (kind != DELTA && difference > 0 && c->v[from] >= 0 && to_zero < to_start)
        to_start = to_zero;
    double factor = (sampled + to_start + to_end) / sampled;
    return difference * (kind == RATE ? factor / ((double)(end_ms - start_ms) / 1000) : factor);
}

static void put_naive(enum kind kind, const struct counter *c, int64_t range_ms, int64_t end_ms,
                      struct textbuf *b)
{
    size_t from = 0, end = 0;
    char number[FLOAT_TEXT_MAX];
    while (end < c->n && c->t_ms[end] <= end_ms)
        end++;
    while (from < end && c->t_ms[from] <= end_ms - range_ms)
        from++;
    if (end - from < 2)
        return;
    float_text_json(naive(kind, c, from, end, end_ms - range_ms, end_ms), number);
    textbuf_printf(b, " %s@%d", number, (int)(end_ms / 1000));
}

/* What is kept from series to series changes no bit, be their times the same or not. */
Test(fn_rate, windows_that_slide_answer_as_the_formula_does)
{
    enum { STEPS = 25, SERIES = 4 };
    static const char *const names[] = {"rate", "increase", "delta"};
    static const int lengths_s[] = {16, 31, 60, 61, 100, 300};
    static struct counter c;
    struct random r;
    random_init(&r, random_seed());
    for (int round = 0; round < 120; round++) {
        char text[64];
        struct test_query t;
        struct region region;
        struct textbuf expected;
        enum kind kind = (enum kind)random_below(&r, 3);
        int length_s = lengths_s[random_below(&r, ARRAY_LEN(lengths_s))];
        int start_s = (int)random_below(&r, 200), step_s = random_below(&r, 2) ? 15 : 7;
        int64_t interval_ms = random_below(&r, 4) ? 15000 : 1000;
        uint64_t gaps_of_8 = random_below(&r, 2) ? 0 : random_below(&r, 5);
        test_query_init(&t);
        region_init(&region, &t.arena, t.owner, 0);
        textbuf_init(&expected, &region);
        for (int k = 0; k < SERIES; k++) {
            struct textbuf points;
            textbuf_init(&points, &region);
            random_counter(&r, interval_ms, gaps_of_8, &c);
            snprintf(text, sizeof(text), "c_total{k=\"%d\"}", k);
            test_load(&t, text, interval_ms, c.text);
            for (int i = 0; i < STEPS; i++)
                put_naive(kind, &c, length_s * 1000, (start_s + i * step_s) * 1000, &points);
            const char *line = textbuf_finish(&points);
            if (*line)
                textbuf_printf(&expected, "%s{k=\"%d\"}", expected.n > 0 ? "; " : "", k);
            textbuf_puts(&expected, line);
        }
        snprintf(text, sizeof(text), "%s(c_total[%ds])", names[kind], length_s);
        const char *slid = test_range(&t, text, start_s, start_s + (STEPS - 1) * step_s, step_s);
        const char *wanted = textbuf_finish(&expected);
        cr_assert_str_eq(slid, wanted, "%s", text);
        region_release(&region);
        test_query_release(&t);
    }
}
