/* The examples of docs/column-format.md are what the program writes, and what it reads. */
#include "tsdb/column.h"
#include "tsdb/vectors.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Between "<!-- example: NAME -->" and "<!-- end -->": values ("@ VALUE" or "@ VALUE xTIMES", the
 * value as a number or as 0x and its bits), "encoding NUMBER", and bytes as pairs of digits. A #
 * begins a comment. */
struct example {
    uint64_t values[COLUMN_VALUES_MAX];
    uint32_t n;
    unsigned long encoding;
    bool has_encoding;
    uint8_t bytes[COLUMN_BYTES_MAX];
    size_t n_bytes;
};

static void read_values(struct example *e, const char *line)
{
    char *at;
    uint64_t bits;
    double v = strtod(line, &at);
    memcpy(&bits, &v, sizeof(bits));
    if (strncmp(line, "0x", 2) == 0)
        bits = strtoull(line, &at, 16);
    at += strspn(at, " ");
    unsigned long times = *at == 'x' ? strtoul(at + 1, NULL, 10) : 1;
    for (; times > 0; times--) {
        cr_assert_lt(e->n, COLUMN_VALUES_MAX);
        e->values[e->n++] = bits;
    }
}

static void read_line(struct example *e, char *line)
{
    int len;
    unsigned byte;
    line[strcspn(line, "#\n")] = '\0';
    if (strncmp(line, "@ ", 2) == 0) {
        read_values(e, line + 2);
    } else if (strncmp(line, "encoding ", 9) == 0) {
        e->encoding = strtoul(line + 9, NULL, 10);
        e->has_encoding = true;
    } else if (line[0] != '`') {
        for (; sscanf(line, " %2x%n", &byte, &len) == 1; line += len)
            e->bytes[e->n_bytes++] = (uint8_t)byte;
        cr_assert_eq(line[strspn(line, " ")], '\0', "neither bytes nor a comment: %s", line);
    }
}

static void expect(const char *name, const struct example *e)
{
    uint8_t bytes[COLUMN_BYTES_MAX], encoding;
    uint64_t values[COLUMN_VALUES_MAX];
    size_t n_bytes = column_encode(e->values, e->n, bytes, &encoding);
    if (!e->has_encoding || encoding != e->encoding || n_bytes != e->n_bytes ||
        memcmp(bytes, e->bytes, n_bytes) != 0) {
        fprintf(stderr, "%s: encoding %u\n", name, encoding);
        for (size_t i = 0; i < n_bytes; i++)
            fprintf(stderr, "%02x%c", bytes[i], i + 1 == n_bytes ? '\n' : ' ');
        cr_expect(false, "%s: above is what the program writes", name);
        return;
    }
    for (int vectors = 0; vectors <= vectors_are_there(); vectors++) {
        (void)vectors_use(vectors != 0);
        cr_assert(column_decode(encoding, e->bytes, e->n_bytes, e->n, values), "%s", name);
        cr_assert_eq(memcmp(values, e->values, e->n * sizeof(*values)), 0, "%s", name);
    }
}

Test(column_format, every_example_is_what_the_program_writes_and_reads)
{
    static const char begin[] = "<!-- example: ";
    struct example e;
    char line[300], name[64] = "";
    unsigned n_examples = 0, encodings = 0;
    FILE *f = fopen("docs/column-format.md", "r");
    cr_assert_not_null(f, "run this from the root of the tree");
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, begin, strlen(begin)) == 0) {
            memset(&e, 0, sizeof(e));
            cr_assert_eq(sscanf(line + strlen(begin), "%63[^-]", name), 1);
        } else if (strncmp(line, "<!-- end", 8) == 0) {
            expect(name, &e);
            n_examples++;
            encodings |= 1u << e.encoding;
            name[0] = '\0';
        } else if (name[0] != '\0') {
            read_line(&e, line);
        }
    }
    fclose(f);
    cr_assert_eq(n_examples, 15);
    cr_assert_eq(encodings & 0x3F, 0x3F, "an example of each encoding");
}
