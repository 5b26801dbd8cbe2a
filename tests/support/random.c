#include "tests/support/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

uint64_t random_setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    if (text == NULL || *text == '\0')
        return otherwise;
    char *end;
    uint64_t number = strtoull(text, &end, 0);
    if (*end != '\0') {
        fprintf(stderr, "%s=%s is not a number\n", name, text);
        exit(2);
    }
    return number;
}

uint64_t random_seed(void)
{
    static uint64_t seed;
    static int is_known;
    if (!is_known) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t fresh =
            (uint64_t)now.tv_sec * 1000003U ^ (uint64_t)now.tv_nsec ^ (uint64_t)getpid();
        seed = random_setting("SEED", fresh & 0xffffffffU);
        is_known = 1;
        printf("seed: %" PRIu64 "\n", seed);
        fflush(stdout);
    }
    return seed;
}

void random_init(struct random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t mix = (seed += 0x9e3779b97f4a7c15U);
        mix = (mix ^ (mix >> 30)) * 0xbf58476d1ce4e5b9U;
        mix = (mix ^ (mix >> 27)) * 0x94d049bb133111ebU;
        random->state[i] = mix ^ (mix >> 31);
    }
}

static uint64_t rotate(uint64_t word, int by)
{
    return (word << by) | (word >> (64 - by));
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t n)
{
    /* The few lowest outputs are drawn again, so that every residue is equally likely. */
    uint64_t unfair = (UINT64_MAX - n + 1) % n;
    uint64_t word;
    do
        word = random_next(random);
    while (word < unfair);
    return word % n;
}

double random_unit(struct random *random)
{
    return (double)(random_next(random) >> 11) * 0x1p-53;
}
