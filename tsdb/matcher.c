#include "tsdb/matcher.h"
#include "tsdb/pattern.h"

#include <string.h>

int matcher_init(struct matcher *m, enum matcher_kind kind, const char *name, size_t name_len,
                 const char *value, size_t value_len, char *text, size_t text_bytes)
{
    assert(name_len <= UINT32_MAX && value_len <= UINT32_MAX);
    struct pattern *pattern = NULL;
    if (kind == MATCH_REGEX || kind == MATCH_NOT_REGEX) {
        pattern = pattern_new(value, value_len, text, text_bytes);
        if (pattern == NULL)
            return text_bytes > 0 && text[0] == '\0' ? ERR_NO_MEMORY : ERR_CORRUPT;
    }
    *m = (struct matcher){
        .kind = kind,
        .name = name,
        .name_len = (uint32_t)name_len,
        .value = value,
        .value_len = (uint32_t)value_len,
        .pattern = pattern,
    };
    return 0;
}

void matcher_release(struct matcher *m)
{
    pattern_free(m->pattern);
    m->pattern = NULL;
}

void matcher_set_release(struct matcher_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        matcher_release(&set->items[i]);
    set->n = 0;
}

bool matcher_matches(const struct matcher *m, const char *value, size_t value_len)
{
    switch (m->kind) {
    case MATCH_EQUAL:
    case MATCH_NOT_EQUAL: {
        bool is_equal = value_len == m->value_len &&
                        (value_len == 0 || memcmp(value, m->value, value_len) == 0);
        return is_equal == (m->kind == MATCH_EQUAL);
    }
    case MATCH_REGEX:
        return pattern_matches(m->pattern, value, value_len);
    case MATCH_NOT_REGEX:
        return !pattern_matches(m->pattern, value, value_len);
    }
    return false;
}

bool matcher_set_has_failed(const struct matcher_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].pattern != NULL && pattern_has_failed(set->items[i].pattern))
            return true;
    return false;
}

bool matcher_matches_empty(const struct matcher *m)
{
    return matcher_matches(m, "", 0);
}

const char *matcher_operator(enum matcher_kind kind)
{
    static const char *const text[] = {"=", "!=", "=~", "!~"};
    return text[kind];
}
