#include "tsdb/promql/quote.h"

#include "tsdb/labels.h"

static const struct {
    uint32_t first, last;
} invisible[] = {
    {0x80, 0xA0},     {0xAD, 0xAD},     {0x61C, 0x61C},   {0x1680, 0x1680},   {0x180E, 0x180E},
    {0x2000, 0x200F}, {0x2028, 0x202F}, {0x205F, 0x206F}, {0x3000, 0x3000},   {0xD800, 0xF8FF},
    {0xFEFF, 0xFEFF}, {0xFFF0, 0xFFFB}, {0xFFFE, 0xFFFF}, {0xE0000, 0xE00FF}, {0xF0000, 0x10FFFF},
};

static bool is_printable(uint32_t rune)
{
    if (rune < 0x80)
        return rune >= 0x20 && rune != 0x7F;
    for (size_t i = 0; i < ARRAY_LEN(invisible); i++)
        if (rune >= invisible[i].first && rune <= invisible[i].last)
            return false;
    return true;
}

size_t rune_decode(const char *bytes, size_t n, uint32_t *ret_rune)
{
    const unsigned char *s = (const unsigned char *)bytes;
    size_t width = s[0] < 0x80 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (width > n || !utf8_is_valid(bytes, width)) {
        *ret_rune = RUNE_BAD;
        return 1;
    }
    static const unsigned char first_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t rune = s[0] & first_bits[width];
    for (size_t i = 1; i < width; i++)
        rune = rune << 6 | (s[i] & 0x3Fu);
    *ret_rune = rune;
    return width;
}

size_t rune_encode(uint32_t rune, char out[UTF8_BYTES_MAX])
{
    assert(rune <= RUNE_MAX);
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    size_t width = rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = width - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (rune & 0x3F));
        rune >>= 6;
    }
    out[0] = (char)(lead[width] | rune);
    return width;
}

/* One character inside quotes of the given kind. */
static void add_escaped(struct textbuf *b, uint32_t rune, char quote)
{
    static const char named[] = "\aa\bb\ff\nn\rr\tt\vv";
    for (const char *p = named; *p; p += 2) {
        if (rune == (unsigned char)*p) {
            textbuf_char(b, '\\');
            textbuf_char(b, p[1]);
            return;
        }
    }
    if (rune == (unsigned char)quote || rune == '\\') {
        textbuf_char(b, '\\');
        textbuf_char(b, (char)rune);
    } else if (is_printable(rune)) {
        char bytes[UTF8_BYTES_MAX];
        textbuf_add(b, bytes, rune_encode(rune, bytes));
    } else if (rune < 0x80) {
        textbuf_printf(b, "\\x%02x", rune);
    } else if (rune < 0x10000) {
        textbuf_printf(b, "\\u%04x", rune);
    } else {
        textbuf_printf(b, "\\U%08x", rune);
    }
}

void quote_add(struct textbuf *b, const char *bytes, size_t n)
{
    textbuf_char(b, '"');
    for (size_t i = 0; i < n;) {
        uint32_t rune;
        size_t width = rune_decode(bytes + i, n - i, &rune);
        if (rune == RUNE_BAD && width == 1)
            textbuf_printf(b, "\\x%02x", (unsigned char)bytes[i]);
        else
            add_escaped(b, rune, '"');
        i += width;
    }
    textbuf_char(b, '"');
}

void quote_add_rune(struct textbuf *b, uint32_t rune)
{
    textbuf_char(b, '\'');
    add_escaped(b, rune, '\'');
    textbuf_char(b, '\'');
}

void quote_add_code_point(struct textbuf *b, uint32_t rune)
{
    textbuf_printf(b, "U+%04X", rune);
    if (!is_printable(rune))
        return;
    char bytes[UTF8_BYTES_MAX];
    textbuf_puts(b, " '");
    textbuf_add(b, bytes, rune_encode(rune, bytes));
    textbuf_char(b, '\'');
}

bool quote_is_plain_label(const char *bytes, size_t n, bool may_have_colon)
{
    for (size_t i = 0; i < n; i++) {
        char c = bytes[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                         (c == ':' && may_have_colon);
        if (!is_letter && !(c >= '0' && c <= '9' && i > 0))
            return false;
    }
    return n > 0;
}
