#include "pixel_psf.h"

#include <math.h>

static const double SUPPORT_SIGMAS = 4.5;

ptrdiff_t atm_psf_half(double sigma_px) { return (ptrdiff_t)ceil(SUPPORT_SIGMAS * sigma_px); }

void atm_psf_axis(double centre, double sigma_px, ptrdiff_t first, ptrdiff_t count, double *value,
                  double *slope) {
    const double scale = M_SQRT1_2 / sigma_px, peak = scale * M_2_SQRTPI * 0.5;
    double u = ((double)first - 0.5 - centre) * scale;
    double left = erf(u), left_density = peak * exp(-u * u);
    for (ptrdiff_t i = 0; i < count; i++) {
        u = ((double)(first + i) + 0.5 - centre) * scale;
        double right = erf(u), right_density = peak * exp(-u * u);
        value[i] = 0.5 * (right - left);
        slope[i] = left_density - right_density;
        left = right, left_density = right_density;
    }
}
