/* A PSF on its way out: file, figure, and what it measures. */
#include "stages.h"

#include "mem.h"
#include "paths.h"
#include "psf_figure.h"
#include "psf_file.h"
#include <math.h>
#include <stdio.h>

/* "3.06 px (306 nm)", as far as the pixel size is known. */
static const char *length(double px, double pixel_size_nm, char *text, size_t size) {
    if (isfinite(pixel_size_nm))
        snprintf(text, size, "%.3f px (%.0f nm)", px, px * pixel_size_nm);
    else
        snprintf(text, size, "%.3f px", px);
    return text;
}

/* Without what the pixel adds, as of a Gaussian of that width. */
static double optical(double fwhm_px) {
    const double pixel = 8 * M_LN2 / 12;
    return sqrt(fmax(fwhm_px * fwhm_px - pixel, 0));
}

void atm_stage_psf_print(const struct atm_psf_measures *measures, double pixel_size_nm) {
    char text[64];
    double mean = 0.5 * (measures->fwhm_x + measures->fwhm_y);
    printf("%-20s %s\n",
           "FWHM along x:", length(measures->fwhm_x, pixel_size_nm, text, sizeof text));
    printf("%-20s %s\n",
           "FWHM along y:", length(measures->fwhm_y, pixel_size_nm, text, sizeof text));
    printf("%-20s %s\n", "FWHM, mean:", length(mean, pixel_size_nm, text, sizeof text));
    printf("%-20s %s, without the pixel's own width\n", "",
           length(optical(mean), pixel_size_nm, text, sizeof text));
    printf("%-20s %s\n",
           "Gaussian most like:", length(measures->sigma_px, pixel_size_nm, text, sizeof text));
}

enum atm_status atm_stage_psf_write(const struct atm_psf_image *image,
                                    const struct atm_psf_measures *measures, double pixel_size_nm,
                                    const char *provenance, const char *path, const char *title,
                                    const struct atm_sink *sink, struct atm_err *err) {
    char *figure = atm_path_beside(path, ".png");
    enum atm_status status = figure ? ATM_OK : atm_err_memory(err, "a file name");
    if (!status)
        status = atm_psf_write(path, image, pixel_size_nm, provenance, err);
    if (!status)
        status = atm_psf_figure(figure, image, measures, title, err);
    if (!status)
        atm_log(sink, ATM_LOG_INFO, "wrote %s and %s", path, figure);
    atm_mem_free(figure);
    return status;
}
