/* Rewriting labels.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"la{i=\"a1\",j=\"x\"}", 15000, "1"},
    {"la{i=\"b2\",j=\"x\"}", 15000, "2"},
    {"lb{i=\"a1\",j=\"x\"}", 15000, "3"},
};

static const struct test_case cases[] = {
    {"label_replace(la, \"n\", \"$1-$2\", \"i\", \"(.)(.)\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\", n=\"a-1\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\", "
     "n=\"b-2\"} 2"},
    {"label_replace(la, \"n\", \"${1}0$$\", \"i\", \"(.).*\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\", n=\"a0$\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\", "
     "n=\"b0$\"} 2"},
    {"label_replace(la, \"n\", \"$1x\", \"i\", \"(.*)\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\"} 2"},
    {"label_replace(la, \"i\", \"\", \"i\", \"a1\")", 0, 0, 0,
     "{__name__=\"la\", j=\"x\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\"} 2"},
    {"label_replace(la, \"i\", \"z\", \"j\", \"x\")", 0, 0, 0,
     "vector cannot contain metrics with the same labelset"},
    {"label_replace(la, \"__name__\", \"new_$1\", \"i\", \"(.*)\")", 0, 0, 0,
     "{__name__=\"new_a1\", i=\"a1\", j=\"x\"} 1; {__name__=\"new_b2\", i=\"b2\", j=\"x\"} 2"},
    {"label_replace(la, \"n\", \"$first${rest}\", \"i\", \"(?P<first>.)(?P<rest>.*)\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\", n=\"a1\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\", "
     "n=\"b2\"} 2"},
    {"label_replace(la, \"n\", \"$\", \"i\", \"(.*)\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\", n=\"$\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\", "
     "n=\"$\"} 2"},
    {"label_replace(la, \"n\", \"${1\", \"i\", \"(.*)\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\", n=\"${1\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\", "
     "n=\"${1\"} 2"},
    {"label_replace(la, \"n\", \"$3\", \"i\", \"(.*)\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\"} 2"},
    {"label_replace(la, \"n\", \"$0\", \"i\", \"(.*)\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\", n=\"a1\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\", "
     "n=\"b2\"} 2"},
    {"label_replace(la, \"n\", \"x\", \"none\", \"\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\", n=\"x\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\", "
     "n=\"x\"} 2"},
    {"label_replace(la, \"n\", \"x\", \"none\", \"y\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\"} 2"},
    {"label_replace(la, \"n\", \"x\", \"i\", \"a\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\"} 2"},
    {"label_replace(la, \"a b\", \"$1\", \"i\", \"(.*)\")", 0, 0, 0,
     "{__name__=\"la\", \"a b\"=\"a1\", i=\"a1\", j=\"x\"} 1; {__name__=\"la\", \"a b\"=\"b2\", "
     "i=\"b2\", j=\"x\"} 2"},
    {"label_replace(la, \"\", \"$1\", \"i\", \"(.*)\")", 0, 0, 0,
     "invalid destination label name in label_replace(): "},
    {"label_replace(la, \"n\", \"$1\", \"i\", \"(\")", 0, 0, 0,
     "invalid regular expression in label_replace(): ("},
    {"label_replace({__name__=~\"la|lb\"}, \"__name__\", \"same\", \"j\", \"x\")", 0, 0, 0,
     "vector cannot contain metrics with the same labelset"},
    {"label_join(la, \"n\", \"-\", \"i\", \"j\", \"none\", \"i\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\", n=\"a1-x--a1\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\", "
     "n=\"b2-x--b2\"} 2"},
    {"label_join(la, \"n\", \"\", \"none\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\"} 2"},
    {"label_join(la, \"i\", \",\", \"j\")", 0, 0, 0,
     "vector cannot contain metrics with the same labelset"},
    {"label_join(la, \"n\", \"-\")", 0, 0, 0,
     "{__name__=\"la\", i=\"a1\", j=\"x\"} 1; {__name__=\"la\", i=\"b2\", j=\"x\"} 2"},
    {"label_join(la, \"\", \"-\", \"j\")", 0, 0, 0,
     "invalid destination label name in label_join(): "},
    {"label_join(la, \"n\", \"-\", \"\")", 0, 0, 0, "invalid source label name in label_join(): "},
    {"label_join(la, \"i\", \"-\")", 0, 0, 0,
     "vector cannot contain metrics with the same labelset"},
};

Test(fn_label, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}
