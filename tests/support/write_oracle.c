#include "tests/support/write_oracle.h"

#include "http/proto/remote.pb-c.h"
#include "http/proto/remote_v2.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef Io__Prometheus__Write__V2__Request request_v2;
typedef Io__Prometheus__Write__V2__TimeSeries series_v2;

/* A series or an exemplar of either version, in memory of malloc's. */
struct oracle_item {
    struct labels labels; /* as they came */
    int err;              /* the labels are not to be had */
    struct series_key key;
    struct sample *samples; /* of an exemplar one */
    size_t n_samples;
    struct oracle_item *exemplars;
    size_t n_exemplars;
};

struct oracle_message {
    struct oracle_item *series;
    size_t n_series;
    struct write_body counts;
};

static void *zeroed(size_t n, size_t size)
{
    void *made = calloc(n + (size_t)(n == 0), size);
    ENSURE(made != NULL);
    return made;
}

static void free_items(struct oracle_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free_items(items[i].exemplars, items[i].n_exemplars);
        free(items[i].labels.items);
        free(items[i].samples);
    }
    free(items);
}

static struct sample sample_of(int64_t t_ms, double value)
{
    struct sample s = {.t_ms = t_ms};
    memcpy(&s.value, &value, sizeof(s.value));
    return s;
}

static void count(struct oracle_message *m, const struct oracle_item *s)
{
    m->counts.n_entries += s->n_samples + s->n_exemplars > 0;
    m->counts.n_samples += s->n_samples;
    m->counts.n_exemplars += s->n_exemplars;
}

/* --- 1.0 -------------------------------------------------------------------------------------- */

static struct labels labels_of(Prometheus__Label *const *labels, size_t n)
{
    struct labels ls = {zeroed(n, sizeof(struct label)), (uint32_t)n};
    for (size_t i = 0; i < n; i++) {
        const Prometheus__Label *l = labels[i];
        ls.items[i] = (struct label){(const char *)l->name.data, (const char *)l->value.data,
                                     (uint32_t)l->name.len, (uint32_t)l->value.len};
    }
    return ls;
}

static struct oracle_item series_of_v1(const Prometheus__TimeSeries *from)
{
    struct oracle_item to = {.labels = labels_of(from->labels, from->n_labels),
                             .samples = zeroed(from->n_samples, sizeof(struct sample)),
                             .n_samples = from->n_samples,
                             .exemplars = zeroed(from->n_exemplars, sizeof(to)),
                             .n_exemplars = from->n_exemplars};
    for (size_t i = 0; i < from->n_samples; i++)
        to.samples[i] = sample_of(from->samples[i]->timestamp, from->samples[i]->value);
    for (size_t i = 0; i < from->n_exemplars; i++) {
        const Prometheus__Exemplar *x = from->exemplars[i];
        to.exemplars[i] = (struct oracle_item){.labels = labels_of(x->labels, x->n_labels),
                                               .samples = zeroed(1, sizeof(struct sample)),
                                               .n_samples = 1};
        to.exemplars[i].samples[0] = sample_of(x->timestamp, x->value);
    }
    return to;
}

static struct oracle_message message_of_v1(const Prometheus__WriteRequest *tree)
{
    struct oracle_message m = {zeroed(tree->n_timeseries, sizeof(*m.series)),
                               tree->n_timeseries,
                               {.n_metadata = tree->n_metadata}};
    for (size_t i = 0; i < m.n_series; i++) {
        m.series[i] = series_of_v1(tree->timeseries[i]);
        m.counts.n_histograms += tree->timeseries[i]->n_histograms;
        count(&m, &m.series[i]);
    }
    return m;
}

/* --- 2.0 -------------------------------------------------------------------------------------- */

static void take_refs(const struct series_hash *h, const request_v2 *tree, const uint32_t *refs,
                      size_t n, struct oracle_item *to)
{
    struct series_mix mix = series_mix_begin();
    to->labels = (struct labels){zeroed(n / 2, sizeof(struct label)), (uint32_t)(n / 2)};
    to->err = n % 2 != 0 ? ERR_LABELS_REFS : 0;
    for (size_t i = 0; i < n && to->err == 0; i += 2) {
        if (refs[i] >= tree->n_symbols || refs[i + 1] >= tree->n_symbols) {
            to->err = ERR_LABELS_REFS;
            continue;
        }
        ProtobufCBinaryData name = tree->symbols[refs[i]], value = tree->symbols[refs[i + 1]];
        struct series_key keys[] = {series_key_of_text(h, name.data, name.len),
                                    series_key_of_text(h, value.data, value.len)};
        to->labels.items[i / 2] = (struct label){(const char *)name.data, (const char *)value.data,
                                                 (uint32_t)name.len, (uint32_t)value.len};
        series_mix_add(h, &mix, &keys[0], &keys[1]);
    }
    to->key = to->err == 0 ? series_mix_end(&mix) : (struct series_key){0, 0};
}

static bool is_ref(const request_v2 *tree, uint32_t ref)
{
    return ref == 0 || ref < tree->n_symbols;
}

static struct oracle_item series_of_v2(const struct series_hash *h, const request_v2 *tree,
                                       const series_v2 *from)
{
    struct oracle_item to = {.samples = zeroed(from->n_samples, sizeof(struct sample)),
                             .n_samples = from->n_samples,
                             .exemplars = zeroed(from->n_exemplars, sizeof(to)),
                             .n_exemplars = from->n_exemplars};
    take_refs(h, tree, from->labels_refs, from->n_labels_refs, &to);
    if (from->metadata != NULL &&
        !(is_ref(tree, from->metadata->help_ref) && is_ref(tree, from->metadata->unit_ref))) {
        to.err = ERR_LABELS_REFS;
        to.key = (struct series_key){0, 0};
    }
    for (size_t i = 0; i < from->n_samples; i++)
        to.samples[i] = sample_of(from->samples[i]->timestamp, from->samples[i]->value);
    for (size_t i = 0; i < from->n_exemplars; i++) {
        take_refs(h, tree, from->exemplars[i]->labels_refs, from->exemplars[i]->n_labels_refs,
                  &to.exemplars[i]);
        to.exemplars[i].n_samples = 1;
        to.exemplars[i].samples = zeroed(1, sizeof(struct sample));
        to.exemplars[i].samples[0] =
            sample_of(from->exemplars[i]->timestamp, from->exemplars[i]->value);
    }
    return to;
}

static struct oracle_message message_of_v2(const struct series_hash *h, const request_v2 *tree)
{
    struct oracle_message m = {
        zeroed(tree->n_timeseries, sizeof(*m.series)), tree->n_timeseries, {.is_v2 = true}};
    for (size_t i = 0; i < m.n_series; i++) {
        const series_v2 *from = tree->timeseries[i];
        m.series[i] = series_of_v2(h, tree, from);
        m.counts.n_histograms += from->n_histograms;
        m.counts.n_empty += from->n_histograms + from->n_samples + from->n_exemplars == 0;
        count(&m, &m.series[i]);
    }
    return m;
}

/* --- either ----------------------------------------------------------------------------------- */

/* What is found in a message is given to use, before the tree goes; false when it is malformed. */
static bool with_message(const struct remote_write_format *f, const void *message, size_t n,
                         void (*use)(void *ctx, struct oracle_message *m), void *ctx)
{
    Prometheus__WriteRequest *tree = NULL;
    request_v2 *tree_v2 = NULL;
    struct oracle_message m;
    if (f->version == REMOTE_WRITE_V2)
        tree_v2 = io__prometheus__write__v2__request__unpack(NULL, n, message);
    else
        tree = prometheus__write_request__unpack(NULL, n, message);
    if (!tree && !tree_v2)
        return false;
    m = tree_v2 ? message_of_v2(f->hash, tree_v2) : message_of_v1(tree);
    use(ctx, &m);
    free_items(m.series, m.n_series);
    if (tree_v2)
        io__prometheus__write__v2__request__free_unpacked(tree_v2, NULL);
    else
        prometheus__write_request__free_unpacked(tree, NULL);
    return true;
}

/* --- storing ---------------------------------------------------------------------------------- */

struct store { /* ctx of store_message */
    struct tsdb *db;
    struct remote_write *rw;
};

static void write_series(const struct oracle_item *s, struct append *batch, struct remote_write *rw)
{
    struct labels ls = {zeroed(s->labels.n, sizeof(struct label)), s->labels.n};
    memcpy(ls.items, s->labels.items, ls.n * sizeof(*ls.items));
    int err = s->err != 0 ? s->err : labels_normalise(&ls, NULL);
    if (err != 0) {
        rw->n_bad_labels += s->n_samples;
        if (rw->bad_labels_err == 0 && s->err != 0)
            snprintf(rw->bad_labels, sizeof(rw->bad_labels), "{...}");
        else if (rw->bad_labels_err == 0)
            remote_write_labels_text(&s->labels, rw->bad_labels, sizeof(rw->bad_labels));
        rw->bad_labels_err = rw->bad_labels_err != 0 ? rw->bad_labels_err : err;
    } else {
        uint64_t n_refused = rw->counts.refused;
        err = append_samples(batch, &ls, s->samples, s->n_samples, &rw->counts);
        rw->is_out_of_memory |= err == ERR_NO_MEMORY;
        if (n_refused == 0 && rw->counts.refused > 0)
            remote_write_labels_text(&ls, rw->refused, sizeof(rw->refused));
    }
    free(ls.items);
}

static void store_message(void *ctx, struct oracle_message *m)
{
    struct store *s = ctx;
    struct append batch;
    s->rw->body = m->counts;
    append_begin(&batch, s->db);
    for (size_t i = 0; i < m->n_series; i++)
        if (m->series[i].n_samples > 0)
            write_series(&m->series[i], &batch, s->rw);
    append_end(&batch);
    s->rw->n_exemplars_refused = m->counts.n_exemplars; /* the stores that are compared keep none */
    s->rw->exemplar_err = m->counts.n_exemplars > 0 ? ERR_NO_EXEMPLARS : 0;
}

int write_oracle_write(const struct remote_write_format *f, const void *message, size_t n,
                       struct tsdb *db, struct remote_write *ret, char text[REMOTE_WRITE_TEXT_MAX])
{
    struct store s = {db, ret};
    memset(ret, 0, sizeof(*ret));
    if (with_message(f, message, n, store_message, &s))
        return remote_write_verdict(ret, text);
    snprintf(text, REMOTE_WRITE_TEXT_MAX, "the body is not a protobuf message %s\n",
             f->version == REMOTE_WRITE_V2 ? "io.prometheus.write.v2.Request"
                                           : "prometheus.WriteRequest");
    return 400;
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool are_equal_texts(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return bytes_compare(a, a_len, b, b_len) == 0;
}

static bool are_labels(const struct labels *a, const struct labels *b)
{
    for (uint32_t i = 0; i < a->n && a->n == b->n; i++) {
        const struct label *x = &a->items[i], *y = &b->items[i];
        if (!are_equal_texts(x->name, x->name_len, y->name, y->name_len) ||
            !are_equal_texts(x->value, x->value_len, y->value, y->value_len))
            return false;
    }
    return a->n == b->n;
}

struct comparison { /* ctx of compare_message */
    const struct write_body *body;
    enum write_body_outcome outcome;
    struct region *region;
    const struct write_exemplar *exemplar; /* the next one */
    const char *what;
};

static bool has_labels(struct comparison *c, const void *form, size_t n,
                       const struct oracle_item *x)
{
    struct region_mark mark = region_mark(c->region);
    struct write_labels room = {0};
    struct labels ls;
    int err = write_any_labels(c->body, form, n, c->region, &room, &ls);
    bool has = err == x->err && (err != 0 || are_labels(&ls, &x->labels));
    region_rewind(c->region, mark);
    return has;
}

static const char *exemplars_differ(struct comparison *c, const struct oracle_item *from,
                                    const struct append_entry *e)
{
    for (size_t i = 0; i < from->n_exemplars; i++) {
        const struct write_exemplar *x = c->exemplar;
        if (!x || x->entry != e)
            return "the number of a series' exemplars";
        if (x->t_ms != from->exemplars[i].samples[0].t_ms ||
            x->value != from->exemplars[i].samples[0].value ||
            !has_labels(c, x->form, x->n_form, &from->exemplars[i]))
            return "an exemplar";
        c->exemplar = x->next;
    }
    return NULL;
}

static const char *differs_from(struct comparison *c, const struct oracle_item *from,
                                const struct append_entry *e)
{
    if (e->n_samples != from->n_samples ||
        (e->n_samples > 0 &&
         memcmp(e->samples, from->samples, from->n_samples * sizeof(*from->samples)) != 0))
        return "the samples of a series";
    if (!has_labels(c, e->form, e->n_form, from))
        return "the labels of a series";
    if (c->body->is_v2 && !series_keys_are_equal(e->key, from->key))
        return "the key of a series";
    return exemplars_differ(c, from, e);
}

static const char *entries_differ(struct comparison *c, const struct oracle_message *m)
{
    const struct write_block *b = c->body->first;
    size_t at = 0;
    for (size_t i = 0; i < m->n_series; i++) {
        if (m->series[i].n_samples + m->series[i].n_exemplars == 0)
            continue;
        if (!b)
            return "the number of entries";
        const char *what = differs_from(c, &m->series[i], &b->entries[at]);
        if (what)
            return what;
        if (++at == b->n) {
            b = b->next;
            at = 0;
        }
    }
    return b || c->exemplar ? "the number of entries" : NULL;
}

static void compare_message(void *ctx, struct oracle_message *m)
{
    struct comparison *c = ctx;
    const struct write_body *a = &m->counts, *b = c->body;
    if (c->outcome != WRITE_BODY_TAKEN)
        c->what = "whether it is malformed";
    else if (a->n_entries != b->n_entries || a->n_samples != b->n_samples ||
             a->n_histograms != b->n_histograms || a->n_exemplars != b->n_exemplars ||
             a->n_metadata != b->n_metadata || a->n_empty != b->n_empty || a->is_v2 != b->is_v2)
        c->what = "a count";
    else
        c->what = entries_differ(c, m);
}

const char *write_oracle_differs(const struct remote_write_format *f, const void *message, size_t n,
                                 enum write_body_outcome outcome, const struct write_body *body,
                                 struct region *r)
{
    struct comparison c = {
        .body = body, .outcome = outcome, .region = r, .exemplar = body->exemplars};
    if (!with_message(f, message, n, compare_message, &c) && outcome == WRITE_BODY_TAKEN)
        return "whether it is malformed";
    return c.what;
}
