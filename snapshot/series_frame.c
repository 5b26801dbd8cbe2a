#include "snapshot/series_frame.h"

#include "snapshot/checksum.h"

_Static_assert(SYMBOLS_MAX <= UINT16_MAX && LABEL_VALUE_BYTES_MAX <= UINT16_MAX,
               "a slot of the symbol table holds both");
_Static_assert((int)SYMBOLS_MAX <= (int)RESTORE_TEXTS_MAX, "every symbol's number may be given on");
_Static_assert((SYMBOL_SLOTS & (SYMBOL_SLOTS - 1)) == 0, "the hash is masked");
_Static_assert(FORMAT_VERSION == 5, "docs/snapshot-format.md, series frames");

/* A reference is 0 and the string itself when it is new, or its symbol's number plus 1. */
static void put_string(struct series_writer *w, const char *bytes, size_t len)
{
    assert(len >= 1 && len <= LABEL_VALUE_BYTES_MAX);
    struct symbol_table *t = w->symbols;
    size_t i = checksum64(bytes, len, 0) & (SYMBOL_SLOTS - 1);
    for (; t->slots[i].offset; i = (i + 1) & (SYMBOL_SLOTS - 1)) {
        if (t->slots[i].len == len && !memcmp(w->out.bytes + t->slots[i].offset, bytes, len)) {
            encoder_varint(&w->out, t->slots[i].number + 1u);
            return;
        }
    }
    ENSURE(t->n < SYMBOLS_MAX);
    encoder_varint(&w->out, 0);
    encoder_varint(&w->out, len);
    t->slots[i].offset = (uint32_t)w->out.n;
    t->slots[i].len = (uint16_t)len;
    t->slots[i].number = (uint16_t)t->n++;
    encoder_bytes(&w->out, bytes, len);
}

void series_writer_init(struct series_writer *w, uint8_t *payload, struct symbol_table *symbols,
                        int64_t window_ms)
{
    assert(window_ms > 0);
    *w = (struct series_writer){.symbols = symbols};
    memset(symbols, 0, sizeof *symbols);
    encoder_init(&w->out, payload, FRAME_PAYLOAD_MAX);
    encoder_varint(&w->out, (uint64_t)window_ms);
}

void series_writer_add(struct series_writer *w, uint32_t number, const struct labels *ls)
{
    assert(!series_writer_is_full(w));
    ENSURE(ls->n <= LABELS_PER_SERIES_MAX);
    assert(!w->has_record || number > w->last_number);
    encoder_varint(&w->out, w->has_record ? number - w->last_number - 1 : number);
    w->has_record = true;
    w->last_number = number;
    encoder_varint(&w->out, ls->n);
    for (uint32_t i = 0; i < ls->n; i++) {
        put_string(w, ls->items[i].name, ls->items[i].name_len);
        put_string(w, ls->items[i].value, ls->items[i].value_len);
    }
}

bool series_writer_is_full(const struct series_writer *w)
{
    return w->out.n >= FRAME_FILL_BYTES || w->symbols->n > SYMBOLS_MAX - SYMBOLS_PER_RECORD_MAX;
}

int series_reader_init(struct series_reader *r, const uint8_t *payload, size_t n,
                       struct symbol *symbols, int64_t *ret_window_ms)
{
    r->symbols = symbols;
    r->n_symbols = 0;
    r->has_record = false;
    r->last_number = 0;
    r->n_labels = 0;
    decoder_init(&r->in, payload, n);
    uint64_t window_ms = decoder_varint_max(&r->in, INT64_MAX);
    if (window_ms == 0)
        return ERR_CORRUPT;
    *ret_window_ms = (int64_t)window_ms;
    return 0;
}

/* A string that is spelled out here. */
static uint32_t new_symbol(struct series_reader *r, size_t len_max)
{
    size_t len = (size_t)decoder_varint_max(&r->in, len_max);
    const uint8_t *bytes = decoder_bytes(&r->in, len);
    if (!bytes || len == 0 || r->n_symbols == SYMBOLS_MAX) {
        r->in.is_bad = true;
        return 0;
    }
    r->symbols[r->n_symbols] = (struct symbol){(const char *)bytes, (uint32_t)len};
    return r->n_symbols++;
}

/* The number of the next string. */
static inline uint32_t get_symbol(struct series_reader *r, size_t len_max)
{
    uint64_t reference = decoder_varint_max(&r->in, r->n_symbols);
    return reference > 0 ? (uint32_t)reference - 1 : new_symbol(r, len_max);
}

/* Label i; nothing when it is bad. What it is of the series before, it stays. */
static inline void get_label(struct series_reader *r, uint32_t i)
{
    struct label_ref ref;
    ref.name = get_symbol(r, LABEL_NAME_BYTES_MAX);
    ref.value = get_symbol(r, LABEL_VALUE_BYTES_MAX);
    if (r->in.is_bad ||
        (i < r->n_labels && r->refs[i].name == ref.name && r->refs[i].value == ref.value))
        return;
    struct symbol name = r->symbols[ref.name], value = r->symbols[ref.value];
    if (name.len > LABEL_NAME_BYTES_MAX) /* one that was spelled out as a value */
        r->in.is_bad = true;
    r->refs[i] = ref;
    r->labels[i] = (struct label){name.bytes, value.bytes, name.len, value.len};
}

int series_reader_next(struct series_reader *r, uint32_t *ret_number, struct labels *ret)
{
    if (r->in.is_bad)
        return ERR_CORRUPT;
    if (decoder_is_done(&r->in))
        return 0;
    uint64_t number = decoder_varint_max(&r->in, UINT32_MAX);
    if (r->has_record)
        number += (uint64_t)r->last_number + 1;
    if (number > UINT32_MAX)
        r->in.is_bad = true;
    uint32_t n = (uint32_t)decoder_varint_max(&r->in, LABELS_PER_SERIES_MAX);
    for (uint32_t i = 0; i < n && !r->in.is_bad; i++)
        get_label(r, i);
    if (r->in.is_bad)
        return ERR_CORRUPT;
    r->has_record = true;
    r->last_number = (uint32_t)number;
    r->n_labels = n;
    *ret_number = (uint32_t)number;
    *ret = (struct labels){r->labels, n};
    return 1;
}
