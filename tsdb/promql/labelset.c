#include "tsdb/promql/labelset.h"

#include "tsdb/promql/quote.h"
#include "tsdb/store_limits.h"

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

struct labels labelset_keep_in(struct label *row, const struct labels *ls,
                               const struct word_list *names)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < ls->n; i++)
        if (is_listed(&ls->items[i], names))
            row[n++] = ls->items[i];
    return (struct labels){row, n};
}

struct labels labelset_drop_in(struct label *row, const struct labels *ls,
                               const struct word_list *names, bool drops_name)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < ls->n; i++)
        if (!is_listed(&ls->items[i], names) && !(drops_name && labelset_is_name(&ls->items[i])))
            row[n++] = ls->items[i];
    return (struct labels){row, n};
}

struct labels labelset_drop_metadata_in(struct label *row, const struct labels *ls)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < ls->n; i++)
        if (!is_metadata(&ls->items[i]))
            row[n++] = ls->items[i];
    return (struct labels){row, n};
}

bool labelset_keep(struct region *r, const struct labels *ls, const struct word_list *names,
                   struct labels *ret)
{
    uint32_t n_max = names->n < ls->n ? names->n : ls->n;
    struct label *items = region_alloc(r, (n_max + 1) * sizeof(*items));
    if (!items)
        return false;
    *ret = labelset_keep_in(items, ls, names);
    return true;
}

bool labelset_drop(struct region *r, const struct labels *ls, const struct word_list *names,
                   bool drops_name, struct labels *ret)
{
    struct label *items = region_alloc(r, (ls->n + 1) * sizeof(*items));
    if (!items)
        return false;
    *ret = labelset_drop_in(items, ls, names, drops_name);
    return true;
}

bool labelset_copy(struct region *r, const struct labels *ls, bool copies_texts, struct labels *ret)
{
    size_t n_bytes = 0;
    for (uint32_t i = 0; copies_texts && i < ls->n; i++)
        n_bytes += (size_t)ls->items[i].name_len + ls->items[i].value_len;
    struct label *items = region_alloc(r, ls->n * sizeof(*items) + n_bytes);
    if (!items)
        return false;
    char *bytes = (char *)(items + ls->n);
    for (uint32_t i = 0; i < ls->n; i++) {
        items[i] = ls->items[i];
        if (!copies_texts)
            continue;
        items[i].name = memcpy(bytes, items[i].name, items[i].name_len);
        bytes += items[i].name_len;
        items[i].value = memcpy(bytes, items[i].value, items[i].value_len);
        bytes += items[i].value_len;
    }
    *ret = (struct labels){items, ls->n};
    return true;
}

bool labelset_row_fit(struct region *r, struct labelset_row *row, uint32_t n)
{
    if (n <= row->cap)
        return true;
    row->cap = n > LABELS_PER_SERIES_MAX ? 2 * n : LABELS_PER_SERIES_MAX;
    row->items = region_alloc(r, row->cap * sizeof(*row->items));
    if (!row->items)
        row->cap = 0;
    return row->items != NULL;
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
