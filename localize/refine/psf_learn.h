/* The PSF of a movie from its own emitters: fits of some frames and least squares for the PSF in
 * turn, and whether it explains other frames better than a Gaussian does. */
#ifndef ATM_PSF_LEARN_H
#define ATM_PSF_LEARN_H

#include "psf_image.h"
#include "refine.h"

struct atm_psf_learned {
    struct atm_psf_image image; /* owned; its squared light is centred on the emitter */
    struct atm_psf_measures measures;
    double gaussian_px; /* sigma of the Gaussian that it is compared with */
    ptrdiff_t emitters, frames;
    ptrdiff_t held_out; /* emitters in held-out frames, as the Gaussian finds them */
    /* Held-out frames: deviance saved against the Gaussian, with each emitter at the price that
     * refine.false_per_frame sets, and its standard error from the frames' scatter. */
    double saved, saved_error;
};

/* What to do where the Gaussian is as good. */
enum atm_psf_wish {
    ATM_PSF_ANYWAY,    /* learn all the same; too few emitters are an error */
    ATM_PSF_IF_BETTER, /* stop as soon as that is known, or that there are too few: no image */
};

/* inputs (count): frames with seeds and the width of a Gaussian; frames of odd index are held out
 * for the comparison and used for the final PSF. The fit's options but psf count. Errors: too few
 * emitters. Deterministic for any number of threads. */
enum atm_status atm_psf_learn(const struct atm_refine_options *options, ptrdiff_t height,
                              ptrdiff_t width, const struct atm_refine_input *inputs,
                              ptrdiff_t count, enum atm_psf_wish wish,
                              struct atm_psf_learned *learned, struct atm_err *err);
void atm_psf_learned_free(struct atm_psf_learned *learned);
/* Clearly better than the Gaussian: by more than chance, and by more than a little per emitter. */
bool atm_psf_learned_better(const struct atm_psf_learned *learned);

#endif
