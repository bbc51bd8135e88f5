/* How well images are told by other images' mean, and by that and principal components: what any
 * linear code of as many numbers could do. */
#ifndef ATM_PCA_H
#define ATM_PCA_H

#include "err.h"
#include <stddef.h>

struct atm_pca; /* a mean and orthonormal components */

/* images (count, pixels). At most `components`, and fewer than images. By the eigenvectors of the
 * images' Gram matrix (LAPACK's dsyevr), so cost grows with count^2 * pixels. */
enum atm_status atm_pca_fit(const float *images, ptrdiff_t count, ptrdiff_t pixels,
                            ptrdiff_t components, struct atm_pca **pca, struct atm_err *err);
void atm_pca_destroy(struct atm_pca **pca);
ptrdiff_t atm_pca_components(const struct atm_pca *pca);
/* Squared errors of an image (pixels), sums over its pixels: of the mean, of mean and components.
 */
void atm_pca_errors(const struct atm_pca *pca, const float *image, double *of_mean, double *of_all);

#endif
