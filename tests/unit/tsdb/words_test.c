#include "tsdb/words.h"

#include <criterion/criterion.h>
#include <pthread.h>

enum { RECORD_WORDS = 12, WRITERS = 3, READERS = 3, ROUNDS = 20000 };

struct record { /* all words are the same, or a reader saw a mixture */
    _Atomic uint32_t version;
    uint32_t n_writers; /* who holds the version */
    uint64_t words[RECORD_WORDS];
};

static struct record shared;
static _Atomic bool is_over;

static void *write_words(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t next[RECORD_WORDS];
        version_lock(&shared.version);
        cr_assert_eq(shared.n_writers++, 0);
        for (int k = 0; k < RECORD_WORDS; k++)
            next[k] = shared.words[k] + 1;
        words_store(shared.words, next, sizeof(next));
        shared.n_writers--;
        version_unlock(&shared.version);
    }
    return NULL;
}

static void *read_words(void *arg)
{
    (void)arg;
    uint64_t before = 0;
    while (!atomic_load(&is_over)) {
        uint64_t seen[RECORD_WORDS];
        uint32_t begun;
        do {
            begun = version_begin(&shared.version);
            words_load(seen, shared.words, sizeof(seen));
        } while (!version_is(&shared.version, begun));
        for (int k = 1; k < RECORD_WORDS; k++)
            cr_assert_eq(seen[k], seen[0], "a mixture");
        cr_assert_geq(seen[0], before, "backwards");
        before = seen[0];
    }
    return NULL;
}

Test(words, readers_see_whole_records_and_writers_exclude_each_other)
{
    pthread_t writers[WRITERS], readers[READERS];
    for (int i = 0; i < READERS; i++)
        cr_assert_eq(pthread_create(&readers[i], NULL, read_words, NULL), 0);
    for (int i = 0; i < WRITERS; i++)
        cr_assert_eq(pthread_create(&writers[i], NULL, write_words, NULL), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&is_over, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    for (int k = 0; k < RECORD_WORDS; k++)
        cr_assert_eq(shared.words[k], (uint64_t)WRITERS * ROUNDS);
    cr_assert_eq(atomic_load(&shared.version), 2u * WRITERS * ROUNDS);
}

Test(words, a_version_is_odd_while_it_is_held_and_goes_on_past_its_end)
{
    _Atomic uint32_t version = UINT32_MAX - 1;
    version_lock(&version);
    cr_assert_eq(atomic_load(&version), UINT32_MAX);
    version_unlock(&version);
    cr_assert_eq(atomic_load(&version), 0);
    uint32_t begun = version_begin(&version);
    cr_assert(version_is(&version, begun));
    version_lock(&version);
    cr_assert_not(version_is(&version, begun));
    version_unlock(&version);
    cr_assert_not(version_is(&version, begun), "changed meanwhile");
}

Test(words, only_words_that_differ_are_written)
{
    uint64_t to[4] = {1, 2, 3, 4}, from[4] = {1, 7, 3, 9}, out[4];
    words_store(to, from, sizeof(from));
    words_load(out, to, sizeof(out));
    cr_assert_arr_eq(out, from, sizeof(from));
    words_store(to, (uint64_t[4]){5, 6, 0, 0}, 16);
    cr_assert_eq(to[1], 6);
    cr_assert_eq(to[3], 9, "behind the end");
}
