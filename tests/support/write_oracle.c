#include "tests/support/write_oracle.h"

#include "http/proto/remote.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *zeroed(size_t n, size_t size)
{
    void *made = calloc(n + (size_t)(n == 0), size);
    ENSURE(made != NULL);
    return made;
}

/* The labels of a series as they came; free() the items. */
static struct labels labels_of(const Prometheus__TimeSeries *from)
{
    struct labels ls = {zeroed(from->n_labels, sizeof(struct label)), (uint32_t)from->n_labels};
    for (size_t i = 0; i < from->n_labels; i++) {
        const Prometheus__Label *l = from->labels[i];
        ls.items[i] = (struct label){(const char *)l->name.data, (const char *)l->value.data,
                                     (uint32_t)l->name.len, (uint32_t)l->value.len};
    }
    return ls;
}

static struct sample *samples_of(const Prometheus__TimeSeries *from)
{
    struct sample *samples = zeroed(from->n_samples, sizeof(*samples));
    for (size_t i = 0; i < from->n_samples; i++) {
        samples[i].t_ms = from->samples[i]->timestamp;
        memcpy(&samples[i].value, &from->samples[i]->value, sizeof(samples[i].value));
    }
    return samples;
}

static struct write_body counts_of(const Prometheus__WriteRequest *tree)
{
    struct write_body body = {.n_metadata = tree->n_metadata};
    for (size_t i = 0; i < tree->n_timeseries; i++) {
        const Prometheus__TimeSeries *s = tree->timeseries[i];
        body.n_entries += s->n_samples > 0;
        body.n_samples += s->n_samples;
        body.n_exemplars += s->n_exemplars;
        body.n_histograms += s->n_histograms;
    }
    return body;
}

/* --- storing ---------------------------------------------------------------------------------- */

static void write_series(const Prometheus__TimeSeries *from, struct append *batch,
                         struct remote_write *rw)
{
    struct labels ls = labels_of(from);
    struct sample *samples = samples_of(from);
    int err = labels_normalise(&ls, NULL);
    if (err != 0) {
        rw->n_bad_labels += from->n_samples;
        free(ls.items);
        ls = labels_of(from);
        if (rw->bad_labels_err == 0)
            remote_write_labels_text(&ls, rw->bad_labels, sizeof(rw->bad_labels));
        rw->bad_labels_err = rw->bad_labels_err != 0 ? rw->bad_labels_err : err;
    } else {
        uint64_t n_refused = rw->counts.refused;
        err = append_samples(batch, &ls, samples, from->n_samples, &rw->counts);
        rw->is_out_of_memory |= err == ERR_NO_MEMORY;
        if (n_refused == 0 && rw->counts.refused > 0)
            remote_write_labels_text(&ls, rw->refused, sizeof(rw->refused));
    }
    free(samples);
    free(ls.items);
}

int write_oracle_write(const void *message, size_t n, struct tsdb *db, struct remote_write *ret,
                       char text[REMOTE_WRITE_TEXT_MAX])
{
    struct append batch;
    Prometheus__WriteRequest *tree = prometheus__write_request__unpack(NULL, n, message);
    memset(ret, 0, sizeof(*ret));
    if (!tree) {
        snprintf(text, REMOTE_WRITE_TEXT_MAX,
                 "the body is not a protobuf message prometheus.WriteRequest\n");
        return 400;
    }
    ret->body = counts_of(tree);
    append_begin(&batch, db);
    for (size_t i = 0; i < tree->n_timeseries; i++)
        if (tree->timeseries[i]->n_samples > 0)
            write_series(tree->timeseries[i], &batch, ret);
    append_end(&batch);
    prometheus__write_request__free_unpacked(tree, NULL);
    return remote_write_verdict(ret, text);
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

static const char *differs_from(const Prometheus__TimeSeries *from, const struct append_entry *e,
                                struct region *r)
{
    struct region_mark mark = region_mark(r);
    struct write_labels room = {0};
    struct labels ls, expected = labels_of(from);
    struct sample *samples = samples_of(from);
    const char *what = NULL;
    if (e->n_samples != from->n_samples ||
        memcmp(e->samples, samples, from->n_samples * sizeof(*samples)) != 0)
        what = "the samples of a series";
    else if (write_form_labels(e->form, e->n_form, r, &room, &ls) != 0 ||
             !are_labels(&ls, &expected))
        what = "the labels of a series";
    region_rewind(r, mark);
    free(samples);
    free(expected.items);
    return what;
}

static const char *entries_differ(const Prometheus__WriteRequest *tree,
                                  const struct write_body *body, struct region *r)
{
    const struct write_block *b = body->first;
    size_t at = 0;
    for (size_t i = 0; i < tree->n_timeseries; i++) {
        if (tree->timeseries[i]->n_samples == 0)
            continue;
        if (!b)
            return "the number of entries";
        const char *what = differs_from(tree->timeseries[i], &b->entries[at], r);
        if (what)
            return what;
        if (++at == b->n) {
            b = b->next;
            at = 0;
        }
    }
    return b ? "the number of entries" : NULL;
}

const char *write_oracle_differs(const void *message, size_t n, enum write_body_outcome outcome,
                                 const struct write_body *body, struct region *r)
{
    Prometheus__WriteRequest *tree = prometheus__write_request__unpack(NULL, n, message);
    const char *what = NULL;
    if ((tree != NULL) != (outcome == WRITE_BODY_TAKEN))
        what = "whether it is malformed";
    else if (tree) {
        struct write_body counts = counts_of(tree);
        if (counts.n_entries != body->n_entries || counts.n_samples != body->n_samples ||
            counts.n_histograms != body->n_histograms || counts.n_exemplars != body->n_exemplars ||
            counts.n_metadata != body->n_metadata)
            what = "a count";
        else
            what = entries_differ(tree, body, r);
    }
    if (tree)
        prometheus__write_request__free_unpacked(tree, NULL);
    return what;
}
