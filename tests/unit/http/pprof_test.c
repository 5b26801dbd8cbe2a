/* The profile as others read it: unpacked by zlib and protobuf-c, every index followed. */
#include "http/pprof.h"

#include "http/proto/profile.pb-c.h"
#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <string.h>
#include <zlib.h>

typedef Perftools__Profiles__Profile Profile;

static struct test_arena t;
static struct region r;
static struct chain out;

static const char *names[] = {"hourglass", "chunks", "window 1", "class 128", "slack", "libc"};
static struct profile_sample samples[] = {
    {1000, 4, {0, 1, 2, 3}},
    {UINT64_C(1) << 40, 5, {0, 1, 2, 3, 4}},
    {1, 2, {0, 5}},
};
static const struct profile profile = {names, ARRAY_LEN(names), samples, ARRAY_LEN(samples)};

static const int64_t time_ns = 1700000000123000000;

static void setup(void)
{
    test_arena_init(&t, 64 << 20);
    region_init(&r, &t.arena, t.owner, 0);
    chain_init(&out, &r);
}

static void teardown(void)
{
    region_release(&r);
    test_arena_release(&t);
}

TestSuite(pprof, .init = setup, .fini = teardown);

static Profile *read_back(void)
{
    static unsigned char packed[1 << 20], bytes[1 << 20];
    struct chain_reader at = {0};
    size_t n = chain_read(&out, &at, (char *)packed, sizeof(packed));
    cr_assert_eq(n, out.n_bytes);
    z_stream z = {
        .next_in = packed, .avail_in = (uInt)n, .next_out = bytes, .avail_out = sizeof(bytes)};
    cr_assert_eq(inflateInit2(&z, 15 + 16), Z_OK);
    cr_assert_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
    Profile *m = perftools__profiles__profile__unpack(NULL, z.total_out, bytes);
    inflateEnd(&z);
    cr_assert_not_null(m);
    return m;
}

static const char *text(const Profile *m, int64_t i)
{
    cr_assert(i >= 0 && (size_t)i < m->n_string_table);
    return m->string_table[i];
}

/* The name behind a location's id, found as a reader finds it. */
static const char *name_of(const Profile *m, uint64_t id)
{
    const Perftools__Profiles__Location *found = NULL;
    for (size_t i = 0; i < m->n_location; i++)
        if (m->location[i]->id == id) {
            cr_assert_null(found, "an id twice");
            found = m->location[i];
        }
    cr_assert(found != NULL && id != 0);
    cr_assert_eq(found->mapping_id, m->mapping[0]->id);
    cr_assert_eq(found->n_line, 1);
    for (size_t i = 0; i < m->n_function; i++)
        if (m->function[i]->id == found->line[0]->function_id) {
            cr_assert_eq(m->function[i]->name, m->function[i]->system_name);
            return text(m, m->function[i]->name);
        }
    cr_assert_fail("no function");
    return NULL;
}

Test(pprof, every_index_leads_somewhere)
{
    cr_assert(pprof_write(&profile, time_ns, &out));
    Profile *m = read_back();
    cr_assert_str_eq(text(m, 0), "", "as the format asks for");
    cr_assert_eq(m->time_nanos, time_ns);
    cr_assert_eq(m->n_sample_type, 1);
    cr_assert_str_eq(text(m, m->sample_type[0]->type), "inuse_space");
    cr_assert_str_eq(text(m, m->sample_type[0]->unit), "bytes");
    cr_assert_str_eq(text(m, m->default_sample_type), "inuse_space");
    cr_assert_eq(m->n_mapping, 1);
    cr_assert_str_eq(text(m, m->mapping[0]->filename), "hourglass");
    cr_assert(m->mapping[0]->has_functions && m->mapping[0]->id != 0);
    cr_assert_eq(m->n_sample, ARRAY_LEN(samples));
    for (size_t i = 0; i < m->n_sample; i++) {
        const struct profile_sample *s = &samples[i];
        cr_assert_eq(m->sample[i]->n_value, 1);
        cr_assert_eq(m->sample[i]->value[0], (int64_t)s->bytes);
        cr_assert_eq(m->sample[i]->n_location_id, s->n_frames);
        for (size_t k = 0; k < s->n_frames; k++) /* the leaf first */
            cr_assert_str_eq(name_of(m, m->sample[i]->location_id[k]),
                             names[s->frames[s->n_frames - 1u - k]]);
    }
    perftools__profiles__profile__free_unpacked(m, NULL);
}

Test(pprof, a_profile_of_nothing)
{
    const struct profile none = {names, 1, samples, 0};
    cr_assert(pprof_write(&none, time_ns, &out));
    Profile *m = read_back();
    cr_assert_eq(m->n_sample, 0);
    cr_assert_eq(m->n_sample_type, 1);
    perftools__profiles__profile__free_unpacked(m, NULL);
}

/* Names that do not get shorter, so that the answer needs memory of its own. */
static struct profile noise(void)
{
    static char text[PROFILE_NAMES_MAX][300];
    static const char *noisy[PROFILE_NAMES_MAX];
    struct random random;
    random_init(&random, random_seed());
    for (size_t i = 0; i < PROFILE_NAMES_MAX; i++) {
        for (size_t k = 0; k + 1 < sizeof(text[i]); k++)
            text[i][k] = (char)(' ' + random_below(&random, 95));
        noisy[i] = text[i];
    }
    return (struct profile){noisy, PROFILE_NAMES_MAX, samples, ARRAY_LEN(samples)};
}

Test(pprof, any_piece_of_memory_may_be_missing)
{
    const struct profile large = noise();
    bool is_through = false;
    for (long nth = 1; !is_through; nth++) {
        budget_fail_nth(&t.budget, nth);
        is_through = pprof_write(&large, time_ns, &out);
        budget_fail_nth(&t.budget, 0);
        cr_assert(is_through ? nth > 2 : nth < 20);
        cr_assert(!is_through || !chain_failed(&out));
        region_release(&r);
        chain_init(&out, &r);
        arena_trim(&t.arena);
    }
    is_through = false;
    for (size_t pages = 1; !is_through; pages++) {
        r.limit_bytes = pages * ARENA_PAGE_BYTES;
        is_through = pprof_write(&large, time_ns, &out);
        cr_assert(is_through ? pages > 16 : pages < 60);
        cr_assert(!is_through || !chain_failed(&out));
        region_release(&r);
        chain_init(&out, &r);
    }
}
