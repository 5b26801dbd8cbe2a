#include "snapshot/head.h"

#include <criterion/criterion.h>
#include <string.h>

static uint8_t bytes[HEAD_PAYLOAD_MAX + 1];
static struct head head; /* the largest there can be */
static size_t n_bytes;

static void given_a_head(void)
{
    head = (struct head){.created_ms = -1,
                         .window_ms = INT64_MAX,
                         .n_series = UINT64_MAX,
                         .newest_ms = INT64_MIN,
                         .n_open = UINT64_MAX,
                         .has_hash_key = true,
                         .generation = UINT64_MAX,
                         .naming = UINT64_MAX,
                         .index_bytes = UINT64_MAX - ((1 << 20) - 1),
                         .n_windows = HEAD_WINDOWS_MAX};
    memset(head.hash_key, 0xA5, sizeof head.hash_key);
    for (uint32_t i = 0; i < HEAD_WINDOWS_MAX; i++) {
        head.windows[i].number = i == 0 ? INT64_MIN : INT64_MAX - HEAD_WINDOWS_MAX + (int64_t)i;
        for (unsigned c = 0; c < HEAD_POOLS; c++)
            head.windows[i].slots[c] = UINT64_MAX - c;
    }
    struct encoder e;
    encoder_init(&e, bytes, HEAD_PAYLOAD_MAX);
    head_encode(&head, &e);
    n_bytes = e.n;
}

TestSuite(head, .init = given_a_head);

Test(head, survives)
{
    struct head back;
    memset(&back, 0, sizeof back);
    cr_assert_eq(head_decode(FORMAT_VERSION, bytes, n_bytes, &back), 0);
    cr_assert_eq(memcmp(&back, &head, sizeof head), 0);
}

Test(head, cut_or_longer_is_corrupt)
{
    struct head back;
    for (size_t n = 0; n < n_bytes; n++)
        cr_assert_eq(head_decode(FORMAT_VERSION, bytes, n, &back), ERR_CORRUPT);
    cr_assert_eq(head_decode(FORMAT_VERSION, bytes, n_bytes + 1, &back), ERR_CORRUPT);
    cr_assert_eq(head_decode(FORMAT_VERSION_SHARED, bytes, n_bytes, &back), ERR_CORRUPT);
}

static uint64_t kind = FILE_SNAPSHOT;

static int decode_changed(void)
{
    struct head back;
    struct encoder e;
    encoder_init(&e, bytes, HEAD_PAYLOAD_MAX);
    encoder_zigzag(&e, 0);                        /* created */
    encoder_varint(&e, (uint64_t)head.window_ms); /* window */
    encoder_varint(&e, 0);                        /* series */
    encoder_zigzag(&e, 0);                        /* newest */
    encoder_varint(&e, 0);                        /* open */
    encoder_varint(&e, kind);
    encoder_varint(&e, 0); /* generation */
    encoder_u64(&e, 0);    /* naming */
    encoder_varint(&e, 0); /* index */
    encoder_varint(&e, head.n_windows);
    for (uint32_t i = 0; i < head.n_windows; i++) {
        encoder_zigzag(&e, (uint64_t)head.windows[i].number);
        for (int c = 0; c < HEAD_POOLS; c++)
            encoder_varint(&e, 0);
    }
    encoder_bytes(&e, head.hash_key, sizeof head.hash_key);
    return head_decode(FORMAT_VERSION, bytes, e.n, &back);
}

Test(head, limits_hold_at_them_and_not_past_them)
{
    head.n_windows = 0;
    cr_assert_eq(decode_changed(), 0);
    kind = FILE_WINDOW;
    cr_assert_eq(decode_changed(), ERR_CORRUPT, "of no window");
    kind = FILE_WINDOW + 1;
    cr_assert_eq(decode_changed(), ERR_CORRUPT);
    kind = FILE_SNAPSHOT;
    head.window_ms = 0;
    cr_assert_eq(decode_changed(), ERR_CORRUPT);
    head.window_ms = 1;
    head.n_windows = HEAD_WINDOWS_MAX;
    for (uint32_t i = 0; i < head.n_windows; i++)
        head.windows[i].number = 1; /* a distance */
    cr_assert_eq(decode_changed(), 0);
    head.windows[5].number = 0;
    cr_assert_eq(decode_changed(), ERR_CORRUPT, "the same window twice");
    head.n_windows = HEAD_WINDOWS_MAX + 1;
    struct head back;
    struct encoder e;
    encoder_init(&e, bytes, HEAD_PAYLOAD_MAX);
    for (uint64_t i = 0; i < 7; i++)
        encoder_varint(&e, i == 5 ? FILE_SNAPSHOT : 2);
    encoder_u64(&e, 2);
    encoder_varint(&e, 2);
    encoder_varint(&e, head.n_windows);
    memset(bytes + e.n, 2, sizeof bytes - e.n);
    cr_assert_eq(head_decode(FORMAT_VERSION, bytes,
                             e.n + (1u + HEAD_POOLS) * head.n_windows + sizeof head.hash_key,
                             &back),
                 ERR_CORRUPT);
}

/* What version 4 brought: kind, generation, MiB, and the key. */
Test(head, before_version_4_it_has_no_key)
{
    static const uint8_t zeros[SERIES_HASH_KEY_BYTES] = {0};
    struct head back;
    struct encoder e;
    for (uint16_t version = FORMAT_VERSION_MIN; version < FORMAT_VERSION_HASH_KEY; version++) {
        encoder_init(&e, bytes, sizeof bytes);
        encoder_zigzag(&e, 1);
        for (uint64_t i = 0; i < 5; i++)
            encoder_varint(&e, i == 0 ? 60000 : 0);
        cr_assert_eq(head_decode(version, bytes, e.n, &back), 0);
        cr_assert_not(back.has_hash_key);
        cr_assert_eq(back.kind, FILE_SNAPSHOT);
        cr_assert_eq(back.generation, 0);
        encoder_bytes(&e, zeros, sizeof zeros);
        cr_assert_eq(head_decode(version, bytes, e.n, &back), ERR_CORRUPT);
    }
    cr_assert_eq(head_decode(FORMAT_VERSION_HASH_KEY, bytes, n_bytes - sizeof head.hash_key, &back),
                 ERR_CORRUPT);
}

Test(end, survives)
{
    struct end end = {1, 2, 300, UINT64_MAX, 7, 0x0102030405060708}, back;
    struct encoder e;
    encoder_init(&e, bytes, sizeof bytes);
    end_encode(&end, &e);
    cr_assert_eq(end_decode(FORMAT_VERSION, bytes, e.n, &back), 0);
    cr_assert_eq(memcmp(&back, &end, sizeof end), 0);
    for (size_t n = 0; n < e.n; n++)
        cr_assert_eq(end_decode(FORMAT_VERSION, bytes, n, &back), ERR_CORRUPT);
    cr_assert_eq(end_decode(FORMAT_VERSION, bytes, e.n + 1, &back), ERR_CORRUPT);
    cr_assert_eq(end_decode(FORMAT_VERSION_SHARED, bytes, e.n, &back), ERR_CORRUPT);
}
