/*
 * Randomness for tests that can be repeated: one 64-bit seed decides everything, is printed once,
 * and comes from the environment variable SEED (decimal or 0x..) or else from the clock.
 * xoshiro256** by Blackman and Vigna (public domain reference, 2018), seeded by splitmix64. Not
 * thread-safe: one struct a thread.
 */
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state[4];
};

/* SEED of the environment, or one from the clock. Prints "seed: N" on stdout the first time. */
uint64_t random_seed(void);

/* The environment's NAME as a number of at least 0, `otherwise` where it is not set: ROUNDS,
 * PROP_SECONDS. */
uint64_t random_setting(const char *name, uint64_t otherwise);

void random_init(struct random *random, uint64_t seed);

uint64_t random_next(struct random *random);

/* Uniform in 0 .. n - 1; n is at least 1. */
uint64_t random_below(struct random *random, uint64_t n);

/* Uniform in [0, 1) with 53 bits. */
double random_unit(struct random *random);

#endif
