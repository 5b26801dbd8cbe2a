#include "tsdb/restore_labels.h"
#include "tsdb/restore_inside.h"

#include <string.h>

void restore_labels_init(struct restored_labels *m)
{
    memset(m, 0, sizeof(*m));
}

static void forget_pairs(struct restored_labels *m)
{
    memset(m->pairs, 0, m->n_pairs * sizeof(m->pairs[0]));
    m->n_pairs = 0;
}

void restore_labels_begin(struct restored_labels *m, struct restore *r)
{
    m->restore = r;
    m->n = 0;
    forget_pairs(m);
}

static int hold(struct restored_labels *m)
{
    struct tsdb *db = m->restore->db;
    int err = restore_flush(m->restore, false);
    if (err != 0)
        return err;
    restore_leave_now(m->restore);
    pthread_rwlock_wrlock(&db->lock);
    slots_hold(&db->slots);
    m->is_held = true;
    return 0;
}

void restore_labels_end(struct restored_labels *m)
{
    struct tsdb *db = m->restore->db;
    if (m->is_held) {
        slots_unhold(&db->slots);
        pthread_rwlock_unlock(&db->lock);
    }
    m->is_held = false;
}

/* ---- labels ---- */

/* What is known of the label's texts together; NULL when it is not normal. */
static struct restored_pair *find_pair(struct restored_labels *m, struct label_ref ref,
                                       const struct label *l)
{
    assert(ref.name < RESTORE_TEXTS_MAX && ref.value < RESTORE_TEXTS_MAX);
    struct restored_pair *p = &m->pairs[ref.value];
    if (p->name == ref.name + 1)
        return p;
    if (!label_is_normal(l))
        return NULL;
    m->n_pairs = m->n_pairs > ref.value ? m->n_pairs : ref.value + 1;
    *p = (struct restored_pair){.name = (uint16_t)(ref.name + 1),
                                .is_metric_name = label_is_metric_name(l)};
    return p;
}

/* A label other than that of the set before. */
static bool enter_label(struct restored_labels *m, const struct label *l, struct label_ref ref,
                        struct restored_label *ret)
{
    const struct restored_pair *p = find_pair(m, ref, l);
    if (p == NULL)
        return false;
    *ret = (struct restored_label){.ref = ref, .is_metric_name = p->is_metric_name};
    return true;
}

/* labels_are_normal. What a set has in common with the one before was seen then. The set before is
 * this one afterwards, or none. */
static bool are_normal(struct restored_labels *m, const struct labels *ls,
                       const struct label_ref *refs)
{
    uint32_t n_before = m->n;
    bool has_metric = false, was_same = false; /* the name before, as in the set before */
    m->n = 0;
    if (ls->n > LABELS_PER_SERIES_MAX)
        return false;
    for (uint32_t i = 0; i < ls->n; i++) {
        struct restored_label *b = &m->before[i];
        bool is_same = i < n_before && b->ref.name == refs[i].name;
        if ((!is_same || b->ref.value != refs[i].value) &&
            !enter_label(m, &ls->items[i], refs[i], b))
            return false;
        if (!(is_same && was_same) && i > 0 && labels_order(&ls->items[i - 1], &ls->items[i]) >= 0)
            return false;
        was_same = is_same;
        has_metric |= b->is_metric_name;
    }
    m->n = ls->n;
    return has_metric;
}

/* series_key_of_labels of a set that is normal. Of the form of the set before what is the same at
 * the same place stays. */
static struct series_key key_of(struct restored_labels *m, const struct labels *ls)
{
    const struct series_hash *h = &m->restore->db->series.hash;
    uint32_t at = 0;
    for (uint32_t i = 0; i < ls->n; i++) {
        struct restored_label *b = &m->before[i];
        if (b->begin != at || b->end == 0) {
            if (series_form_label_bytes(&ls->items[i]) > sizeof(m->form) - at) {
                m->n = 0;
                return series_key_of_labels(h, ls);
            }
            b->begin = at;
            b->end = at + (uint32_t)series_form_put_label(&ls->items[i], m->form + at);
        }
        at = b->end;
    }
    return series_key_of_form(h, m->form, at);
}

/* ---- pairs and series ---- */

/* Pairs that go take their ids with them. */
static void forget_gone(struct restored_labels *m, uint64_t n_gone)
{
    forget_pairs(m);
    for (uint32_t i = 0; i < LABELS_PER_SERIES_MAX; i++)
        m->before[i].has_pair = false;
    m->n_gone = n_gone;
}

/* The pair of a label, made if it is new; false without memory. */
static bool make_pair(struct restored_labels *m, uint32_t i, const struct label *l,
                      struct restored_label *io)
{
    struct tsdb *db = m->restore->db;
    struct label_index *li = &db->labels;
    struct restored_pair *p = find_pair(m, io->ref, l);
    struct made_pair made;
    if (p->id == 0) {
        if (!known_pair_find(&li->known, db->arena, &li->pairs, &li->symbols, i, l, &made))
            return false;
        p->set = made.set;
        p->hash = made.hash;
        p->id = made.id;
    }
    io->pair = *p;
    io->has_pair = true;
    return true;
}

static bool find_pairs(struct restored_labels *m, const struct labels *ls, struct series_pairs *ret)
{
    uint64_t n_gone = m->restore->db->labels.pairs.n_gone;
    if (m->n_gone != n_gone)
        forget_gone(m, n_gone);
    series_pairs_init(ret);
    for (uint32_t i = 0; i < ls->n; i++) {
        struct restored_label *b = &m->before[i];
        if (!b->has_pair && !make_pair(m, i, &ls->items[i], b))
            return false;
        struct made_pair made = {b->pair.set, b->pair.hash, b->pair.id};
        series_pairs_add(ret, &made);
    }
    return true;
}

static slot make(struct restored_labels *m, const struct labels *ls, struct series_key key)
{
    struct tsdb *db = m->restore->db;
    struct series_pairs pairs;
    if (find_pairs(m, ls, &pairs))
        return series_new_of(&db->slots, &db->series, &db->labels, &pairs, key);
    series_pairs_drop(db->arena, &db->labels, &pairs);
    return 0;
}

int restore_labels_add(struct restored_labels *m, const struct labels *ls,
                       const struct label_ref *refs, uint32_t *ret_series)
{
    struct tsdb *db = m->restore->db;
    if (!are_normal(m, ls, refs))
        return ERR_CORRUPT;
    int err = m->is_held ? 0 : hold(m);
    if (err != 0)
        return err;
    struct series_key key = key_of(m, ls);
    slot at = series_find(db->arena, &db->series, key);
    if (at == 0) {
        at = make(m, ls, key);
        store_count(db, N_SERIES_CREATED, at != 0);
    }
    if (at == 0)
        return ERR_NO_MEMORY;
    *ret_series = series_at(db->arena, at)->id;
    return 0;
}
