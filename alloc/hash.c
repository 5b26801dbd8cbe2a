#include "alloc/hash.h"

static struct hash_node *node_at(const struct arena *a, slot record)
{
    return slot_ptr(a, record);
}

/* The largest power of two that is at most n; n > 0. */
static uint32_t floor_power(uint32_t n)
{
    return 1u << (31 - __builtin_clz(n));
}

static uint32_t bucket_of(const struct hash *h, uint32_t hash_value)
{
    uint32_t low = floor_power(h->n_buckets);
    uint32_t bucket = hash_value & (2 * low - 1);
    return bucket < h->n_buckets ? bucket : hash_value & (low - 1);
}

static slot *head_at(const struct arena *a, const struct hash *h, uint32_t bucket)
{
    slot *head = table_at(a, &h->buckets, bucket);
    assert(head != NULL);
    return head;
}

void hash_init(struct hash *h, unsigned owner)
{
    *h = (struct hash){0};
    table_init(&h->buckets, sizeof(slot), owner);
}

void hash_release(struct arena *a, struct hash *h)
{
    table_release(a, &h->buckets);
    h->n_buckets = h->n_items = 0;
}

void hash_fetch(const struct arena *a, const struct hash *h, uint32_t hash_value)
{
    if (h->n_buckets > 0)
        __builtin_prefetch(head_at(a, h, bucket_of(h, hash_value)));
}

slot hash_chain(const struct arena *a, const struct hash *h, uint32_t hash_value)
{
    return h->n_buckets > 0 ? *head_at(a, h, bucket_of(h, hash_value)) : 0;
}

slot hash_find(const struct arena *a, const struct hash *h, uint32_t hash_value, hash_equal equal,
               const void *ctx)
{
    slot record = hash_chain(a, h, hash_value);
    while (record != 0) {
        const struct hash_node *node = node_at(a, record);
        if (node->hash == hash_value && equal(ctx, node))
            return record;
        record = node->next;
    }
    return 0;
}

/* Moves what belongs to bucket `to` out of bucket `from`. */
static void redistribute(struct arena *a, struct hash *h, uint32_t from, uint32_t to)
{
    slot *link = head_at(a, h, from);
    slot *target = head_at(a, h, to);
    while (*link != 0) {
        slot record = *link;
        struct hash_node *node = node_at(a, record);
        if (bucket_of(h, node->hash) == to) {
            *link = node->next;
            node->next = *target;
            *target = record;
        } else {
            link = &node->next;
        }
    }
}

/* One more bucket. Without memory for it the chains grow longer instead, which is no error once
 * there is a bucket at all. */
static void grow(struct arena *a, struct hash *h)
{
    uint32_t added = h->n_buckets;
    slot *head = table_make(a, &h->buckets, added);
    if (head == NULL)
        return;
    *head = 0;
    h->n_buckets++;
    if (added > 0)
        redistribute(a, h, added - floor_power(added), added);
}

static void shrink(struct arena *a, struct hash *h)
{
    uint32_t last = h->n_buckets - 1;
    uint32_t into = last - floor_power(last);
    slot *link = head_at(a, h, into);
    while (*link != 0)
        link = &node_at(a, *link)->next;
    *link = *head_at(a, h, last);
    *head_at(a, h, last) = 0;
    h->n_buckets--;
    if (last % h->buckets.per_leaf == 0)
        table_clear_leaf(a, &h->buckets, last);
}

bool hash_insert(struct arena *a, struct hash *h, slot record, uint32_t hash_value)
{
    if (h->n_items >= h->n_buckets)
        grow(a, h);
    if (h->n_buckets == 0)
        return false;
    struct hash_node *node = node_at(a, record);
    slot *head = head_at(a, h, bucket_of(h, hash_value));
    node->hash = hash_value;
    node->next = *head;
    *head = record;
    h->n_items++;
    return true;
}

/* The head or the link that names a record of the table. */
static slot *link_to(const struct arena *a, const struct hash *h, slot record)
{
    slot *link = head_at(a, h, bucket_of(h, node_at(a, record)->hash));
    while (*link != record) {
        ENSURE(*link != 0);
        link = &node_at(a, *link)->next;
    }
    return link;
}

void hash_replace(struct arena *a, struct hash *h, slot from, slot to)
{
    assert(node_at(a, from)->next == node_at(a, to)->next &&
           node_at(a, from)->hash == node_at(a, to)->hash);
    *link_to(a, h, from) = to;
}

void hash_remove(struct arena *a, struct hash *h, slot record)
{
    *link_to(a, h, record) = node_at(a, record)->next;
    h->n_items--;
    if (h->n_items == 0)
        hash_release(a, h);
    /* the bound falls by 8/7 of a bucket: one merge a remove would never catch up with it */
    for (int i = 0; i < 2 && h->n_buckets > 1 && h->n_items < h->n_buckets - h->n_buckets / 8; i++)
        shrink(a, h);
}

slot hash_next(const struct arena *a, const struct hash *h, slot record)
{
    uint32_t bucket = 0;
    if (record != 0) {
        const struct hash_node *node = node_at(a, record);
        if (node->next != 0)
            return node->next;
        bucket = bucket_of(h, node->hash) + 1;
    }
    while (bucket < h->n_buckets && *head_at(a, h, bucket) == 0)
        bucket++;
    return bucket < h->n_buckets ? *head_at(a, h, bucket) : 0;
}

bool hash_check(const struct arena *a, const struct hash *h)
{
    uint32_t n = 0;
    for (uint32_t b = 0; b < h->n_buckets; b++) {
        for (slot record = *head_at(a, h, b); record != 0; record = node_at(a, record)->next)
            if (bucket_of(h, node_at(a, record)->hash) != b || ++n > h->n_items)
                return false;
    }
    return n == h->n_items;
}
