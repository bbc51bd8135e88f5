/* The map of a calibration: polynomials of total degree up to `degree` in standardised latents. */
#include "atoms.h"
#include "polynomial.h"

int atm_calibration_terms(int latent, int degree) {
    double terms = 1; /* binomial(latent + degree, degree) */
    for (int i = 1; i <= degree; i++)
        terms = terms * (latent + i) / i;
    return terms <= ATM_POLYNOMIAL_TERMS ? (int)(terms + 0.5) : 0;
}

/* Monomials degree by degree: each is one of the degree before times a variable not before its
 * last, so every product appears once. */
void atm_polynomial_terms(int latent, int degree, const double *z, double *terms) {
    int last[ATM_POLYNOMIAL_TERMS] = {0}, begin = 0, end = 1;
    terms[0] = 1;
    for (int n = 1; n <= degree; n++) {
        int next = end;
        for (int m = begin; m < end; m++)
            for (int j = last[m]; j < latent; j++) {
                terms[next] = terms[m] * z[j];
                last[next++] = j;
            }
        begin = end;
        end = next;
    }
}

void atm_calibration_standardise(const struct atm_calibration *c, ptrdiff_t latent, const float *z,
                                 double *out) {
    for (ptrdiff_t i = 0; i < latent; i++) {
        double v = (double)z[i];
        v = v < c->low[i] ? c->low[i] : v > c->high[i] ? c->high[i] : v;
        out[i] = (v - c->mean[i]) / c->scale[i];
    }
}

void atm_calibration_apply(const struct atm_calibration *c, ptrdiff_t latent, const float *z,
                           double *mass, double *x, double *y) {
    double standard[ATM_LATENT_MAX], terms[ATM_POLYNOMIAL_TERMS], out[3] = {0};
    atm_calibration_standardise(c, latent, z, standard);
    atm_polynomial_terms((int)latent, c->degree, standard, terms);
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < c->terms; i++)
            out[k] += c->coefficients[k * c->terms + i] * terms[i];
    *mass = out[0], *x = out[1], *y = out[2];
}
