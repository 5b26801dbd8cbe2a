/* RE2 behind pattern.h. Chosen because its syntax is that of Go's regexp, which PromQL prescribes,
 * and its time is linear in the subject; see docs/decisions/. Its error texts are its own, so the
 * codes are put into Go's words here.
 *
 * RE2 takes from C++'s heap, when it compiles and, now and then, when it matches (states of its
 * automaton), and knows no refusal: an exception ends the process, or, caught here, leaves it with
 * half-made expressions that it frees twice (tried). So the heap is the cushion's, which refuses
 * nothing, and what has used the cushion counts as refused. */
#include "tsdb/pattern.h"

#include "alloc/cushion.h"

#include <re2/re2.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>

/* All of C++ in this process. */
void *operator new(size_t n)
{
    return cushion_alloc(n);
}

void *operator new(size_t n, const std::nothrow_t &) noexcept
{
    return cushion_alloc(n);
}

void operator delete(void *at) noexcept
{
    cushion_free(at);
}

void operator delete(void *at, size_t) noexcept
{
    cushion_free(at);
}

void operator delete(void *at, const std::nothrow_t &) noexcept
{
    cushion_free(at);
}

struct pattern {
    re2::RE2 re;
    bool matches_empty = false;
    mutable std::atomic<bool> has_failed{false};

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

/* --- groups with names: Go has known (?<name>..) as well since 1.22, this RE2 only (?P<name>..)
 * ---
 */

/* Behind the class of characters that begins at i. */
size_t skip_class(const std::string &expr, size_t i)
{
    i += expr.compare(i, 2, "[^") == 0 ? 2 : 1;
    for (bool is_first = true; i < expr.size(); is_first = false) {
        size_t named = expr.compare(i, 2, "[:") == 0 ? expr.find(":]", i + 2) : std::string::npos;
        if (expr[i] == ']' && !is_first)
            return i + 1;
        i = named != std::string::npos ? named + 2 : i + (expr[i] == '\\' ? 2 : 1);
    }
    return expr.size();
}

/* Behind what stands at i and is no group: an escape, a class, one character. */
size_t skip_piece(const std::string &expr, size_t i)
{
    if (expr[i] == '[')
        return skip_class(expr, i);
    if (expr[i] != '\\')
        return i + 1;
    if (expr.compare(i, 2, "\\Q") != 0)
        return std::min(i + 2, expr.size());
    size_t end = expr.find("\\E", i + 2);
    return end == std::string::npos ? expr.size() : end + 2;
}

std::string with_old_names(const std::string &expr)
{
    std::string out;
    for (size_t i = 0; i < expr.size();) {
        bool is_group = expr.compare(i, 3, "(?<") == 0 && i + 3 < expr.size();
        size_t next = is_group ? i + 3 : skip_piece(expr, i);
        out += is_group ? "(?P<" : expr.substr(i, next - i);
        i = next;
    }
    return out;
}

/* A piece of an expression as it was written. */
std::string as_written(std::string piece, const std::string &expr)
{
    if (expr.find(piece) != std::string::npos)
        return piece;
    for (size_t at; (at = piece.find("(?P<")) != std::string::npos;)
        piece.erase(at + 2, 1);
    return piece;
}

/* Go shows the whole expression as compiled where a parenthesis is missing, and the offending piece
 * otherwise. */
void write_error(const re2::RE2 &re, const char *expr, size_t n, char *text, size_t text_bytes)
{
    const std::string arg = as_written(re.error_arg(), std::string(expr, n));
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

/* Once it has failed nothing that it says counts, and nothing more is taken. */
bool can_match(const struct pattern *p)
{
    if (!cushion_has_room())
        p->has_failed = true;
    return !p->has_failed;
}

bool note_uses(const struct pattern *p, unsigned long n_uses_before)
{
    if (cushion_uses() != n_uses_before)
        p->has_failed = true;
    return !p->has_failed;
}

} // namespace

extern "C" struct pattern *pattern_new(const char *expr, size_t n, char *text, size_t text_bytes)
{
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(true);
    options.set_max_mem(PROGRAM_BYTES_MAX);
    unsigned long n_uses = cushion_uses();
    struct pattern *p =
        cushion_has_room() ? new pattern(with_old_names(std::string(expr, n)), options) : nullptr;
    bool is_good = p != nullptr && p->re.ok();
    if (is_good)
        p->matches_empty = re2::RE2::FullMatchN("", p->re, nullptr, 0);
    if (p == nullptr || cushion_uses() != n_uses) {
        if (text_bytes > 0)
            text[0] = '\0';
        is_good = false;
    } else if (!is_good) {
        write_error(p->re, expr, n, text, text_bytes);
    }
    if (!is_good) {
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
    if (n == 0)
        return p->matches_empty;
    if (!can_match(p))
        return false;
    unsigned long n_uses = cushion_uses();
    bool is_match = re2::RE2::FullMatchN(re2::StringPiece(subject, n), p->re, nullptr, 0);
    return note_uses(p, n_uses) && is_match;
}

extern "C" bool pattern_has_failed(const struct pattern *p)
{
    return p->has_failed;
}

extern "C" bool pattern_groups(const struct pattern *p, const char *subject, size_t n,
                               struct pattern_span *groups, int n_groups)
{
    re2::StringPiece whole(subject, n), found[PATTERN_GROUPS_MAX];
    if (n_groups > PATTERN_GROUPS_MAX || !can_match(p))
        return false;
    unsigned long n_uses = cushion_uses();
    bool is_match = p->re.Match(whole, 0, n, re2::RE2::ANCHOR_BOTH, found, n_groups);
    if (!note_uses(p, n_uses) || !is_match)
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
