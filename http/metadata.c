#include "http/metadata.h"

#include "tsdb/labels.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MIN = 256 };

struct metadata_entry {
    struct metadata_entry *next; /* in its bucket, newest first */
    int64_t heard_ms;
    uint64_t serial; /* in the order of arrival */
    uint32_t family_len, help_len, unit_len;
    enum metadata_type type;
    char text[]; /* family, help, unit */
};

const char *metadata_type_text(enum metadata_type type)
{
    static const char *const texts[] = {
        [METADATA_UNKNOWN] = "unknown",
        [METADATA_COUNTER] = "counter",
        [METADATA_GAUGE] = "gauge",
        [METADATA_HISTOGRAM] = "histogram",
        [METADATA_GAUGE_HISTOGRAM] = "gaugehistogram",
        [METADATA_SUMMARY] = "summary",
        [METADATA_INFO] = "info",
        [METADATA_STATE_SET] = "stateset",
    };
    return (size_t)type < ARRAY_LEN(texts) ? texts[type] : texts[METADATA_UNKNOWN];
}

static size_t text_bytes(const struct metadata_item *item)
{
    return (size_t)item->family.len + item->help.len + item->unit.len;
}

static size_t entry_bytes(const struct metadata_entry *e)
{
    return sizeof(*e) + e->family_len + e->help_len + e->unit_len;
}

static struct metadata_item item_of(const struct metadata_entry *e)
{
    return (struct metadata_item){
        .family = {e->text, e->family_len},
        .help = {e->text + e->family_len, e->help_len},
        .unit = {e->text + e->family_len + e->help_len, e->unit_len},
        .type = e->type,
    };
}

static bool is_family(const struct metadata_entry *e, const char *name, size_t n)
{
    return e->family_len == n && memcmp(e->text, name, n) == 0;
}

static bool is_text(struct metadata_text a, struct metadata_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0);
}

static bool is_equal(const struct metadata_entry *e, const struct metadata_item *item)
{
    const struct metadata_item kept = item_of(e);
    return kept.type == item->type && is_text(kept.help, item->help) &&
           is_text(kept.unit, item->unit);
}

void metadata_init(struct metadata *m, struct arena *a)
{
    memset(m, 0, sizeof(*m));
    pthread_mutex_init(&m->lock, NULL);
    m->arena = a;
    m->owner = budget_owner(a->budget, "metadata");
    region_init(&m->region, a, m->owner, METADATA_BYTES_MAX);
}

void metadata_release(struct metadata *m)
{
    region_release(&m->region);
    pthread_mutex_destroy(&m->lock);
}

static struct metadata_entry **bucket_of(const struct metadata *m, const char *name, size_t n)
{
    return &m->buckets[bytes_hash(name, n, 0) & (m->n_buckets - 1)];
}

static bool make_buckets(struct metadata *m, size_t n)
{
    m->buckets = region_calloc(&m->region, n, sizeof(*m->buckets));
    m->n_buckets = m->buckets ? n : 0;
    return m->buckets != NULL;
}

static struct metadata_entry *add(struct metadata *m, const struct metadata_item *item)
{
    struct metadata_entry *e = region_alloc(&m->region, sizeof(*e) + text_bytes(item));
    if (!e)
        return NULL;
    *e = (struct metadata_entry){.family_len = item->family.len,
                                 .help_len = item->help.len,
                                 .unit_len = item->unit.len,
                                 .type = item->type};
    const struct metadata_text parts[] = {item->family, item->help, item->unit};
    char *to = e->text;
    for (size_t i = 0; i < ARRAY_LEN(parts); to += parts[i++].len)
        if (parts[i].len > 0)
            memcpy(to, parts[i].bytes, parts[i].len);
    struct metadata_entry **bucket = bucket_of(m, e->text, e->family_len);
    e->next = *bucket;
    *bucket = e;
    m->n++;
    m->n_bytes += entry_bytes(e);
    return e;
}

static int compare_serials(const void *a, const void *b)
{
    const struct metadata_entry *x = *(struct metadata_entry *const *)a;
    const struct metadata_entry *y = *(struct metadata_entry *const *)b;
    return (x->serial > y->serial) - (x->serial < y->serial);
}

/* Pointers to all entries that were heard of since `since_ms`. NULL without memory. */
static struct metadata_entry **collect(const struct metadata *m, int64_t since_ms, struct region *r,
                                       size_t *ret_n)
{
    struct metadata_entry **all = region_alloc(r, (m->n + 1) * sizeof(struct metadata_entry *));
    *ret_n = 0;
    for (size_t i = 0; all && i < m->n_buckets; i++)
        for (struct metadata_entry *e = m->buckets[i]; e; e = e->next)
            if (e->heard_ms >= since_ms)
                all[(*ret_n)++] = e;
    return all;
}

/* all: in the order of their arrival. */
static bool copy_entries(struct metadata *to, struct metadata_entry **all, size_t n)
{
    if (n > 0)
        qsort(all, n, sizeof(struct metadata_entry *), compare_serials);
    for (size_t i = 0; i < n; i++) {
        const struct metadata_item item = item_of(all[i]);
        struct metadata_entry *e = add(to, &item);
        if (!e)
            return false;
        e->heard_ms = all[i]->heard_ms;
        e->serial = all[i]->serial;
    }
    return true;
}

/* Moves what is alive to a new region, with room in the table for twice as many. Without memory
 * everything stays as it is. */
static void rebuild(struct metadata *m, int64_t since_ms)
{
    struct metadata new = *m;
    size_t n, n_buckets = BUCKETS_MIN;
    region_init(&new.region, m->arena, m->owner, METADATA_BYTES_MAX);
    new.n = new.n_bytes = new.n_dead_bytes = 0;
    struct metadata_entry **all = collect(m, since_ms, &new.region, &n);
    while (n_buckets < 2 * n)
        n_buckets *= 2;
    bool is_whole = all && make_buckets(&new, n_buckets) && copy_entries(&new, all, n);
    struct region dead = is_whole ? m->region : new.region;
    region_release(&dead);
    if (!is_whole) {
        m->grow_at = 2 * m->n + 1;
        return;
    }
    m->region = new.region;
    m->buckets = new.buckets;
    m->n_buckets = m->grow_at = new.n_buckets;
    m->n = new.n;
    m->n_bytes = new.n_bytes;
    m->n_dead_bytes = 0;
}

static void make_room(struct metadata *m, int64_t now_ms)
{
    bool is_sweep = now_ms - m->swept_ms >= METADATA_SWEEP_MS;
    if (is_sweep)
        m->swept_ms = now_ms;
    if (is_sweep || !m->buckets || m->n >= m->grow_at ||
        (m->n_dead_bytes >= METADATA_REBUILD_BYTES_MIN && m->n_dead_bytes > m->n_bytes / 2))
        rebuild(m, now_ms - METADATA_FORGET_MS);
}

static void drop(struct metadata *m, struct metadata_entry *e)
{
    struct metadata_entry **at = bucket_of(m, e->text, e->family_len);
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    m->n--;
    m->n_dead_bytes += entry_bytes(e);
}

/* The entry that is equal, or NULL; then *ret_oldest has to give way, if there is one. */
static struct metadata_entry *find(const struct metadata *m, const struct metadata_item *item,
                                   struct metadata_entry **ret_oldest)
{
    struct metadata_entry *oldest = NULL;
    size_t n = 0;
    *ret_oldest = NULL;
    if (!m->buckets)
        return NULL;
    for (struct metadata_entry *e = *bucket_of(m, item->family.bytes, item->family.len); e;
         e = e->next) {
        if (!is_family(e, item->family.bytes, item->family.len))
            continue;
        if (is_equal(e, item))
            return e;
        n++;
        if (!oldest || e->heard_ms <= oldest->heard_ms)
            oldest = e;
    }
    *ret_oldest = n >= METADATA_PER_FAMILY ? oldest : NULL;
    return NULL;
}

static bool put(struct metadata *m, const struct metadata_item *item, int64_t now_ms)
{
    struct metadata_entry *oldest;
    struct metadata_entry *e = find(m, item, &oldest);
    if (!e) {
        make_room(m, now_ms);
        if (!m->buckets)
            return false;
        find(m, item, &oldest); /* what there was may have moved */
        e = add(m, item);
        if (!e)
            return false;
        e->serial = ++m->serial;
        if (oldest)
            drop(m, oldest);
    }
    e->heard_ms = now_ms;
    return true;
}

bool metadata_put(struct metadata *m, const struct metadata_item *item, int64_t now_ms)
{
    if (item->family.len == 0 || text_bytes(item) > METADATA_TEXT_MAX)
        return false;
    pthread_mutex_lock(&m->lock);
    bool is_kept = put(m, item, now_ms);
    pthread_mutex_unlock(&m->lock);
    return is_kept;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int compare_items(const void *a, const void *b)
{
    const struct metadata_entry *x = *(struct metadata_entry *const *)a;
    const struct metadata_entry *y = *(struct metadata_entry *const *)b;
    int order = bytes_compare(x->text, x->family_len, y->text, y->family_len);
    return order != 0 ? order : compare_serials(a, b);
}

static bool copy_text(struct region *r, struct metadata_text *text)
{
    text->bytes = region_copy(r, text->bytes, text->len);
    return text->bytes != NULL;
}

static bool list(const struct metadata *m, const char *name, size_t n_name, struct region *r,
                 struct metadata_item **ret, size_t *ret_n)
{
    size_t n;
    struct metadata_entry **all = collect(m, INT64_MIN, r, &n);
    struct metadata_item *items = region_alloc(r, (n + 1) * sizeof(*items));
    if (!all || !items)
        return false;
    if (n > 0)
        qsort(all, n, sizeof(struct metadata_entry *), compare_items);
    *ret = items;
    for (size_t i = 0; i < n; i++) {
        if (name && !is_family(all[i], name, n_name))
            continue;
        struct metadata_item *item = &items[(*ret_n)++];
        *item = item_of(all[i]);
        if (!copy_text(r, &item->family) || !copy_text(r, &item->help) ||
            !copy_text(r, &item->unit))
            return false;
    }
    return true;
}

bool metadata_list(struct metadata *m, const char *name, size_t n_name, struct region *r,
                   struct metadata_item **ret, size_t *ret_n)
{
    *ret_n = 0;
    pthread_mutex_lock(&m->lock);
    bool is_done = list(m, name, n_name, r, ret, ret_n);
    pthread_mutex_unlock(&m->lock);
    return is_done;
}

const char *metadata_check(struct metadata *m)
{
    size_t n = 0, bytes = 0;
    const char *wrong = NULL;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n_buckets; i++)
        for (struct metadata_entry *e = m->buckets[i]; e; e = e->next) {
            n++;
            bytes += entry_bytes(e);
            if (bucket_of(m, e->text, e->family_len) != &m->buckets[i])
                wrong = "an entry lies in another family's bucket";
        }
    if (n != m->n)
        wrong = "the number of entries is not that in the buckets";
    else if (bytes + m->n_dead_bytes != m->n_bytes)
        wrong = "bytes are not those of entries, living and dead";
    pthread_mutex_unlock(&m->lock);
    return wrong;
}
