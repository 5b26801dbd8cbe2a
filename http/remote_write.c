/* The idea: nothing that a sender declares is believed before it is held against a limit, and a
 * fault of one series costs that series only.
 *
 * Snappy's first bytes declare the length of the message. It is checked before memory is taken for
 * it, which is all the guard that block format needs: the decoder writes no more than that. The
 * framing format, which some senders use by mistake, is recognised by its magic and named.
 *
 * A message is a row of series, and protobuf decodes the parts of a row like the whole: it is cut
 * where one series ends, and protobuf-c makes the tree of one at a time. A tree takes 1.5 KB of
 * small pieces; it is copied into one piece of the region, a third as long, and the next one comes
 * into the same bytes, which are still in the processor's cache. From the first byte on that does
 * not begin a series, the rest is decoded as a message, so there is one judge of what is malformed.
 *
 * The allocator adds up what it gives out and stops at a multiple of the message's size: a megabyte
 * of empty series would otherwise decode to more than forty. Rejected for now: a walker over the
 * wire bytes without any tree (docs/decisions/0003-remote-write-decoding.md), which will be fuzzed
 * against this decoder.
 *
 * Values are bits: protobuf-c reads a double by memcpy, and they are copied on as uint64_t, so that
 * the stale marker, a signalling NaN, survives. */
#include "http/remote_write.h"

#include "http/proto/remote.pb-c.h"

#include <inttypes.h>
#include <snappy-c.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    SERIES_TAG = 1 << 3 | 2, /* field 1, length-delimited */
    LENGTH_BITS_MAX = 28,
    SERIES_FIRST = 64, /* room in the array, doubled as it fills */
};

static const char framing_magic[] = "\xff\x06\x00\x00sNaPpY";

/* --- content negotiation ---------------------------------------------------------------------- */

struct span {
    const char *p;
    size_t n;
};

static struct span trim(struct span s)
{
    while (s.n > 0 && (*s.p == ' ' || *s.p == '\t'))
        s.p++, s.n--;
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static bool equals_folded(struct span s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

/* Cuts the text before the next separator off *rest. */
static struct span next_part(struct span *rest, char separator)
{
    const char *end = memchr(rest->p, separator, rest->n);
    struct span part = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
    size_t taken = part.n + (end != NULL);
    rest->p += taken;
    rest->n -= taken;
    return trim(part);
}

static struct span unquote(struct span s)
{
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        return (struct span){s.p + 1, s.n - 2};
    return s;
}

static int check_content_type(const char *content_type, char *text)
{
    struct span rest = {content_type, strlen(content_type)};
    struct span type = next_part(&rest, ';');
    if (!equals_folded(type, "application/x-protobuf")) {
        snprintf(text, REMOTE_WRITE_TEXT_MAX,
                 "content type \"%.200s\" is not supported; send application/x-protobuf\n",
                 content_type);
        return 415;
    }
    while (rest.n > 0) {
        struct span value = next_part(&rest, ';');
        struct span key = next_part(&value, '=');
        value = unquote(trim(value));
        if (!equals_folded(key, "proto") || equals_folded(value, "prometheus.WriteRequest"))
            continue;
        bool is_v2 = equals_folded(value, "io.prometheus.write.v2.Request");
        snprintf(text, REMOTE_WRITE_TEXT_MAX,
                 is_v2 ? "remote write 2.0 (%.*s) is not supported by this version; send "
                         "prometheus.WriteRequest\n"
                       : "message \"%.*s\" is not supported; send prometheus.WriteRequest\n",
                 (int)size_min(value.n, 200), value.p);
        return 415;
    }
    return 0;
}

int remote_write_negotiate(const char *content_type, const char *content_encoding,
                           char text[REMOTE_WRITE_TEXT_MAX])
{
    text[0] = '\0';
    if (content_encoding) {
        struct span encoding = trim((struct span){content_encoding, strlen(content_encoding)});
        if (!equals_folded(encoding, "snappy")) {
            snprintf(text, REMOTE_WRITE_TEXT_MAX,
                     "content encoding \"%.200s\" is not supported; send snappy (block format)\n",
                     content_encoding);
            return 415;
        }
    }
    return content_type ? check_content_type(content_type, text) : 0;
}

/* --- protobuf-c's memory ---------------------------------------------------------------------- */

/* A window of the region, used anew for each piece of the message; what does not fit into it stays
 * in the region until the request is done. */
enum { WINDOW_BYTES = 16384, TREE_ALIGN = 8 };

struct tree_source {
    struct region *region;
    char *window;
    size_t n; /* taken of the window */
    size_t used_bytes, max_bytes;
    bool is_over;          /* the ceiling was hit */
    bool is_out_of_memory; /* the budget was */
};

static void *source_alloc(void *data, size_t bytes)
{
    struct tree_source *s = data;
    if (bytes > s->max_bytes - s->used_bytes) {
        s->is_over = true;
        return NULL;
    }
    s->used_bytes += bytes;
    if (bytes <= WINDOW_BYTES - s->n) {
        void *at = s->window + s->n;
        s->n = size_min(align_up(s->n + bytes, TREE_ALIGN), WINDOW_BYTES);
        return at;
    }
    void *made = region_alloc(s->region, bytes);
    s->is_out_of_memory |= made == NULL;
    return made;
}

static void source_free(void *data, void *pointer)
{
    (void)data;
    (void)pointer; /* dropped with the window or the region */
}

/* --- decoding --------------------------------------------------------------------------------- */

static int PRINTF_LIKE(3, 4) fail(int status, char *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text, REMOTE_WRITE_TEXT_MAX, format, args);
    va_end(args);
    return status;
}

static int fail_memory(char *text)
{
    return fail(503, text, "out of memory (--storage.memory-limit); try again later\n");
}

struct text_buffer {
    char *bytes;
    size_t n, size;
};

static void PRINTF_LIKE(2, 3) put(struct text_buffer *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(b->bytes + b->n, b->size - b->n, format, args);
    va_end(args);
    if (n > 0)
        b->n = size_min(b->n + (size_t)n, b->size - 1);
}

/* Text of a sender in an answer: what is not printable ASCII or UTF-8 becomes a question mark. */
static void put_safe(struct text_buffer *b, const char *bytes, size_t n)
{
    bool is_utf8 = utf8_is_valid(bytes, n);
    for (size_t i = 0; i < n && b->n + 1 < b->size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        b->bytes[b->n++] = c < ' ' || c == 0x7f || (c >= 0x80 && !is_utf8) ? '?' : (char)c;
    }
    b->bytes[b->n] = '\0';
}

/* {__name__="up",job="x"}, as it came; cut with dots when it does not fit. */
static void labels_text(const struct labels *ls, char *out, size_t size)
{
    struct text_buffer b = {.bytes = out, .size = size};
    put(&b, "{");
    for (uint32_t i = 0; i < ls->n; i++) {
        put(&b, i > 0 ? "," : "");
        put_safe(&b, ls->items[i].name, ls->items[i].name_len);
        put(&b, "=\"");
        put_safe(&b, ls->items[i].value, ls->items[i].value_len);
        put(&b, "\"");
    }
    put(&b, "}");
    if (b.n < size - 1)
        return;
    size_t at = size - 4; /* never inside a character */
    while (at > 0 && ((unsigned char)out[at] & 0xc0) == 0x80)
        at--;
    memcpy(out + at, "...", 4);
}

/* --- one series ------------------------------------------------------------------------------- */

struct intake {
    struct remote_write *rw;
    struct tree_source source;
    size_t series_max; /* room in rw->series */
};

static size_t text_bytes(const Prometheus__TimeSeries *from)
{
    size_t n = 0;
    for (size_t i = 0; i < from->n_labels; i++)
        n += from->labels[i]->name.len + from->labels[i]->value.len;
    return n;
}

static const char *copy_text(const ProtobufCBinaryData *from, char **io_text)
{
    char *to = *io_text;
    if (from->len > 0)
        memcpy(to, from->data, from->len);
    *io_text += from->len;
    return to;
}

/* text: room for text_bytes. */
static struct labels copy_labels(const Prometheus__TimeSeries *from, struct label *to, char *text)
{
    for (size_t i = 0; i < from->n_labels; i++) {
        const Prometheus__Label *l = from->labels[i];
        to[i].name = copy_text(&l->name, &text);
        to[i].value = copy_text(&l->value, &text);
        to[i].name_len = (uint32_t)l->name.len;
        to[i].value_len = (uint32_t)l->value.len;
    }
    return (struct labels){to, (uint32_t)from->n_labels};
}

static void copy_samples(const Prometheus__TimeSeries *from, struct sample *to)
{
    for (size_t i = 0; i < from->n_samples; i++) {
        to[i].t_ms = from->samples[i]->timestamp;
        memcpy(&to[i].value, &from->samples[i]->value, sizeof(to[i].value));
    }
}

static bool make_room(struct intake *in)
{
    struct remote_write *rw = in->rw;
    if (rw->n_series < in->series_max)
        return true;
    size_t max = size_max(2 * in->series_max, SERIES_FIRST);
    struct append_series *more = region_alloc(in->source.region, max * sizeof(*more));
    if (!more)
        return false;
    if (rw->n_series > 0)
        memcpy(more, rw->series, rw->n_series * sizeof(*more));
    rw->series = more;
    in->series_max = max;
    return true;
}

/* Takes one series over, into one piece of the region; false when memory is exhausted. */
static bool take_series(struct intake *in, const Prometheus__TimeSeries *from)
{
    struct remote_write *rw = in->rw;
    rw->n_samples += from->n_samples;
    rw->n_histograms += from->n_histograms;
    rw->n_exemplars += from->n_exemplars;
    if (from->n_samples == 0)
        return true;
    size_t labels_bytes = from->n_labels * sizeof(struct label);
    size_t samples_bytes = from->n_samples * sizeof(struct sample);
    char *at = region_alloc(in->source.region, samples_bytes + labels_bytes + text_bytes(from));
    if (!at || !make_room(in))
        return false;
    struct sample *samples = (struct sample *)(void *)at;
    struct label *labels = (struct label *)(void *)(at + samples_bytes);
    char *text = at + samples_bytes + labels_bytes;
    copy_samples(from, samples);
    struct labels ls = copy_labels(from, labels, text);
    int err = labels_normalise(&ls, NULL);
    if (err == 0) {
        rw->series[rw->n_series++] = (struct append_series){ls, samples, from->n_samples, 0};
        return true;
    }
    rw->n_bad_labels += from->n_samples;
    if (rw->bad_labels_err == 0) {
        rw->bad_labels_err = err;
        ls = copy_labels(from, labels, text); /* as it came, not half sorted */
        labels_text(&ls, rw->bad_labels, sizeof(rw->bad_labels));
    }
    return true;
}

/* --- the message ------------------------------------------------------------------------------ */

/* Length of the TimeSeries at the start of the message and where it begins. False when something
 * else lies there, or anything unusual. */
static bool find_series(const uint8_t *bytes, size_t n, size_t *ret_at, size_t *ret_n)
{
    size_t at = 1, length = 0;
    if (n == 0 || bytes[0] != SERIES_TAG)
        return false;
    for (unsigned shift = 0; shift < LENGTH_BITS_MAX && at < n; shift += 7) {
        uint8_t byte = bytes[at++];
        length |= (size_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_at = at;
            *ret_n = length;
            return length <= n - at;
        }
    }
    return false;
}

enum outcome { DECODED, MALFORMED, NO_MEMORY };

/* What no sender mixes with samples, and what is wrong: by the whole message's own rules. */
static enum outcome decode_rest(struct intake *in, ProtobufCAllocator *allocator,
                                const uint8_t *bytes, size_t n)
{
    in->source.n = 0;
    Prometheus__WriteRequest *rest = prometheus__write_request__unpack(allocator, n, bytes);
    if (!rest)
        return MALFORMED;
    in->rw->n_metadata += rest->n_metadata;
    for (size_t i = 0; i < rest->n_timeseries; i++)
        if (!take_series(in, rest->timeseries[i]))
            return NO_MEMORY;
    return DECODED;
}

static enum outcome decode_all(struct intake *in, const uint8_t *bytes, size_t n)
{
    ProtobufCAllocator allocator = {source_alloc, source_free, &in->source};
    size_t from, length;
    for (; find_series(bytes, n, &from, &length); bytes += from + length, n -= from + length) {
        in->source.n = 0;
        Prometheus__TimeSeries *series =
            prometheus__time_series__unpack(&allocator, length, bytes + from);
        if (!series)
            return MALFORMED;
        if (!take_series(in, series))
            return NO_MEMORY;
    }
    return n > 0 ? decode_rest(in, &allocator, bytes, n) : DECODED;
}

int remote_write_decode_message(const char *message, size_t n, struct region *r,
                                struct remote_write *ret, char text[REMOTE_WRITE_TEXT_MAX])
{
    struct intake in = {
        .rw = ret,
        .source = {.region = r,
                   .window = region_alloc(r, WINDOW_BYTES),
                   .max_bytes = n * REMOTE_WRITE_AMPLIFICATION + REMOTE_WRITE_SLACK_BYTES},
    };
    memset(ret, 0, sizeof(*ret));
    text[0] = '\0';
    if (!in.source.window)
        return fail_memory(text);
    enum outcome outcome = decode_all(&in, (const uint8_t *)message, n);
    if (outcome == MALFORMED && in.source.is_over)
        return fail(400, text,
                    "the message decodes to more than %d times its %zu bytes, the limit\n",
                    REMOTE_WRITE_AMPLIFICATION, n);
    if (outcome == NO_MEMORY || in.source.is_out_of_memory)
        return fail_memory(text);
    if (outcome == MALFORMED)
        return fail(400, text, "the body is not a protobuf message prometheus.WriteRequest\n");
    return 0;
}

int remote_write_decode(const char *body, size_t n, size_t max_bytes, struct region *r,
                        struct remote_write *ret, char text[REMOTE_WRITE_TEXT_MAX])
{
    size_t declared;
    size_t magic_len = sizeof(framing_magic) - 1;
    memset(ret, 0, sizeof(*ret));
    text[0] = '\0';
    if (n >= magic_len && memcmp(body, framing_magic, magic_len) == 0)
        return fail(400, text,
                    "the body is in snappy's framing format; remote write uses the "
                    "block format\n");
    if (snappy_uncompressed_length(body, n, &declared) != SNAPPY_OK)
        return fail(400, text, "the body is not snappy: its length cannot be read\n");
    if (declared > max_bytes)
        return fail(400, text,
                    "the message would have %zu bytes, the limit is %zu (--web.max-body-size)\n",
                    declared, max_bytes);
    char *message = region_alloc(r, declared);
    if (!message)
        return fail_memory(text);
    if (snappy_uncompress(body, n, message, &declared) != SNAPPY_OK)
        return fail(400, text, "the body is not snappy's block format, or it is damaged\n");
    return remote_write_decode_message(message, declared, r, ret, text);
}

/* --- storing ---------------------------------------------------------------------------------- */

void remote_write_append(struct remote_write *rw, struct tsdb *db)
{
    struct append batch;
    if (rw->n_series == 0)
        return;
    append_begin(&batch, db);
    append_many(&batch, rw->series, rw->n_series, &rw->counts);
    append_end(&batch);
    for (size_t i = 0; i < rw->n_series; i++) {
        const struct append_series *s = &rw->series[i];
        rw->is_out_of_memory |= s->err == ERR_NO_MEMORY;
        if (s->err != 0 && !rw->first_refused)
            rw->first_refused = s;
    }
}

uint64_t remote_write_refused(const struct remote_write *rw)
{
    return rw->n_bad_labels + rw->counts.refused + rw->n_histograms;
}

/* ": time 12.345, oldest allowed 13.000", for the errors about time */
static void put_bound(struct text_buffer *b, const struct append_counts *c)
{
    const char *bound = NULL;
    if (c->first_err == ERR_TOO_OLD || c->first_err == ERR_OUT_OF_ORDER)
        bound = "oldest allowed";
    else if (c->first_err == ERR_TOO_FAR_AHEAD)
        bound = "newest allowed";
    put(b, ": time %" PRId64 " ms", c->first_t_ms);
    if (bound)
        put(b, ", %s %" PRId64 " ms", bound, c->first_bound_ms);
}

int remote_write_verdict(const struct remote_write *rw, char text[REMOTE_WRITE_TEXT_MAX])
{
    struct text_buffer b = {.bytes = text, .size = REMOTE_WRITE_TEXT_MAX};
    uint64_t n_refused = rw->n_bad_labels + rw->counts.refused;
    char series[512];
    text[0] = '\0';
    if (remote_write_refused(rw) == 0)
        return 204;
    put(&b, "%" PRIu64 " of %" PRIu64 " samples refused", n_refused, rw->n_samples);
    if (rw->n_histograms > 0)
        put(&b, ", %" PRIu64 " native histograms refused (this version stores floats only)",
            rw->n_histograms);
    if (rw->counts.refused > 0 && rw->first_refused) {
        labels_text(&rw->first_refused->labels, series, sizeof(series));
        put(&b, "; first: %s", tsdb_err_text(rw->counts.first_err));
        put_bound(&b, &rw->counts);
        put(&b, ", series %s", series);
    } else if (rw->n_bad_labels > 0) {
        put(&b, "; first: %s%s: series %s", tsdb_err_text(rw->bad_labels_err),
            rw->bad_labels_err == ERR_LABELS_NO_NAME ? " (" LABEL_METRIC_NAME ")" : "",
            rw->bad_labels);
    }
    b.n = size_min(b.n, b.size - 2);
    put(&b, "\n");
    return rw->is_out_of_memory ? 503 : 400;
}
