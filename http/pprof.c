#include "http/pprof.h"

#include "http/gzip.h"
#include "http/proto/profile.pb-c.h"

enum { TEXT_NONE, TEXT_TYPE, TEXT_UNIT, TEXT_PROGRAM, TEXT_NAMES }; /* indexes: names follow */

static const char *const fixed_texts[TEXT_NAMES] = {"", "inuse_space", "bytes", "hourglass"};

static uint64_t id_of(size_t name) /* of its function and its location */
{
    return name + 1;
}

static bool put_texts(struct region *r, const struct profile *p, Perftools__Profiles__Profile *m)
{
    m->n_string_table = TEXT_NAMES + p->n_names;
    m->string_table = region_alloc(r, m->n_string_table * sizeof(*m->string_table));
    if (m->string_table == NULL)
        return false;
    for (size_t i = 0; i < m->n_string_table; i++) {
        const char *text = i < TEXT_NAMES ? fixed_texts[i] : p->names[i - TEXT_NAMES];
        m->string_table[i] = (char *)(uintptr_t)text; /* the library does not write to it */
    }
    return true;
}

enum { MAPPING_ID = 1 }; /* the program: without one, readers ask for it */

struct place { /* a name's function, and the location in it */
    Perftools__Profiles__Function function;
    Perftools__Profiles__Line line, *lines[1];
    Perftools__Profiles__Location location;
};

static bool put_places(struct region *r, const struct profile *p, Perftools__Profiles__Profile *m)
{
    struct place *places = region_alloc(r, p->n_names * sizeof(*places));
    m->function = region_alloc(r, p->n_names * sizeof(*m->function));
    m->location = region_alloc(r, p->n_names * sizeof(*m->location));
    if (places == NULL || m->function == NULL || m->location == NULL)
        return false;
    m->n_function = m->n_location = p->n_names;
    for (size_t i = 0; i < p->n_names; i++) {
        struct place *at = &places[i];
        perftools__profiles__function__init(&at->function);
        perftools__profiles__line__init(&at->line);
        perftools__profiles__location__init(&at->location);
        at->function.id = at->line.function_id = at->location.id = id_of(i);
        at->function.name = at->function.system_name = (int64_t)(TEXT_NAMES + i);
        at->lines[0] = &at->line;
        at->location.mapping_id = MAPPING_ID;
        at->location.n_line = 1;
        at->location.line = at->lines;
        m->function[i] = &at->function;
        m->location[i] = &at->location;
    }
    return true;
}

struct stack {
    Perftools__Profiles__Sample sample;
    uint64_t locations[PROFILE_DEPTH_MAX];
    int64_t value;
};

static bool put_samples(struct region *r, const struct profile *p, Perftools__Profiles__Profile *m)
{
    struct stack *stacks = region_alloc(r, p->n_samples * sizeof(*stacks));
    m->sample = region_alloc(r, p->n_samples * sizeof(*m->sample));
    if (stacks == NULL || m->sample == NULL)
        return false;
    m->n_sample = p->n_samples;
    for (size_t i = 0; i < p->n_samples; i++) {
        const struct profile_sample *from = &p->samples[i];
        struct stack *at = &stacks[i];
        perftools__profiles__sample__init(&at->sample);
        for (size_t k = 0; k < from->n_frames; k++)
            at->locations[k] = id_of(from->frames[from->n_frames - 1u - k]);
        at->value = (int64_t)from->bytes;
        at->sample.n_location_id = from->n_frames;
        at->sample.location_id = at->locations;
        at->sample.n_value = 1;
        at->sample.value = &at->value;
        m->sample[i] = &at->sample;
    }
    return true;
}

/* What protobuf-c packs goes straight to the compressor. */
struct sink {
    ProtobufCBuffer base; /* first: protobuf-c hands its address back */
    struct gzip *gzip;
};

static void append(ProtobufCBuffer *buffer, size_t n, const uint8_t *bytes)
{
    gzip_put(((struct sink *)(void *)buffer)->gzip, bytes, n);
}

bool pprof_write(const struct profile *p, int64_t time_ns, struct chain *out)
{
    struct region *r = out->region;
    Perftools__Profiles__Profile m = PERFTOOLS__PROFILES__PROFILE__INIT;
    Perftools__Profiles__ValueType type = PERFTOOLS__PROFILES__VALUE_TYPE__INIT, *types[] = {&type};
    Perftools__Profiles__Mapping program = PERFTOOLS__PROFILES__MAPPING__INIT,
                                 *mappings[] = {&program};
    program.id = MAPPING_ID;
    program.filename = TEXT_PROGRAM;
    program.has_functions = true;
    m.n_mapping = 1;
    m.mapping = mappings;
    type.type = TEXT_TYPE;
    type.unit = TEXT_UNIT;
    m.n_sample_type = 1;
    m.sample_type = types;
    m.default_sample_type = TEXT_TYPE;
    m.time_nanos = time_ns;
    if (!put_texts(r, p, &m) || !put_places(r, p, &m) || !put_samples(r, p, &m))
        return false;
    struct sink sink = {.base = {append}, .gzip = gzip_begin(r, out)};
    if (sink.gzip == NULL)
        return false;
    protobuf_c_message_pack_to_buffer(&m.base, &sink.base);
    gzip_end(sink.gzip);
    return !chain_failed(out);
}
