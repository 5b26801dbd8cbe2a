/* Two vectors: partners, groups, collisions.
 * Expected answers were compared with those of Prometheus 3.5.3 on the same samples. */
#include "tests/unit/promql/test_query.h"

static const struct test_series loads[] = {
    {"l{i=\"a\",j=\"x\"}", 15000, "1+1x20"},     {"l{i=\"b\",j=\"x\"}", 15000, "10+10x20"},
    {"r{i=\"a\",j=\"x\"}", 15000, "2x20"},       {"r{i=\"b\",j=\"x\"}", 15000, "5 5 _ 5 5"},
    {"r{i=\"c\",j=\"x\"}", 15000, "7x20"},       {"o{j=\"x\",v=\"1\"}", 15000, "100x20"},
    {"p{i=\"a\",q=\"1\"}", 15000, "1x20"},       {"p{i=\"a\",q=\"2\"}", 15000, "2x20"},
    {"p1{i=\"a\",q=\"1\"}", 15000, "1x4 stale"}, {"p1{i=\"a\",q=\"2\"}", 15000, "_x5 2x14"},
    {"nm{k=\"1\"}", 15000, "1x4 stale"},         {"nn{k=\"1\"}", 15000, "_x5 3x14"},
};

static const struct test_case cases[] = {
    {"l + r", 15, 0, 0, "{i=\"a\", j=\"x\"} 4; {i=\"b\", j=\"x\"} 25"},
    {"l - r", 15, 0, 0, "{i=\"a\", j=\"x\"} 0; {i=\"b\", j=\"x\"} 15"},
    {"l * r", 15, 0, 0, "{i=\"a\", j=\"x\"} 4; {i=\"b\", j=\"x\"} 100"},
    {"l / r", 15, 0, 0, "{i=\"a\", j=\"x\"} 1; {i=\"b\", j=\"x\"} 4"},
    {"l % r", 15, 0, 0, "{i=\"a\", j=\"x\"} 0; {i=\"b\", j=\"x\"} 0"},
    {"l ^ r", 15, 0, 0, "{i=\"a\", j=\"x\"} 4; {i=\"b\", j=\"x\"} 3200000"},
    {"l == r", 15, 0, 0, "{__name__=\"l\", i=\"a\", j=\"x\"} 2"},
    {"l != r", 15, 0, 0, "{__name__=\"l\", i=\"b\", j=\"x\"} 20"},
    {"l > r", 15, 0, 0, "{__name__=\"l\", i=\"b\", j=\"x\"} 20"},
    {"l < r", 15, 0, 0, ""},
    {"l >= r", 15, 0, 0,
     "{__name__=\"l\", i=\"a\", j=\"x\"} 2; {__name__=\"l\", i=\"b\", j=\"x\"} 20"},
    {"l <= r", 15, 0, 0, "{__name__=\"l\", i=\"a\", j=\"x\"} 2"},
    {"l == bool r", 15, 0, 0, "{i=\"a\", j=\"x\"} 1; {i=\"b\", j=\"x\"} 0"},
    {"l != bool r", 15, 0, 0, "{i=\"a\", j=\"x\"} 0; {i=\"b\", j=\"x\"} 1"},
    {"l > bool r", 15, 0, 0, "{i=\"a\", j=\"x\"} 0; {i=\"b\", j=\"x\"} 1"},
    {"l < bool r", 15, 0, 0, "{i=\"a\", j=\"x\"} 0; {i=\"b\", j=\"x\"} 0"},
    {"l >= bool r", 15, 0, 0, "{i=\"a\", j=\"x\"} 1; {i=\"b\", j=\"x\"} 1"},
    {"l <= bool r", 15, 0, 0, "{i=\"a\", j=\"x\"} 1; {i=\"b\", j=\"x\"} 0"},
    {"l + on(i) r", 15, 0, 0, "{i=\"a\"} 4; {i=\"b\"} 25"},
    {"l + on(j) r", 15, 0, 0,
     "found duplicate series for the match group {j=\"x\"} on the right hand-side of the "
     "operation: [{__name__=\"r\", i=\"b\", j=\"x\"}, {__name__=\"r\", i=\"a\", "
     "j=\"x\"}];many-to-many matching not allowed: matching labels must be unique on one side"},
    {"r + on(j) l", 15, 0, 0,
     "found duplicate series for the match group {j=\"x\"} on the right hand-side of the "
     "operation: [{__name__=\"l\", i=\"b\", j=\"x\"}, {__name__=\"l\", i=\"a\", "
     "j=\"x\"}];many-to-many matching not allowed: matching labels must be unique on one side"},
    {"l + ignoring(i) r", 15, 0, 0,
     "found duplicate series for the match group {j=\"x\"} on the right hand-side of the "
     "operation: [{__name__=\"r\", i=\"b\", j=\"x\"}, {__name__=\"r\", i=\"a\", "
     "j=\"x\"}];many-to-many matching not allowed: matching labels must be unique on one side"},
    {"l + on(i,j) r", 30, 0, 0, "{i=\"a\", j=\"x\"} 5; {i=\"b\", j=\"x\"} 35"},
    {"l > on(i) r", 15, 0, 0, "{i=\"b\"} 20"},
    {"l > ignoring(j) r", 15, 0, 0, "{__name__=\"l\", i=\"b\"} 20"},
    {"l + on() r", 15, 0, 0,
     "found duplicate series for the match group {} on the right hand-side of the operation: "
     "[{__name__=\"r\", i=\"b\", j=\"x\"}, {__name__=\"r\", i=\"a\", j=\"x\"}];many-to-many "
     "matching not allowed: matching labels must be unique on one side"},
    {"l{i=\"a\"} + on() r{i=\"a\"}", 15, 0, 0, "{} 4"},
    {"l{i=\"a\"} + on(__name__) r", 15, 0, 0,
     "found duplicate series for the match group {__name__=\"r\"} on the right hand-side of the "
     "operation: [{__name__=\"r\", i=\"b\", j=\"x\"}, {__name__=\"r\", i=\"a\", "
     "j=\"x\"}];many-to-many matching not allowed: matching labels must be unique on one side"},
    {"l + on(j) group_left o", 15, 0, 0, "{i=\"a\", j=\"x\"} 102; {i=\"b\", j=\"x\"} 120"},
    {"l + on(j) group_left(v) o", 15, 0, 0,
     "{i=\"a\", j=\"x\", v=\"1\"} 102; {i=\"b\", j=\"x\", v=\"1\"} 120"},
    {"o + on(j) group_right(v) l", 15, 0, 0,
     "{i=\"a\", j=\"x\", v=\"1\"} 102; {i=\"b\", j=\"x\", v=\"1\"} 120"},
    {"o > on(j) group_right l", 15, 0, 0,
     "{__name__=\"l\", i=\"a\", j=\"x\"} 100; {__name__=\"l\", i=\"b\", j=\"x\"} 100"},
    {"l < on(j) group_left o", 15, 0, 0,
     "{__name__=\"l\", i=\"a\", j=\"x\"} 2; {__name__=\"l\", i=\"b\", j=\"x\"} 20"},
    {"l < bool on(j) group_left(v) o", 15, 0, 0,
     "{i=\"a\", j=\"x\", v=\"1\"} 1; {i=\"b\", j=\"x\", v=\"1\"} 1"},
    {"o + on(j) group_left l", 15, 0, 0,
     "found duplicate series for the match group {j=\"x\"} on the right hand-side of the "
     "operation: [{__name__=\"l\", i=\"b\", j=\"x\"}, {__name__=\"l\", i=\"a\", "
     "j=\"x\"}];many-to-many matching not allowed: matching labels must be unique on one side"},
    {"l + on(j) group_left(i) o", 15, 0, 0,
     "multiple matches for labels: grouping labels must ensure unique matches"},
    {"l + on(j) group_left(j) o", 15, 0, 0,
     "1:3: parse error: label \"j\" must not occur in ON and GROUP clause at once"},
    {"p + on(i) group_left l", 15, 0, 0, "{i=\"a\", q=\"1\"} 3; {i=\"a\", q=\"2\"} 4"},
    {"l + on(i) p", 15, 0, 0,
     "found duplicate series for the match group {i=\"a\"} on the right hand-side of the "
     "operation: [{__name__=\"p\", i=\"a\", q=\"2\"}, {__name__=\"p\", i=\"a\", "
     "q=\"1\"}];many-to-many matching not allowed: matching labels must be unique on one side"},
    {"l + on(i) group_left p", 15, 0, 0,
     "found duplicate series for the match group {i=\"a\"} on the right hand-side of the "
     "operation: [{__name__=\"p\", i=\"a\", q=\"2\"}, {__name__=\"p\", i=\"a\", "
     "q=\"1\"}];many-to-many matching not allowed: matching labels must be unique on one side"},
    {"p + on(i) group_right l", 15, 0, 0,
     "found duplicate series for the match group {i=\"a\"} on the left hand-side of the operation: "
     "[{__name__=\"p\", i=\"a\", q=\"2\"}, {__name__=\"p\", i=\"a\", q=\"1\"}];many-to-many "
     "matching not allowed: matching labels must be unique on one side"},
    {"p + on(i) l", 15, 0, 0,
     "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"},
    {"p + ignoring(q) group_left(j) l{i=\"a\"}", 15, 0, 0, ""},
    {"p + on(i) group_left(q) l", 15, 0, 0,
     "multiple matches for labels: grouping labels must ensure unique matches"},
    {"p1 + on(i) l", 0, 300, 60, "{i=\"a\"} 2@0 6@60 11@120 15@180 19@240 23@300"},
    {"l + on(i) p1", 0, 300, 60, "{i=\"a\"} 2@0 6@60 11@120 15@180 19@240 23@300"},
    {"l + on(i) group_left(q) p1", 0, 120, 30,
     "{i=\"a\", j=\"x\", q=\"1\"} 2@0 4@30 6@60; {i=\"a\", j=\"x\", q=\"2\"} 9@90 11@120"},
    {"{__name__=~\"nm|nn\"} + on() l{i=\"a\"}", 0, 120, 30, "{} 2@0 4@30 6@60 10@90 12@120"},
    {"{__name__=~\"nm|nn\"} + 1", 0, 120, 30, "{k=\"1\"} 2@0 2@30 2@60 4@90 4@120"},
    {"{__name__=~\"nm|nn\"} > 0", 0, 120, 30,
     "{__name__=\"nm\", k=\"1\"} 1@0 1@30 1@60; {__name__=\"nn\", k=\"1\"} 3@90 3@120"},
    {"{__name__=~\"l|r\"} + 1", 15, 0, 0, "vector cannot contain metrics with the same labelset"},
    {"{__name__=~\"l|r\"} > 1", 15, 0, 0,
     "{__name__=\"l\", i=\"a\", j=\"x\"} 2; {__name__=\"l\", i=\"b\", j=\"x\"} 20; "
     "{__name__=\"r\", i=\"a\", j=\"x\"} 2; {__name__=\"r\", i=\"b\", j=\"x\"} 5; {__name__=\"r\", "
     "i=\"c\", j=\"x\"} 7"},
    {"-{__name__=~\"l|r\"}", 15, 0, 0, "vector cannot contain metrics with the same labelset"},
    {"-{__name__=~\"nm|nn\"}", 0, 120, 30, "vector cannot contain metrics with the same labelset"},
    {"nothing + l", 15, 0, 0, ""},
    {"p + on(i) nothing", 15, 0, 0, ""},
    {"(p > 5) + on(i) p", 15, 0, 0, ""},
    {"l + r", 0, 60, 15,
     "{i=\"a\", j=\"x\"} 3@0 4@15 5@30 6@45 7@60; {i=\"b\", j=\"x\"} 15@0 25@15 35@30 45@45 55@60"},
};

Test(join, answers)
{
    test_answers(loads, ARRAY_LEN(loads), cases, ARRAY_LEN(cases));
}
