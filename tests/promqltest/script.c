#include "tests/promqltest/script.h"

#include "tsdb/promql/promql.h"

#include <stdlib.h>
#include <string.h>

bool script_init(struct script *s, char *text, struct region *r)
{
    *s = (struct script){0};
    unsigned n = 1;
    for (const char *p = text; *p; p++)
        n += *p == '\n';
    s->lines = region_calloc(r, n, sizeof(*s->lines));
    if (!s->lines)
        return false;
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        line += strspn(line, " \t\r");
        size_t len = strlen(line);
        while (len > 0 && strchr(" \t\r", line[len - 1]))
            line[--len] = 0;
        if (line[0] == '#')
            line[0] = 0;
        s->lines[s->n++] = line;
    }
    return true;
}

/* --- words of a line -------------------------------------------------------------------------- */

/* True when *p starts with the word; moves behind it and the blanks after it. */
static bool take_word(const char **p, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(*p, word, n) != 0 || ((*p)[n] != 0 && (*p)[n] != ' ' && (*p)[n] != '\t'))
        return false;
    *p += n;
    *p += strspn(*p, " \t");
    return true;
}

/* A time: "5m", "-90s", "10" seconds. */
static bool take_time(const char **p, int64_t *ret_ms)
{
    size_t n = strcspn(*p, " \t");
    bool is_negative = **p == '-';
    const char *text = *p + is_negative;
    double seconds;
    if (!promql_parse_duration(text, n - is_negative, ret_ms)) {
        if (!series_line_number(text, n - is_negative, &seconds))
            return false;
        *ret_ms = (int64_t)(seconds * 1000);
    }
    if (is_negative)
        *ret_ms = -*ret_ms;
    *p += n;
    *p += strspn(*p, " \t");
    return true;
}

static bool take_span(const char **p, int64_t *ret_start, int64_t *ret_end, int64_t *ret_step)
{
    return take_word(p, "from") && take_time(p, ret_start) && take_word(p, "to") &&
           take_time(p, ret_end) && take_word(p, "step") && take_time(p, ret_step) && *ret_step > 0;
}

/* --- expectations ----------------------------------------------------------------------------- */

static bool add_expectation(struct command *c, enum expectation_kind kind, const char *text,
                            bool is_regex)
{
    if (c->n_expectations == EXPECTATIONS_MAX)
        return false;
    c->expectations[c->n_expectations++] = (struct expectation){kind, text, is_regex};
    return true;
}

/* What follows "expect fail": nothing, msg: or regex:. */
static bool read_message(struct command *c, enum expectation_kind kind, const char *p)
{
    static const char *const prefixes[] = {"msg:", "regex:"};
    if (*p == 0)
        return add_expectation(c, kind, NULL, false);
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        size_t n = strlen(prefixes[i]);
        if (strncmp(p, prefixes[i], n) == 0)
            return add_expectation(c, kind, p + n + strspn(p + n, " \t"), i == 1);
    }
    return false;
}

static bool read_expect(struct command *c, const char *p)
{
    static const struct {
        const char *word;
        enum expectation_kind kind;
    } kinds[] = {{"fail", EXPECT_FAIL}, {"warn", EXPECT_WARN}, {"info", EXPECT_INFO}};
    static const char *const negated[] = {"no_fail", "no_warn", "no_info"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (take_word(&p, kinds[i].word))
            return read_message(c, kinds[i].kind, p);
        if (take_word(&p, negated[kinds[i].kind]))
            return c->forbids[kinds[i].kind] = *p == 0;
    }
    if (take_word(&p, "ordered"))
        return c->is_ordered = *p == 0;
    if (take_word(&p, "string")) {
        c->string = p;
        return c->has_string = *p != 0;
    }
    return take_word(&p, "range") && take_word(&p, "vector") &&
           (c->is_matrix =
                take_span(&p, &c->matrix_start_ms, &c->matrix_end_ms, &c->matrix_step_ms)) &&
           *p == 0;
}

/* --- commands --------------------------------------------------------------------------------- */

static bool add_series(struct command *c, const char *line, struct region *r, const char **error)
{
    if (c->n_series == SERIES_PER_COMMAND_MAX) {
        *error = "too many series";
        return false;
    }
    if (!c->series)
        c->series = region_calloc(r, SERIES_PER_COMMAND_MAX, sizeof(*c->series));
    return c->series && series_line_read(line, r, &c->series[c->n_series++], error);
}

static bool read_eval_line(struct command *c, const char *line, struct region *r,
                           const char **error)
{
    static const struct {
        const char *word;
        enum expectation_kind kind;
    } old[] = {{"expected_fail_message", EXPECT_FAIL}, {"expected_fail_regexp", EXPECT_FAIL}};
    const char *p = line;
    *error = "expectation not understood";
    if (take_word(&p, "expect"))
        return read_expect(c, p);
    for (size_t i = 0; i < ARRAY_LEN(old); i++)
        if (take_word(&p, old[i].word))
            return add_expectation(c, old[i].kind, p, i == 1);
    if (series_line_number(line, strlen(line), &c->scalar))
        return c->is_scalar = true;
    return add_series(c, line, r, error);
}

/* "eval", "eval_fail", ...: the older form of one expectation. */
static bool read_eval_word(struct command *c, const char **p)
{
    static const struct {
        const char *word;
        enum expectation_kind kind;
    } words[] = {
        {"eval_fail", EXPECT_FAIL}, {"eval_warn", EXPECT_WARN}, {"eval_info", EXPECT_INFO}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (take_word(p, words[i].word))
            return add_expectation(c, words[i].kind, NULL, false);
    if (take_word(p, "eval_ordered"))
        return c->is_ordered = true;
    return take_word(p, "eval");
}

static bool read_head(struct command *c, const char *line)
{
    const char *p = line;
    if (take_word(&p, "clear")) {
        c->kind = COMMAND_CLEAR;
        return *p == 0;
    }
    c->has_nhcb = take_word(&p, "load_with_nhcb");
    if (c->has_nhcb || take_word(&p, "load")) {
        c->kind = COMMAND_LOAD;
        return take_time(&p, &c->step_ms) && *p == 0 && c->step_ms > 0;
    }
    c->kind = COMMAND_EVAL;
    if (!read_eval_word(c, &p))
        return false;
    if (take_word(&p, "range")) {
        c->expr = p;
        if (!take_span(&p, &c->start_ms, &c->end_ms, &c->step_ms) || c->end_ms < c->start_ms)
            return false;
    } else if (!take_word(&p, "instant") || (take_word(&p, "at") && !take_time(&p, &c->start_ms))) {
        return false;
    } else {
        c->end_ms = c->start_ms;
    }
    c->expr = p;
    return *p != 0;
}

bool script_next(struct script *s, struct region *r, struct command *ret, const char **ret_error)
{
    *ret = (struct command){0};
    *ret_error = NULL;
    while (s->next < s->n && s->lines[s->next][0] == 0)
        s->next++;
    if (s->next == s->n)
        return false;
    ret->line = s->next + 1;
    bool is_good = read_head(ret, s->lines[s->next]);
    if (!is_good)
        *ret_error = "command not understood";
    s->next++;
    for (; s->next < s->n && s->lines[s->next][0] != 0 && ret->kind != COMMAND_CLEAR; s->next++) {
        const char *error = "out of memory";
        if (!is_good)
            continue;
        is_good = ret->kind == COMMAND_LOAD ? add_series(ret, s->lines[s->next], r, &error)
                                            : read_eval_line(ret, s->lines[s->next], r, &error);
        if (!is_good) {
            *ret_error = error;
            ret->line = s->next + 1;
        }
    }
    return is_good;
}
