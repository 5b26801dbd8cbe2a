#include "tsdb/promql/labelset.h"

#include "tsdb/promql/quote.h"

#include <string.h>

static bool is_named(const struct label *l, const char *name, size_t n)
{
    return l->name_len == n && memcmp(l->name, name, n) == 0;
}

static bool is_listed(const struct label *l, const struct word_list *names)
{
    for (uint32_t i = 0; i < names->n; i++)
        if (is_named(l, names->items[i].bytes, names->items[i].len))
            return true;
    return false;
}

bool labelset_is_name(const struct label *l)
{
    return is_named(l, LABEL_METRIC_NAME, sizeof(LABEL_METRIC_NAME) - 1);
}

const struct label *labelset_name(const struct labels *ls)
{
    return labels_get(ls, LABEL_METRIC_NAME, sizeof(LABEL_METRIC_NAME) - 1);
}

static bool is_metadata(const struct label *l)
{
    return l->name_len > 2 && l->name[0] == '_' &&
           (labelset_is_name(l) || is_named(l, "__type__", 8) || is_named(l, "__unit__", 8));
}

bool labelset_drop_metadata(struct region *r, struct labels *ls)
{
    uint32_t n_dropped = 0;
    for (uint32_t i = 0; i < ls->n; i++)
        n_dropped += is_metadata(&ls->items[i]);
    if (n_dropped == 0)
        return true;
    if (n_dropped == 1 && is_metadata(&ls->items[0])) {
        *ls = (struct labels){ls->items + 1, ls->n - 1};
        return true;
    }
    struct label *items = region_calloc(r, ls->n - n_dropped + 1, sizeof(*items));
    if (!items)
        return false;
    uint32_t n = 0;
    for (uint32_t i = 0; i < ls->n; i++)
        if (!is_metadata(&ls->items[i]))
            items[n++] = ls->items[i];
    *ls = (struct labels){items, n};
    return true;
}

bool labelset_keep(struct region *r, const struct labels *ls, const struct word_list *names,
                   struct labels *ret)
{
    uint32_t n_max = names->n < ls->n ? names->n : ls->n;
    struct label *items = region_calloc(r, n_max + 1, sizeof(*items));
    if (!items)
        return false;
    uint32_t n = 0;
    for (uint32_t i = 0; i < ls->n; i++)
        if (is_listed(&ls->items[i], names))
            items[n++] = ls->items[i];
    *ret = (struct labels){items, n};
    return true;
}

bool labelset_drop(struct region *r, const struct labels *ls, const struct word_list *names,
                   bool drops_name, struct labels *ret)
{
    struct label *items = region_calloc(r, ls->n + 1, sizeof(*items));
    if (!items)
        return false;
    uint32_t n = 0;
    for (uint32_t i = 0; i < ls->n; i++)
        if (!is_listed(&ls->items[i], names) && !(drops_name && labelset_is_name(&ls->items[i])))
            items[n++] = ls->items[i];
    *ret = (struct labels){items, n};
    return true;
}

bool labelset_set(struct region *r, const struct labels *ls, struct word name, struct word value,
                  struct labels *ret)
{
    struct label *items = region_calloc(r, ls->n + 1, sizeof(*items));
    if (!items)
        return false;
    uint32_t n = 0;
    bool is_placed = value.len == 0;
    const struct label added = {name.bytes, value.bytes, name.len, value.len};
    for (uint32_t i = 0; i < ls->n; i++) {
        const struct label *l = &ls->items[i];
        int order = bytes_compare(name.bytes, name.len, l->name, l->name_len);
        if (!is_placed && order <= 0) {
            items[n++] = added;
            is_placed = true;
        }
        if (order != 0)
            items[n++] = *l;
    }
    if (!is_placed)
        items[n++] = added;
    *ret = (struct labels){items, n};
    return true;
}

void labelset_text(struct textbuf *b, const struct labels *ls)
{
    textbuf_char(b, '{');
    for (uint32_t i = 0; i < ls->n; i++) {
        const struct label *l = &ls->items[i];
        if (i > 0)
            textbuf_puts(b, ", ");
        if (quote_is_plain_label(l->name, l->name_len, false))
            textbuf_add(b, l->name, l->name_len);
        else
            quote_add(b, l->name, l->name_len);
        textbuf_char(b, '=');
        quote_add(b, l->value, l->value_len);
    }
    textbuf_char(b, '}');
}
