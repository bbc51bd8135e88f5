/* The atom that a network has learned, as a PSF: its picture and its profile. */
#ifndef ATM_PSF_CHART_H
#define ATM_PSF_CHART_H

#include "atoms.h"
#include "html.h"

/* Mean of the model's atoms, each divided by its mass and moved to its own centroid, as
 * FOLDER/atom.png, and as a profile over the distance with a Gaussian of sigma_px (NAN: of the
 * model's own width) as FOLDER/psf.svg, .png and .json; both with captions on the page. Nothing
 * where the model has no sample of blocks. */
enum atm_status atm_psf_chart_put(struct atm_html *page, const struct atm_model *model,
                                  double sigma_px, const char *folder, struct atm_err *err);

#endif
