/* RE2 behind pattern.h. Chosen because its syntax is that of Go's regexp, which PromQL prescribes,
 * and its time is linear in the subject; see docs/decisions/. Its error texts are its own, so the
 * codes are put into Go's words here. */
#include "tsdb/pattern.h"

#include <re2/re2.h>

#include <cstdio>
#include <cstring>
#include <new>

struct pattern {
    re2::RE2 re;

    pattern(const re2::StringPiece &text, const re2::RE2::Options &options) : re(text, options)
    {
    }
};

namespace
{

/* 1000 alternatives of 20 characters want 512 KiB; more is refused as too large. */
const int64_t PROGRAM_BYTES_MAX = 2 << 20;

const char *go_words(re2::RE2::ErrorCode code)
{
    switch (code) {
    case re2::RE2::ErrorBadEscape:
        return "invalid escape sequence";
    case re2::RE2::ErrorBadCharClass:
        return "invalid character class";
    case re2::RE2::ErrorBadCharRange:
        return "invalid character class range";
    case re2::RE2::ErrorMissingBracket:
        return "missing closing ]";
    case re2::RE2::ErrorMissingParen:
        return "missing closing )";
    case re2::RE2::ErrorUnexpectedParen:
        return "unexpected )";
    case re2::RE2::ErrorTrailingBackslash:
        return "trailing backslash at end of expression";
    case re2::RE2::ErrorRepeatArgument:
        return "missing argument to repetition operator";
    case re2::RE2::ErrorRepeatSize:
        return "invalid repeat count";
    case re2::RE2::ErrorRepeatOp:
        return "invalid nested repetition operator";
    case re2::RE2::ErrorBadPerlOp:
        return "invalid or unsupported Perl syntax";
    case re2::RE2::ErrorBadUTF8:
        return "invalid UTF-8";
    case re2::RE2::ErrorBadNamedCapture:
        return "invalid named capture";
    case re2::RE2::ErrorPatternTooLarge:
        return "expression too large";
    default:
        return "internal error";
    }
}

/* Go shows the whole expression as compiled where a parenthesis is missing, and the offending piece
 * otherwise. */
void write_error(const re2::RE2 &re, const char *expr, size_t n, char *text, size_t text_bytes)
{
    const std::string &arg = re.error_arg();
    if (text_bytes == 0)
        return;
    re2::RE2::ErrorCode code = re.error_code();
    if (code == re2::RE2::ErrorTrailingBackslash)
        snprintf(text, text_bytes, "%s: ``", go_words(code));
    else if (code == re2::RE2::ErrorMissingParen || code == re2::RE2::ErrorUnexpectedParen)
        snprintf(text, text_bytes, "%s: `%.*s`", go_words(code), (int)n, expr);
    else
        snprintf(text, text_bytes, "%s: `%s`", go_words(code), arg.c_str());
}

} // namespace

extern "C" struct pattern *pattern_new(const char *expr, size_t n, char *text, size_t text_bytes)
{
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(true);
    options.set_max_mem(PROGRAM_BYTES_MAX);
    struct pattern *p = new (std::nothrow) pattern(re2::StringPiece(expr, n), options);
    if (p == nullptr) {
        snprintf(text, text_bytes, "out of memory");
        return nullptr;
    }
    if (!p->re.ok()) {
        write_error(p->re, expr, n, text, text_bytes);
        delete p;
        return nullptr;
    }
    return p;
}

extern "C" void pattern_free(struct pattern *p)
{
    delete p;
}

extern "C" bool pattern_matches(const struct pattern *p, const char *subject, size_t n)
{
    return re2::RE2::FullMatchN(re2::StringPiece(subject, n), p->re, nullptr, 0);
}

extern "C" bool pattern_groups(const struct pattern *p, const char *subject, size_t n,
                               struct pattern_span *groups, int n_groups)
{
    re2::StringPiece whole(subject, n), found[PATTERN_GROUPS_MAX];
    if (n_groups > PATTERN_GROUPS_MAX ||
        !p->re.Match(whole, 0, n, re2::RE2::ANCHOR_BOTH, found, n_groups))
        return false;
    for (int i = 0; i < n_groups; i++) {
        int64_t start = found[i].data() == nullptr ? -1 : found[i].data() - subject;
        groups[i] = {start, start < 0 ? -1 : start + (int64_t)found[i].size()};
    }
    return true;
}

extern "C" int pattern_n_groups(const struct pattern *p)
{
    return p->re.NumberOfCapturingGroups();
}

extern "C" int pattern_group_number(const struct pattern *p, const char *name, size_t n)
{
    const auto &groups = p->re.NamedCapturingGroups();
    auto found = groups.find(std::string(name, n));
    return found == groups.end() ? -1 : found->second;
}
