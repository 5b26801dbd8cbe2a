/* Text to tokens, one at a time, with positions.
 *
 * The lexer knows three surroundings, because the language does: plain text, inside { } (every word
 * is an identifier there) and the start of [ ] (numbers only). Unbalanced brackets are its errors.
 * After TOKEN_ERROR or TOKEN_END nothing more may be asked.
 *
 * Threads: belongs to one thread. */
#ifndef HG_TSDB_PROMQL_LEX_H
#define HG_TSDB_PROMQL_LEX_H

#include "alloc/region.h"

enum token_kind {
    TOKEN_END,
    TOKEN_ERROR, /* text is the message */
    TOKEN_IDENTIFIER,
    TOKEN_METRIC_IDENTIFIER, /* with a colon in it */
    TOKEN_NUMBER,
    TOKEN_DURATION,
    TOKEN_STRING, /* with its quotes */

    TOKEN_COMMA,
    TOKEN_COLON,
    TOKEN_EQUAL, /* = */
    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_LEFT_BRACE,
    TOKEN_RIGHT_BRACE,
    TOKEN_LEFT_BRACKET,
    TOKEN_RIGHT_BRACKET,

    TOKEN_OPERATORS_FIRST,
    TOKEN_ADD = TOKEN_OPERATORS_FIRST,
    TOKEN_SUB,
    TOKEN_MUL,
    TOKEN_DIV,
    TOKEN_MOD,
    TOKEN_POW,
    TOKEN_ATAN2,
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_LE,
    TOKEN_LT,
    TOKEN_GE,
    TOKEN_GT,
    TOKEN_TRIM_UPPER, /* </ : of native histograms */
    TOKEN_TRIM_LOWER, /* >/ */
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_UNLESS,
    TOKEN_EQ_REGEX,
    TOKEN_NE_REGEX,
    TOKEN_AT,
    TOKEN_OPERATORS_LAST = TOKEN_AT,

    TOKEN_AGGREGATORS_FIRST,
    TOKEN_AVG = TOKEN_AGGREGATORS_FIRST,
    TOKEN_BOTTOMK,
    TOKEN_COUNT,
    TOKEN_COUNT_VALUES,
    TOKEN_GROUP,
    TOKEN_LIMITK,
    TOKEN_LIMIT_RATIO,
    TOKEN_MAX,
    TOKEN_MIN,
    TOKEN_QUANTILE,
    TOKEN_STDDEV,
    TOKEN_STDVAR,
    TOKEN_SUM,
    TOKEN_TOPK,
    TOKEN_AGGREGATORS_LAST = TOKEN_TOPK,

    TOKEN_KEYWORDS_FIRST,
    TOKEN_BOOL = TOKEN_KEYWORDS_FIRST,
    TOKEN_BY,
    TOKEN_GROUP_LEFT,
    TOKEN_GROUP_RIGHT,
    TOKEN_IGNORING,
    TOKEN_OFFSET,
    TOKEN_ON,
    TOKEN_WITHOUT,
    TOKEN_KEYWORDS_LAST = TOKEN_WITHOUT,

    TOKEN_START, /* words of @, names of metrics elsewhere */
    TOKEN_STOP,  /* "end" */
};

struct token {
    enum token_kind kind;
    uint32_t pos; /* bytes from the start of the text */
    uint32_t len;
    const char *text; /* in the text of the query (error: in the region or a literal) */
};

struct lexer {
    struct region *region; /* for error texts */
    const char *text;      /* borrowed; not NUL-terminated */
    uint32_t n;
    uint32_t pos;
    uint32_t start; /* of the token being read */
    int paren_depth;
    bool brace_open;
    bool bracket_open;
    bool bracket_has_number; /* else only a number, a sign or a parenthesis may come */
    bool bracket_has_colon;
    bool has_duration_words; /* step, range, min_of and max_of are words inside brackets */
    bool has_trims;          /* </ and >/ are operators */
};

void lexer_init(struct lexer *l, const char *text, uint32_t n, struct region *r);

/* True when c is the next character that is no white space. */
bool lexer_is_next(const struct lexer *l, char c);

/* The next token; comments and white space are skipped. */
void lexer_next(struct lexer *l, struct token *ret);

/* The canonical spelling of an operator, aggregator or keyword ("+", "sum", "by"); NULL for other
 * kinds. */
const char *token_spelling(enum token_kind kind);

static inline bool token_is_operator(enum token_kind k)
{
    return k >= TOKEN_OPERATORS_FIRST && k <= TOKEN_OPERATORS_LAST;
}

static inline bool token_is_aggregator(enum token_kind k)
{
    return k >= TOKEN_AGGREGATORS_FIRST && k <= TOKEN_AGGREGATORS_LAST;
}

static inline bool token_is_keyword(enum token_kind k)
{
    return k >= TOKEN_KEYWORDS_FIRST && k <= TOKEN_KEYWORDS_LAST;
}

static inline bool token_is_comparison(enum token_kind k)
{
    return k >= TOKEN_EQ && k <= TOKEN_GT;
}

static inline bool token_is_trim(enum token_kind k)
{
    return k == TOKEN_TRIM_UPPER || k == TOKEN_TRIM_LOWER;
}

static inline bool token_is_set_operator(enum token_kind k)
{
    return k == TOKEN_AND || k == TOKEN_OR || k == TOKEN_UNLESS;
}

#endif
