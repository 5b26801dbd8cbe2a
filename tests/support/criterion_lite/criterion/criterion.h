/*
 * A stand-in for Criterion where it does not run: under ThreadSanitizer (its sandbox cannot start
 * there). The same test sources compile against either. It knows what our tests use: Test() with
 * .init .fini .signal .exit_code .timeout .disabled, TestSuite() with the same, and the classic
 * assertions with an optional printf message.
 *
 * Every test runs in a child of its own, one after another. A failed cr_assert ends the child, a
 * failed cr_expect fails the test when it returns. The header holds main(): it is for programs of
 * one source file. `PROGRAM suite/name` runs one test. A time limit is ten times what the test
 * says, since the sanitizer is slow.
 */
#ifndef CRITERION_LITE_H
#define CRITERION_LITE_H

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct lite_options {
    void (*init)(void);
    void (*fini)(void);
    const char *description;
    double timeout;
    int signal;
    int exit_code;
    bool disabled;
    char unused;
};

struct lite_test {
    const char *suite;
    const char *name;
    void (*body)(void);
    struct lite_options options;
    struct lite_test *next;
};

static struct lite_test *lite_tests, **lite_tests_end = &lite_tests, *lite_suites;
static int lite_n_unexpected;

__attribute__((format(printf, 5, 6))) static inline void
lite_fail(bool is_fatal, const char *file, int line, const char *what, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: failed: %s ", file, line, what);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    __atomic_fetch_add(&lite_n_unexpected, 1, __ATOMIC_RELAXED);
    if (is_fatal)
        _exit(101);
}

__attribute__((format(printf, 1, 2))) static inline void lite_log(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

#define LITE_REGISTER(Suite, Name, Body, Link, ...)                                                \
    static struct lite_test lite_test_##Suite##_##Name = {                                         \
        #Suite, #Name, Body, {.unused = 0, __VA_ARGS__}, NULL};                                    \
    __attribute__((constructor)) static void lite_register_##Suite##_##Name(void)                  \
    {                                                                                              \
        Link(&lite_test_##Suite##_##Name);                                                         \
    }
#define Test(Suite, Name, ...)                                                                     \
    static void lite_body_##Suite##_##Name(void);                                                  \
    LITE_REGISTER(Suite, Name, lite_body_##Suite##_##Name, lite_add_test, __VA_ARGS__)             \
    static void lite_body_##Suite##_##Name(void)
#define TestSuite(Suite, ...) LITE_REGISTER(Suite, suite, NULL, lite_add_suite, __VA_ARGS__)

static inline void lite_add_test(struct lite_test *test)
{
    *lite_tests_end = test;
    lite_tests_end = &test->next;
}

static inline void lite_add_suite(struct lite_test *suite)
{
    suite->next = lite_suites;
    lite_suites = suite;
}

static inline int lite_run(const struct lite_test *test, const struct lite_options *suite)
{
    const struct lite_options *own = &test->options;
    int expected_signal = own->signal ? own->signal : suite->signal;
    int expected_code = own->exit_code ? own->exit_code : suite->exit_code;
    double timeout = own->timeout > 0 ? own->timeout : suite->timeout;
    int status;

    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(timeout > 0 ? (unsigned)(timeout * 10) + 1 : 300);
        if (suite->init)
            suite->init();
        if (own->init)
            own->init();
        test->body();
        if (own->fini)
            own->fini();
        if (suite->fini)
            suite->fini();
        fflush(NULL);
        _exit(lite_n_unexpected ? 101 : 0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == expected_signal ? 0 : WTERMSIG(status);
    return expected_signal ? -1 : WEXITSTATUS(status) != expected_code;
}

int main(int argc, char **argv)
{
    static const struct lite_options none;
    int n_tested = 0, n_failed = 0;
    char full_name[256];

    for (const struct lite_test *test = lite_tests; test; test = test->next) {
        const struct lite_options *suite_options = &none;
        for (const struct lite_test *suite = lite_suites; suite; suite = suite->next)
            if (strcmp(suite->suite, test->suite) == 0)
                suite_options = &suite->options;
        snprintf(full_name, sizeof full_name, "%s/%s", test->suite, test->name);
        if (test->options.disabled || suite_options->disabled ||
            (argc > 1 && strcmp(argv[1], full_name) != 0))
            continue;
        n_tested++;
        int result = lite_run(test, suite_options);
        if (result != 0) {
            n_failed++;
            fprintf(stderr, "FAIL %s (%d)\n", full_name, result);
        }
    }
    printf("[====] Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: 0\n", n_tested,
           n_tested - n_failed, n_failed);
    return n_failed ? 1 : 0;
}

#define LITE_CHECK(fatal, condition, what, ...)                                                    \
    ((condition) ? (void)0 : lite_fail(fatal, __FILE__, __LINE__, what, " " __VA_ARGS__))

#define cr_assert(c, ...)               LITE_CHECK(true, c, #c, __VA_ARGS__)
#define cr_assert_not(c, ...)           LITE_CHECK(true, !(c), "not " #c, __VA_ARGS__)
#define cr_assert_eq(a, b, ...)         LITE_CHECK(true, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...)        LITE_CHECK(true, (a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...)         LITE_CHECK(true, (a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...)        LITE_CHECK(true, (a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...)         LITE_CHECK(true, (a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...)        LITE_CHECK(true, (a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_null(a, ...)          LITE_CHECK(true, (a) == NULL, #a " is null", __VA_ARGS__)
#define cr_assert_not_null(a, ...)      LITE_CHECK(true, (a) != NULL, #a " not null", __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)     LITE_CHECK(true, !strcmp(a, b), #a " == " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)    LITE_CHECK(true, strcmp(a, b), #a " != " #b, __VA_ARGS__)
#define cr_assert_str_empty(a, ...)     LITE_CHECK(true, !*(a), #a " is empty", __VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...)  LITE_CHECK(true, !memcmp(a, b, n), #a " = " #b, __VA_ARGS__)
#define cr_assert_arr_neq(a, b, n, ...) LITE_CHECK(true, memcmp(a, b, n), #a " != " #b, __VA_ARGS__)
#define cr_assert_float_eq(a, b, e, ...)                                                           \
    LITE_CHECK(true, fabs((double)((a) - (b))) <= (double)(e), #a " ~ " #b, __VA_ARGS__)
#define cr_assert_float_neq(a, b, e, ...)                                                          \
    LITE_CHECK(true, fabs((double)((a) - (b))) > (double)(e), #a " !~ " #b, __VA_ARGS__)
#define cr_assert_fail(...) LITE_CHECK(true, false, "here", __VA_ARGS__)
#define cr_fatal(...)       LITE_CHECK(true, false, "here", __VA_ARGS__)

#define cr_expect(c, ...)              LITE_CHECK(false, c, #c, __VA_ARGS__)
#define cr_expect_not(c, ...)          LITE_CHECK(false, !(c), "not " #c, __VA_ARGS__)
#define cr_expect_eq(a, b, ...)        LITE_CHECK(false, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_expect_neq(a, b, ...)       LITE_CHECK(false, (a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_expect_lt(a, b, ...)        LITE_CHECK(false, (a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_expect_leq(a, b, ...)       LITE_CHECK(false, (a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_expect_gt(a, b, ...)        LITE_CHECK(false, (a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...)       LITE_CHECK(false, (a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_expect_null(a, ...)         LITE_CHECK(false, (a) == NULL, #a " is null", __VA_ARGS__)
#define cr_expect_not_null(a, ...)     LITE_CHECK(false, (a) != NULL, #a " not null", __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...)    LITE_CHECK(false, !strcmp(a, b), #a " == " #b, __VA_ARGS__)
#define cr_expect_str_neq(a, b, ...)   LITE_CHECK(false, strcmp(a, b), #a " != " #b, __VA_ARGS__)
#define cr_expect_arr_eq(a, b, n, ...) LITE_CHECK(false, !memcmp(a, b, n), #a " = " #b, __VA_ARGS__)
#define cr_expect_float_eq(a, b, e, ...)                                                           \
    LITE_CHECK(false, fabs((double)((a) - (b))) <= (double)(e), #a " ~ " #b, __VA_ARGS__)
#define cr_fail(...) LITE_CHECK(false, false, "here", __VA_ARGS__)

#define cr_log_info(...)  lite_log(__VA_ARGS__)
#define cr_log_warn(...)  lite_log(__VA_ARGS__)
#define cr_log_error(...) lite_log(__VA_ARGS__)

#endif
