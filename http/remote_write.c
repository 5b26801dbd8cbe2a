/* The idea: nothing that a sender declares is believed before it is held against a limit, and a
 * fault of one series costs that series only.
 *
 * Snappy's first bytes declare the length of the message. It is checked before memory is taken for
 * it, which is all the guard that block format needs: the decoder writes no more than that. The
 * framing format, which some senders use by mistake, is recognised by its magic and named.
 *
 * The message is walked over once (write_body.h), before the store's lock is taken and before
 * anything is stored: a message that is malformed somewhere is refused whole. Labels are taken out
 * of the message only for series whose form the store does not know, and for the text of an answer.
 * So a label set that is wrong is found by the store's asking for it, and counted here.
 *
 * Labels are asked for under the store's lock. They are made in one array, in the region, that one
 * series after the other uses: a body of new series takes no more for them than its longest does.
 * (They were dropped with the region's last block after each 256 entries, and where that block was
 * full it was taken and given back each time: a tenth of the time that new series took.) */
#include "http/remote_write.h"

#include "http/snappy_block.h"
#include "tsdb/exemplars.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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

static int check_content_type(const char *content_type, enum remote_write_version *ret, char *text)
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
        if (!equals_folded(key, "proto"))
            continue;
        if (equals_folded(value, "io.prometheus.write.v2.Request")) {
            *ret = REMOTE_WRITE_V2;
        } else if (equals_folded(value, "prometheus.WriteRequest")) {
            *ret = REMOTE_WRITE_V1;
        } else {
            snprintf(text, REMOTE_WRITE_TEXT_MAX,
                     "message \"%.*s\" is not supported; send prometheus.WriteRequest or "
                     "io.prometheus.write.v2.Request\n",
                     (int)size_min(value.n, 200), value.p);
            return 415;
        }
    }
    return 0;
}

int remote_write_negotiate(const char *content_type, const char *content_encoding,
                           enum remote_write_version *ret, char text[REMOTE_WRITE_TEXT_MAX])
{
    text[0] = '\0';
    *ret = REMOTE_WRITE_V1;
    if (content_encoding) {
        struct span encoding = trim((struct span){content_encoding, strlen(content_encoding)});
        if (!equals_folded(encoding, "snappy")) {
            snprintf(text, REMOTE_WRITE_TEXT_MAX,
                     "content encoding \"%.200s\" is not supported; send snappy (block format)\n",
                     content_encoding);
            return 415;
        }
    }
    return content_type ? check_content_type(content_type, ret, text) : 0;
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

void remote_write_labels_text(const struct labels *ls, char *out, size_t size)
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

int remote_write_decode_message(const struct remote_write_format *f, const char *message, size_t n,
                                struct region *r, struct remote_write *ret,
                                char text[REMOTE_WRITE_TEXT_MAX])
{
    bool is_v2 = f->version == REMOTE_WRITE_V2;
    size_t max_bytes = n * REMOTE_WRITE_AMPLIFICATION + REMOTE_WRITE_SLACK_BYTES;
    memset(ret, 0, sizeof(*ret));
    text[0] = '\0';
    ret->region = r;
    enum write_body_outcome outcome =
        is_v2 ? write_body_walk_v2(f->hash, message, n, max_bytes, r, &ret->body)
              : write_body_walk(message, n, max_bytes, r, &ret->body);
    if (outcome != WRITE_BODY_TAKEN)
        memset(&ret->body, 0, sizeof(ret->body));
    switch (outcome) {
    case WRITE_BODY_TAKEN:
        ret->message = message;
        ret->n_message = n;
        return 0;
    case WRITE_BODY_SWELLS:
        return fail(400, text,
                    "the message decodes to more than %d times its %zu bytes, the limit\n",
                    REMOTE_WRITE_AMPLIFICATION, n);
    case WRITE_BODY_NO_MEMORY:
        return fail_memory(text);
    default:
        return fail(400, text, "the body is not a protobuf message %s\n",
                    is_v2 ? "io.prometheus.write.v2.Request" : "prometheus.WriteRequest");
    }
}

/* Of a body of 2000 samples decoding makes entries of a third of the message; one of 2.0 has
 * shorter messages and its symbols' places and keys beside them. */
size_t remote_write_lease_bytes(enum remote_write_version version, const char *body, size_t n,
                                size_t max_bytes)
{
    size_t declared;
    if (n == 0 || !snappy_block_length(body, n, &declared) || declared > max_bytes)
        return 0;
    size_t made = version == REMOTE_WRITE_V2 ? declared + declared / 2 : declared / 3;
    return declared + made + REGION_FIRST_BYTES;
}

int remote_write_decode(const struct remote_write_format *f, const char *body, size_t n,
                        size_t max_bytes, struct region *r, struct remote_write *ret,
                        char text[REMOTE_WRITE_TEXT_MAX])
{
    size_t declared;
    size_t magic_len = sizeof(framing_magic) - 1;
    memset(ret, 0, sizeof(*ret));
    text[0] = '\0';
    if (n >= magic_len && memcmp(body, framing_magic, magic_len) == 0)
        return fail(400, text,
                    "the body is in snappy's framing format; remote write uses the "
                    "block format\n");
    if (!snappy_block_length(body, n, &declared))
        return fail(400, text, "the body is not snappy: its length cannot be read\n");
    if (declared > max_bytes)
        return fail(400, text,
                    "the message would have %zu bytes, the limit is %zu (--web.max-body-size)\n",
                    declared, max_bytes);
    char *message = region_alloc(r, declared);
    if (!message)
        return fail_memory(text);
    if (!snappy_block_unpack(body, n, message))
        return fail(400, text, "the body is not snappy's block format, or it is damaged\n");
    return remote_write_decode_message(f, message, declared, r, ret, text);
}

/* --- storing ---------------------------------------------------------------------------------- */

/* append_parse */
static int parse_labels(void *ctx, const struct append_entry *e, struct labels *ret)
{
    struct remote_write *rw = ctx;
    int err = write_any_labels(&rw->body, e->form, e->n_form, rw->region, &rw->labels, ret);
    const void *texts = rw->body.is_v2 ? NULL : e->form; /* that of 2.0 has references */
    rw->n_asked++;
    return err != 0 ? err : labels_normalise_within(ret, texts, e->n_form, NULL);
}

/* The labels of an entry as text; as they came, or normalised like those that are stored. */
static void entry_text(struct remote_write *rw, const struct append_entry *e, bool is_normal,
                       char *out, size_t size)
{
    struct labels ls;
    int err = write_any_labels(&rw->body, e->form, e->n_form, rw->region, &rw->labels, &ls);
    if (err == 0 && is_normal)
        err = labels_normalise(&ls, NULL);
    if (err == 0)
        remote_write_labels_text(&ls, out, size);
    else
        snprintf(out, size, "{...}");
}

/* err: of the entry that an answer names. Where samples were refused that is the reason of the
 * first of them, else labels found no memory. */
static void judge_entry(struct remote_write *rw, const struct append_entry *e, int err)
{
    bool is_bad = tsdb_err_is_about_labels(e->err);
    rw->n_bad_labels += is_bad ? e->n_samples : 0;
    rw->is_out_of_memory |= e->err == ERR_NO_MEMORY;
    rw->n_new_refused += e->err == ERR_NO_ROOM;
    if (is_bad && rw->bad_labels_err == 0) {
        rw->bad_labels_err = e->err;
        entry_text(rw, e, false, rw->bad_labels, sizeof(rw->bad_labels));
    }
    if (e->err == err && rw->refused[0] == '\0')
        entry_text(rw, e, true, rw->refused, sizeof(rw->refused));
}

static void judge(struct remote_write *rw)
{
    const struct append_counts *c = &rw->counts;
    if (c->stored + c->duplicate == rw->body.n_samples)
        return; /* an entry without samples has no error */
    int err = c->refused > 0 ? c->first_err : ERR_NO_MEMORY;
    for (const struct write_block *b = rw->body.first; b; b = b->next)
        for (size_t i = 0; i < b->n; i++)
            if (b->entries[i].err != 0)
                judge_entry(rw, &b->entries[i], err);
    rw->n_unread = rw->body.n_samples - c->stored - c->duplicate - c->refused - rw->n_bad_labels;
}

static void append_body(struct remote_write *rw, struct append *batch)
{
    for (struct write_block *b = rw->body.first; b; b = b->next)
        append_entries(batch, b->entries, b->n, parse_labels, rw, &rw->counts);
}

static int keep_exemplar(struct remote_write *rw, struct exemplars *kept,
                         const struct write_exemplar *x)
{
    struct exemplar e = {.t_ms = x->t_ms, .value = x->value};
    if (x->entry->series == 0)
        return tsdb_err_is_about_labels(x->entry->err) ? x->entry->err : ERR_NO_SERIES;
    int err = write_any_labels(&rw->body, x->form, x->n_form, rw->region, &rw->labels, &e.labels);
    return err != 0 ? err : exemplars_add(kept, x->entry->series, &e);
}

/* After the samples, which make the series. */
static void keep_exemplars(struct remote_write *rw, struct tsdb *db)
{
    for (const struct write_exemplar *x = rw->body.exemplars; x; x = x->next) {
        bool are_kept = tsdb_options(db)->max_exemplars > 0;
        int err = are_kept ? keep_exemplar(rw, tsdb_exemplars(db), x) : ERR_NO_EXEMPLARS;
        rw->n_exemplars += err == 0;
        rw->n_exemplars_refused += err != 0;
        if (rw->exemplar_err == 0)
            rw->exemplar_err = err;
    }
}

void remote_write_append(struct remote_write *rw, struct tsdb *db)
{
    struct append batch;
    if (!rw->body.first)
        return;
    refusals_init(&rw->refusals, rw->region);
    rw->counts.on_refused = refusals_note;
    rw->counts.ctx = &rw->refusals;
    append_begin(&batch, db);
    append_body(rw, &batch);
    append_end(&batch);
    keep_exemplars(rw, db);
    judge(rw);
}

void remote_write_hash_ahead(struct remote_write *rw, const struct tsdb *db)
{
    for (struct write_block *b = rw->body.first; b && !rw->body.is_v2; b = b->next)
        append_hash_ahead(db, b->entries, b->n);
}

void remote_write_replay(struct remote_write *rw, struct tsdb *db)
{
    struct append batch;
    if (!rw->body.first)
        return;
    append_begin_replay(&batch, db);
    append_body(rw, &batch);
    append_end(&batch);
    keep_exemplars(rw, db);
    judge(rw);
}

/* Those of which a sender of 1.0 is not told are not counted. */
static uint64_t exemplars_refused(const struct remote_write *rw)
{
    return rw->body.is_v2 ? rw->n_exemplars_refused : 0;
}

uint64_t remote_write_refused(const struct remote_write *rw)
{
    return rw->n_bad_labels + rw->n_unread + rw->counts.refused + rw->body.n_histograms +
           rw->body.n_empty + exemplars_refused(rw);
}

uint64_t remote_write_written(const struct remote_write *rw)
{
    return rw->counts.stored + rw->counts.duplicate;
}

bool remote_write_refusals(struct remote_write *rw, const uint8_t **ret, size_t *ret_n)
{
    *ret = NULL;
    *ret_n = 0;
    bool is_whole = remote_write_written(rw) == rw->body.n_samples;
    return is_whole || refusals_encode(&rw->refusals, &rw->body, ret, ret_n);
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
    uint64_t n_histograms = rw->body.n_histograms, n_empty = rw->body.n_empty;
    uint64_t n_exemplars = exemplars_refused(rw);
    uint64_t n_refused = remote_write_refused(rw) - n_histograms - n_empty - n_exemplars;
    text[0] = '\0';
    if (remote_write_refused(rw) == 0)
        return 204;
    put(&b, "%" PRIu64 " of %" PRIu64 " samples refused", n_refused, rw->body.n_samples);
    if (n_histograms > 0)
        put(&b, ", %" PRIu64 " native histograms refused (this version stores floats only)",
            n_histograms);
    if (rw->n_new_refused > 0)
        put(&b, ", %" PRIu64 " new series among them", rw->n_new_refused);
    if (n_empty > 0)
        put(&b, ", %" PRIu64 " series with neither samples nor exemplars refused", n_empty);
    if (n_exemplars > 0)
        put(&b, ", %" PRIu64 " of %" PRIu64 " exemplars refused (first: %s)", n_exemplars,
            rw->body.n_exemplars, tsdb_err_text(rw->exemplar_err));
    if (rw->counts.refused > 0) {
        put(&b, "; first: %s", tsdb_err_text(rw->counts.first_err));
        put_bound(&b, &rw->counts);
        put(&b, ", series %s", rw->refused);
    } else if (rw->n_unread > 0) {
        put(&b, "; first: %s, series %s", tsdb_err_text(ERR_NO_MEMORY), rw->refused);
    } else if (rw->n_bad_labels > 0) {
        put(&b, "; first: %s%s: series %s", tsdb_err_text(rw->bad_labels_err),
            rw->bad_labels_err == ERR_LABELS_NO_NAME ? " (" LABEL_METRIC_NAME ")" : "",
            rw->bad_labels);
    }
    b.n = size_min(b.n, b.size - 2);
    put(&b, "\n");
    bool may_help = rw->is_out_of_memory || (n_exemplars > 0 && rw->exemplar_err == ERR_NO_MEMORY);
    return may_help ? 503 : 400;
}
