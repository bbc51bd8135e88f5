#include "rng.h"

static uint64_t splitmix(uint64_t *x) {
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

static uint64_t advance(uint64_t s[4]) {
    uint64_t result = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static void gsl_set(void *state, unsigned long seed) {
    uint64_t x = seed, *s = state;
    for (int i = 0; i < 4; i++)
        s[i] = splitmix(&x);
}

static unsigned long gsl_get(void *state) { return advance(state) >> 32; }

static double gsl_get_double(void *state) { return (double)(advance(state) >> 11) * 0x1p-53; }

static const gsl_rng_type xoshiro = {
    "xoshiro256++", 0xffffffffu, 0, 4 * sizeof(uint64_t), gsl_set, gsl_get, gsl_get_double};

void atm_rng_init(struct atm_rng *rng, uint64_t seed, uint64_t purpose, uint64_t index) {
    uint64_t x = seed;
    x = splitmix(&x) ^ (purpose * 0xd1342543de82ef95u);
    x = splitmix(&x) ^ (index * 0xaf251af3b0f025b5u);
    for (int i = 0; i < 4; i++)
        rng->state[i] = splitmix(&x);
    rng->gsl = (gsl_rng){&xoshiro, rng->state};
}

uint64_t atm_rng_next(struct atm_rng *rng) { return advance(rng->state); }

double atm_rng_uniform(struct atm_rng *rng) { return gsl_get_double(rng->state); }
