#include "tests/support/message.h"

#include "alloc/base.h"

#include <string.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { TAG_BYTES_MAX = 5, LENGTH_BYTES_MAX = 5, VARINT_BYTES_MAX = 10 };

void message_varint(struct message *m, uint64_t v)
{
    for (; v > 0x7f; v >>= 7)
        m->bytes[m->n++] = (char)(v | 0x80);
    m->bytes[m->n++] = (char)v;
}

static void put_bytes(struct message *m, const void *bytes, size_t n)
{
    if (n > 0)
        memcpy(m->bytes + m->n, bytes, n);
    m->n += n;
}

void message_field(struct message *m, unsigned number, const void *bytes, size_t n)
{
    message_varint(m, number << 3 | BYTES);
    message_varint(m, n);
    put_bytes(m, bytes, n);
}

void message_label(struct message *m, const char *name, size_t name_len, const char *value,
                   size_t value_len)
{
    static struct message label;
    label.n = 0;
    message_field(&label, 1, name, name_len);
    message_field(&label, 2, value, value_len);
    message_field(m, 1, label.bytes, label.n);
}

void message_labels(struct message *m, const char *labels)
{
    while (*labels) {
        size_t n = strcspn(labels, ","), name = strcspn(labels, "=");
        message_label(m, labels, name, labels + name + 1, n - name - 1);
        labels += n + (labels[n] == ',');
    }
}

void message_sample(struct message *m, int64_t t_ms, uint64_t bits)
{
    static struct message sample;
    sample.n = 0;
    sample.bytes[sample.n++] = 1 << 3 | FIXED64;
    put_bytes(&sample, &bits, sizeof(bits));
    sample.bytes[sample.n++] = 2 << 3 | VARINT;
    message_varint(&sample, (uint64_t)t_ms);
    message_field(m, 2, sample.bytes, sample.n);
}

void message_series(struct message *m, const char *labels, int64_t t_ms, double v)
{
    static struct message series;
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    series.n = 0;
    message_labels(&series, labels);
    message_sample(&series, t_ms, bits);
    message_field(m, 1, series.bytes, series.n);
}

/* --- by chance -------------------------------------------------------------------------------- */

enum { PARTS_MAX = 16 };

/* A message as its fields, each with its tag, so that they can be shuffled. */
struct parts {
    struct chance *c;
    size_t n;
    struct message fields[PARTS_MAX];
};

/* What one message is made with. */
struct chance {
    struct random *random;
    int64_t now_ms;
    uint64_t odd; /* of 16 decisions so many are unusual */
    bool is_v2;
    uint32_t n_symbols;
};

static bool is_odd(const struct chance *c)
{
    return random_below(c->random, 16) < c->odd;
}

static uint64_t below(const struct chance *c, uint64_t n)
{
    return random_below(c->random, n);
}

/* A varint with zeros at its end, at times. */
static void put_padded(const struct chance *c, struct message *m, uint64_t v, size_t max)
{
    size_t begin = m->n;
    message_varint(m, v);
    size_t n = m->n - begin;
    if (n >= max || !is_odd(c))
        return;
    size_t want = n + 1 + below(c, max - n);
    m->bytes[m->n - 1] |= (char)0x80;
    for (; n < want; n++)
        m->bytes[m->n++] = (char)(n + 1 < want ? 0x80 : 0);
}

/* Field 0 needs a tag that is longer than it need be. */
static void put_tag(const struct chance *c, struct message *m, uint64_t number, unsigned type)
{
    if (number == 0)
        put_bytes(m, (char[]){(char)(0x80 | type), 0}, 2);
    else
        put_padded(c, m, number << 3 | type, TAG_BYTES_MAX);
}

static void put_delimited(const struct chance *c, struct message *m, uint64_t number,
                          const void *bytes, size_t n)
{
    put_tag(c, m, number, BYTES);
    put_padded(c, m, n, LENGTH_BYTES_MAX);
    put_bytes(m, bytes, n);
}

static struct message *next_part(struct parts *p)
{
    struct message *m = &p->fields[p->n < PARTS_MAX ? p->n++ : PARTS_MAX - 1];
    m->n = 0;
    return m;
}

static void add_unknown(struct parts *p)
{
    static const uint64_t numbers[] = {0, 7, 6, 16, 2047, 2048, (1 << 29) - 1, UINT32_MAX};
    static const unsigned types[] = {VARINT, FIXED64, BYTES, FIXED32};
    const struct chance *c = p->c;
    struct message *m = next_part(p);
    unsigned type = types[below(c, 4)];
    put_tag(c, m, numbers[below(c, sizeof(numbers) / sizeof(numbers[0]))], type);
    uint64_t bits = random_next(c->random) >> below(c, 64);
    if (type == VARINT)
        put_padded(c, m, bits, VARINT_BYTES_MAX);
    else if (type != BYTES)
        put_bytes(m, &bits, type == FIXED64 ? 8 : 4);
    else {
        m->n = 0;
        put_delimited(c, m, 7, "\x0a\x03\x0a\x01\x78\x12\x00", below(c, 8));
    }
}

/* Puts the parts behind m, in any order at times, and empties them. */
static void join(struct parts *p, struct message *m)
{
    bool is_shuffled = is_odd(p->c);
    if (is_odd(p->c))
        add_unknown(p);
    for (; p->n > 0; p->n--) {
        size_t i = is_shuffled ? below(p->c, p->n) : 0;
        put_bytes(m, p->fields[i].bytes, p->fields[i].n);
        for (; i + 1 < p->n; i++) {
            p->fields[i].n = p->fields[i + 1].n;
            memcpy(p->fields[i].bytes, p->fields[i + 1].bytes, p->fields[i + 1].n);
        }
    }
}

/* How often a field is there that senders write once. */
static uint64_t times(const struct chance *c)
{
    return is_odd(c) ? below(c, 3) : 1;
}

static void add_label(struct parts *to, unsigned at)
{
    static const char *const names[] = {"__name__", "job", "zone", "a", "", "b\xc3\xa9", "\xff"};
    static const char *const values[] = {"up", "node", "a", "", "x\xe2\x82\xac", "\xc3("};
    static struct parts p;
    static struct message label;
    static char long_text[300];
    const struct chance *c = to->c;
    p.c = to->c;
    memset(long_text, 'l', sizeof(long_text));
    for (uint64_t n = times(c); n > 0; n--) {
        const char *name = names[is_odd(c) ? below(c, 7) : at];
        put_delimited(c, next_part(&p), 1, name, strlen(name));
    }
    for (uint64_t n = times(c); n > 0; n--) {
        const char *value = values[below(c, is_odd(c) ? 6 : 3)];
        bool is_long = below(c, 16) == 0;
        put_delimited(c, next_part(&p), 2, is_long ? long_text : value,
                      is_long ? below(c, sizeof(long_text)) : strlen(value));
    }
    label.n = 0;
    join(&p, &label);
    put_delimited(c, next_part(to), 1, label.bytes, label.n);
}

static void add_sample(struct parts *to)
{
    static struct parts p;
    static struct message sample;
    const struct chance *c = to->c;
    p.c = to->c;
    for (uint64_t n = times(c); n > 0; n--) {
        struct message *m = next_part(&p);
        uint64_t bits = below(c, 4);
        put_tag(c, m, 1, FIXED64);
        put_bytes(m, &bits, sizeof(bits));
    }
    for (uint64_t n = times(c); n > 0; n--) {
        struct message *m = next_part(&p);
        uint64_t t = (uint64_t)c->now_ms - below(c, 60000);
        put_tag(c, m, 2, VARINT);
        put_padded(c, m, is_odd(c) ? random_next(c->random) >> below(c, 64) : t, VARINT_BYTES_MAX);
    }
    if (c->is_v2 && below(c, 4) == 0) {
        struct message *m = next_part(&p);
        put_tag(c, m, 3, VARINT);
        put_padded(c, m, random_next(c->random) >> below(c, 64), VARINT_BYTES_MAX);
    }
    sample.n = 0;
    join(&p, &sample);
    put_delimited(c, next_part(to), 2, sample.bytes, sample.n);
}

/* References to texts of the table, or beyond it; packed as senders do, or not, or both. */
static void add_refs(struct parts *to, uint64_t n)
{
    static struct message run;
    const struct chance *c = to->c;
    run.n = 0;
    for (uint64_t i = 0; i < n; i++) {
        bool is_wrong = is_odd(c) && below(c, 16) == 0;
        uint64_t ref = is_wrong ? random_next(c->random) >> below(c, 64) : below(c, c->n_symbols);
        if (!is_wrong && below(c, 2) == 0)
            ref = i % 2 == 0 ? 1 + i / 2 : 8 + below(c, 3); /* names, and values */
        if (is_odd(c)) {
            put_delimited(c, next_part(to), 1, run.bytes, run.n);
            run.n = 0;
        }
        if (is_odd(c)) {
            struct message *m = next_part(to);
            put_tag(c, m, 1, VARINT);
            put_padded(c, m, ref, VARINT_BYTES_MAX);
        } else {
            put_padded(c, &run, ref, VARINT_BYTES_MAX);
        }
    }
    put_delimited(c, next_part(to), 1, run.bytes, run.n);
}

static void add_exemplar(struct parts *to, uint64_t number)
{
    static struct parts p;
    static struct message exemplar;
    const struct chance *c = to->c;
    p.c = to->c;
    for (unsigned n = (unsigned)below(c, 3), i = 0; i < n && !c->is_v2; i++)
        add_label(&p, i);
    if (c->is_v2)
        add_refs(&p, 2 * below(c, 3));
    for (uint64_t n = times(c); n > 0; n--) {
        struct message *m = next_part(&p);
        uint64_t bits = below(c, 4);
        put_tag(c, m, 2, FIXED64);
        put_bytes(m, &bits, sizeof(bits));
        m = next_part(&p);
        put_tag(c, m, 3, VARINT);
        put_padded(c, m, (uint64_t)c->now_ms - below(c, 60000), VARINT_BYTES_MAX);
    }
    exemplar.n = 0;
    join(&p, &exemplar);
    put_delimited(c, next_part(to), number, exemplar.bytes, exemplar.n);
}

static void put_series(const struct chance *c, struct message *m)
{
    static struct parts p;
    static struct message series;
    struct chance own = *c;
    p.c = &own;
    for (unsigned n = (unsigned)below(c, 4), i = 0; i <= n; i++)
        add_label(&p, i);
    for (uint64_t n = is_odd(c) ? below(c, 6) : 1; n > 0; n--)
        add_sample(&p);
    if (below(c, 8) == 0)
        put_delimited(c, next_part(&p), 3, "\x11\0\0\0\0\0\0\0\0\x18\x01", below(c, 2) * 11);
    if (below(c, 8) == 0)
        add_exemplar(&p, 3);
    if (below(c, 8) == 0)
        put_delimited(c, next_part(&p), 4, "\x78\x05", below(c, 2) * 2);
    series.n = 0;
    join(&p, &series);
    put_delimited(c, m, 1, series.bytes, series.n);
}

void message_by_chance(struct message *m, struct random *random, int64_t now_ms)
{
    static struct parts unknown;
    struct chance c = {random, now_ms, random_below(random, 2) == 0 ? 0 : random_below(random, 8),
                       false, 0};
    unknown.c = &c;
    m->n = 0;
    for (uint64_t n = below(&c, 6); n > 0; n--) {
        if (is_odd(&c)) {
            add_unknown(&unknown);
            join(&unknown, m);
        }
        if (below(&c, 8) == 0)
            put_delimited(&c, m, 3, "\x08\x01\x12\x02up", 6);
        else
            put_series(&c, m);
    }
    if (below(&c, 2) == 0) /* a walker may look at series otherwise when much follows them */
        put_delimited(&c, m, 2047, (char[300]){0}, 300);
}

/* --- 2.0 -------------------------------------------------------------------------------------- */

void message_symbols(struct message *m, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        message_field(m, 4, texts[i], strlen(texts[i]));
}

void message_refs(struct message *m, const uint32_t *refs, size_t n)
{
    static struct message run;
    run.n = 0;
    for (size_t i = 0; i < n; i++)
        message_varint(&run, refs[i]);
    message_field(m, 1, run.bytes, run.n);
}

static void add_metadata(struct parts *to)
{
    static struct parts p;
    static struct message metadata;
    static const uint64_t numbers[] = {1, 3, 4};
    const struct chance *c = to->c;
    p.c = to->c;
    for (unsigned i = 0; i < 3; i++)
        for (uint64_t n = times(c); n > 0; n--) {
            struct message *m = next_part(&p);
            put_tag(c, m, numbers[i], VARINT);
            put_padded(c, m, below(c, is_odd(c) ? 2 * c->n_symbols : c->n_symbols),
                       VARINT_BYTES_MAX);
        }
    metadata.n = 0;
    join(&p, &metadata);
    put_delimited(c, next_part(to), 5, metadata.bytes, metadata.n);
}

static void put_series_v2(const struct chance *c, struct message *m)
{
    static struct parts p;
    static struct message series;
    struct chance own = *c;
    p.c = &own;
    add_refs(&p, is_odd(c) ? below(c, 7) : 2 * (1 + below(c, 3)));
    for (uint64_t n = is_odd(c) ? below(c, 4) : 1; n > 0; n--)
        add_sample(&p);
    if (below(c, 8) == 0)
        put_delimited(c, next_part(&p), 3, "\x78\x05", below(c, 2) * 2);
    if (below(c, 8) == 0)
        add_exemplar(&p, 4);
    for (uint64_t n = times(c); n > 0; n--)
        add_metadata(&p);
    series.n = 0;
    join(&p, &series);
    put_delimited(c, m, 5, series.bytes, series.n);
}

void message_v2_by_chance(struct message *m, struct random *random, int64_t now_ms)
{
    static const char *const texts[] = {"",     "__name__", "job",   "zone", "a",  "b\xc3\xa9",
                                        "\xff", "__name__", "up",    "node", "x",  "",
                                        "y",    "help",     "\xc3(", "z",    "zz", "zzz"};
    static struct parts unknown;
    struct chance c = {random, now_ms, random_below(random, 2) == 0 ? 0 : random_below(random, 8),
                       true, 0};
    uint64_t n_late = is_odd(&c) ? below(&c, 4) : 0, n_more = below(&c, 2) * below(&c, 400);
    unknown.c = &c;
    m->n = 0;
    c.n_symbols = (uint32_t)(ARRAY_LEN(texts) + n_more);
    for (size_t i = 0; i < ARRAY_LEN(texts) - n_late; i++)
        put_delimited(&c, m, 4, texts[i], strlen(texts[i]));
    for (size_t i = 0; i < n_more && n_late == 0; i++)
        put_delimited(&c, m, 4, "abcdefghijklmnopqrstuvwxyz", i % 27);
    for (uint64_t n = below(&c, 6); n > 0; n--) {
        if (is_odd(&c)) {
            add_unknown(&unknown);
            join(&unknown, m);
        }
        put_series_v2(&c, m);
    }
    for (size_t i = ARRAY_LEN(texts) - n_late; i < ARRAY_LEN(texts); i++)
        put_delimited(&c, m, 4, texts[i], strlen(texts[i]));
    for (size_t i = 0; i < n_more && n_late > 0; i++)
        put_delimited(&c, m, 4, "abcdefghijklmnopqrstuvwxyz", i % 27);
    if (below(&c, 2) == 0)
        put_delimited(&c, m, 2047, (char[300]){0}, 300);
}

void message_damage(struct message *m, struct random *random)
{
    for (uint64_t n = random_below(random, 3); n > 0 && m->n > 0; n--)
        m->bytes[random_below(random, m->n)] = (char)random_next(random);
    if (random_below(random, 4) == 0)
        m->n = random_below(random, m->n + 1); /* the rest still lies behind it */
}
