#include "http/quoted_printable.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool may_stand(char c)
{
    unsigned char byte = (unsigned char)c;
    return c == '\t' || c == '\r' || c == '\n' || (byte >= ' ' && byte != 0x7f);
}

struct output {
    char *bytes;
    size_t n;
};

/* A line without the blanks at its end, or with its newline again. */
static bool decode_line(const char *line, size_t n, struct output *out)
{
    for (size_t i = 0; i < n; i++) {
        char c = line[i];
        bool has_two = i + 2 < n && hex_digit(line[i + 1]) >= 0 && hex_digit(line[i + 2]) >= 0;
        if (c == '=' && has_two) {
            c = (char)(hex_digit(line[i + 1]) << 4 | hex_digit(line[i + 2]));
            i += 2;
        } else if (c == '=' && (i + 1 == n || line[i + 1] == '\r' || line[i + 1] == '\n')) {
            return false;
        } else if (!may_stand(c)) {
            return false;
        }
        out->bytes[out->n++] = c;
    }
    return true;
}

/* What ends the line: a newline, which stays but for blanks before it; "=" and then a newline,
 * blanks between them or not, which go together; or the text's end. */
static bool take_line(const char *line, size_t n, struct output *out)
{
    bool has_lf = line[n - 1] == '\n', has_crlf = has_lf && n > 1 && line[n - 2] == '\r';
    size_t kept = n;
    while (kept > 0 && is_blank(line[kept - 1]))
        kept--;
    if (kept > 0 && line[kept - 1] == '=') {
        size_t behind = kept;
        while (behind < n && (line[behind] == ' ' || line[behind] == '\t'))
            behind++;
        size_t left = n - behind;
        bool is_last = left == 0 && kept > 1;
        bool is_soft = left > 0 && left == (has_crlf ? 2 : 1) && has_lf;
        return (is_soft || is_last) && decode_line(line, kept - 1, out);
    }
    if (!decode_line(line, kept, out))
        return false;
    if (has_crlf)
        out->bytes[out->n++] = '\r';
    if (has_lf)
        out->bytes[out->n++] = '\n';
    return true;
}

bool quoted_printable_decode(const char *text, size_t n, char *out_bytes, size_t *ret_n)
{
    struct output out = {out_bytes, 0};
    for (size_t at = 0; at < n;) {
        size_t left = n - at;
        const char *newline = memchr(text + at, '\n', left);
        size_t line = newline ? (size_t)(newline - (text + at)) + 1 : left;
        if (line > QUOTED_PRINTABLE_LINE_MAX || !take_line(text + at, line, &out))
            return false;
        at += line;
    }
    *ret_n = out.n;
    return true;
}
