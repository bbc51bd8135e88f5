/* Random substreams: one independent generator per (seed, purpose, index), so that results do not
 * depend on who draws first or on the thread count. xoshiro256++ (Blackman and Vigna,
 * doi:10.1145/3460772), state filled by splitmix64. Used through GSL's distributions. */
#ifndef ATM_RNG_H
#define ATM_RNG_H

#include <gsl/gsl_rng.h>
#include <stdint.h>

/* What a stream is for; never renumber: the bytes of every output depend on it. */
enum atm_rng_purpose {
    ATM_RNG_SCENE = 1,   /* index: scene or emitter */
    ATM_RNG_BLINK = 2,   /* index: emitter */
    ATM_RNG_CAMERA = 3,  /* index: frame */
    ATM_RNG_WEIGHTS = 4, /* index: parameter tensor */
    ATM_RNG_BATCH = 5,   /* index: training step */
    ATM_RNG_SPLIT = 6,   /* index: movie */
    ATM_RNG_EVAL = 7,
    ATM_RNG_NOISE = 8,  /* index: frame of noise alone */
    ATM_RNG_HOLE = 9,   /* index: training step */
    ATM_RNG_SHAKE = 10, /* index: frame */
    ATM_RNG_TEST = 100,
};

struct atm_rng {
    gsl_rng gsl; /* pass &rng.gsl to gsl_ran_*; points into this struct: do not copy or move */
    uint64_t state[4];
};

/* Start the stream. Cheap (no allocation), so one per frame or emitter is fine. */
void atm_rng_init(struct atm_rng *rng, uint64_t seed, uint64_t purpose, uint64_t index);
uint64_t atm_rng_next(struct atm_rng *rng);
double atm_rng_uniform(struct atm_rng *rng); /* [0, 1) */

#endif
