/* The shapes of tokens, and of the messages about those that have none, are Prometheus' own,
 * oddities included: a number is scanned by a loop that does not know where an exponent is due, so
 * that "1e+" is a number (which then does not parse) and "0x1e" is none; inside brackets a letter
 * counts as a colon once a number was seen. A lexer made of regular expressions would be shorter
 * and differ in just those places. */
#include "tsdb/promql/lex.h"

#include "tsdb/promql/quote.h"

#include <string.h>

#define RUNE_EOF (-1)

static const char DECIMAL_DIGITS[] = "0123456789";
static const char HEX_DIGITS[] = "0123456789abcdefABCDEF";
static const char NUMBER_MARKS[] = "._eE";

static const struct {
    const char *word;
    enum token_kind kind;
} words[] = {
    {"and", TOKEN_AND},
    {"or", TOKEN_OR},
    {"unless", TOKEN_UNLESS},
    {"atan2", TOKEN_ATAN2},
    {"sum", TOKEN_SUM},
    {"avg", TOKEN_AVG},
    {"count", TOKEN_COUNT},
    {"min", TOKEN_MIN},
    {"max", TOKEN_MAX},
    {"group", TOKEN_GROUP},
    {"stddev", TOKEN_STDDEV},
    {"stdvar", TOKEN_STDVAR},
    {"topk", TOKEN_TOPK},
    {"bottomk", TOKEN_BOTTOMK},
    {"count_values", TOKEN_COUNT_VALUES},
    {"quantile", TOKEN_QUANTILE},
    {"limitk", TOKEN_LIMITK},
    {"limit_ratio", TOKEN_LIMIT_RATIO},
    {"offset", TOKEN_OFFSET},
    {"by", TOKEN_BY},
    {"without", TOKEN_WITHOUT},
    {"on", TOKEN_ON},
    {"ignoring", TOKEN_IGNORING},
    {"group_left", TOKEN_GROUP_LEFT},
    {"group_right", TOKEN_GROUP_RIGHT},
    {"bool", TOKEN_BOOL},
    {"start", TOKEN_START},
    {"end", TOKEN_STOP},
    {"inf", TOKEN_NUMBER},
    {"nan", TOKEN_NUMBER},
};

static const struct {
    const char *text;
    enum token_kind kind;
} symbols[] = {
    {"+", TOKEN_ADD},       {"-", TOKEN_SUB},         {"*", TOKEN_MUL},
    {"/", TOKEN_DIV},       {"%", TOKEN_MOD},         {"^", TOKEN_POW},
    {"==", TOKEN_EQ},       {"!=", TOKEN_NE},         {"<=", TOKEN_LE},
    {"<", TOKEN_LT},        {">=", TOKEN_GE},         {">", TOKEN_GT},
    {"@", TOKEN_AT},        {",", TOKEN_COMMA},       {"=~", TOKEN_EQ_REGEX},
    {"!~", TOKEN_NE_REGEX}, {"</", TOKEN_TRIM_UPPER}, {">/", TOKEN_TRIM_LOWER},
};

const char *token_spelling(enum token_kind kind)
{
    if (kind == TOKEN_NUMBER)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (words[i].kind == kind)
            return words[i].word;
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++)
        if (symbols[i].kind == kind)
            return symbols[i].text;
    return NULL;
}

static bool is_digit(int32_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(int32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_alphanumeric(int32_t c)
{
    return is_alpha(c) || is_digit(c);
}

static bool is_space(int32_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void lexer_init(struct lexer *l, const char *text, uint32_t n, struct region *r)
{
    *l = (struct lexer){.region = r, .text = text, .n = n};
}

/* The character at the reading position, or RUNE_EOF; *ret_width may be NULL. */
static int32_t peek_width(const struct lexer *l, size_t *ret_width)
{
    uint32_t rune = 0;
    size_t width = 0;
    if (l->pos < l->n)
        width = rune_decode(l->text + l->pos, l->n - l->pos, &rune);
    if (ret_width)
        *ret_width = width;
    return width == 0 ? RUNE_EOF : (int32_t)rune;
}

static int32_t peek(const struct lexer *l)
{
    return peek_width(l, NULL);
}

static int32_t advance(struct lexer *l)
{
    size_t width;
    int32_t c = peek_width(l, &width);
    l->pos += (uint32_t)width;
    return c;
}

static bool is_one_of(int32_t c, const char *set)
{
    return c > 0 && c < 0x80 && strchr(set, c) != NULL;
}

static bool accept(struct lexer *l, const char *set)
{
    if (!is_one_of(peek(l), set))
        return false;
    l->pos++;
    return true;
}

static void emit(struct lexer *l, enum token_kind kind, struct token *ret)
{
    *ret = (struct token){
        .kind = kind, .pos = l->start, .len = l->pos - l->start, .text = l->text + l->start};
    l->start = l->pos;
}

static void fail_text(struct lexer *l, const char *message, struct token *ret)
{
    if (!message)
        message = "out of query memory";
    *ret = (struct token){
        .kind = TOKEN_ERROR, .pos = l->start, .len = (uint32_t)strlen(message), .text = message};
}

static void fail_rune(struct lexer *l, const char *what, int32_t c, struct token *ret)
{
    struct textbuf b;
    textbuf_init(&b, l->region);
    textbuf_puts(&b, what);
    quote_add_rune(&b, c == RUNE_EOF ? RUNE_BAD : (uint32_t)c);
    fail_text(l, textbuf_finish(&b), ret);
}

/* True for what may be a number; false leaves the position where it stopped being one. */
static bool scan_number(struct lexer *l)
{
    uint32_t first = l->pos;
    const char *digits = DECIMAL_DIGITS;
    if (accept(l, "0") && accept(l, "xX")) {
        accept(l, "_");
        digits = HEX_DIGITS;
    }
    accept(l, ".");
    accept(l, digits);
    bool has_dot = false;
    bool has_exponent = false;
    while (is_one_of(peek(l), digits) || is_one_of(peek(l), NUMBER_MARKS)) {
        if (accept(l, ".")) {
            if (has_dot || accept(l, "_.") || digits == HEX_DIGITS)
                return false;
            has_dot = true;
        } else if (accept(l, "eE")) {
            if (has_exponent)
                return false;
            has_exponent = true;
            accept(l, "+-");
            if (accept(l, NUMBER_MARKS) || peek(l) == RUNE_EOF)
                return false;
        } else if (accept(l, "_")) {
            if (accept(l, NUMBER_MARKS) || peek(l) == RUNE_EOF)
                return false;
        } else {
            while (accept(l, digits))
                ;
        }
    }
    return l->pos > first && !is_alphanumeric(peek(l));
}

/* The rest of a duration whose first digits were read. */
static bool scan_units(struct lexer *l)
{
    if (!accept(l, "smhdwy"))
        return false;
    accept(l, "s"); /* of "ms"; units that do not exist are found when the text is read */
    while (accept(l, DECIMAL_DIGITS)) {
        while (accept(l, DECIMAL_DIGITS))
            ;
        if (!accept(l, "smhdw"))
            return false;
        accept(l, "s");
    }
    if (!is_alphanumeric(peek(l)))
        return true;
    advance(l);
    return false;
}

static void lex_number(struct lexer *l, struct token *ret)
{
    l->bracket_has_number = true;
    if (scan_number(l)) {
        emit(l, TOKEN_NUMBER, ret);
    } else if (scan_units(l)) {
        emit(l, TOKEN_DURATION, ret);
    } else {
        struct textbuf b;
        textbuf_init(&b, l->region);
        textbuf_puts(&b, "bad number or duration syntax: ");
        quote_add(&b, l->text + l->start, l->pos - l->start);
        fail_text(l, textbuf_finish(&b), ret);
    }
}

static bool fail_escape(struct lexer *l, const char *message, struct token *ret)
{
    fail_text(l, message, ret);
    return false;
}

static bool fail_escape_at(struct lexer *l, const char *before, int32_t c, const char *after,
                           struct token *ret)
{
    struct textbuf b;
    textbuf_init(&b, l->region);
    textbuf_puts(&b, before);
    quote_add_code_point(&b, (uint32_t)c);
    textbuf_puts(&b, after);
    return fail_escape(l, textbuf_finish(&b), ret);
}

static uint32_t digit_value(int32_t c)
{
    if (is_digit(c))
        return (uint32_t)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (uint32_t)(c - 'a' + 10);
    if (c >= 'A' && c <= 'F')
        return (uint32_t)(c - 'A' + 10);
    return 16;
}

/* What comes after a backslash; false after an error. */
static bool lex_escape(struct lexer *l, int32_t quote, struct token *ret)
{
    int32_t c = advance(l);
    uint32_t n_digits = 0, base = 16, max = RUNE_MAX;
    if (c == quote || is_one_of(c, "abfnrtv\\"))
        return true;
    if (c >= '0' && c <= '7') {
        n_digits = 3, base = 8, max = 255;
    } else if (c == 'x' || c == 'u' || c == 'U') {
        n_digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        max = c == 'x' ? 255 : RUNE_MAX;
        c = advance(l);
    } else if (c == RUNE_EOF) {
        return fail_escape(l, "escape sequence not terminated", ret);
    } else {
        return fail_escape_at(l, "unknown escape sequence ", c, "", ret);
    }
    uint32_t value = 0;
    for (; n_digits > 0; n_digits--) {
        uint32_t digit = digit_value(c);
        if (c == RUNE_EOF)
            return fail_escape(l, "escape sequence not terminated", ret);
        if (digit >= base)
            return fail_escape_at(l, "illegal character ", c, " in escape sequence", ret);
        value = value * base + digit;
        if (n_digits > 1)
            c = advance(l);
    }
    if (value > max || (value >= 0xD800 && value < 0xE000))
        return fail_escape(l, "escape sequence is an invalid Unicode code point", ret);
    return true;
}

static void lex_string(struct lexer *l, struct token *ret)
{
    int32_t quote = advance(l);
    for (;;) {
        size_t width;
        int32_t c = peek_width(l, &width);
        l->pos += (uint32_t)width;
        if (c == (int32_t)RUNE_BAD) {
            fail_text(l, "invalid UTF-8 rune", ret);
            return;
        }
        if (c == RUNE_EOF || (c == '\n' && quote != '`')) {
            fail_text(l, quote == '`' ? "unterminated raw string" : "unterminated quoted string",
                      ret);
            return;
        }
        if (c == '\\' && quote != '`' && !lex_escape(l, quote, ret))
            return;
        if (c == quote)
            break;
    }
    emit(l, TOKEN_STRING, ret);
}

static void lex_word(struct lexer *l, struct token *ret)
{
    while (is_alphanumeric(peek(l)) || peek(l) == ':')
        l->pos++;
    const char *word = l->text + l->start;
    size_t n = l->pos - l->start;
    enum token_kind kind = memchr(word, ':', n) ? TOKEN_METRIC_IDENTIFIER : TOKEN_IDENTIFIER;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t k = 0;
        while (k < n &&
               (word[k] >= 'A' && word[k] <= 'Z' ? word[k] + 32 : word[k]) == words[i].word[k])
            k++;
        if (k == n && words[i].word[n] == 0)
            kind = words[i].kind;
    }
    emit(l, kind, ret);
}

/* = ! < > and what follows them. */
static void lex_comparison(struct lexer *l, struct token *ret)
{
    int32_t c = advance(l);
    int32_t next = peek(l);
    if (c == '=' && next == '~') {
        fail_rune(l, "unexpected character after '=': ", next, ret);
    } else if (c == '!' && next != '=') {
        fail_rune(l, "unexpected character after '!': ", next, ret);
    } else if (l->has_trims && (c == '<' || c == '>') && next == '/') {
        l->pos++;
        emit(l, c == '<' ? TOKEN_TRIM_UPPER : TOKEN_TRIM_LOWER, ret);
    } else {
        bool has_equal = accept(l, "=");
        enum token_kind kind = c == '='   ? (has_equal ? TOKEN_EQ : TOKEN_EQUAL)
                               : c == '!' ? TOKEN_NE
                               : c == '<' ? (has_equal ? TOKEN_LE : TOKEN_LT)
                                          : (has_equal ? TOKEN_GE : TOKEN_GT);
        emit(l, kind, ret);
    }
}

static void lex_in_braces(struct lexer *l, struct token *ret)
{
    int32_t c = peek(l);
    if (c == RUNE_EOF) {
        fail_text(l, "unexpected end of input inside braces", ret);
    } else if (is_alpha(c)) {
        while (is_alphanumeric(peek(l)))
            l->pos++;
        emit(l, TOKEN_IDENTIFIER, ret);
    } else if (is_one_of(c, "\"'`")) {
        lex_string(l, ret);
    } else if (accept(l, ",")) {
        emit(l, TOKEN_COMMA, ret);
    } else if (accept(l, "=")) {
        emit(l, accept(l, "~") ? TOKEN_EQ_REGEX : TOKEN_EQUAL, ret);
    } else if (accept(l, "!")) {
        if (accept(l, "~"))
            emit(l, TOKEN_NE_REGEX, ret);
        else if (accept(l, "="))
            emit(l, TOKEN_NE, ret);
        else
            fail_rune(l, "unexpected character after '!' inside braces: ", peek(l), ret);
    } else if (accept(l, "}")) {
        l->brace_open = false;
        emit(l, TOKEN_RIGHT_BRACE, ret);
    } else if (c == '{') {
        fail_rune(l, "unexpected left brace ", c, ret);
    } else {
        fail_rune(l, "unexpected character inside braces: ", c, ret);
    }
}

static void lex_end(struct lexer *l, struct token *ret)
{
    if (l->paren_depth != 0)
        fail_text(l, "unclosed left parenthesis", ret);
    else if (l->bracket_open)
        fail_text(l, "unclosed left bracket", ret);
    else
        emit(l, TOKEN_END, ret);
}

static void lex_bracket(struct lexer *l, struct token *ret)
{
    int32_t c = peek(l);
    if (c == '(') {
        l->pos++;
        l->paren_depth++;
        emit(l, TOKEN_LEFT_PAREN, ret);
    } else if (c == ')') {
        l->pos++;
        emit(l, TOKEN_RIGHT_PAREN, ret);
        if (--l->paren_depth < 0)
            fail_rune(l, "unexpected right parenthesis ", c, ret);
    } else if (c == '{') {
        l->pos++;
        l->brace_open = true;
        emit(l, TOKEN_LEFT_BRACE, ret);
    } else if ((c == '[') == l->bracket_open) {
        fail_rune(l, c == '[' ? "unexpected left bracket " : "unexpected right bracket ", c, ret);
    } else {
        l->pos++;
        l->bracket_open = c == '[';
        l->bracket_has_colon = l->bracket_has_number = false;
        emit(l, c == '[' ? TOKEN_LEFT_BRACKET : TOKEN_RIGHT_BRACKET, ret);
    }
}

/* A word that a duration may be made of, inside brackets. False leaves the position. */
static bool lex_duration_word(struct lexer *l, struct token *ret)
{
    static const char *const duration_words[] = {"step", "range", "min_of", "max_of"};
    uint32_t n = 0;
    while (l->has_duration_words && l->pos + n < l->n &&
           is_alphanumeric((unsigned char)l->text[l->pos + n]))
        n++;
    for (size_t i = 0; i < ARRAY_LEN(duration_words); i++) {
        if (n != strlen(duration_words[i]) ||
            strncasecmp(l->text + l->pos, duration_words[i], n) != 0)
            continue;
        l->pos += n;
        l->bracket_has_number = true;
        emit(l, TOKEN_IDENTIFIER, ret);
        return true;
    }
    return false;
}

/* A letter or a colon. */
static void lex_letter(struct lexer *l, struct token *ret)
{
    if (!l->bracket_open) {
        lex_word(l, ret);
        return;
    }
    if (lex_duration_word(l, ret))
        return;
    if (l->bracket_has_colon) {
        fail_rune(l, "unexpected colon ", peek(l), ret);
        return;
    }
    l->pos++;
    l->bracket_has_colon = true;
    emit(l, TOKEN_COLON, ret);
}

static void lex_plain(struct lexer *l, struct token *ret)
{
    int32_t c = peek(l);
    int32_t next = l->pos + 1 < l->n ? (unsigned char)l->text[l->pos + 1] : RUNE_EOF;
    if (c == RUNE_EOF)
        lex_end(l, ret);
    else if (is_digit(c) || (c == '.' && is_digit(next)))
        lex_number(l, ret);
    else if (is_one_of(c, "=!<>"))
        lex_comparison(l, ret);
    else if (is_one_of(c, "()[]{"))
        lex_bracket(l, ret);
    else if (is_one_of(c, "\"'`"))
        lex_string(l, ret);
    else if (is_alpha(c) || c == ':')
        lex_letter(l, ret);
    else if (is_one_of(c, "+-*/%^@,"))
        for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
            if (symbols[i].text[0] == c && symbols[i].text[1] == 0) {
                l->pos++;
                emit(l, symbols[i].kind, ret);
                break;
            }
        }
    else
        fail_rune(l, "unexpected character: ", c, ret);
}

/* From a left bracket to the first number. */
static void lex_bracket_start(struct lexer *l, struct token *ret)
{
    int32_t c = peek(l);
    if (c == RUNE_EOF) {
        fail_text(l, "unexpected end of input in duration expression", ret);
    } else if (c == ':') {
        l->pos++;
        l->start = l->pos;
        fail_text(l, "unexpected colon before duration in duration expression", ret);
    } else if (is_digit(c) || is_one_of(c, "]()+-*/%^") ||
               (c == '.' && l->pos + 1 < l->n && is_digit(l->text[l->pos + 1]))) {
        lex_plain(l, ret);
    } else if (!lex_duration_word(l, ret)) {
        fail_rune(l, "unexpected character in duration expression: ", c, ret);
    }
}

static void skip_blank(struct lexer *l, bool has_comments)
{
    for (;;) {
        if (is_space(peek(l)))
            l->pos++;
        else if (has_comments && peek(l) == '#')
            while (l->pos < l->n && l->text[l->pos] != '\n' && l->text[l->pos] != '\r')
                l->pos++;
        else
            break;
    }
    l->start = l->pos;
}

bool lexer_is_next(const struct lexer *l, char c)
{
    uint32_t pos = l->pos;
    while (pos < l->n && is_space(l->text[pos]))
        pos++;
    return pos < l->n && l->text[pos] == c;
}

void lexer_next(struct lexer *l, struct token *ret)
{
    bool at_bracket_start = l->bracket_open && !l->bracket_has_number;
    skip_blank(l, !at_bracket_start);
    if (l->brace_open)
        lex_in_braces(l, ret);
    else if (at_bracket_start)
        lex_bracket_start(l, ret);
    else
        lex_plain(l, ret);
}
