#include "http/retell.h"

#include "http/write_metadata.h"

static int put(void *ctx, const uint8_t *message, size_t n)
{
    return recorder_put(ctx, RECORD_METADATA, message, n);
}

/* How many of the first there is room for. */
static size_t n_that_fit(const struct metadata_item *items, size_t n, uint64_t bytes)
{
    size_t i = 0;
    for (uint64_t sum = 0; i < n; i++) {
        sum += write_metadata_bytes_max(&items[i]);
        if (sum > bytes)
            break;
    }
    return i;
}

static int tell(struct recorder *r, struct region *region, uint64_t *ret_left)
{
    struct journal_stats stats;
    struct metadata_item *items;
    size_t n;
    if (!metadata_list(r->metadata, NULL, 0, region, &items, &n))
        return ERR_NO_MEMORY;
    if (n == 0)
        return 0;
    uint8_t *buffer = region_alloc(region, WRITE_METADATA_MESSAGE_BYTES);
    if (buffer == NULL)
        return ERR_NO_MEMORY;
    journal_stats(r->journal, &stats);
    size_t n_told = n_that_fit(items, n, stats.max_bytes / RECORDER_RETELL_SHARE);
    *ret_left = n - n_told;
    int err = write_metadata_each_message(items, n_told, buffer, put, r);
    return err != 0 ? err : journal_sync(r->journal);
}

int retell(struct recorder *r, uint64_t *ret_left)
{
    struct region region;
    *ret_left = 0;
    if (r->metadata == NULL)
        return 0;
    region_init(&region, r->arena, r->owner, 0);
    int err = tell(r, &region, ret_left);
    region_release(&region);
    return err;
}
