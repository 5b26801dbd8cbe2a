#include "tsdb/promql/annot.h"

#include <string.h>

static const char *const prefixes[] = {"PromQL warning: ", "PromQL info: "};
static const char *const names[] = {"warning", "info"};

void annot_init(struct annot *a, struct region *r, const char *query_text)
{
    *a = (struct annot){.region = r, .query_text = query_text};
    label_map_init(&a->lists[ANNOT_WARNING].texts, r);
    label_map_init(&a->lists[ANNOT_INFO].texts, r);
}

void annot_add(struct annot *a, enum annot_class class, const char *text, uint32_t pos)
{
    if (!text)
        return;
    struct annot_list *list = &a->lists[class];
    struct label *label = region_calloc(a->region, 1, sizeof(*label));
    if (!label)
        return;
    *label = (struct label){.name = "", .value = text, .value_len = (uint32_t)strlen(text)};
    uint32_t number;
    bool is_new;
    struct labels key = {label, 1};
    if (label_map_put(&list->texts, &key, &number, &is_new) && number < ANNOTATIONS_MAX)
        list->pos[number] = pos;
}

const char **annot_texts(struct annot *a, enum annot_class class, size_t *ret_n)
{
    const struct annot_list *list = &a->lists[class];
    *ret_n = 0;
    if (list->texts.n == 0)
        return NULL;
    const char **texts = region_calloc(a->region, ANNOTATIONS_MAX + 1, sizeof(*texts));
    if (!texts)
        return NULL;
    size_t n = 0;
    for (uint32_t i = 0; i < list->texts.n && i < ANNOTATIONS_MAX; i++) {
        char position[POSITION_TEXT_MAX];
        query_position_text(a->query_text, list->pos[i], position);
        const char *text = list->texts.keys[i].labels.items[0].value;
        texts[n] = region_printf(a->region, "%s%s (%s)", prefixes[class], text, position);
        n += texts[n] != NULL;
    }
    if (list->texts.n > ANNOTATIONS_MAX) {
        texts[n] = region_printf(a->region, "%u more %s annotations omitted",
                                 list->texts.n - ANNOTATIONS_MAX, names[class]);
        n += texts[n] != NULL;
    }
    *ret_n = n;
    return texts;
}
