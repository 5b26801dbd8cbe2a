/* Forms as multipart/form-data. What is expected was asked of Prometheus 3.5.3: the same bodies,
 * and more, in tests/e2e/test_prometheus.py. */
#include "http/multipart.h"

#include "tests/unit/http/test_params.h"

TestSuite(multipart, .init = begin_params, .fini = end_params);

static const char type[] = "multipart/form-data; boundary=B";

static void add(const char *content_type, const char *body)
{
    /* without a byte to spare, so that a sanitizer sees one read too many */
    size_t n = strlen(body);
    char *exact = n ? malloc(n) : NULL;
    if (n)
        memcpy(exact, body, n);
    multipart_add(&params, content_type, exact, n);
    free(exact);
}

#define FIELD "--B\r\nContent-Disposition: form-data; name="

Test(multipart, fields_come_behind_what_is_there_as_they_are)
{
    params_add_form(&params, "q=url", 5);
    add(type, FIELD "\"q\"\r\n\r\na%2B+b\r\n" FIELD "\"two words\"\r\n\r\n\r\n" FIELD
                    "t\r\n\r\nx\r\n--b\r\n--Bc\r\n\r\n--B--\r\nnobody's");
    cr_assert_str_eq(params_text(&params, "q"), "url");
    const struct param *second = params_next(&params, "q", params_next(&params, "q", NULL));
    cr_assert_str_eq(second->value, "a%2B+b");
    cr_assert_str_eq(params_text(&params, "two words"), "");
    cr_assert_str_eq(params_text(&params, "t"), "x\r\n--b\r\n--Bc\r\n");
    cr_assert_eq(params.n, 4);
}

Test(multipart, files_and_parts_without_a_name_are_passed_over)
{
    add(type,
        FIELD "q; filename=\"f\"\r\n\r\nno\r\n--B\r\nX: 1\r\n\r\nno\r\n--B\r\nContent-Disposition: "
              "attachment; name=q\r\n\r\nno\r\n" FIELD "\"\"\r\n\r\nno\r\n" FIELD
              "q; filename=\"\"\r\n\r\nyes\r\n--B--");
    cr_assert_eq(params.n, 1);
    cr_assert_str_eq(params_text(&params, "q"), "yes");
}

Test(multipart, what_go_lets_pass)
{
    static const struct {
        const char *type, *body;
    } rows[] = {
        {type,
         "\n\npreamble\r\n--B \t\r\ncontent-disposition: FORM-DATA ; NAME = q\r\n\r\nv\r\n--B--"},
        {type, "--B\nContent-Disposition: form-data; name=q\n\nv\n--B--\n"},
        {type, "--B\r\nContent-Disposition: form-data;\r\n name=\"q\"\r\n\r\nv\r\n--B--"},
        {type, "--B\r\nY: 1\r\nContent-Disposition: form-data; a=\"b;c\\\"d\"; name=q\r\nZ: 2\r\n "
               "y\r\n\r\nv\r\n--B--"},
        {"Multipart/Form-Data; charset=x; BOUNDARY=\"a b\"",
         "--a b\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\nv\r\n--a b--"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        params_init(&params, &region);
        add(rows[i].type, rows[i].body);
        cr_expect_str_eq(params_text(&params, "q"), "v", "row %zu", i);
        cr_expect_eq(params.n, 1, "row %zu", i);
    }
}

Test(multipart, quoted_printable_alone_is_decoded)
{
#define ENCODED(how, text) FIELD "q\r\nContent-Transfer-Encoding:" how "\r\n\r\n" text "\r\n--B--"
    static const struct {
        const char *body, *value;
    } rows[] = {
        {ENCODED(" Quoted-Printable\t", "a=3D=\r\nb"), "a=b"},
        {ENCODED("quoted-printable", ""), ""},
        {ENCODED("base64", "MQ=="), "MQ=="},
        {ENCODED("quoted-printable\r\nContent-Transfer-Encoding: 8bit", "=31"), "1"},
        {ENCODED("8bit\r\nContent-Transfer-Encoding: quoted-printable", "=31"), "=31"},
        {ENCODED("quoted-printable\r\n ", "=31"), "=31"},
        {ENCODED("\r\n quoted-printable", "=31"), "1"},
        {ENCODED("quoted-printable", "a=\rb"), NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        params_init(&params, &region);
        add(type, rows[i].body);
        cr_expect_eq(params.n, rows[i].value != NULL, "row %zu", i);
        if (rows[i].value)
            cr_expect_str_eq(params_text(&params, "q"), rows[i].value, "row %zu", i);
    }
}

Test(multipart, a_fault_anywhere_and_nothing_counts)
{
    static const struct {
        const char *type, *body;
    } rows[] = {
        {NULL, FIELD "q\r\n\r\nv\r\n--B--"},
        {"multipart/form-data", FIELD "q\r\n\r\nv\r\n--B--"},
        {"multipart/form-data; boundary=", FIELD "q\r\n\r\nv\r\n--B--"},
        {"multipart/form-data; boundary=\"B", FIELD "q\r\n\r\nv\r\n--B--"},
        {"multipart/mixed; boundary=B", FIELD "q\r\n\r\nv\r\n--B--"},
        {"multipart/form-data boundary=B", FIELD "q\r\n\r\nv\r\n--B--"},
        {"application/json", FIELD "q\r\n\r\nv\r\n--B--"},
        {type, ""},
        {type, "garbage"},
        {type, "--B--"},
        {type, "--B"},
        {type, "--B\r\n"},
        {type, "--Bx\r\n\r\n"},
        {type, FIELD "q\r\n\r\nv\r\n--B"},
        {type, FIELD "q\r\n\r\nv\r\n--B-"},
        {type, FIELD "q\r\n\r\nv\r\n"},
        {type, FIELD "q\r\n\r\nv"},
        {type, FIELD "q\r\n\r\n"},
        {type, FIELD "q\r\n"},
        {type, FIELD "q"},
        {type, FIELD "q\r\n\r\nv\r\n--B\r\nno header\r\n\r\n1\r\n--B--"},
        {type, "--B\r\n folded: first\r\n\r\nv\r\n--B--"},
        {type, FIELD "q\r\n\r\nv\r\n--B x\r\n--B--"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        params_init(&params, &region);
        params_add_form(&params, "a=b", 3);
        add(rows[i].type, rows[i].body);
        cr_expect_eq(params.n, 1, "row %zu", i);
        cr_expect_null(params_next(&params, "q", NULL), "row %zu", i);
        params_add_form(&params, "c=d", 3);
        cr_expect_str_eq(params_text(&params, "c"), "d", "row %zu", i);
    }
}

/* Every prefix of a body, and every byte of it changed. */
Test(multipart, nothing_is_read_beyond_the_end)
{
    static const char body[] =
        "x\r\n" FIELD "\"q\\\"\"; filename=a\r\nX: y\r\n z\r\n\r\nv\r\n" FIELD
        "r\r\n\r\n\r\nw\r\n--B--\r\n";
    char copy[sizeof(body)];
    for (size_t n = 0; n < sizeof(body); n++) {
        memcpy(copy, body, n);
        copy[n] = '\0';
        add(type, copy);
        for (const char *c = "\r\n\"-;:= "; *c && n < sizeof(body) - 1; c++) {
            memcpy(copy, body, sizeof(body));
            copy[n] = *c;
            add(type, copy);
        }
    }
}

Test(multipart, without_memory_says_so)
{
    static const char body[] =
        FIELD "\"q\"\r\n\r\nv\r\n" FIELD
              "\"r\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=77\r\n--B--";
    bool was_complete = false;
    for (size_t limit = 1; !was_complete; limit++) {
        struct region small;
        region_init(&small, &arena, budget_owner(&budget, "small"), limit);
        params_init(&params, &small);
        add(type, body);
        was_complete = params.n == 2;
        cr_assert(was_complete || params.is_out_of_memory);
        region_release(&small);
    }
}
